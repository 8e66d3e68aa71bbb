//! An organization's `destination` becomes the settings of a sink of its own.
//!
//! Whoever can write the organizations file decides where an organization's records go, and nothing else: endpoints are allowed
//! by the pipeline file, secrets and files are names in the folder of secrets, and no reference to a variable or a file is resolved.

use std::ops::Range;

use super::rows::{Cell, Flaw, Row};
use super::secrets::Secrets;
use crate::component::SinkSettings;
use crate::pipeline::resolved::OwnDestination;
use crate::settings::document::{Entry, Node, Table, Value};
use crate::settings::report::{Report, SourceSpan};
use crate::settings::section::fingerprint::Fingerprinter;
use crate::settings::{Environment, Field, Kind, Section, Severity};

/// What the keys of a destination begin with, in a row.
pub(super) const PREFIX: &str = "destination.";

/// The key of a destination whose value has to be allowed.
pub(super) const ENDPOINT: &str = "endpoint";

/// The sink that organizations can have for themselves.
pub(super) struct DestinationsOf<'s> {
    /// Its place among the components.
    pub index: usize,
    pub name: &'s str,
    pub settings: &'s dyn SinkSettings,
    /// It has no destination of its own: each organization needs one.
    pub is_template: bool,
}

/// Reads destinations, each in a report of its own: what is wrong with one is a flaw of its entry.
pub(super) struct Reader<'s> {
    pub of: DestinationsOf<'s>,
    allowed: &'s [String],
    report: Report,
}

impl<'s> Reader<'s> {
    /// For the organizations of one file.
    pub fn new(of: DestinationsOf<'s>, allowed: &'s [String], environment: &Environment) -> Self {
        Self { of, allowed, report: Report::new(Vec::new(), environment.clone()) }
    }

    /// Reads what a row says about its destination; `None` after a flaw. Adds what is only worth a warning to `warnings`.
    pub fn read(
        &self,
        row: &Row,
        secrets: &mut Secrets,
        flaws: &mut Vec<Flaw>,
        warnings: &mut Vec<Flaw>,
    ) -> Option<OwnDestination> {
        let fields = self.of.settings.destination_fields();
        let before = flaws.len();
        let mut table = Table::new();
        for (key, cell) in row.destination() {
            match self.resolve(key, cell, secrets, &row.name.text) {
                Ok(text) => add(&mut table, key, value(fields, key, text), cell.span.clone()),
                Err((message, hint)) => {
                    flaws.push(Flaw::new(cell.span.clone(), &format!("{PREFIX}{key}"), message, hint));
                }
            }
        }
        if flaws.len() > before {
            return None;
        }
        let at = SourceSpan { document: 0, span: row.span.clone() };
        let path = PREFIX.trim_end_matches('.').to_owned();
        let mut section = Section::new(self.report.clone(), at, path, fields, &table);
        let mut fingerprinter = Fingerprinter::default();
        fingerprinter.section(&section);
        let settings = self.of.settings.for_destination(&mut section);
        for (start, found) in self.report.take() {
            let own = row.destination().map(|(_, cell)| &cell.span).find(|span| span.start == start);
            let own = own.unwrap_or(&row.span).clone();
            let flaw = Flaw::new(own, &found.path, found.message, found.hint.unwrap_or_default());
            if found.severity == Severity::Error {
                flaws.push(flaw);
            } else if !found.path.strip_prefix(PREFIX).is_some_and(|key| is_secret(fields, key)) {
                // Whether others can read the secrets is told once for all of them.
                warnings.push(flaw);
            }
        }
        let settings = settings.filter(|_| flaws.len() == before)?;
        Some(OwnDestination { fingerprint: fingerprinter.finish(), settings })
    }

    /// The text of a cell as the sink's table would have it, or a message and a hint.
    fn resolve(
        &self,
        key: &str,
        cell: &Cell,
        secrets: &mut Secrets,
        organization: &str,
    ) -> Result<String, (String, String)> {
        let text = &cell.text;
        if text.contains("${") {
            let message = "a destination refers to a variable or a file, which this file can't do".to_owned();
            let hint = "write the value itself; for a secret, the name of a file in `secrets_dir`";
            return Err((message, hint.to_owned()));
        }
        let is_secret = is_secret(self.of.settings.destination_fields(), key);
        if is_secret {
            return Ok(format!("${{file:{}}}", secrets.bind(text, organization, key)?.display()));
        }
        if key.ends_with("_file") {
            return Ok(secrets.bind_file(text, organization, key)?.display().to_string());
        }
        let same = |endpoint: &String| endpoint.trim_end_matches('/') == text.trim_end_matches('/');
        if key == ENDPOINT && !self.allowed.iter().any(same) {
            let hint = "correct it, or add it to `allowed_endpoints` in the pipeline file";
            return Err(("`endpoint` isn't one of `allowed_endpoints`".to_owned(), hint.to_owned()));
        }
        Ok(text.clone())
    }
}

/// Whether a key holds a secret.
fn is_secret(fields: &'static [Field], key: &str) -> bool {
    field(fields, key).is_some_and(|field| matches!(field.kind, Kind::Secret))
}

/// The field that a key names, also one of a table: `credential.kind`.
fn field(fields: &'static [Field], key: &str) -> Option<&'static Field> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let found = fields.iter().find(|field| field.name == first)?;
    match rest {
        Some(rest) => field(found.kind.fields()?, rest),
        None => Some(found),
    }
}

/// A text as its field has it: a table with commas has no other values than texts.
fn value(fields: &'static [Field], key: &str, text: String) -> Value {
    let is_flag = field(fields, key).is_some_and(|field| matches!(field.kind, Kind::Flag));
    match text.parse() {
        Ok(flag) if is_flag => Value::Flag(flag),
        _ => Value::Text(text),
    }
}

/// Adds a value to a table, or to the table in it that the key leads to.
fn add(table: &mut Table, key: &str, value: Value, span: Range<usize>) {
    let Some((first, rest)) = key.split_once('.') else {
        let node = Node { value, span: span.clone() };
        return table.push(Entry { key: key.to_owned(), key_span: span, node });
    };
    let known = table.iter().position(|entry| entry.key == first && matches!(entry.node.value, Value::Table(_)));
    let at = known.unwrap_or_else(|| {
        let node = Node { value: Value::Table(Table::new()), span: span.clone() };
        table.push(Entry { key: first.to_owned(), key_span: span.clone(), node });
        table.len() - 1
    });
    if let Value::Table(inner) = &mut table[at].node.value {
        add(inner, rest, value, span);
    }
}
