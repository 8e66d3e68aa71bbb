//! Why a command ends without having done its work.

use super::{FAILED, USAGE};
use crate::settings::Diagnostic;

/// Why a command ends without having done its work. `Console::exit` shows it and returns the exit code.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code: [`USAGE`] if the command line or a pipeline file is wrong, [`FAILED`] if it failed at run time.
    pub code: u8,
    /// The errors, and the warnings about pipeline files.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the pipeline files are wrong.
    pub in_files: bool,
}

/// An exit code, or why the command did nothing.
pub(super) type CommandResult<T = std::process::ExitCode> = Result<T, CommandError>;

impl CommandError {
    /// Errors of the pipeline files.
    pub fn files(diagnostics: Vec<Diagnostic>) -> Self {
        Self { code: USAGE, diagnostics, in_files: true }
    }

    /// An error of the command line. Trying again doesn't help.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: USAGE, diagnostics: vec![Diagnostic::error(message, hint)], in_files: false }
    }

    /// An error at run time.
    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: FAILED, ..Self::usage(message, hint) }
    }
}

impl From<String> for CommandError {
    fn from(message: String) -> Self {
        let diagnostic = Diagnostic { hint: None, ..Diagnostic::error(message, "") };
        Self { code: FAILED, diagnostics: vec![diagnostic], in_files: false }
    }
}
