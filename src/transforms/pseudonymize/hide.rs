//! Replaces values in a record's text.

use serde_json::value::RawValue;

use super::super::shape::facts::{shape_of, text_of};
use super::super::shape::glob::glob;
use super::super::shape::path::ID_COLUMNS;
use super::super::shape::rewrite::{Part, comma, write_object};
use super::key::Key;
use crate::event::{EventId, Scan, Shape};

/// What stands for a masked value.
const MASK: &str = "\"***\"";

/// The deepest level that is looked into. No API nests that deep, and this walks recursively.
const DEEPEST: usize = 100;

/// What is replaced, and by what.
#[derive(Debug)]
pub struct Hide {
    /// The paths, by their parts; each part is a pattern.
    paths: Vec<Vec<String>>,
    /// The key of the pseudonyms; `None` to mask.
    key: Option<Key>,
}

/// What is left of the paths that lead into a value.
type Ways<'p> = Vec<&'p [String]>;

impl Hide {
    /// Replaces the values at these paths.
    pub fn new(paths: Vec<Vec<String>>, key: Option<Key>) -> Self {
        Self { paths, key }
    }

    /// Appends the record with its values replaced, and its id if `shown` is given. `None`: it isn't an object, and what was
    /// appended is no record.
    pub fn record(&self, json: &str, shown: Option<EventId>, out: &mut String) -> Option<()> {
        let ways: Ways<'_> = self.paths.iter().map(Vec::as_slice).collect();
        let shown = shown.map(EventId::hex);
        let id = shown.as_ref().and_then(|id| std::str::from_utf8(id).ok());
        self.object(json, &ways, id, 0, out)
    }

    fn object(&self, json: &str, ways: &Ways<'_>, id: Option<&str>, depth: usize, out: &mut String) -> Option<()> {
        out.push('{');
        write_object(json, out, |_, part, out| {
            comma(out);
            self.entry(&part, ways, id, depth, out);
        })?;
        out.push('}');
        Some(())
    }

    fn entry(&self, part: &Part<'_, '_>, ways: &Ways<'_>, id: Option<&str>, depth: usize, out: &mut String) {
        if let Some(id) = id.filter(|_| ID_COLUMNS.contains(&&*part.key)) {
            out.push_str(part.key_and_colon());
            out.push('"');
            out.push_str(id);
            out.push('"');
            return;
        }
        let deeper = ways.iter().copied().filter_map(|way| {
            let (first, rest) = way.split_first()?;
            glob(first, &part.key).then_some(rest)
        });
        let within: Ways<'_> = deeper.collect();
        if within.is_empty() {
            out.push_str(part.raw);
            return;
        }
        out.push_str(part.key_and_colon());
        if within.iter().any(|way| way.is_empty()) {
            self.whole(part.value, depth + 1, out);
        } else {
            // `metadata.x_email` means an object. What `*.x_email` means are those that are one.
            let is_meant = |way: &&[String]| way.first().is_some_and(|first| *first == part.key);
            let named = ways.iter().any(is_meant);
            self.within(part.value, &within, named, depth + 1, out);
        }
    }

    /// A value in which something is replaced. `named`: a path names it, so it should be an object or a list of them.
    fn within(&self, value: &str, ways: &Ways<'_>, named: bool, depth: usize, out: &mut String) {
        let start = out.len();
        let done = match value.as_bytes().first() {
            _ if value == "null" => {
                out.push_str(value);
                Some(())
            }
            _ if depth > DEEPEST => None,
            Some(b'{') => self.object(value, ways, None, depth, out),
            Some(b'[') => each_element(value, out, |element, out| self.within(element, ways, named, depth + 1, out)),
            // Whatever this is, it may hold what should be replaced.
            _ if named => None,
            _ => {
                out.push_str(value);
                Some(())
            }
        };
        if done.is_none() {
            out.truncate(start);
            out.push_str(MASK);
        }
    }

    /// A value that is replaced.
    fn whole(&self, value: &str, depth: usize, out: &mut String) {
        let shape = shape_of(value);
        if matches!(shape, Shape::Null) || value == "\"\"" {
            return out.push_str(value);
        }
        if value.starts_with('[') {
            let start = out.len();
            let whole = depth <= DEEPEST;
            let each = |element: &str, out: &mut String| self.whole(element, depth + 1, out);
            if !whole || each_element(value, out, each).is_none() {
                out.truncate(start);
                out.push_str(MASK);
            }
            return;
        }
        let text = text_of(value);
        // Half of a surrogate pair isn't text.
        let is_unreadable = shape == Shape::Escaped && matches!(text, std::borrow::Cow::Borrowed(_));
        match &self.key {
            Some(key) if !is_unreadable && !value.starts_with('{') => {
                out.push('"');
                out.push_str(std::str::from_utf8(&key.pseudonym(&text)).unwrap_or_default());
                out.push('"');
            }
            _ => out.push_str(MASK),
        }
    }
}

/// Writes an array anew, element by element. `None` if it isn't one.
fn each_element(json: &str, out: &mut String, mut each: impl FnMut(&str, &mut String)) -> Option<()> {
    let mut elements = Vec::new();
    if Scan::whole_array(json, |element| elements.push(element)).is_none() {
        let read: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        elements = read.into_iter().map(RawValue::get).collect();
    }
    out.push('[');
    for (number, element) in elements.into_iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        each(element, out);
    }
    out.push(']');
    Some(())
}
