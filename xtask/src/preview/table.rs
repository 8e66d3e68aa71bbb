//! Tables and tiles as HTML.

use std::fmt::Write as _;

use serde_json::Value;

use super::chart::nothing;
use super::data::{Tile, escape, shown, time};

/// How many rows of a table are shown; the portal would have the rest below a scroll bar.
pub const ROWS: usize = 7;

/// A grid with the workbook's formatters.
pub fn table(tile: &Tile) -> String {
    if tile.rows.is_empty() {
        return nothing();
    }
    let formatters: Vec<_> = tile.columns.iter().map(|column| tile.formatter(column)).collect();
    let mut html = String::from("<table><thead><tr>");
    for column in &tile.columns {
        let _ = write!(html, "<th>{}</th>", escape(column));
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
