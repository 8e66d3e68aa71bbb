//! Reads one TOML table by its fields.

use std::time::Duration;

use super::{Field, Secret};

/// One TOML table of the pipeline file, being read. Each getter takes a key that the section's fields list, resolves
/// variables, checks the bounds and answers the value or the default. A wrong value is recorded as an error, with
/// file, line, column and path, and answered by a placeholder, so that one reading finds all errors.
#[derive(Debug)]
pub struct Section {
    _fields: &'static [Field],
}

impl Section {
    /// A required string, or one with a default.
    pub fn text(&mut self, _name: &str) -> String {
        String::new()
    }
    /// An optional string.
    pub fn optional_text(&mut self, _name: &str) -> Option<String> {
        None
    }
    /// A required secret.
    pub fn secret(&mut self, _name: &str) -> Secret {
        Secret::literal("")
    }
    /// A duration (it has a default or is required).
    pub fn duration(&mut self, _name: &str) -> Duration {
        Duration::ZERO
    }
    /// An integer.
    pub fn integer(&mut self, _name: &str) -> i64 {
        0
    }
    /// An optional integer.
    pub fn optional_integer(&mut self, _name: &str) -> Option<i64> {
        None
    }
    /// A flag.
    pub fn flag(&mut self, _name: &str) -> bool {
        false
    }
    /// A list of strings.
    pub fn list(&mut self, _name: &str) -> Vec<String> {
        Vec::new()
    }
    /// A map of strings, in the order of the file.
    pub fn map(&mut self, _name: &str) -> Vec<(String, String)> {
        Vec::new()
    }
    /// A sub-table; a missing one reads as empty, so that its defaults hold.
    pub fn table(&mut self, _name: &str) -> Section {
        Section { _fields: &[] }
    }
    /// Whether the key is in the file.
    pub fn has(&self, _name: &str) -> bool {
        false
    }
    /// Records an error at a field (or, if the file doesn't have it, at the table).
    pub fn error(&mut self, _name: &str, _message: impl Into<String>, _hint: impl Into<String>) {}
    /// Records a warning at a field.
    pub fn warning(&mut self, _name: &str, _message: impl Into<String>, _hint: impl Into<String>) {}
}
