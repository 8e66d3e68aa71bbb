//! What is wrong with a pipeline file, and how it is shown: to people with the line and a caret, to programs as JSON.

use std::fmt::{self, Display};
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::telemetry::terminal::{plain, plain_lines};

/// Longer lines are cut around the caret.
const WIDEST: usize = 160;

/// An error or a warning about a pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it keeps the pipeline from running.
    pub severity: Severity,
    /// Where it is; `None` for what concerns the whole set.
    pub place: Option<Location>,
    /// The field's path, such as `sinks.sentinel.batch.max_bytes`; empty where there is none.
    pub path: String,
    /// What is wrong. Never holds a value's text.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is started.
    Error,
    /// Worth a look.
    Warning,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The line, as it may be shown: keys and structure, no values.
    pub text: String,
    /// How many characters of `text` stand before the caret.
    pub indent: usize,
    /// How many characters of `text` are meant.
    pub width: usize,
}

impl Diagnostic {
    /// Something about the whole set.
    pub fn error(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: None,
            path: String::new(),
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// For people. Ends with a line end.
    pub fn human(&self, color: bool) -> String {
        Human { diagnostic: self, color }.to_string()
    }

    /// For programs: one JSON object, without a line end.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Object<'a> {
            level: Severity,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            file: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            line: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            column: Option<usize>,
            #[serde(skip_serializing_if = "str::is_empty")]
            path: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
        }
        let place = self.place.as_ref();
        let object = Object {
            level: self.severity,
            message: &self.message,
            file: place.map(|place| place.file.display().to_string()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            path: &self.path,
            hint: self.hint.as_deref(),
        };
        plain(&serde_json::to_string(&object).unwrap_or_default()).into_owned()
    }
}

impl Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Human { diagnostic: self, color: false }.fmt(f)
    }
}

struct Human<'a> {
    diagnostic: &'a Diagnostic,
    color: bool,
}

impl Human<'_> {
    fn paint(&self, style: Style, text: impl Display) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

impl Display for Human<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let diagnostic = self.diagnostic;
        let (word, color) = match diagnostic.severity {
            Severity::Error => ("error", AnsiColor::Red),
            Severity::Warning => ("warning", AnsiColor::Yellow),
        };
        let loud = color.on_default().bold();
        let quiet = AnsiColor::Blue.on_default().bold();
        writeln!(f, "{}: {}", self.paint(loud, word), plain_lines(&diagnostic.message))?;
        if let Some(place) = &diagnostic.place {
            let number = place.line.to_string();
            let gutter = " ".repeat(number.len());
            let bar = self.paint(quiet, "|");
            let file = place.file.display().to_string();
            write!(f, "{gutter}{} {}:{}:{}", self.paint(quiet, "-->"), plain(&file), place.line, place.column)?;
            if !diagnostic.path.is_empty() {
                write!(f, " ({})", plain(&diagnostic.path))?;
            }
            let (text, indent, width) = place.excerpt();
            writeln!(f, "\n{gutter} {bar}")?;
            writeln!(f, "{} {bar} {text}", self.paint(quiet, number))?;
            writeln!(f, "{gutter} {bar} {}{}", " ".repeat(indent), self.paint(loud, "^".repeat(width)))?;
        }
        if let Some(hint) = &diagnostic.hint {
            writeln!(f, "{}: {}", self.paint(AnsiColor::Cyan.on_default().bold(), "hint"), plain_lines(hint))?;
        }
        Ok(())
    }
}

impl Location {
    /// The line, cut around the caret if it is long, and the caret's indent and width in it.
    fn excerpt(&self) -> (String, usize, usize) {
        let length = self.text.chars().count();
        let indent = self.indent.min(length);
        let from = if length <= WIDEST { 0 } else { indent.saturating_sub(WIDEST / 2) };
        let text: String = self.text.chars().skip(from).take(WIDEST).collect();
        let indent = indent - from;
        let room = text.chars().count().saturating_sub(indent).max(1);
        (text, indent, self.width.clamp(1, room))
    }
}
