//! Charts as SVG.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use super::data::{Tile, amount, escape, shown};
use super::series::{self, Chart};

/// Colours that can be told apart, on white and on black.
pub const COLOURS: [&str; 12] = [
    "#2f7ed8", "#e8853d", "#3fa66b", "#9a6fd0", "#d1495b", "#17a2a6", "#c2a33a", "#7f8fa6", "#c77aa8", "#9c6b45",
    "#8fb82f", "#5fbdf2",
];
/// The least height of a drawing without its legend, and that of a line of the legend.
const LEAST: u32 = 214;
const LEGEND_LINE: u32 = 21;
const LEGEND_GAP: u32 = 8;
/// About the width of a letter of the legend, and what stands around a name.
const LETTER: f64 = 7.0;
const AROUND_NAME: f64 = 40.0;
/// Room for the axes.
const LEFT: f64 = 52.0;
const BELOW: f64 = 26.0;

/// The least height of a time chart with its legend.
pub fn needed(tile: &Tile, width: f64) -> u32 {
    LEAST + LEGEND_GAP + LEGEND_LINE * legend_lines(&entries(tile, &series::read(tile)), width)
}

/// Names and numbers for the legend. Counts add up; anything else is as it was at the end.
fn entries(tile: &Tile, chart: &Chart) -> Vec<(String, f64)> {
    let adds_up = tile.adds_up();
    let last = |values: &[f64]| values.last().copied().unwrap_or_default();
    let number = |series: &series::Series| if adds_up { series.total } else { last(&series.values) };
    chart.series.iter().map(|series| (series.name.clone(), number(series))).collect()
}

/// How many lines a legend takes, by the length of its names.
fn legend_lines(entries: &[(String, f64)], width: f64) -> u32 {
    let (mut lines, mut used) = (1, 0.0);
    for (name, number) in entries {
        let letters = name.chars().count() + amount(*number).chars().count();
        let needed = letters as f64 * LETTER + AROUND_NAME;
        if used + needed > width && used > 0.0 {
            lines += 1;
            used = 0.0;
        }
        used += needed;
    }
    lines
}

/// A time chart, as lines or as stacked bars, that takes the room it has.
pub fn over_time(tile: &Tile, width: f64, room: f64, stacked: bool) -> String {
    let chart = series::read(tile);
    if chart.times.is_empty() {
        return nothing();
    }
    let entries = entries(tile, &chart);
    let below = LEGEND_GAP + LEGEND_LINE * legend_lines(&entries, width);
    let height = (room - f64::from(below)).max(f64::from(LEAST));
    let largest = if stacked {
        let sum = |step: usize| chart.series.iter().map(|series| series.values[step]).sum::<f64>();
        (0..chart.times.len()).map(sum).fold(0.0, f64::max)
    } else {
        chart.series.iter().flat_map(|series| series.values.iter().copied()).fold(0.0, f64::max)
    };
    let whole = chart.series.iter().all(|series| series.values.iter().all(|value| value.fract() == 0.0));
    let (mark, marks) = series::axis(largest, whole);
    let top = mark * f64::from(marks);
    let (inner, high) = (width - LEFT - 12.0, height - BELOW - 10.0);
    let y = |value: f64| 10.0 + high * (1.0 - value / top);
    let mut svg = format!(r#"<svg width="{width:.0}" height="{height:.0}" role="img">"#);
    for step in 0..=marks {
        let value = mark * f64::from(step);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{2:.1}" y2="{2:.1}"/><text class="axis" x="{3:.1}" y="{4:.1}" text-anchor="end">{1}</text>"#,
            LEFT + inner,
            amount(value),
            y(value),
            LEFT - 7.0,
            y(value) + 4.0
        );
    }
    let count = chart.times.len() as f64;
    let slot = inner / count;
    let x = |step: usize| LEFT + slot * (step as f64 + 0.5);
    labels(&mut svg, &chart, height, x);
    if stacked {
        bars(&mut svg, &chart, slot, x, y);
    } else {
        lines(&mut svg, &chart, x, y);
    }
    svg.push_str("</svg>");
    svg + &legend(entries.into_iter(), "legend")
}

/// At most eight times below the axis.
fn labels(svg: &mut String, chart: &Chart, height: f64, x: impl Fn(usize) -> f64) {
    let every = chart.times.len().div_ceil(8);
    // The day alone says nothing where everything is of one day.
    let one_day =
        chart.times.first().and_then(|time| time.get(..10)) == chart.times.last().and_then(|time| time.get(..10));
    for (step, time) in chart.times.iter().enumerate().step_by(every) {
        let text = if one_day { time.get(11..19) } else { time.get(5..16) }.unwrap_or(time).replace('T', " ");
        let _ = write!(
            svg,
            r#"<text class="axis" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            x(step),
            height - 8.0,
            escape(&text)
        );
    }
}

fn bars(svg: &mut String, chart: &Chart, slot: f64, x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) {
    let width = (slot * 0.78).min(34.0);
    for step in 0..chart.times.len() {
        let mut below = 0.0;
        for (place, series) in chart.series.iter().enumerate() {
            let value = series.values[step];
            if value > 0.0 {
                let _ = write!(
                    svg,
                    r#"<rect x="{:.1}" y="{:.1}" width="{width:.1}" height="{:.1}" fill="{}"/>"#,
                    x(step) - width / 2.0,
                    y(below + value),
                    (y(below) - y(below + value)).max(0.5),
                    COLOURS[place % COLOURS.len()]
                );
            }
            below += value;
        }
    }
}

fn lines(svg: &mut String, chart: &Chart, x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) {
    for (place, series) in chart.series.iter().enumerate().rev() {
        let points: Vec<_> =
            series.values.iter().enumerate().map(|(step, value)| format!("{:.1},{:.1}", x(step), y(*value))).collect();
        let colour = COLOURS[place % COLOURS.len()];
        let _ =
            write!(svg, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, points.join(" "));
        // A line of one point can't be seen.
        if points.len() == 1 {
            let _ = write!(svg, r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#, x(0), y(series.values[0]));
        }
    }
}

/// A ring of names and numbers.
pub fn pie(tile: &Tile) -> String {
    let entries: Vec<(String, f64)> = tile
        .rows
        .iter()
        .map(|row| {
            (
                row.first().map(shown).unwrap_or_default(),
                row.get(1).and_then(serde_json::Value::as_f64).unwrap_or_default(),
            )
        })
        .collect();
    let entries = with_others(entries);
    let total: f64 = entries.iter().map(|(_, number)| number).sum();
    if total <= 0.0 {
        return nothing();
    }
    let (centre, radius) = (118.0, 80.0);
    let mut svg = String::from(r#"<div class="pie"><svg width="236" height="236" role="img">"#);
    let round = TAU * radius;
    let mut before = 0.0;
    for (place, (_, number)) in entries.iter().enumerate() {
        let share = number / total;
        let _ = write!(
            svg,
            r#"<circle cx="{centre}" cy="{centre}" r="{radius}" fill="none" stroke="{}" stroke-width="34" stroke-dasharray="{:.2} {:.2}" stroke-dashoffset="{:.2}" transform="rotate(-90 {centre} {centre})"/>"#,
            COLOURS[place % COLOURS.len()],
            (share * round - 1.0).max(0.3),
            round,
            -before * round
        );
        before += share;
    }
    let _ = write!(
        svg,
        r#"<text class="total" x="{centre}" y="{:.0}" text-anchor="middle">{}</text></svg>"#,
        centre + 6.0,
        amount(total)
    );
    svg + &legend(entries.into_iter(), "legend tall") + "</div>"
}

/// As many names as there are colours; the rest is one.
fn with_others(mut entries: Vec<(String, f64)>) -> Vec<(String, f64)> {
    if entries.len() > COLOURS.len() {
        let rest = entries.split_off(COLOURS.len() - 1);
        entries.push((format!("{} others", rest.len()), rest.iter().map(|(_, number)| number).sum()));
    }
    entries
}

fn legend(entries: impl Iterator<Item = (String, f64)>, class: &str) -> String {
    let mut html = format!(r#"<div class="{class}">"#);
    for (place, (name, total)) in entries.enumerate() {
        let _ = write!(
            html,
            r#"<span><i style="background:{}"></i>{} <b>{}</b></span>"#,
            COLOURS[place % COLOURS.len()],
            escape(&name),
            amount(total)
        );
    }
    html + "</div>"
}

/// What stands where there is nothing to draw.
pub fn nothing() -> String {
    r#"<p class="nothing">Nothing in this time.</p>"#.to_owned()
}
