//! Collects what is wrong while a set of files is read.

use std::cell::{Cell, OnceCell, RefCell};
use std::{collections::BTreeSet, ops::Range, rc::Rc};

use super::diagnostic::{Diagnostic, Location, Severity};
use super::document::Document;
use super::excerpt::Excerpt;
use super::interpolate::{Problem, Template};
use super::{Environment, Secret};

fn location_of(document: &Document, span: &SourceSpan, is_shown: impl Fn(&str) -> bool) -> Location {
    let (line, column) = document.position(span.span.start);
    let Excerpt { text, indent, width } = document.excerpt(&span.span, is_shown);
    Location { file: document.path().to_owned(), line, column, text, indent, width }
}

/// The files being read and what has been found in them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Report {
    shared: Rc<Shared>,
}

struct Shared {
    documents: Vec<Document>,
    /// The organizations file, which a pipeline file names.
    organizations: OnceCell<Document>,
    environment: Environment,
    found: RefCell<Vec<(Order, Diagnostic)>>,
    /// How many errors and warnings there are.
    count: Cell<[usize; 2]>,
}

/// So many errors, and as many warnings, are shown. Each is looked up in its file, and nobody reads a thousand.
const MOST_SHOWN: usize = 100;

/// The order of diagnostics in the output: by file, then by position.
type Order = (usize, usize);

/// A location in one of the files.
#[derive(Clone, Debug)]
pub(crate) struct SourceSpan {
    pub document: usize,
    pub span: Range<usize>,
}

impl Report {
    pub fn new(documents: Vec<Document>, environment: Environment) -> Self {
        let (organizations, found, count) = Default::default();
        Self { shared: Rc::new(Shared { documents, organizations, environment, found, count }) }
    }

    /// The pipeline files.
    pub fn documents(&self) -> &[Document] {
        &self.shared.documents
    }

    /// A pipeline file by its number, or the organizations file.
    pub fn document(&self, number: usize) -> Option<&Document> {
        let documents = &self.shared.documents;
        if number == documents.len() { self.shared.organizations.get() } else { documents.get(number) }
    }

    /// Adds the organizations file behind the pipeline files. Returns its number.
    pub fn add_organizations(&self, document: Document) -> usize {
        let _ = self.shared.organizations.set(document);
        self.shared.documents.len()
    }

    pub fn environment(&self) -> &Environment {
        &self.shared.environment
    }

    pub fn error(&self, span: &SourceSpan, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, span, path, message.into(), hint.into());
    }

    pub fn warning(&self, span: &SourceSpan, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Warning, span, path, message.into(), hint.into());
    }

    /// Something about the whole set.
    pub fn overall(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.shared.found.borrow_mut().push(((usize::MAX, 0), Diagnostic::error(message, hint)));
    }

    fn add(&self, severity: Severity, span: &SourceSpan, path: &str, message: String, hint: String) {
        // The keys that lead to the field, which the message names anyway.
        let is_shown =
            |key: &str| path.split('.').any(|part| part == key) || (key.starts_with('"') && path.ends_with(key));
        self.push(
            span,
            is_shown,
            Diagnostic { severity, message, location: None, path: path.to_owned(), hint: Some(hint) },
        );
    }

    /// A syntax error. Of its line only `known` words are shown: nobody can tell keys from values there.
    pub fn not_toml(&self, span: &SourceSpan, known: &BTreeSet<&str>, message: impl Into<String>, hint: &str) {
        self.push(span, |word| known.contains(word), Diagnostic::error(message, hint));
    }

    /// Adds a diagnostic with its line, of which only some words are shown.
    fn push(&self, span: &SourceSpan, is_word_shown: impl Fn(&str) -> bool, diagnostic: Diagnostic) {
        let document = self.document(span.document);
        let location = || document.map(|document| location_of(document, span, is_word_shown));
        self.push_at(span, location, diagnostic);
    }

    /// Counts a diagnostic, and keeps it if it is one of the first. `location` is the line as it may be shown.
    pub fn push_at(&self, span: &SourceSpan, location: impl FnOnce() -> Option<Location>, mut diagnostic: Diagnostic) {
        let mut count = self.shared.count.get();
        let of = &mut count[usize::from(diagnostic.severity != Severity::Error)];
        *of += 1;
        let is_shown = *of <= MOST_SHOWN;
        self.shared.count.set(count);
        if is_shown {
            diagnostic.location = location();
            diagnostic.hint = diagnostic.hint.filter(|hint| !hint.is_empty());
            self.shared.found.borrow_mut().push(((span.document, span.span.start), diagnostic));
        }
    }

    /// Takes what was found so far, each with the place where it begins.
    pub fn take(&self) -> Vec<(usize, Diagnostic)> {
        self.shared.count.set([0; 2]);
        let found = std::mem::take(&mut *self.shared.found.borrow_mut());
        found.into_iter().map(|((_, start), diagnostic)| (start, diagnostic)).collect()
    }

    /// What was found so far, in the order of the files.
    pub fn found(&self) -> Vec<Diagnostic> {
        let mut found = self.shared.found.borrow().clone();
        found.sort_by_key(|(order, _)| *order);
        let mut found: Vec<Diagnostic> = found.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        let [errors, warnings] = self.shared.count.get().map(|count| count.saturating_sub(MOST_SHOWN));
        if errors > 0 {
            let message = format!("{errors} more errors aren't shown");
            found.push(Diagnostic::error(message, "fix the ones above first"));
        }
        if warnings > 0 {
            let message = format!("{warnings} more warnings aren't shown");
            let hint = Some("see to the ones above first".to_owned());
            found.push(Diagnostic { severity: Severity::Warning, location: None, path: String::new(), message, hint });
        }
        found
    }

    /// A string value with its references filled in, and whether it had any.
    pub fn fill_in(&self, span: &SourceSpan, path: &str, raw: &str) -> Option<(String, bool)> {
        let filled = Template::parse(raw)
            .and_then(|template| Ok((template.text(self.environment())?, template.has_references())));
        self.unless_problem(span, path, filled)
    }

    /// A secret with its variables filled in; `None` after an error.
    pub fn fill_in_secret(&self, span: &SourceSpan, path: &str, raw: &str) -> Option<Secret> {
        let mut open = Vec::new();
        let filled = Template::parse(raw).and_then(|template| template.secret(self.environment(), &mut open));
        let (secret, referred) = self.unless_problem(span, path, filled)?;
        if !referred && !raw.is_empty() {
            let name = path.rsplit('.').next().unwrap_or_default().to_ascii_uppercase();
            self.warning(
                span,
                path,
                "the pipeline file contains a secret",
                format!(
                    "move it out of the file: \"${{{name}}}\" or \"${{file:/run/secrets/{}}}\"",
                    name.to_ascii_lowercase()
                ),
            );
        }
        for file in open {
            self.warning(
                span,
                path,
                format!("users other than the owner can access the secret file {}", file.display()),
                format!("restrict it: chmod 600 {}", file.display()),
            );
        }
        Some(secret)
    }

    fn unless_problem<T>(&self, span: &SourceSpan, path: &str, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) if problem.is_absence && !self.environment().is_present() => None,
            Err(problem) => {
                self.error(span, path, problem.message, problem.hint);
                None
            }
        }
    }
}
