//! Rows become organizations with their access. What is wrong with one is told by line and key, and keeps this one out.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::destination::{PREFIX, Reader};
use super::rows::{Cell, Flaw, Row};
use super::secrets::{RENEW, Secrets, looks_like_a_secret};
use super::{Entry, KeptOut, Organizations};
use crate::component::OrganizationAccess;
use crate::event::Organization;
use crate::pipeline::resolved::OwnDestination;
use crate::settings::nearest::{all_of, nearest};
use crate::settings::report::{Report, SourceSpan};
use crate::settings::value::{quote, shown_key};
use crate::settings::{Secret, Section};

/// What an entry can say, besides labels.
pub(super) const KEYS: [&str; 4] = ["id", "endpoint", "token", "state"];
/// An id that has the looks of a secret. What isn't one is told when the destination is read.
const RULE: &str = "destination.dcr_immutable_id";
/// Longer names make file names and metrics unreadable.
const LONGEST_NAME: usize = 64;
/// Longer labels make paths unreadable.
const LONGEST_LABEL: usize = 256;
/// As many labels does one organization have.
const MOST_LABELS: usize = 32;

/// How bad a wrong entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// It is left out, and told.
    Warning,
    /// Nothing is started.
    Error,
}

/// Whether an entry can have this key, or a table this column.
pub(super) fn is_key(key: &str) -> bool {
    key == "name" || KEYS.contains(&key) || key.starts_with("label.") || key.starts_with(PREFIX)
}

/// What an entry can say, for hints.
fn words() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter().chain(["labels", "destination"])
}

/// What organizations can have as a destination.
pub(super) enum Destinations<'s> {
    /// One of this sink's kind.
    Of(Reader<'s>),
    /// None: why, and what to do.
    None(String, &'static str),
}

/// Checks row after row.
pub(super) struct Checker<'r> {
    report: &'r Report,
    document: usize,
    severity: Severity,
    endpoints: &'r [String],
    destinations: Destinations<'r>,
    secrets: Secrets,
    /// The lines of the names, the ids and the states so far.
    names: HashMap<String, usize>,
    ids: HashMap<String, String>,
    states: HashMap<String, String>,
    organizations: Organizations,
}

impl<'r> Checker<'r> {
    /// For one file. `components` are names that no `state` can take: their sources have these states.
    pub fn new(
        report: &'r Report,
        document: usize,
        severity: Severity,
        endpoints: &'r [String],
        destinations: Destinations<'r>,
        secrets: Secrets,
        components: Vec<String>,
    ) -> Self {
        let states = components.into_iter().map(|name| (name.clone(), name)).collect();
        let (names, ids) = Default::default();
        let destinations_of = match &destinations {
            Destinations::Of(reader) => Some(reader.of.index),
            Destinations::None(..) => None,
        };
        let file = report.document(document).map(|document| document.path().to_owned()).unwrap_or_default();
        let kept_out = KeptOut { file, ..KeptOut::default() };
        let organizations = Organizations { destinations_of, kept_out, ..Organizations::default() };
        Self { report, document, severity, endpoints, destinations, secrets, names, ids, states, organizations }
    }

    /// Checks a row, and keeps its organization or tells what is wrong with it.
    pub fn row(&mut self, mut row: Row) {
        let mut flaws = std::mem::take(&mut row.flaws);
        self.check_name(&row, &mut flaws);
        check_keys(&row, &mut flaws);
        let [id, endpoint, token, state] = KEYS.map(|key| row.cell(key));
        let id = self.id(&row, id, &mut flaws);
        let endpoint = self.endpoint(&row, endpoint, &mut flaws);
        let state = self.state(state, id, &mut flaws);
        let labels = labels(&row, &mut flaws);
        let name = row.name.text.clone();
        // Last: a secret is bound only to an entry that is right.
        let binds = flaws.is_empty();
        let token = if binds { self.token(&row, token, &mut flaws) } else { None };
        let destination = if flaws.is_empty() { self.destination(&row, &mut flaws) } else { None };
        if binds && !flaws.is_empty() {
            self.secrets.release(&name);
        }
        if let (true, Some(id), Some(endpoint), Some(token)) = (flaws.is_empty(), id, endpoint, token) {
            let line = self.line(&row.span);
            self.names.insert(name.clone(), line);
            self.ids.insert(id.to_owned(), name.clone());
            self.states.insert(state.clone(), name.clone());
            let has_destination = destination.is_some();
            let organization = Arc::new(Organization { name, id: id.to_owned(), state, labels, has_destination });
            let access = OrganizationAccess { organization, endpoint: endpoint.to_owned(), token };
            self.organizations.entries.push(Entry { access, destination });
            return;
        }
        // One that is right already keeps its place, whoever else claims its name or id.
        if !self.names.contains_key(&name) {
            self.organizations.kept_out.names.insert(name);
        }
        let id = row.cell("id").map(|cell| cell.text.clone());
        self.organizations.kept_out.ids.extend(id.filter(|id| !self.ids.contains_key(id)));
        for flaw in flaws {
            self.tell(&row.name.text, flaw);
        }
    }

    /// What was found. A warning about the folder of secrets stands at `section`.
    pub fn finish(self, section: &mut Section) -> Organizations {
        let open = self.secrets.open_to_others();
        if open > 0 {
            let message = format!("users other than the owner can access {open} of the files in `secrets_dir`");
            section.warning("secrets_dir", message, "restrict them: chmod 600, and the folder: chmod 700");
        }
        self.organizations
    }

    fn tell(&self, name: &str, flaw: Flaw) {
        let span = SourceSpan { document: self.document, span: flaw.span };
        let name = if looks_like_a_secret(name) { "…".to_owned() } else { shown_key(name) };
        let path = match (flaw.key.as_str(), name.as_str()) {
            (key, "\"\"" | "…") => key.to_owned(),
            ("", _) => name.clone(),
            (key, _) => format!("{name}.{key}"),
        };
        match self.severity {
            Severity::Error => self.report.error(&span, &path, flaw.message, flaw.hint),
            Severity::Warning => {
                let message = format!("{}; this entry isn't used", flaw.message);
                self.report.warning(&span, &path, message, flaw.hint);
            }
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.report.document(self.document).map_or(0, |document| document.position(span.start).0)
    }

    fn check_name(&self, row: &Row, flaws: &mut Vec<Flaw>) {
        let Cell { text: name, span } = &row.name;
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut flaw = |message: String, hint: &str| flaws.push(Flaw::new(span.clone(), "", message, hint));
        if let Some(line) = self.names.get(name) {
            flaw(format!("`{name}` is listed twice"), &format!("keep one of them; the other one is in line {line}"));
        } else if looks_like_a_secret(name) {
            flaw("the name seems to be a secret, and this file holds none".into(), RENEW);
        } else if name.is_empty() {
            flaw("an organization has no name".into(), "give it one, of letters, digits, `_` and `-`");
        } else if !name.chars().all(good) || name.starts_with('-') {
            let hint = "use letters, digits, `_` and `-`, and don't start with `-`; put other text into a label";
            flaw(format!("{} can't be an organization's name", quote(name)), hint);
        } else if name.len() > LONGEST_NAME {
            let message = format!("a name of {} characters is too long", name.len());
            flaw(message, &format!("use at most {LONGEST_NAME} characters; put other text into a label"));
        }
    }

    fn id<'c>(&self, row: &Row, cell: Option<&'c Cell>, flaws: &mut Vec<Flaw>) -> Option<&'c str> {
        let Some(Cell { text, span }) = cell else {
            // Nothing more about what is no table.
            if flaws.iter().any(|flaw| flaw.key == "id" || flaw.key.is_empty() && flaw.span == row.span) {
                return None;
            }
            let hint = "give it a text of its own that never changes: its state is known by it";
            flaws.push(Flaw::new(row.span.clone(), "", "an organization has no `id`", hint));
            return None;
        };
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(good) {
            let hint = format!("use at most {LONGEST_NAME} letters, digits, `.`, `_`, `:` and `-`");
            flaws.push(Flaw::new(span.clone(), "id", "`id` can't have this value", hint));
            return None;
        }
        if let Some(other) = self.ids.get(text) {
            let hint = "give it another one: an id belongs to one organization for good";
            flaws.push(Flaw::new(span.clone(), "id", format!("`id` is the one of `{other}`"), hint));
            return None;
        }
        Some(text)
    }

    fn endpoint<'c>(&'c self, row: &'c Row, cell: Option<&'c Cell>, flaws: &mut Vec<Flaw>) -> Option<&'r str> {
        let allowed = self.endpoints;
        match (cell, allowed) {
            (None, [only]) => Some(only),
            (None, _) => {
                let hint = "with several `allowed_endpoints`, each organization says which is its own";
                flaws.push(Flaw::new(row.span.clone(), "", "an organization has no `endpoint`", hint));
                None
            }
            (Some(cell), _) => {
                let found = allowed.iter().find(|endpoint| **endpoint == cell.text);
                if found.is_none() {
                    let hint = "correct it, or add it to `allowed_endpoints` in the pipeline file";
                    let message = "`endpoint` isn't one of `allowed_endpoints`";
                    flaws.push(Flaw::new(cell.span.clone(), "endpoint", message, hint));
                }
                found.map(String::as_str)
            }
        }
    }

    /// The name in the key of its state: the one that it goes on from, or one made of its id.
    fn state(&self, cell: Option<&Cell>, id: Option<&str>, flaws: &mut Vec<Flaw>) -> String {
        let state = cell.map_or_else(|| Organization::state_of(id.unwrap_or_default()), |cell| cell.text.clone());
        if let (Some(cell), Some(owner)) = (cell, self.states.get(&state)) {
            let message = format!("`state` is the one of `{owner}`");
            let hint = "a state belongs to one organization: remove the source that had it, or this line";
            flaws.push(Flaw::new(cell.span.clone(), "state", message, hint));
        }
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if let Some(cell) = cell.filter(|cell| cell.text.len() > LONGEST_NAME || !cell.text.bytes().all(good)) {
            let hint = "write the name of the source that read this organization before";
            flaws.push(Flaw::new(cell.span.clone(), "state", "`state` is no source's name", hint));
        }
        state
    }

    fn token(&mut self, row: &Row, cell: Option<&Cell>, flaws: &mut Vec<Flaw>) -> Option<Secret> {
        let Some(cell) = cell.filter(|cell| !cell.text.is_empty()) else {
            let hint = "write token = \"NAME\", the name of a file in `secrets_dir`";
            flaws.push(Flaw::new(row.span.clone(), "", "an organization has no `token`", hint));
            return None;
        };
        let bound = self.secrets.bind(&cell.text, &row.name.text, "token");
        let bound = bound.map_err(|(message, hint)| flaws.push(Flaw::new(cell.span.clone(), "token", message, hint)));
        bound.ok().map(Secret::file)
    }

    /// Its own destination; `None` where it has none, or after a flaw.
    fn destination(&mut self, row: &Row, flaws: &mut Vec<Flaw>) -> Option<OwnDestination> {
        let first = row.destination().next().map(|(_, cell)| cell.span.clone());
        match (&self.destinations, first) {
            (Destinations::None(why, hint), Some(span)) => {
                flaws.push(Flaw::new(span, "destination", why.clone(), *hint));
                None
            }
            (Destinations::Of(reader), None) if reader.of.is_template => {
                let message =
                    format!("an organization has no `destination`, and `{}` has none for all", reader.of.name);
                let hint = "write destination = { endpoint = \"…\", dcr_immutable_id = \"…\" }";
                flaws.push(Flaw::new(row.span.clone(), "", message, hint));
                None
            }
            (_, None) => None,
            (Destinations::Of(reader), Some(_)) => {
                let mut warnings = Vec::new();
                let destination = reader.read(row, &mut self.secrets, flaws, &mut warnings);
                for Flaw { span, key, message, hint } in warnings {
                    let (span, path) =
                        (SourceSpan { document: self.document, span }, format!("{}.{key}", row.name.text));
                    self.report.warning(&span, &path, message, hint);
                }
                destination
            }
        }
    }
}

impl Row {
    fn cell(&self, key: &str) -> Option<&Cell> {
        self.cells.iter().find(|(known, _)| known == key).map(|(_, cell)| cell)
    }
}

/// Keys that no entry has, and texts that may be secrets.
fn check_keys(row: &Row, flaws: &mut Vec<Flaw>) {
    for (key, cell) in &row.cells {
        if key == "name" || !is_key(key) {
            let hint = match nearest(key, words()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", all_of(words())),
            };
            // A key may be anything, too: only the right ones are shown.
            flaws.push(Flaw::new(cell.span.clone(), "", "this organization has an unknown key", hint));
        } else if key != "token" && key != RULE && looks_like_a_secret(&cell.text) {
            let message = format!("{} seems to hold a secret, and this file holds none", shown(key));
            flaws.push(Flaw::new(cell.span.clone(), key, message, RENEW));
        }
    }
}

/// The labels by their keys.
fn labels(row: &Row, flaws: &mut Vec<Flaw>) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    for (key, Cell { text, span }) in &row.cells {
        let Some(label) = key.strip_prefix("label.") else { continue };
        let mut flaw = |message: &str, hint: String| flaws.push(Flaw::new(span.clone(), "", message, hint));
        if label.is_empty()
            || label.len() > LONGEST_NAME
            || !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            flaw("a label has a key that can't be used", "use letters, digits and `_` in its key".to_owned());
        } else if text.len() > LONGEST_LABEL || text.chars().any(char::is_control) {
            flaw("a label can't have this value", format!("use at most {LONGEST_LABEL} bytes, in one line"));
        } else {
            labels.push((label.to_owned(), text.clone()));
        }
    }
    if labels.len() > MOST_LABELS {
        let message = format!("an organization has {} labels", labels.len());
        flaws.push(Flaw::new(row.span.clone(), "", message, format!("use at most {MOST_LABELS}")));
    }
    labels
}

/// A key, for the beginning of a sentence.
fn shown(key: &str) -> String {
    match key {
        _ if KEYS.contains(&key) => format!("`{key}`"),
        _ if key.starts_with(PREFIX) => "a destination".to_owned(),
        _ => "a label".to_owned(),
    }
}
