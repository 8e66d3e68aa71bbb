//! What of a line may be shown in an error: its keys and its structure, never a value.
//!
//! A secret isn't looked for: in a text that fails to parse it can stand anywhere. So only what is known to be no value is
//! let through: in a file that parses, the keys of the field that the error is about; in any other, words that every
//! pipeline file may have as keys.

use std::ops::Range;

use super::document::{Node, Table, Value};

/// Stands for everything that isn't shown.
const HIDDEN: char = '…';

/// A line as it is shown, and where the caret goes: indent and width in characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub text: String,
    pub indent: usize,
    pub width: usize,
}

/// The places of a table's values that aren't tables or lists themselves, in the order of the text.
pub(super) fn value_spans(table: &Table) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for entry in table {
        collect(&entry.node, &mut spans);
    }
    spans.sort_by_key(|span| span.start);
    spans
}

fn collect(node: &Node, spans: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Table(table) => table.iter().for_each(|entry| collect(&entry.node, spans)),
        Value::List(nodes) => nodes.iter().for_each(|node| collect(node, spans)),
        _ => spans.push(node.span.clone()),
    }
}

/// Writes a line token by token, and notes where a place of the text ends up.
struct Writer {
    shown: String,
    length: usize,
    span: Range<usize>,
    indent: Option<usize>,
    end: usize,
}

impl Writer {
    fn new(span: Range<usize>) -> Self {
        Self { shown: String::new(), length: 0, span, indent: None, end: 0 }
    }

    /// Writes `token` for these bytes of the text.
    fn put(&mut self, from: usize, to: usize, token: &str) {
        let repeated = token.chars().eq([HIDDEN]) && self.shown.ends_with(HIDDEN);
        if self.indent.is_none() && self.span.start < to {
            self.indent = Some(self.length - usize::from(repeated));
        }
        if !repeated {
            self.shown.push_str(token);
            self.length += token.chars().count();
        }
        if from < self.span.end {
            self.end = self.length;
        }
    }

    fn finish(self) -> Excerpt {
        let text = self.shown.trim_end().to_owned();
        let indent = self.indent.unwrap_or(self.length);
        let room = text.chars().count().saturating_sub(indent);
        Excerpt { indent, width: self.end.saturating_sub(indent).min(room).max(1), text }
    }
}

/// A line of a file that parses: `line` is its place, `values` are the file's [`value_spans`]; keys are shown where
/// `is_shown` says so, and comments never.
pub(super) fn of_line(
    text: &str,
    line: Range<usize>,
    span: Range<usize>,
    values: &[Range<usize>],
    is_shown: impl Fn(&str) -> bool,
) -> Excerpt {
    let mut writer = Writer::new(span);
    let mut at = line.start;
    let mut values = &values[values.partition_point(|value| value.end <= at)..];
    while at < line.end {
        if let Some(value) = values.first().filter(|value| value.start <= at) {
            let end = value.end.clamp(at + 1, line.end);
            let whole = value.start == at && value.end <= line.end;
            let token = match text.as_bytes().get(at) {
                Some(b'"' | b'\'') if whole => "\"…\"",
                _ => "…",
            };
            writer.put(at, end, token);
            at = end;
            values = &values[1..];
            continue;
        }
        let next = values.first().map_or(line.end, |value| value.start.min(line.end));
        let rest = &text[at..next];
        if rest.starts_with('#') {
            break;
        }
        let (length, token) = token(rest, &is_shown);
        writer.put(at, at + length, &token);
        at += length;
    }
    writer.finish()
}

/// A line of a file that isn't TOML: known words up to what begins a value, and nothing behind it.
pub(super) fn of_broken_line(
    text: &str,
    line: Range<usize>,
    span: Range<usize>,
    is_known: impl Fn(&str) -> bool,
) -> Excerpt {
    let mut writer = Writer::new(span);
    let mut at = line.start;
    while at < line.end {
        let (length, token) = token(&text[at..line.end], &is_known);
        writer.put(at, at + length, &token);
        at += length;
        // What follows may be anything, a secret with a known word in it included.
        if token == "=" || token.starts_with(HIDDEN) {
            if at < line.end {
                let blanks = text[at..line.end].len() - text[at..line.end].trim_start().len();
                if token == "=" && blanks > 0 && at + blanks < line.end {
                    writer.put(at, at + blanks, " ");
                    at += blanks;
                }
                writer.put(at, line.end, "…");
            }
            break;
        }
    }
    writer.finish()
}

/// A line of a table with commas: the commas, and nothing of what is between them.
pub(super) fn of_cells(text: &str, line: Range<usize>, span: Range<usize>) -> Excerpt {
    let mut writer = Writer::new(span);
    let mut at = line.start;
    for cell in text[line].split_inclusive(',') {
        let length = cell.trim_end_matches(',').len();
        writer.put(at, at + length, if length > 0 { "…" } else { "" });
        if length < cell.len() {
            writer.put(at + length, at + cell.len(), ",");
        }
        at += cell.len();
    }
    writer.finish()
}

/// The first token of a text that isn't empty: its length in bytes, and how it is shown.
fn token(text: &str, is_shown: &impl Fn(&str) -> bool) -> (usize, String) {
    let first = text.chars().next().unwrap_or(' ');
    let word = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    if word > 0 {
        let word = &text[..word];
        return (word.len(), if is_shown(word) { word.to_owned() } else { HIDDEN.to_string() });
    }
    match first {
        '"' | '\'' => {
            let end = text[1..].find(first).map_or(text.len(), |end| end + 2);
            let inside = text[1..end].trim_end_matches(first);
            let shown = is_shown(inside) || is_shown(&super::value::shown_key(inside));
            (end, if shown { format!("\"{inside}\"") } else { HIDDEN.to_string() })
        }
        '[' | ']' | '{' | '}' | '=' | ',' | '.' => (1, first.to_string()),
        c if c.is_whitespace() => (c.len_utf8(), " ".to_owned()),
        c => (c.len_utf8(), HIDDEN.to_string()),
    }
}
