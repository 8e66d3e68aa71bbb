//! What is wrong with a table, recorded where it stands.

use std::ops::Range;

use super::{Section, Slot};
use crate::settings::nearest::{all_of, nearest};
use crate::settings::report::SourceSpan;
use crate::settings::value::{Checked, quote, shown_key};

impl Section {
    /// Records an error at a field (or, if the file doesn't have it, at the table). `map.key` means one entry of a
    /// map, `list.0` an element of a list. A field that has an error already gets no second one.
    pub fn error(&mut self, name: &str, message: impl Into<String>, hint: impl Into<String>) {
        let (span, path, field) = self.locate(name);
        let entry = name != field;
        if self.quiet || matches!(self.slots.get(field), Some(Slot { value: Checked::Wrong, .. })) {
            return;
        }
        self.report.error(&span, &path, message, hint);
        if let Some(slot) = self.slots.get_mut(field)
            && !entry
            && !matches!(slot.value, Checked::Table(_))
        {
            slot.value = Checked::Wrong;
        }
    }

    /// Records an error at the table itself.
    pub fn table_error(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        if !self.quiet {
            self.report.error(&self.span, &self.path, message, hint);
        }
    }

    /// Records a warning at a field.
    pub fn warning(&mut self, name: &str, message: impl Into<String>, hint: impl Into<String>) {
        let (span, path, _) = self.locate(name);
        self.report.warning(&span, &path, message, hint);
    }

    /// The location and the path of a field or of a map's entry, and the field's own name.
    pub(super) fn locate<'n>(&self, name: &'n str) -> (SourceSpan, String, &'n str) {
        let at = |span: &Range<usize>| SourceSpan { document: self.span.document, span: span.clone() };
        if let Some((map, key)) = name.split_once('.') {
            let path = format!("{}.{}", self.path_of(map), shown_key(key));
            let slot = self.slots.get(map);
            let entry = slot.and_then(|slot| slot.entries.iter().find(|(name, _)| name == key));
            let span = entry.map(|(_, span)| span).or(slot.map(|slot| &slot.key));
            return (span.map_or_else(|| self.span.clone(), at), path, map);
        }
        let path = if name.is_empty() { self.path.clone() } else { self.path_of(name) };
        (self.slots.get(name).map_or_else(|| self.span.clone(), |slot| at(&slot.span)), path, name)
    }

    /// Checks that the keys of a map are exactly these inputs: every input needs a destination.
    pub fn keys_are_inputs(&mut self, map: &str, inputs: &[String]) {
        if !self.declares(map) || !matches!(self.slots.get(map), Some(Slot { value: Checked::Map(_), .. })) {
            return;
        }
        let keys: Vec<String> = self.map(map).into_iter().map(|(key, _)| key).collect();
        let strangers: Vec<&String> = keys.iter().filter(|key| !inputs.contains(key)).collect();
        for key in &strangers {
            let hint = match nearest(key, inputs.iter().map(String::as_str)) {
                Some(input) => format!("did you mean \"{input}\"?"),
                None => format!("add {} to `inputs`, or remove this line", quote(key)),
            };
            self.error(
                &format!("{map}.{key}"),
                format!("`{}` isn't one of this sink's inputs", key.escape_debug()),
                hint,
            );
        }
        let left: Vec<&str> = inputs.iter().filter(|input| !keys.contains(input)).map(String::as_str).collect();
        if !left.is_empty() {
            let path = self.path_of(map);
            let lines: Vec<String> = left.iter().map(|input| format!("\"{input}\" = \"Custom-…\"")).collect();
            let message = format!("`{map}` has no stream for {}", all_of(left));
            self.error(map, message, format!("add to [{path}]: {}", lines.join(", ")));
        }
        if !strangers.is_empty()
            && let Some(slot) = self.slots.get_mut(map)
        {
            // The component's own checks of this map have nothing to add.
            slot.value = Checked::Wrong;
        }
    }
}
