//! Reads what a table contains besides single values: tables, and objects with any content.

use super::{Section, Slot};
use crate::settings::value::{Checked, Object};
use crate::settings::{Field, Kind};

impl Section {
    /// A sub-table; a missing one reads as empty, so that its defaults hold.
    #[must_use]
    pub fn table(&mut self, name: &str) -> Section {
        if let Some(Slot { value: Checked::Table(section), .. }) = self.slots.get(name) {
            return (**section).clone();
        }
        let fields: &'static [Field] = match self.field(name).map(|field| &field.kind) {
            Some(Kind::Table(fields)) => fields,
            _ => &[],
        };
        // A value that isn't a table has its error already.
        self.empty(self.path_of(name), fields, self.slots.contains_key(name))
    }

    /// The tables of a list; empty when it is optional and not there.
    pub(crate) fn tables(&mut self, name: &str) -> Vec<Section> {
        if let Some(Checked::Tables(sections)) = self.get_optional(name) { sections } else { Vec::new() }
    }

    /// Tables by their keys, in the order of the file.
    pub fn named_tables(&mut self, name: &str) -> Vec<(String, Section)> {
        if let Some(Checked::NamedTables(sections)) = self.get_optional(name) { sections } else { Vec::new() }
    }

    /// The keys of a map or of named tables as they are written, right or wrong.
    pub(crate) fn keys(&self, name: &str) -> Vec<&str> {
        let entries = self.slots.get(name).map(|slot| slot.entries.as_slice()).unwrap_or_default();
        entries.iter().map(|(key, _)| key.as_str()).collect()
    }

    /// An optional table with any content.
    pub(crate) fn optional_object(&mut self, name: &str) -> Option<Object> {
        if let Some(Checked::Object(object)) = self.get_optional(name) { Some(object) } else { None }
    }

    /// An optional list of tables with any content; `None` for a single one, too.
    pub(crate) fn optional_objects(&mut self, name: &str) -> Option<Vec<Object>> {
        if let Some(Checked::Objects(objects)) = self.get_optional(name) { Some(objects) } else { None }
    }
}
