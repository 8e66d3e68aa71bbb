//! The estimate, for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Basis;
use super::meter::{Kind, Size, Tally};
use crate::cli::console::counted;
use crate::cli::cost::{MONTH, gb_a_month, ratio, round};
use crate::telemetry::terminal::plain;

/// How many types of event people are shown.
const MOST_SHOWN: usize = 12;

/// The estimate of a day.
pub(super) struct Report {
    pub tally: Tally,
    pub basis: Basis,
    /// Of a GB.
    pub price: Option<f64>,
    /// Sources whose rows aren't estimated.
    pub left_aside: Vec<String>,
}

impl Report {
    fn money(&self, size: Size) -> Option<f64> {
        self.price.map(|price| gb_a_month(size.billed) * price)
    }

    /// The types of event, those that cost most first.
    fn kinds(&self) -> Vec<(&str, Kind)> {
        let mut kinds: Vec<(&str, Kind)> = self.tally.kinds.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        kinds.sort_by(|(_, a), (_, b)| b.size.billed.total_cmp(&a.size.billed).then(b.events.total_cmp(&a.events)));
        kinds
    }

    fn left_out(&self) -> f64 {
        self.tally.kinds.values().map(|kind| kind.left_out).sum()
    }

    /// One object.
    pub fn json(&self) -> Value {
        let size = |size: Size| {
            json!({
                "rows_per_month": round(size.rows * MONTH, 0),
                "gb_json_per_month": round(gb_a_month(size.json), 6),
                "gb_billed_per_month": round(gb_a_month(size.billed), 6),
                "cost_per_month": self.money(size).map(|money| round(money, 4)),
            })
        };
        let named = |name: &str, mut value: Value| {
            value["name"] = name.into();
            value
        };
        let other = |name: &str, size: Size| {
            json!({
                "name": name, "records_per_month": round(size.rows * MONTH, 0),
                "gb_json_per_month": round(gb_a_month(size.json), 6),
            })
        };
        let refused = |transform: &str, records: f64| json!({ "transform": transform, "records_per_month": round(records * MONTH, 0) });
        let kind = |name: &str, kind: Kind| {
            let mut value = named(name, size(kind.size));
            value["events_per_month"] = round(kind.events * MONTH, 0).into();
            value["events_left_out_per_month"] = round(kind.left_out * MONTH, 0).into();
            value
        };
        json!({
            "events_per_day": round(self.tally.events, 1),
            "events_left_out_per_day": round(self.left_out(), 1),
            "days_counted": self.basis.days,
            "events_sampled": self.basis.sampled,
            "requests": self.basis.requests,
            "price_per_gb": self.price,
            "tables": self.tally.tables.iter().map(|(name, table)| named(name, size(*table))).collect::<Vec<_>>(),
            "total": size(self.tally.billed()),
            "other_sinks": self.tally.others.iter().map(|(name, size)| other(name, *size)).collect::<Vec<_>>(),
            "refused": self.tally.refused.iter().map(|(transform, records)| refused(transform, *records)).collect::<Vec<_>>(),
            "event_types": self.kinds().into_iter().map(|(name, found)| kind(name, found)).collect::<Vec<_>>(),
            "not_estimated": self.left_aside,
        })
    }

    /// Some lines.
    pub fn people(&self) -> String {
        let mut text = String::new();
        let basis = match self.basis.days {
            Some(days) => format!(
                "by NordPass's counts of {} and a sample of {} ({})",
                counted(u64::from(days), "day"),
                counted(self.basis.sampled, "event"),
                counted(self.basis.requests, "request")
            ),
            None => format!("by {}", counted(self.basis.sampled, "recorded event")),
        };
        let _ = writeln!(text, "{} events a day, {basis}", whole(self.tally.events));
        if self.basis.others > 0 {
            let _ = writeln!(text, "{} that are no events were left aside", counted(self.basis.others, "line"));
        }
        if self.tally.tables.is_empty() {
            text.push_str("\nno sink of this pipeline writes to Sentinel\n");
        } else {
            self.tables(&mut text);
            self.most_expensive(&mut text);
        }
        for (name, size) in &self.tally.others {
            let (records, gb) = (whole(size.rows * MONTH), gb_a_month(size.json));
            let _ = writeln!(text, "{name}: {records} records a month, {gb:.3} GB of JSON before compression");
        }
        for (transform, records) in &self.tally.refused {
            let records = whole(records * MONTH);
            let _ = writeln!(text, "{transform} can't handle {records} records a month: they become dead letters");
        }
        if !self.left_aside.is_empty() {
            let names = self.left_aside.join(", ");
            let _ = writeln!(text, "not estimated: the rows of {names}, a few each minute");
        }
        if self.price.is_none() && !self.tally.tables.is_empty() {
            text.push_str("for money, add --price-per-gb with the price of your region\n");
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn tables(&self, text: &mut String) {
        let mut rows = vec![self.row(["a month", "rows", "GB of JSON", "GB billed", "cost"])];
        let mut table = |name: &str, size: Size| {
            let cells = [whole(size.rows * MONTH), gb(size.json), gb(size.billed), self.price_of(size)];
            rows.push(self.row([name, &cells[0], &cells[1], &cells[2], &cells[3]]));
        };
        for (name, size) in &self.tally.tables {
            table(name, *size);
        }
        if self.tally.tables.len() > 1 {
            table("together", self.tally.billed());
        }
        let _ = write!(text, "\n{}", aligned(&rows));
    }

    fn most_expensive(&self, text: &mut String) {
        let (kinds, all) = (self.kinds(), self.tally.billed().billed);
        let mut rows = vec![self.row(["what a filter would save a month", "events", "share", "GB billed", "cost"])];
        for (name, kind) in kinds.iter().take(MOST_SHOWN).filter(|(_, kind)| kind.size.rows > 0.0) {
            let share = format!("{:.1} %", 100.0 * ratio(kind.size.billed, all));
            let cells = [whole(kind.events * MONTH), share, gb(kind.size.billed), self.price_of(kind.size)];
            rows.push(self.row([&plain(name), &cells[0], &cells[1], &cells[2], &cells[3]]));
        }
        let _ = write!(text, "\n{}", aligned(&rows));
        let costly = kinds.iter().filter(|(_, kind)| kind.size.rows > 0.0).count();
        if costly > MOST_SHOWN {
            let _ = writeln!(text, "and {} more types; --json has all", costly - MOST_SHOWN);
        }
        let left_out = self.left_out();
        if left_out > 0.0 {
            let _ = writeln!(
                text,
                "the pipeline leaves out {} events a month already ({:.1} %)",
                whole(left_out * MONTH),
                100.0 * ratio(left_out, self.tally.events)
            );
        }
        text.push('\n');
    }

    /// A row of a table, without the cost if there is no price.
    fn row(&self, cells: [&str; 5]) -> Vec<String> {
        let number = if self.price.is_some() { 5 } else { 4 };
        cells.iter().take(number).map(|cell| (*cell).to_owned()).collect()
    }

    fn price_of(&self, size: Size) -> String {
        self.money(size).map(|money| format!("{money:.2}")).unwrap_or_default()
    }
}

fn gb(bytes_a_day: f64) -> String {
    format!("{:.3}", gb_a_month(bytes_a_day))
}

/// A whole number with its thousands apart.
fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut parted = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            parted.push(',');
        }
        parted.push(digit);
    }
    parted
}

/// Rows of cells as lines: the first column to the left, all others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or(0);
            let _ = if column == 0 { write!(text, "{cell:<width$}") } else { write!(text, "  {cell:>width$}") };
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
