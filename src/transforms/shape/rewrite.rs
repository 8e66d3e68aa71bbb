//! Makes a chunk of records whose texts change.

use std::borrow::Cow;

use crate::event::{Chunk, Entry, Record, Scan, Span, buffers, raw_entries, unescape};

/// The new texts of a chunk's records.
pub struct Rewrite<'c> {
    chunk: &'c Chunk,
    text: String,
    records: Vec<Record>,
    changed: bool,
}

impl<'c> Rewrite<'c> {
    /// Begins with nothing.
    pub fn of(chunk: &'c Chunk) -> Self {
        let bytes = chunk.bytes();
        let text = buffers::take_text(bytes + bytes / 4);
        Self { chunk, text, records: Vec::with_capacity(chunk.records.len()), changed: false }
    }

    /// Takes a record with the text that `write` appends. After an error nothing of it is taken.
    pub fn push<E>(&mut self, record: &Record, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<(), E> {
        let before = self.text.len();
        if !self.records.is_empty() {
            // Separated as in an array, so that a batch can append the chunk at once.
            self.text.push(',');
        }
        let start = self.text.len();
        if let Err(error) = write(&mut self.text) {
            self.text.truncate(before);
            return Err(error);
        }
        let body = Span::new(start, self.text.len());
        self.changed = self.changed || self.text.get(start..) != Some(self.chunk.body(record));
        self.records.push(Record { body, ..record.clone() });
        Ok(())
    }

    /// Takes a record as it is.
    pub fn keep(&mut self, record: &Record) {
        let body = self.chunk.body(record);
        let Ok(()) = self.push(record, |text| -> Result<(), std::convert::Infallible> {
            text.push_str(body);
            Ok(())
        });
    }

    /// The new chunk, with a clone of the acknowledgement; `None` without records. If nothing changed, it is the old text.
    pub fn finish(self) -> Option<Chunk> {
        if self.records.is_empty() {
            return None;
        }
        if !self.changed && self.records.len() == self.chunk.records.len() {
            return Some(self.chunk.clone());
        }
        Some(self.chunk.rewritten(self.text, self.records))
    }
}

/// The entries of an object while it is written anew: each with its key without escapes and its value. `each` appends what
/// becomes of it. Returns `None` for anything but an object; then nothing is appended.
///
/// `each` is called again from the first entry if the fast scan meets something that it leaves to `serde_json`: it has to
/// begin anew when `first` is set.
pub fn write_object<'a>(
    json: &'a str,
    out: &mut String,
    mut each: impl FnMut(bool, Part<'a, '_>, &mut String),
) -> Option<()> {
    let start = out.len();
    let mut first = true;
    let scanned = Scan::whole_object(json, |Entry { key, value, .. }| {
        each(std::mem::take(&mut first), Part { key: Cow::Borrowed(key), raw: raw(json, key, value), value }, out);
    });
    if scanned.is_some() {
        return Some(());
    }
    out.truncate(start);
    let mut first = true;
    let read = raw_entries(json, |quoted, value| {
        let key = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        each(std::mem::take(&mut first), Part { key: unescape(key), raw: raw(json, key, value), value }, out);
    });
    if read.is_none() {
        out.truncate(start);
    }
    read
}

/// An entry's text, from its key's opening quote to its value's end.
fn raw<'a>(json: &'a str, key: &str, value: &str) -> &'a str {
    let (start, end) = (Span::of(json, key).start as usize, Span::of(json, value).end as usize);
    json.get(start.saturating_sub(1)..end).unwrap_or_default()
}

/// An entry of an object.
pub struct Part<'a, 'k> {
    /// Its key without escapes.
    pub key: Cow<'k, str>,
    /// Its text, key and value.
    pub raw: &'a str,
    /// Its value's text.
    pub value: &'a str,
}

impl Part<'_, '_> {
    /// The key's text with its quotes and the colon.
    pub fn key_and_colon(&self) -> &str {
        self.raw.get(..self.raw.len() - self.value.len()).unwrap_or_default()
    }
}

/// Appends a comma unless the text is at the beginning of an object.
pub fn comma(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

/// Appends text as the content of a JSON string.
pub fn push_content(out: &mut String, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
    } else {
        out.push_str(text);
    }
}
