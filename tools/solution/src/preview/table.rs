//! Tables and tiles as HTML.

use std::fmt::Write as _;

use serde_json::Value;

use super::chart::nothing;
use super::data::{Tile, escape, shown, time};

/// How many rows of a table are shown; the portal would have the rest below a scroll bar.
pub const ROWS: usize = 7;

/// About the width of a letter in a cell and in the heading, what stands around a text, and the least and the most that one gets.
const LETTER: f64 = 7.8;
const BOLD: f64 = 8.8;
const AROUND: f64 = 14.0;
const LEAST: f64 = 64.0;
const MOST: f64 = 290.0;

/// A grid with the workbook's formatters, as wide as its tile: long texts are cut, never a column.
pub fn table(tile: &Tile, width: f64) -> String {
    if tile.rows.is_empty() {
        return nothing();
    }
    let formatters: Vec<_> = tile.columns.iter().map(|column| tile.formatter(column)).collect();
    let mut html = String::from("<table><thead><tr>");
    for (column, width) in tile.columns.iter().zip(widths(tile, width)) {
        let _ = write!(html, "<th style=\"width:{width:.0}px\">{}</th>", escape(column));
    }
    html.push_str("</tr></thead><tbody>");
    for row in tile.rows.iter().take(ROWS) {
        html.push_str("<tr>");
        for (place, value) in row.iter().enumerate() {
            html.push_str(&cell(tile, place, value, formatters.get(place).copied().unwrap_or_default()));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table>");
    if tile.rows.len() > ROWS {
        let _ = write!(html, r#"<p class="more">{ROWS} of {} rows</p>"#, tile.rows.len());
    }
    html
}

/// The columns' widths. What isn't a text keeps what it needs; the texts share the rest, the short ones first.
pub fn widths(tile: &Tile, room: f64) -> Vec<f64> {
    let needed = |place: usize, column: &String| {
        let text = |row: &Vec<Value>| row.get(place).map_or(0, |value| shown(value).chars().count());
        let letters = match tile.formatter(column) {
            6 => 16,
            7 => 4,
            18 => tile.rows.iter().take(ROWS).map(text).max().unwrap_or(0) + 3,
            _ => tile.rows.iter().take(ROWS).map(text).max().unwrap_or(0),
        };
        let least = if tile.formatter(column) == 3 { 96.0 } else { 0.0 };
        (letters as f64 * LETTER).max(column.chars().count() as f64 * BOLD).min(MOST).max(least) + AROUND
    };
    let is_text = |place: usize, column: &String| {
        let plain = ![3, 6, 7, 18].contains(&tile.formatter(column));
        plain && tile.rows.iter().any(|row| row.get(place).is_some_and(Value::is_string))
    };
    let wanted: Vec<f64> = tile.columns.iter().enumerate().map(|(place, column)| needed(place, column)).collect();
    let texts: Vec<bool> = tile.columns.iter().enumerate().map(|(place, column)| is_text(place, column)).collect();
    let kept: f64 = wanted.iter().zip(&texts).filter(|(_, text)| !**text).map(|(width, _)| width).sum();
    let most = fair(
        &wanted.iter().zip(&texts).filter(|(_, text)| **text).map(|(width, _)| *width).collect::<Vec<_>>(),
        room - kept,
    );
    wanted.iter().zip(texts).map(|(width, text)| if text { width.min(most) } else { *width }).collect()
}

/// The most that each text may have so that all of them fit: short ones get what they need.
fn fair(wanted: &[f64], room: f64) -> f64 {
    let mut sorted = wanted.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut left = room;
    for (place, width) in sorted.iter().enumerate() {
        let share = left / (sorted.len() - place) as f64;
        if *width > share {
            return share.max(LEAST);
        }
        left -= width;
    }
    f64::INFINITY
}

fn cell(tile: &Tile, place: usize, value: &Value, formatter: u64) -> String {
    let text = escape(&shown(value));
    match formatter {
        // A bar, as long as the value among all of the column.
        3 => {
            let number = |value: &Value| value.as_f64().unwrap_or_default();
            let largest = tile.rows.iter().filter_map(|row| row.get(place)).map(number).fold(0.0, f64::max);
            let share = if largest > 0.0 { number(value) / largest * 90.0 } else { 0.0 };
            format!(r#"<td class="bar"><i style="width:{share:.1}%"></i><b>{text}</b></td>"#)
        }
        6 => format!(r#"<td class="time">{}</td>"#, escape(&time(&shown(value)))),
        7 => r#"<td class="link">Show</td>"#.to_owned(),
        18 => format!(r#"<td class="state"><i class="{}"></i>{text}</td>"#, icon(&shown(value))),
        _ if value.is_number() => format!(r#"<td class="number">{text}</td>"#),
        _ => format!("<td>{text}</td>"),
    }
}

/// The thresholds of the workbook.
fn icon(state: &str) -> &'static str {
    match state {
        "working" | "finished" => "good",
        "starting" => "pending",
        "waiting" => "warning",
        _ => "bad",
    }
}

/// One box for each row of name and number.
pub fn numbers(tile: &Tile) -> String {
    let mut html = String::from(r#"<div class="numbers">"#);
    for row in &tile.rows {
        let (name, number) = (row.first().map(shown).unwrap_or_default(), row.get(1).map(shown).unwrap_or_default());
        let _ = write!(html, "<div><span>{}</span><b>{}</b></div>", escape(&name), escape(&number));
    }
    html + "</div>"
}
