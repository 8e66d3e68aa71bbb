//! The results that are drawn, as `solution/tests/demo.py` writes them.

use serde::Deserialize;
use serde_json::Value;
use tools_common::json;

/// Everything.
#[derive(Deserialize)]
pub struct Preview {
    pub tabs: Vec<Tab>,
    pub tiles: Vec<Tile>,
    pub from: String,
    pub to: String,
}

/// A tab's words.
#[derive(Deserialize)]
pub struct Tab {
    pub id: String,
    pub label: String,
    pub about: String,
}

/// A tile: its item in the workbook, and what its query gave.
#[derive(Deserialize)]
pub struct Tile {
    pub tab: String,
    pub title: String,
    pub width: usize,
    /// The workbook item's content: visualization and settings.
    pub content: Value,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Tile {
    /// Returns `table`, `timechart`, `barchart`, `piechart` or `tiles`.
    pub fn visualization(&self) -> &str {
        json::text(&self.content["visualization"])
    }

    /// Returns whether a chart's numbers add up, as counts do. Others, such as a lag, are states.
    pub fn adds_up(&self) -> bool {
        self.columns.get(2).is_some_and(|column| ["Count", "MB"].contains(&column.as_str()))
    }

    /// Returns the number of a formatter that the workbook gives a column, 0 for none. Its patterns are whole names.
    pub fn formatter(&self, column: &str) -> u64 {
        let formatters = self.content["gridSettings"]["formatters"].as_array();
        let fits = |pattern: &str| {
            let names = pattern.trim_start_matches('^').trim_end_matches('$').trim_matches(['(', ')']);
            names.split('|').any(|name| name == column)
        };
        let found =
            formatters.into_iter().flatten().find(|formatter| formatter["columnMatch"].as_str().is_some_and(fits));
        found.and_then(|formatter| formatter["formatter"].as_u64()).unwrap_or_default()
    }
}

/// Formats a value for people.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map(amount).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// Formats a number with spaces between thousands, and few decimals.
pub fn amount(number: f64) -> String {
    let decimals = if number.fract() == 0.0 {
        0
    } else if number.abs() < 10.0 {
        3
    } else {
        1
    };
    let text = format!("{:.decimals$}", number.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let groups: Vec<_> = whole.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    format!("{}{}{rest}", if number < 0.0 { "-" } else { "" }, groups.join(" "))
}

/// Formats a time, given as RFC 3339, as the workbook shows it.
pub fn time(text: &str) -> String {
    text.get(..16).unwrap_or(text).replacen('T', " ", 1)
}

/// Escapes a text for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
