//! Which pipeline files a command reads, and which variables these see.

use std::path::PathBuf;

use super::error::{CommandError, CommandResult};
use crate::pipeline::{Config, load, read_files};
use crate::settings::{Diagnostic, Environment};

/// The files of one pipeline set.
#[derive(Debug, clap::Args)]
pub struct FileArgs {
    /// Pipeline files, folders of `*.toml` files, or `-` for standard input. Several make one set
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub variables: VariableArgs,
}

/// Where variables come from, besides the environment.
#[derive(Clone, Debug, clap::Args)]
pub struct VariableArgs {
    /// File of `NAME=value` lines, for variables that the environment doesn't set. Repeatable: the last one wins
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
}

impl VariableArgs {
    /// The files.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.env_file
    }

    /// The environment, with the files' variables behind its own, and the warnings about the files.
    pub(super) fn environment(&self) -> CommandResult<(Environment, Vec<Diagnostic>)> {
        Environment::system().or_files(&self.env_file).map_err(CommandError::files)
    }
}

/// Loads pipeline files. Returns the pipelines, and the warnings about them and about the files of variables. What isn't on
/// this machine is no error if it `may_be_absent`.
pub(super) fn load_files(
    files: &[PathBuf],
    variables: &VariableArgs,
    may_be_absent: bool,
) -> CommandResult<(Config, Vec<Diagnostic>)> {
    let (environment, mut warnings) = variables.environment()?;
    let environment = if may_be_absent { environment.may_be_absent() } else { environment };
    match read_files(files).and_then(|files| load(&files, &environment)) {
        Ok((config, found)) => {
            warnings.extend(found);
            Ok((config, warnings))
        }
        Err(found) => {
            warnings.extend(found);
            Err(CommandError::files(warnings))
        }
    }
}
