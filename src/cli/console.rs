//! What the program writes besides its logs: errors and notes to standard error, data to standard output. A closed pipe
//! isn't an error.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::core_dumps;
use super::error::{CommandError, CommandResult};
use super::files::{VariableArgs, load_files};
use super::{LogArgs, USAGE};
use crate::pipeline::Config;
use crate::settings::{Diagnostic, Environment, Severity};
use crate::telemetry::logs::LogFormat;
use crate::telemetry::stderr;
use crate::telemetry::terminal::plain_lines;

/// Standard error, for people or programs.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    logs: LogArgs,
    json: bool,
    color: bool,
    /// Whether the log lines are JSON: then everything is written as a log line.
    logged: bool,
}

impl Console {
    /// Writes text with colors on a terminal, unless `NO_COLOR` is set, or JSON if the log format asks for it.
    pub fn new(logs: LogArgs) -> Self {
        let no_color = Environment::system().variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = io::stderr().is_terminal() && !no_color;
        Self { logs, json: logs.log_format == LogFormat::Json, color, logged: false }
    }

    /// Shows a diagnostic.
    pub fn show(self, diagnostic: &Diagnostic) {
        if self.logged {
            return log(diagnostic);
        }
        let mut text = if self.json { diagnostic.json() } else { diagnostic.human(self.color) };
        text.push('\n');
        write(&text);
    }

    /// Shows an error without a location in a file.
    pub fn error(self, message: impl Into<String>, hint: Option<String>) {
        self.show(&Diagnostic { hint, ..Diagnostic::error(message, "") });
    }

    /// Writes a line for people only.
    pub fn note(self, text: &str) {
        if !self.json {
            write(&format!("{text}\n"));
        }
    }

    /// Whether text may have colors.
    pub(super) fn has_color(self) -> bool {
        self.color
    }

    /// Whether somebody can be asked: both standard input and standard error are a terminal, and people are to read it.
    pub(super) fn can_ask(self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Begins to log. If the log lines are JSON, everything written from now on is such a line, too.
    pub(super) fn begin_logs(&mut self) {
        self.logs.init();
        self.json |= self.logs.log_format == LogFormat::Auto && !io::stderr().is_terminal();
        self.logged = self.json;
    }

    /// The console as before [`Console::begin_logs`].
    #[must_use]
    pub(super) fn before_logs(self) -> Self {
        Self { json: self.logs.log_format == LogFormat::Json, logged: false, ..self }
    }

    /// Loads pipeline files for a command that runs them, begins to log, and shows the warnings.
    pub(super) fn begin(&mut self, files: &[PathBuf], variables: &VariableArgs) -> CommandResult<Config> {
        let (config, warnings) = load_files(files, variables, false)?;
        self.begin_logs();
        if config.core_dumps {
            core_dumps::allow();
        }
        for warning in &warnings {
            self.show(warning);
        }
        Ok(config)
    }

    /// Shows why a command failed, if it did, and returns its exit code. Errors of the command line and of pipeline files are
    /// for people, also after logs have begun.
    pub fn exit(self, result: Result<ExitCode, CommandError>) -> ExitCode {
        let error = match result {
            Ok(code) => return code,
            Err(error) => error,
        };
        let console = if error.code == USAGE { self.before_logs() } else { self };
        for diagnostic in &error.diagnostics {
            console.show(diagnostic);
        }
        if error.in_files {
            let errors = error.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
            console.note(&format!("{}: nothing was started", counted(errors as u64, "error")));
        }
        ExitCode::from(error.code)
    }
}

/// Writes a diagnostic as a log line: all lines then have one shape, and a time.
pub(super) fn log(diagnostic: &Diagnostic) {
    let Diagnostic { location, path, message, hint, .. } = diagnostic;
    let location = location.as_ref();
    let (file, line) = (location.map(|at| at.file.display().to_string()), location.map(|at| at.line));
    let path = (!path.is_empty()).then_some(path);
    match diagnostic.severity {
        Severity::Error => tracing::error!(file, line, path, hint, "{message}"),
        Severity::Warning => tracing::warn!(file, line, path, hint, "{message}"),
    }
}

/// Asks something of whoever sits at the terminal; the answer comes behind it.
pub(super) fn ask(question: &str) {
    write(question);
}

fn write(text: &str) {
    stderr::write(text.as_bytes());
}

/// Writes data to standard output. A closed pipe is no error: the reader has what it wanted. A terminal gets nothing that it
/// would obey.
pub(super) fn write_data(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let text = if stdout.is_terminal() { plain_lines(text) } else { text.into() };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// A number and its noun: "1 event", "2 events".
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
