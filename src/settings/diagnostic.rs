//! What is wrong with a pipeline file, and how it is shown: to people with the line and a caret, to programs as JSON.

use std::fmt::{self, Display, Write as _};
use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Style};
use serde::{Serialize, Serializer};

use crate::telemetry::terminal::{is_plain, plain, plain_lines};

/// Longer lines are cut around the caret.
const WIDEST: usize = 160;

/// An error or a warning about a pipeline file. Serialized, it is as programs read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether it keeps the pipeline from running.
    #[serde(rename = "level")]
    pub severity: Severity,
    /// What is wrong. Never holds a value's text.
    pub message: String,
    /// Where it is; `None` for what concerns the whole set.
    #[serde(flatten)]
    pub location: Option<Location>,
    /// The field's path, such as `sinks.sentinel.batch.max_bytes`; empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// A location in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The file.
    #[serde(serialize_with = "shown")]
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The line, as it may be shown: keys and structure, no values.
    #[serde(skip)]
    pub text: String,
    /// How many characters of `text` stand before the caret.
    #[serde(skip)]
    pub indent: usize,
    /// How many characters of `text` are meant.
    #[serde(skip)]
    pub width: usize,
}

fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl Diagnostic {
    /// Something about the whole set.
    pub fn error(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            location: None,
            path: String::new(),
            hint: Some(hint.into()),
        }
    }

    /// The same, without being wrong.
    pub fn warning(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message, hint) }
    }

    /// For people. Ends with a line end.
    pub fn human(&self, color: bool) -> String {
        let paint = |style: Style, text: &str| {
            if color { format!("{style}{text}{style:#}") } else { text.to_owned() }
        };
        let (word, word_color) = match self.severity {
            Severity::Error => ("error", AnsiColor::Red),
            Severity::Warning => ("warning", AnsiColor::Yellow),
        };
        let loud = word_color.on_default().bold();
        let quiet = AnsiColor::Blue.on_default().bold();
        let mut shown = format!("{}: {}\n", paint(loud, word), plain_lines(&self.message));
        if let Some(location) = &self.location {
            let number = location.line.to_string();
            let gutter = " ".repeat(number.len());
            let (arrow, bar) = (paint(quiet, "-->"), paint(quiet, "|"));
            let Location { file, line, column, .. } = location;
            let _ = write!(shown, "{gutter}{arrow} {}:{line}:{column}", plain(&file.display().to_string()));
            if !self.path.is_empty() {
                let _ = write!(shown, " ({})", plain(&self.path));
            }
            let (text, indent, width) = location.excerpt();
            let (number, carets) = (paint(quiet, &number), paint(loud, &"^".repeat(width)));
            let indent = " ".repeat(indent);
            let _ = writeln!(shown, "\n{gutter} {bar}\n{number} {bar} {text}\n{gutter} {bar} {indent}{carets}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(shown, "{}: {}", paint(AnsiColor::Cyan.on_default().bold(), "hint"), plain_lines(hint));
        }
        shown
    }

    /// For programs: one JSON object, without a line end.
    pub fn json(&self) -> String {
        plain(&serde_json::to_string(self).unwrap_or_default()).into_owned()
    }
}

impl Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.human(false))
    }
}

impl Location {
    /// The line, cut around the caret if it is long, and the caret's indent and width in it. Each character takes one column:
    /// a tab is shown as a space, and what would steer the terminal as `\u{fffd}`.
    fn excerpt(&self) -> (String, usize, usize) {
        let length = self.text.chars().count();
        let indent = self.indent.min(length);
        let from = if length <= WIDEST { 0 } else { indent.saturating_sub(WIDEST / 2) };
        let shown = |c| match c {
            '\t' => ' ',
            c if is_plain(c) => c,
            _ => char::REPLACEMENT_CHARACTER,
        };
        let text: String = self.text.chars().skip(from).take(WIDEST).map(shown).collect();
        let indent = indent - from;
        let rest = text.chars().count().saturating_sub(indent).max(1);
        (text, indent, self.width.clamp(1, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tab in a key moved the caret, and a program in VRL is often indented by tabs.
    #[test]
    fn each_character_of_the_line_takes_one_column() {
        let location = Location {
            file: "pipeline.toml".into(),
            line: 7,
            column: 4,
            text: "\t\t\u{202e}.a = b".into(),
            indent: 3,
            width: 2,
        };
        let error = Diagnostic { location: Some(location), ..Diagnostic::error("no such field", "") };
        let shown = error.human(false);
        assert!(shown.contains("\n7 |   \u{fffd}.a = b\n  |    ^^\n"), "{shown:?}");
    }
}
