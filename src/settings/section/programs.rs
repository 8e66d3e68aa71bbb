//! What is wrong with a program that a table contains or names, recorded at its line. Unlike a value, a program is shown.

use std::ops::Range;
use std::path::Path;

use super::Section;
use crate::settings::document::Document;
use crate::settings::report::SourceSpan;
use crate::settings::{Diagnostic, Location, Severity};

impl Section {
    /// Records an error or a warning at `at` of the program that is a field's value. In a string with escapes it is at the
    /// whole value, and the message says where in the program.
    pub(crate) fn program_flaw(
        &mut self,
        name: &str,
        program: &str,
        severity: Severity,
        at: &Range<usize>,
        message: String,
        hint: String,
    ) {
        let (span, path, _) = self.locate(name);
        let found = self.report.document(span.document).and_then(|document| {
            let start = place_of(document.text(), &span.span, program)?;
            Some((document, start))
        });
        if let Some((document, start)) = found {
            let place = start + at.start.min(program.len())..start + at.end.min(program.len());
            let location = location(document, &(start..start + program.len()), &place);
            let span = SourceSpan { document: span.document, span: place };
            self.report.push_at(
                &span,
                || Some(location),
                Diagnostic { severity, path, ..Diagnostic::error(message, hint) },
            );
        } else {
            let (line, column) = Document::new("".into(), program.to_owned()).position(at.start);
            let message = format!("{message} (line {line}, column {column} of the program)");
            match severity {
                Severity::Error => self.report.error(&span, &path, message, hint),
                Severity::Warning => self.report.warning(&span, &path, message, hint),
            }
        }
    }

    /// The same for a program in a file of its own, which a field names.
    pub(crate) fn program_file_flaw(
        &mut self,
        name: &str,
        (file, program): (&Path, &str),
        severity: Severity,
        at: &Range<usize>,
        message: String,
        hint: String,
    ) {
        let (span, path, _) = self.locate(name);
        let location = location(&Document::new(file.to_owned(), program.to_owned()), &(0..program.len()), at);
        self.report.push_at(
            &span,
            || Some(location),
            Diagnostic { severity, path, ..Diagnostic::error(message, hint) },
        );
    }
}

/// Where the content of the string at a span begins, if it stands in the file as it is read: without escapes.
fn place_of(text: &str, span: &Range<usize>, content: &str) -> Option<usize> {
    let raw = text.get(span.clone())?;
    let quotes = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quotes| raw.starts_with(quotes))?;
    let mut start = quotes.len();
    if quotes.len() == 3 {
        let rest = raw.get(start..)?;
        // TOML leaves out a line end right behind the quotes.
        start += ["\r\n", "\n"].into_iter().find(|end| rest.starts_with(end)).map_or(0, str::len);
    }
    raw.get(start..)?.strip_prefix(content)?.starts_with(quotes).then_some(span.start + start)
}

/// A place in a program, with its line as far as it is the program's.
fn location(document: &Document, program: &Range<usize>, at: &Range<usize>) -> Location {
    let text = document.text();
    let start = text.floor_char_boundary(at.start);
    let before = text.get(program.start..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(program.start, |end| program.start + end + 1);
    let behind = text.get(start..program.end).unwrap_or_default();
    let line_end = start + behind.find('\n').unwrap_or(behind.len());
    let count = |range: Range<usize>| text.get(range).unwrap_or_default().chars().count();
    let end = text.floor_char_boundary(at.end).clamp(start, line_end);
    let shown = text.get(line_start..line_end).unwrap_or_default().trim_end();
    let (indent, width) = (count(line_start..start), count(start..end).max(1));
    let (line, column) = document.position(start);
    Location { file: document.path().to_owned(), line, column, text: shown.to_owned(), indent, width }
}
