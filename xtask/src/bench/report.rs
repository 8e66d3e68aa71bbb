//! What was found, as text for people and as JSON.

use std::{fmt::Write, fs, path::Path, process::Command};

use serde::Serialize;
use serde_json::{Value, json};
use tools_common::json::pretty;
use tools_common::process::output;

use super::options::Options;

/// One part of the report.
#[derive(Default)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// The table's heads.
    pub head: &'static [&'static str],
    /// The table's lines.
    pub lines: Vec<Vec<String>>,
    /// What was aimed at.
    pub goals: Vec<Goal>,
    /// What to know about the table, or nothing.
    pub note: String,
    /// Every single result.
    pub raw: Value,
}

/// Something that is aimed at.
#[derive(Serialize)]
pub struct Goal {
    #[serde(rename = "goal")]
    what: String,
    wanted: &'static str,
    found: String,
    met: bool,
}

/// All of it.
pub struct Report {
    machine: String,
    conditions: String,
    /// In the order of their measurement.
    pub sections: Vec<Section>,
}

impl Report {
    /// Begins a report of this machine.
    pub fn new(options: &Options) -> Self {
        let conditions = format!("commit {}; {} events a run, {} rounds", commit(), options.events, options.rounds);
        Self { machine: machine(), conditions, sections: Vec::new() }
    }

    /// Formats the report as Markdown.
    pub fn text(&self) -> String {
        let mut text = format!("{}; {}\n", self.machine, self.conditions);
        for section in &self.sections {
            let head: Vec<String> = section.head.iter().map(|word| (*word).to_owned()).collect();
            let _ = write!(text, "\n{}\n\n{}", section.title, table(&head, &section.lines));
            if !section.note.is_empty() {
                let _ = writeln!(text, "\n{}", section.note);
            }
        }
        let goals: Vec<Vec<String>> = self.goals().map(Goal::line).collect();
        let head = ["goal", "wanted", "found", "met"].map(str::to_owned);
        let _ = write!(text, "\nGoals\n\n{}", table(&head, &goals));
        text
    }

    /// Writes both forms.
    pub fn write(&self, folder: &Path) -> Result<(), String> {
        let sections: serde_json::Map<String, Value> =
            self.sections.iter().map(|section| (section.title.to_owned(), section.raw.clone())).collect();
        let goals: Vec<&Goal> = self.goals().collect();
        let notes: Vec<&str> = self.sections.iter().map(|section| section.note.as_str()).collect();
        let results = json!({
            "machine": self.machine, "conditions": self.conditions, "notes": notes, "sections": sections, "goals": goals,
        });
        tools_common::write(folder.join("table.md"), self.text())?;
        tools_common::write(folder.join("results.json"), pretty(&results))
    }

    fn goals(&self) -> impl Iterator<Item = &Goal> {
        self.sections.iter().flat_map(|section| &section.goals)
    }
}

impl Goal {
    /// Names what is aimed at, what it should be, what it is, and whether that is enough.
    pub fn new(what: impl Into<String>, wanted: &'static str, found: String, met: bool) -> Self {
        Self { what: what.into(), wanted, found, met }
    }

    fn line(&self) -> Vec<String> {
        let met = if self.met { "yes" } else { "NO" };
        vec![self.what.clone(), self.wanted.to_owned(), self.found.clone(), met.to_owned()]
    }
}

/// Formats a table whose columns are as wide as they have to be. Numbers are aligned to the right.
fn table(head: &[String], lines: &[Vec<String>]) -> String {
    let all = || std::iter::once(head).chain(lines.iter().map(Vec::as_slice));
    let width = |column: usize| all().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0).max(3)).collect();
    let number = |column: usize| {
        let mut cells = lines.iter().filter_map(|line| line.get(column));
        cells.all(|cell| cell.starts_with(|first: char| first.is_ascii_digit() || first == '-'))
    };
    let mut text = String::new();
    for (row, line) in all().enumerate() {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            // Writing to memory can't fail.
            let _ = if number(column) { write!(text, "| {cell:>width$} ") } else { write!(text, "| {cell:<width$} ") };
        }
        text.push_str("|\n");
        if row == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ = write!(text, "|{}{}", "-".repeat(width + 1), if number(column) { ":" } else { "-" });
            }
            text.push_str("|\n");
        }
    }
    text
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {}", model.map_or("unknown processor", |(_, model)| model))
}

fn commit() -> String {
    let git = output(Command::new("git").args(["describe", "--always", "--dirty"]));
    git.map_or_else(|_| "unknown".to_owned(), |git| String::from_utf8_lossy(&git.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn a_table_is_aligned() {
        let head = ["program", "events/s"].map(str::to_owned);
        let lines = [vec!["floor".to_owned(), "400000".to_owned()], vec!["x".to_owned(), "1".to_owned()]];
        let found = table(&head, &lines);
        assert_eq!(
            found,
            "| program | events/s |\n|---------|---------:|\n| floor   |   400000 |\n| x       |        1 |\n"
        );
    }
}
