//! A file of TOML becomes rows: one for each table.

use std::ops::Range;

use super::destination::PREFIX;
use crate::settings::document::{Document, Entry, Table, Value};
use crate::settings::report::{Report, SourceSpan};

/// The table with an organization's destination.
const DESTINATION: &str = "destination";

/// An organization as its file has it.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Where it begins: its header, or its line.
    pub span: Range<usize>,
    pub name: Cell,
    /// What it says, by key: `id`, `endpoint`, `token`, `state`, `label.KEY`, `destination.KEY`, `destination.credential.KEY`.
    pub cells: Vec<(String, Cell)>,
    /// What is wrong with how it is written.
    pub flaws: Vec<Flaw>,
}

/// A text and its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub text: String,
    pub span: Range<usize>,
}

/// Something wrong.
#[derive(Debug)]
pub(super) struct Flaw {
    pub span: Range<usize>,
    /// The key, behind the organization's name; empty for the whole entry.
    pub key: String,
    pub message: String,
    pub hint: String,
}

impl Flaw {
    pub fn new(span: Range<usize>, key: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { span, key: key.to_owned(), message: message.into(), hint: hint.into() }
    }

    /// Reports it as an error of the whole file.
    pub fn tell(self, report: &Report, document: usize) {
        report.error(&SourceSpan { document, span: self.span }, &self.key, self.message, self.hint);
    }
}

/// What the tables of a file say, in its order; or why it can't be read.
pub(super) fn read(document: &Document) -> Result<Vec<Row>, Vec<Flaw>> {
    let table = document.parse().map_err(|errors| {
        let hint = "correct the file: it is read whole or not at all";
        let flaw = |error: crate::settings::document::SyntaxError| {
            Flaw::new(error.span, "", format!("this isn't TOML: {}", error.message), hint)
        };
        errors.into_iter().map(flaw).collect::<Vec<_>>()
    })?;
    Ok(table.into_iter().map(row).collect())
}

fn row(Entry { key, key_span, node }: Entry) -> Row {
    let name = Cell { text: key, span: key_span.clone() };
    let mut row = Row { span: key_span, name, ..Row::default() };
    match node.value {
        Value::Table(table) => table.into_iter().for_each(|entry| row.take(entry)),
        other => {
            let message = format!("an organization must be a table, not {}", other.kind());
            row.flaws.push(Flaw::new(row.span.clone(), "", message, "write [NAME] and its keys below it"));
        }
    }
    row
}

impl Row {
    fn take(&mut self, Entry { key, key_span, node }: Entry) {
        match node.value {
            Value::Text(text) if key != "labels" && key != DESTINATION => {
                self.cells.push((key, Cell { text, span: node.span }));
            }
            Value::Table(table) if key == "labels" => self.labels(table),
            Value::Table(table) if key == DESTINATION => self.table(PREFIX, table),
            other => {
                let (span, expected, hint) = match key.as_str() {
                    "labels" => (key_span, "a table", "write labels = { KEY = \"…\" }"),
                    DESTINATION => {
                        (key_span, "a table", "write destination = { endpoint = \"…\", dcr_immutable_id = \"…\" }")
                    }
                    _ => (node.span, "a string", "put it in quotes: \"…\""),
                };
                let message = format!("each value must be {expected}, not {}", other.kind());
                self.flaws.push(Flaw::new(span, &key, message, hint));
            }
        }
    }

    /// The texts of a table, and of the tables in it.
    fn table(&mut self, prefix: &str, table: Table) {
        for Entry { key, node, .. } in table {
            let key = format!("{prefix}{key}");
            match node.value {
                Value::Text(text) => self.cells.push((key, Cell { text, span: node.span })),
                Value::Flag(flag) => self.cells.push((key, Cell { text: flag.to_string(), span: node.span })),
                Value::Table(table) => self.table(&format!("{key}."), table),
                other => {
                    let message = format!("each value must be a string, not {}", other.kind());
                    self.flaws.push(Flaw::new(node.span, &key, message, "put it in quotes: \"…\""));
                }
            }
        }
    }

    /// What it says about its destination, without the prefix.
    pub fn destination(&self) -> impl Iterator<Item = (&str, &Cell)> {
        self.cells.iter().filter_map(|(key, cell)| Some((key.strip_prefix(PREFIX)?, cell)))
    }

    fn labels(&mut self, table: Table) {
        for Entry { key, node, .. } in table {
            let key = format!("label.{key}");
            match node.value {
                Value::Text(text) => self.cells.push((key, Cell { text, span: node.span })),
                other => {
                    let message = format!("a label must be a string, not {}", other.kind());
                    self.flaws.push(Flaw::new(node.span, &key, message, "put it in quotes: \"…\""));
                }
            }
        }
    }
}
