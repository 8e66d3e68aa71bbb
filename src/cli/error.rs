//! Why a command ends without having done its work.

use super::{FAILED, USAGE};
use crate::settings::Diagnostic;

/// Why a command ends without having done its work. `Console::exit` shows it and returns the exit code.
#[derive(Debug)]
pub enum CommandError {
    /// The pipeline files are wrong: exit code 2.
    Files(Vec<Diagnostic>),
    /// The command line is wrong, and trying again doesn't help: exit code 2.
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The command failed at run time: exit code 1.
    Failed {
        /// What happened.
        message: String,
        /// What to do, if known.
        hint: Option<String>,
    },
}

/// An exit code, or why the command did nothing.
pub(super) type CommandResult<T = std::process::ExitCode> = Result<T, CommandError>;

impl CommandError {
    /// An error of the command line.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// An error at run time.
    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: Some(hint.into()) }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Files(_) | Self::Usage { .. } => USAGE,
            Self::Failed { .. } => FAILED,
        }
    }

    /// The errors, one for each line that people read.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        match self {
            Self::Files(found) => found,
            Self::Usage { message, hint } => vec![Diagnostic::error(message, hint)],
            Self::Failed { message, hint } => vec![Diagnostic { hint, ..Diagnostic::error(message, "") }],
        }
    }
}

impl From<String> for CommandError {
    fn from(message: String) -> Self {
        Self::Failed { message, hint: None }
    }
}
