//! Tables and tiles as HTML.

use std::fmt::Write as _;

use serde_json::Value;

use super::data::{Tile, escape, shown, time};

/// How many rows of a table are shown; the portal would have the rest below a scroll bar.
const ROWS: usize = 7;

/// The formatter of a column that isn't shown.
const HIDDEN: u64 = 5;

/// Draws a grid with the workbook's formatters. The browser gives each column what it needs and cuts long texts.
pub fn table(tile: &Tile) -> String {
    let formatters: Vec<_> = tile.columns.iter().map(|column| tile.formatter(column)).collect();
    let width = |(place, formatter): (usize, &u64)| match formatter {
        &HIDDEN => "",
        3 => "minmax(110px, auto) ",
        6 | 7 | 18 => "max-content ",
        _ if tile.rows.iter().any(|row| row.get(place).is_some_and(Value::is_string)) => "minmax(64px, auto) ",
        _ => "max-content ",
    };
    let widths: String = formatters.iter().enumerate().map(width).collect();
    let mut html = format!(r#"<table style="grid-template-columns: {widths}"><thead><tr>"#);
    for (column, _) in tile.columns.iter().zip(&formatters).filter(|(_, formatter)| **formatter != HIDDEN) {
        let _ = write!(html, "<th>{}</th>", escape(column));
    }
    html.push_str("</tr></thead><tbody>");
    for row in tile.rows.iter().take(ROWS) {
        let cells = row.iter().zip(&formatters).enumerate();
        let cells: String = cells.map(|(place, (value, formatter))| cell(tile, place, value, *formatter)).collect();
        let _ = write!(html, "<tr>{cells}</tr>");
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
        HIDDEN => String::new(),
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
        _ => format!("<td>{text}</td>"),
    }
}

/// Returns the icon that the workbook's thresholds give a state.
fn icon(state: &str) -> &'static str {
    match state {
        "working" | "finished" => "good",
        "starting" => "pending",
        "waiting" => "warning",
        _ => "bad",
    }
}

/// Draws one box for each row of name and number.
pub fn numbers(tile: &Tile) -> String {
    let mut html = String::from(r#"<div class="numbers">"#);
    for row in &tile.rows {
        let [name, number] = [0, 1].map(|at| escape(&row.get(at).map(shown).unwrap_or_default()));
        let _ = write!(html, "<div><span>{name}</span><b>{number}</b></div>");
    }
    html + "</div>"
}
