//! What the program says to whoever started it, on standard error. A closed pipe isn't an error.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{FAILED, LogArgs, LogFormat, USAGE};
use crate::pipeline::{Config, load, read_files};
use crate::settings::{Diagnostic, Environment, Severity};

/// Standard error, as people or programs read it.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    json: bool,
    color: bool,
    /// Among log lines that are JSON: what is said has to be such a line, with its time.
    logged: bool,
}

impl Console {
    /// Color only on a terminal, and only where nobody objects (`NO_COLOR`).
    pub fn new(format: LogFormat) -> Self {
        let objection = Environment::system().variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = io::stderr().is_terminal() && !objection;
        Self { json: format == LogFormat::Json, color, logged: false }
    }

    /// One diagnostic.
    pub fn show(self, diagnostic: &Diagnostic) {
        if self.logged {
            return log(diagnostic);
        }
        let mut text = if self.json { diagnostic.json() } else { diagnostic.human(self.color) };
        text.push('\n');
        write(&text);
    }

    /// An error without a place in a file.
    pub fn error(self, message: impl Into<String>, hint: Option<String>) {
        self.show(&Diagnostic {
            severity: Severity::Error,
            place: None,
            path: String::new(),
            message: message.into(),
            hint,
        });
    }

    /// A line that is good to know, for people only.
    pub fn note(self, text: &str) {
        if !self.json {
            write(&format!("{text}\n"));
        }
    }

    /// The same, once logs are written: what is said among JSON lines is one too.
    #[must_use]
    pub fn among_logs(self, format: LogFormat) -> Self {
        let json = self.json || format == LogFormat::Auto && !io::stderr().is_terminal();
        Self { json, logged: json, ..self }
    }

    /// Loads pipeline files, and shows everything that is wrong with them. Warnings about files that can run are
    /// answered.
    pub fn load(self, files: &[PathBuf], environment: &Environment) -> Result<(Config, Vec<Diagnostic>), ExitCode> {
        read_files(files).and_then(|files| load(&files, environment)).map_err(|found| {
            for diagnostic in &found {
                self.show(diagnostic);
            }
            let errors = found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
            self.note(&format!("{}: nothing was started", counted(errors as u64, "error")));
            ExitCode::from(USAGE)
        })
    }

    /// Loads pipeline files for a command that runs them: shows what is wrong or doubtful, and begins to log.
    pub(super) fn begin(
        self,
        files: &[PathBuf],
        environment: &Environment,
        logs: LogArgs,
    ) -> Result<(Config, Self), ExitCode> {
        let (config, warnings) = self.load(files, environment)?;
        logs.init();
        let console = self.among_logs(logs.log_format);
        for warning in &warnings {
            console.show(warning);
        }
        Ok((config, console))
    }

    /// The exit code of a command that failed or not, after saying why.
    pub fn finish(self, result: Result<(), String>) -> ExitCode {
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                self.error(message, None);
                ExitCode::from(FAILED)
            }
        }
    }
}

/// A diagnostic as a log line. Whoever reads them wants one shape, and when it was.
fn log(diagnostic: &Diagnostic) {
    let Diagnostic { place, path, message, hint, .. } = diagnostic;
    let (file, line) = (place.as_ref().map(|place| place.file.display().to_string()), place.as_ref().map(|at| at.line));
    let path = (!path.is_empty()).then_some(path);
    match diagnostic.severity {
        Severity::Error => tracing::error!(file, line, path, hint, "{message}"),
        Severity::Warning => tracing::warn!(file, line, path, hint, "{message}"),
    }
}

/// Nobody is there to be told that standard error is closed.
fn write(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes data to standard output. A reader that has gone away has what it wanted.
pub(super) fn write_data(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// A number and its noun: "1 event", "2 events".
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
