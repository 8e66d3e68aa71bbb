//! One pipeline file: its text, its tables with their locations, and its lines as they may be shown.

use std::cell::OnceCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::mask::mask_secrets;

/// A table, in the order of the file.
pub(crate) type Table = Vec<Entry>;

/// `key = value`, or `[key]`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub node: Node,
}

/// A value and its location.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub value: Value,
    pub span: Range<usize>,
}

/// A TOML value, as far as a pipeline file can use it.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// `None`: beyond 64 bits.
    Integer(Option<i64>),
    Float,
    Flag(bool),
    Time,
    List(Vec<Node>),
    Table(Table),
}

impl Value {
    /// With its article, for "found …".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float => "a number with a fraction",
            Self::Flag(_) => "`true` or `false`",
            Self::Time => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A file's text.
#[derive(Debug)]
pub(crate) struct Document {
    path: PathBuf,
    text: String,
    /// The text without secrets, with the same lines.
    shown: OnceCell<String>,
}

/// A syntax error: its location and the parser's message.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub span: Range<usize>,
    pub message: String,
}

impl Document {
    pub fn new(path: PathBuf, text: String) -> Self {
        Self { path, text, shown: OnceCell::new() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file as a table, or its syntax errors, at most one for each line.
    pub fn parse(&self) -> Result<Table, Vec<SyntaxError>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if errors.is_empty() {
            return Ok(convert_table(table.into_inner()));
        }
        let mut found: Vec<SyntaxError> = errors
            .into_iter()
            .map(|error| SyntaxError {
                span: error.span().unwrap_or(self.text.len()..self.text.len()),
                message: error.message().to_owned(),
            })
            .collect();
        found.sort_by_key(|error| error.span.start);
        // In one walk: a file may have as many errors as bytes.
        let (mut line, mut counted, mut last) = (0, 0, None);
        found.retain(|error| {
            let at = self.text.floor_char_boundary(error.span.start).max(counted);
            line += self.text.get(counted..at).unwrap_or_default().matches('\n').count();
            counted = at;
            last.replace(line) != Some(line)
        });
        Err(found)
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn position(&self, at: usize) -> (usize, usize) {
        let at = self.text.floor_char_boundary(at);
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// How many characters of the first line a span covers; at least one.
    pub fn width(&self, span: &Range<usize>) -> usize {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end.max(start));
        self.text[start..end].split('\n').next().map_or(0, |line| line.trim_end().chars().count()).max(1)
    }

    /// A line (from 1) as it may be shown: no secret in it, no control characters.
    pub fn shown_line(&self, line: usize) -> String {
        let shown = self.shown.get_or_init(|| mask_secrets(&self.text));
        let line = shown.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
        line.trim_end()
            .chars()
            .map(|c| {
                if c == '\t' {
                    ' '
                } else if c.is_control() {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect()
    }
}

fn convert_table(table: DeTable<'_>) -> Table {
    let mut entries: Table = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_span: key.span(),
            key: key.into_inner().into_owned(),
            node: convert(value.span(), value.into_inner()),
        })
        .collect();
    // The parser sorts by name; messages follow the order of the file.
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

fn convert(span: Range<usize>, value: DeValue<'_>) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(_) => Value::Time,
        DeValue::Array(list) => {
            Value::List(list.into_iter().map(|node| convert(node.span(), node.into_inner())).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table)),
    };
    Node { value, span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let document = Document::new("p.toml".into(), "a = 1\nü = \"x\"\n".into());
        assert_eq!(document.position(0), (1, 1));
        assert_eq!(document.position(9), (2, 3));
        assert_eq!(document.position(10_000), (3, 1));
    }

    #[test]
    fn tables_keep_the_order_of_the_file() {
        let document = Document::new("p.toml".into(), "z = 1\na = 2\n[m]\nb = 0\n".into());
        let keys: Vec<String> = document.parse().unwrap().into_iter().map(|entry| entry.key).collect();
        assert_eq!(keys, ["z", "a", "m"]);
    }

    #[test]
    fn shown_lines_have_no_control_characters() {
        let document = Document::new("p.toml".into(), "a = \u{1b}[31m\tx\n".into());
        assert_eq!(document.shown_line(1), "a = \u{fffd}[31m x");
        assert_eq!(document.shown_line(99), "");
    }
}
