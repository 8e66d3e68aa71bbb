//! Reads one TOML table by its fields.

mod errors;
pub(crate) mod fingerprint;
#[cfg(feature = "remap")]
mod programs;
mod tables;
mod urls;

use std::{collections::BTreeMap, fmt, ops::Range, path::PathBuf, time::Duration};

use super::diagnostic::Diagnostic;
use super::document::{Document, Table, Value, end};
use super::duration::parse_duration;
use super::nearest::{all_of, nearest};
use super::report::{Report, SourceSpan};
use super::value::{Check, Checked, shown_key, without_numbers};
use super::{Environment, Field, Kind, Presence, Secret};

/// One TOML table of the pipeline file, being read. Each getter takes a key that the section's fields list, resolves
/// variables, checks the bounds and returns the value or the default. A wrong value is recorded as an error, with
/// file, line, column and path, and replaced by a placeholder, so that one run finds all errors.
///
/// The whole table is checked when the section is made; the getters then only fetch. So a key that a component
/// doesn't ask for is checked too.
#[derive(Clone)]
pub struct Section {
    report: Report,
    /// The table's header: where errors about missing fields point.
    span: SourceSpan,
    path: String,
    fields: &'static [Field],
    /// Keys that the component's kind adds and that are read elsewhere: for hints only.
    common: &'static [&'static Field],
    slots: BTreeMap<&'static str, Slot>,
    /// Where the table's last value ends in its file.
    end: usize,
    /// For a table that is missing although it is required: that error says it all.
    quiet: bool,
}

#[derive(Clone, Debug)]
struct Slot {
    value: Checked,
    key: Range<usize>,
    /// The value's location if that is on the key's line; otherwise the key's.
    span: Range<usize>,
    /// Whether the key is in the file at all.
    written: bool,
    /// The keys of a map or of named tables, and the elements of a list by their numbers from 0.
    entries: Vec<(String, Range<usize>)>,
}

impl Section {
    /// Reads a table of its own: one that a command makes, or a test. Variables come from `environment`.
    pub fn parse(text: &str, fields: &'static [Field], environment: Environment) -> Self {
        let document = Document::new("pipeline.toml".into(), text.to_owned());
        let parsed = document.parse();
        let report = Report::new(vec![document], environment);
        let table = parsed.unwrap_or_else(|errors| {
            for error in errors {
                let known = fields.iter().map(|field| field.name).collect();
                report.not_toml(&SourceSpan { document: 0, span: error.span }, &known, error.message, "");
            }
            Table::new()
        });
        Self::new(report, SourceSpan { document: 0, span: 0..0 }, String::new(), fields, &table)
    }

    /// What has been recorded so far, in this and all other sections of the set.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.report.found()
    }

    pub(crate) fn new(report: Report, span: SourceSpan, path: String, fields: &'static [Field], table: &Table) -> Self {
        Self::of_component(report, (span, path), fields, &[], table, false)
    }

    /// The table of a component. A template has no fields that each organization has for itself.
    pub(crate) fn of_component(
        report: Report,
        (span, path): (SourceSpan, String),
        fields: &'static [Field],
        common: &'static [&'static Field],
        table: &Table,
        is_template: bool,
    ) -> Self {
        let mut section =
            Self { report, span, path, fields, common, slots: BTreeMap::new(), end: end(table), quiet: false };
        // The fields that mistyped keys were meant to be: they aren't reported as missing, too.
        let mut meant = Vec::new();
        for entry in table {
            match fields.iter().find(|field| field.name == entry.key) {
                Some(field) => section.take(field, entry),
                None => meant.extend(section.unknown(&entry.key, &entry.key_span)),
            }
        }
        for field in fields.iter().filter(|field| !section.slots.contains_key(field.name)).collect::<Vec<_>>() {
            let is_given = is_template && matches!(field.presence, Presence::PerOrganization);
            if meant.contains(&field.name) || is_given {
                section.placeholder(field);
            } else if field.presence.is_required() {
                section.missing(field);
            }
        }
        section
    }

    fn empty(&self, path: String, fields: &'static [Field], quiet: bool) -> Self {
        Self {
            report: self.report.clone(),
            span: self.span.clone(),
            path,
            fields,
            common: &[],
            slots: BTreeMap::new(),
            end: self.span.span.end,
            quiet,
        }
    }

    fn take(&mut self, field: &'static Field, entry: &super::document::Entry) {
        let path = self.path_of(field.name);
        let span = match &entry.node.value {
            Value::Table(_) => entry.key_span.clone(),
            _ => entry.node.span.clone(),
        };
        let at = SourceSpan { document: self.span.document, span: span.clone() };
        let value = Check { report: &self.report, field, span: at, path: &path }.value(entry);
        let entries = match (&field.kind, &entry.node.value) {
            (Kind::Map | Kind::NamedTables(_), Value::Table(table)) => {
                table.iter().map(|entry| (entry.key.clone(), entry.key_span.clone())).collect()
            }
            (Kind::List, Value::List(nodes)) => {
                nodes.iter().enumerate().map(|(number, node)| (number.to_string(), node.span.clone())).collect()
            }
            _ => Vec::new(),
        };
        self.slots.insert(field.name, Slot { value, key: entry.key_span.clone(), span, written: true, entries });
    }

    /// Records an unknown key, and returns the field that it was probably meant to be.
    fn unknown(&self, key: &str, span: &Range<usize>) -> Option<&'static str> {
        let names = || self.common.iter().copied().chain(self.fields).map(|field| field.name);
        let near = nearest(key, names());
        let hint = match near {
            Some(name) => format!("did you mean `{name}`?"),
            None if names().next().is_none() => "this table has no keys: remove it".into(),
            None => format!("the keys here are {}", all_of(names())),
        };
        let span = SourceSpan { document: self.span.document, span: span.clone() };
        self.report.error(&span, &self.path_of(key), format!("unknown key `{}`", shown_key(key)), hint);
        near
    }

    fn missing(&mut self, field: &'static Field) {
        let path = self.path_of(field.name);
        if !self.quiet {
            let hint = match &field.kind {
                Kind::Table(fields) => {
                    let required = fields.iter().filter(|field| field.presence.is_required());
                    let lines: Vec<String> = required.map(example).collect();
                    format!("add [{path}] with {}", if lines.is_empty() { "its keys".into() } else { lines.join(", ") })
                }
                Kind::Tables(fields) => {
                    let required = fields.iter().filter(|field| field.presence.is_required());
                    let lines: Vec<String> = required.map(example).collect();
                    format!("add [[{}]] with {}", without_numbers(&path), lines.join(", "))
                }
                Kind::Map | Kind::NamedTables(_) => format!("add [{path}]"),
                _ => format!("add {}", example(field)),
            };
            self.report.error(&self.span, &path, format!("`{}` is missing", field.name), hint);
        }
        self.placeholder(field);
    }

    /// Replaces a field whose absence has been reported.
    fn placeholder(&mut self, field: &'static Field) {
        let value = match &field.kind {
            Kind::Table(fields) => Checked::Table(Box::new(self.empty(self.path_of(field.name), fields, true))),
            _ => Checked::Wrong,
        };
        let here = self.span.span.clone();
        self.slots
            .insert(field.name, Slot { value, key: here.clone(), span: here, written: false, entries: Vec::new() });
    }

    fn path_of(&self, key: &str) -> String {
        let key = shown_key(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        let field = self.fields.iter().find(|field| field.name == name);
        debug_assert!(field.is_some(), "`{}` has no field `{name}`", self.path);
        field
    }

    /// The checked value. A missing one without a default is an error here at the latest.
    fn get(&mut self, name: &str) -> Option<Checked> {
        let field = self.field(name)?;
        match self.slots.get(name).map(|slot| &slot.value) {
            Some(Checked::Wrong) => None,
            Some(Checked::Nothing) | None => match field.presence {
                Presence::Default(default) => Some(default_value(field, default)),
                Presence::Required | Presence::PerOrganization | Presence::Optional => {
                    self.missing(field);
                    None
                }
            },
            Some(value) => Some(value.clone()),
        }
    }

    /// The same for a field that may be absent.
    fn get_optional(&mut self, name: &str) -> Option<Checked> {
        let field = self.field(name)?;
        if self.has(name) || matches!(field.presence, Presence::Default(_)) { self.get(name) } else { None }
    }

    /// A required string, or one with a default. After an error: the first choice, or an empty string.
    pub fn text(&mut self, name: &str) -> String {
        match self.get(name) {
            Some(Checked::Text(text)) => text,
            _ => match self.field(name).map(|field| &field.kind) {
                Some(Kind::Choice(choices)) => choices.first().copied().unwrap_or_default().into(),
                _ => String::new(),
            },
        }
    }

    /// An optional string. An empty one, as `"${PROXY:-}"` may give it, counts as none.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        if let Some(Checked::Text(text)) = self.get_optional(name) { Some(text) } else { None }
    }

    /// A required secret.
    pub fn secret(&mut self, name: &str) -> Secret {
        if let Some(Checked::Secret(secret)) = self.get(name) { secret } else { Secret::literal("") }
    }

    /// An optional secret.
    pub fn optional_secret(&mut self, name: &str) -> Option<Secret> {
        if let Some(Checked::Secret(secret)) = self.get_optional(name) { Some(secret) } else { None }
    }

    /// A duration (it has a default or is required).
    pub fn duration(&mut self, name: &str) -> Duration {
        match self.get(name) {
            Some(Checked::Duration(duration)) => duration,
            _ => match self.field(name).map(|field| &field.kind) {
                Some(Kind::Duration { min, .. }) => parse_duration(min).unwrap_or_default(),
                _ => Duration::ZERO,
            },
        }
    }

    /// An optional duration.
    pub fn optional_duration(&mut self, name: &str) -> Option<Duration> {
        if let Some(Checked::Duration(duration)) = self.get_optional(name) { Some(duration) } else { None }
    }

    /// An integer, or a size in bytes.
    pub fn integer(&mut self, name: &str) -> i64 {
        match self.get(name) {
            Some(Checked::Integer(number)) => number,
            _ => match self.field(name).map(|field| &field.kind) {
                Some(Kind::Integer { min, .. } | Kind::Size { min, .. }) => *min,
                _ => 0,
            },
        }
    }

    /// An optional integer or size.
    pub fn optional_integer(&mut self, name: &str) -> Option<i64> {
        if let Some(Checked::Integer(number)) = self.get_optional(name) { Some(number) } else { None }
    }

    /// A flag.
    pub fn flag(&mut self, name: &str) -> bool {
        matches!(self.get(name), Some(Checked::Flag(true)))
    }

    /// A list of strings; empty when it is optional and not there.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        if let Some(Checked::List(texts)) = self.get_optional(name) { texts } else { Vec::new() }
    }

    /// A list of whole numbers, empty where it is missing.
    pub fn integers(&mut self, name: &str) -> Vec<i64> {
        if let Some(Checked::Integers(numbers)) = self.get_optional(name) { numbers } else { Vec::new() }
    }

    /// A map of strings, in the order of the file.
    pub fn map(&mut self, name: &str) -> Vec<(String, String)> {
        if let Some(Checked::Map(entries)) = self.get_optional(name) { entries } else { Vec::new() }
    }

    /// The table's file, and the line of its header, from 1.
    pub(crate) fn place(&self) -> (PathBuf, usize) {
        let document = self.report.document(self.span.document);
        document.map_or_else(Default::default, |document| {
            (document.path().to_owned(), document.position(self.span.span.start).0)
        })
    }

    /// Where the table's last value ends, in bytes of its file.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Whether the key is in the file, with something in it.
    pub fn has(&self, name: &str) -> bool {
        self.slots.get(name).is_some_and(|slot| slot.written && !matches!(slot.value, Checked::Nothing))
    }

    /// Whether the key's value is wrong, which has been reported. What depends on it can't be checked.
    pub fn is_wrong(&self, name: &str) -> bool {
        self.slots.get(name).is_some_and(|slot| slot.written && matches!(slot.value, Checked::Wrong))
    }

    /// Whether an error about this key has been reported, also one about a key that was meant to be it.
    pub(crate) fn has_error(&self, name: &str) -> bool {
        self.slots.get(name).is_some_and(|slot| matches!(slot.value, Checked::Wrong))
    }

    /// A variable of the environment, for the few that a platform sets. Everything else is in the file as `${VAR}`. An
    /// empty one counts as none.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.report.environment().variable(name).filter(|value| !value.trim().is_empty())
    }

    /// Whether files and the platform's variables must be there: not with `validate --no-environment`.
    pub fn is_on_its_machine(&self) -> bool {
        self.report.environment().is_present()
    }

    /// Whether the component's fields list this key.
    pub fn declares(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("path", &self.path).field("keys", &self.slots.keys()).finish_non_exhaustive()
    }
}

/// A field as one would write it, for hints.
fn example(field: &Field) -> String {
    let name = field.name;
    match &field.kind {
        Kind::Secret => format!("{name} = \"${{{}}}\"", name.to_ascii_uppercase()),
        Kind::Choice(choices) => format!("{name} = \"{}\"", choices.join("\" | \"")),
        Kind::Duration { min, .. } => format!("{name} = \"{min}\""),
        Kind::Integer { min, .. } | Kind::Size { min, .. } => format!("{name} = {min}"),
        Kind::Flag => format!("{name} = true"),
        Kind::List => format!("{name} = [\"…\"]"),
        Kind::Integers { min, .. } => format!("{name} = [{min}]"),
        Kind::Map | Kind::Table(_) | Kind::NamedTables(_) => format!("[{name}]"),
        Kind::Tables(_) => format!("[[{name}]]"),
        Kind::Object | Kind::Objects => format!("{name} = {{ … }}"),
        Kind::Text => format!("{name} = \"…\""),
        Kind::Program => format!("{name} = '''…'''"),
    }
}

/// A default, which the registry's test has proven to be right.
fn default_value(field: &Field, default: &str) -> Checked {
    match &field.kind {
        Kind::Text | Kind::Program | Kind::Choice(_) => Checked::Text(default.into()),
        Kind::Secret => Checked::Secret(Secret::literal(default)),
        Kind::Duration { .. } => parse_duration(default).map_or(Checked::Wrong, Checked::Duration),
        Kind::Integer { .. } | Kind::Size { .. } => default.parse().map_or(Checked::Wrong, Checked::Integer),
        Kind::Flag => Checked::Flag(default == "true"),
        Kind::List => Checked::List(default_list(default)),
        Kind::Map => Checked::Map(Vec::new()),
        // Nothing has one.
        Kind::Integers { .. } => Checked::Integers(Vec::new()),
        Kind::Table(_) | Kind::Tables(_) | Kind::NamedTables(_) | Kind::Object | Kind::Objects => Checked::Wrong,
    }
}

/// A list's default, written as in TOML: `["a", "b"]`.
pub(crate) fn default_list(default: &str) -> Vec<String> {
    let document = Document::new("default".into(), format!("list = {default}"));
    let first = document.parse().ok().and_then(|table| table.into_iter().next());
    let Some(Value::List(nodes)) = first.map(|entry| entry.node.value) else { return Vec::new() };
    nodes
        .into_iter()
        .filter_map(|node| match node.value {
            Value::Text(text) => Some(text),
            _ => None,
        })
        .collect()
}
