//! One pipeline file: its text, its tables with their locations, and its lines as they may be shown.

use std::cell::OnceCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::excerpt::{Excerpt, of_broken_line, of_cells, of_line, value_spans};

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
    Float(f64),
    Flag(bool),
    /// As it is written.
    Time(String),
    List(Vec<Node>),
    Table(Table),
}

impl Node {
    /// The value as JSON. A time becomes a string; what JSON doesn't have (`inf`, `nan`, integers beyond 64 bits) becomes null.
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) | Value::Time(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::List(nodes) => nodes.iter().map(Self::json).collect(),
            Value::Table(table) => object(table).into(),
        }
    }

    /// Where the value ends, with everything in it.
    pub fn end(&self) -> usize {
        let inner = match &self.value {
            Value::List(nodes) => nodes.iter().map(Self::end).max(),
            Value::Table(table) => Some(end(table)),
            _ => None,
        };
        self.span.end.max(inner.unwrap_or(0))
    }
}

/// A table as a JSON object.
pub(crate) fn object(table: &Table) -> serde_json::Map<String, serde_json::Value> {
    table.iter().map(|entry| (entry.key.clone(), entry.node.json())).collect()
}

/// Where the last value of a table ends; 0 for an empty one.
pub(crate) fn end(table: &Table) -> usize {
    table.iter().map(|entry| entry.node.end().max(entry.key_span.end)).max().unwrap_or(0)
}

impl Value {
    /// With its article, for "found …".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Flag(_) => "`true` or `false`",
            Self::Time(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A file's text.
pub(crate) struct Document {
    path: PathBuf,
    text: String,
    /// Whether it is a table with commas, and no TOML.
    is_csv: bool,
    /// Where each line begins.
    lines: OnceCell<Vec<usize>>,
    /// The places of the values, which errors never show; `None` for a text that isn't TOML.
    values: OnceCell<Option<Vec<Range<usize>>>>,
}

/// A syntax error: its location and the parser's message.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub span: Range<usize>,
    pub message: String,
}

impl Document {
    pub fn new(path: PathBuf, text: String) -> Self {
        Self { path, text, is_csv: false, lines: OnceCell::new(), values: OnceCell::new() }
    }

    /// A table with commas.
    pub fn csv(path: PathBuf, text: String) -> Self {
        Self { is_csv: true, ..Self::new(path, text) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
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
        let line = self.line_of(at);
        (line + 1, self.text[self.line(line).start..at].chars().count() + 1)
    }

    /// The line of a place, without a value in it and with the caret's place. Keys are shown where `is_shown` says so.
    pub fn excerpt(&self, span: &Range<usize>, is_shown: impl Fn(&str) -> bool) -> Excerpt {
        let start = self.text.floor_char_boundary(span.start);
        let span = start..self.text.floor_char_boundary(span.end.max(start));
        let line = self.line(self.line_of(start));
        if self.is_csv {
            return of_cells(&self.text, line, span);
        }
        let values = self.values.get_or_init(|| {
            let (table, errors) = DeTable::parse_recoverable(&self.text);
            errors.is_empty().then(|| value_spans(&convert_table(table.into_inner())))
        });
        match values {
            Some(values) => of_line(&self.text, line, span, values, is_shown),
            None => of_broken_line(&self.text, line, span, is_shown),
        }
    }

    fn starts(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let ends = memchr::memchr_iter(b'\n', self.text.as_bytes());
            std::iter::once(0).chain(ends.map(|end| end + 1)).collect()
        })
    }

    /// The line, from 0, of a byte.
    fn line_of(&self, at: usize) -> usize {
        self.starts().partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// A line's place, without its end.
    fn line(&self, line: usize) -> Range<usize> {
        let starts = self.starts();
        let start = starts.get(line).copied().unwrap_or(self.text.len());
        let end = starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        start..end.max(start)
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
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(time) => Value::Time(time.to_string()),
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

    fn excerpt(text: &str, of: &str, is_shown: impl Fn(&str) -> bool) -> (String, usize, usize) {
        let start = text.find(of).unwrap();
        let excerpt = Document::new("p.toml".into(), text.into()).excerpt(&(start..start + of.len()), is_shown);
        (excerpt.text, excerpt.indent, excerpt.width)
    }

    #[test]
    fn a_line_shows_the_keys_that_are_meant_and_no_value() {
        let shown = |text, of| excerpt(text, of, |key| ["a", "b", "\"c.d\""].contains(&key));
        assert_eq!(shown("a = \"x\" # y", "\"x\""), ("a = \"…\"".into(), 4, 3));
        assert_eq!(shown("a = { b = 12, x = 'y' }", "12"), ("a = { b = …, … = \"…\" }".into(), 10, 1));
        assert_eq!(shown("a = [\"x\", \"y\"]", "\"y\""), ("a = [\"…\", \"…\"]".into(), 10, 3));
        assert_eq!(shown("[a.x.b]", "b"), ("[a.….b]".into(), 5, 1));
        assert_eq!(shown("\"c.d\" = 1", "\"c.d\""), ("\"c.d\" = …".into(), 0, 5));
        assert_eq!(shown("\"\\u001b[31m\" = 5", "5"), ("… = …".into(), 4, 1));
        assert_eq!(shown("a = \"\"\"\nx\ny\"\"\"\nb = 1", "y"), ("…".into(), 0, 1));
    }

    #[test]
    fn a_line_that_is_not_toml_shows_known_words_before_its_value() {
        let shown = |text, of| excerpt(text, of, |key| ["token", "sources"].contains(&key));
        assert_eq!(shown("token: \"x\"", "x"), ("token…".into(), 5, 1));
        assert_eq!(shown("token = x token", "x"), ("token = …".into(), 8, 1));
        assert_eq!(shown("token =\n  x=", "x"), ("  …".into(), 2, 1));
        assert_eq!(shown("[sources.x", "x"), ("[sources.…".into(), 9, 1));
        assert_eq!(shown("x", "x"), ("…".into(), 0, 1));
        assert_eq!(shown("token token", "token"), ("token token".into(), 0, 5));
    }
}
