//! `demo` and `simulate` in a build without the feature `simulator`: what is deployed has no simulators.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use super::{Console, USAGE};

/// Takes whatever the command takes elsewhere.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct AnyArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _arguments: Vec<OsString>,
}

/// Reports that this build can't run `command`.
pub fn refuse(command: &str, console: Console) -> ExitCode {
    let hint = "use a release archive, or build with the default features: cargo build --release";
    console.error(format!("this build has no simulators, and `{command}` runs them"), Some(hint.to_owned()));
    ExitCode::from(USAGE)
}
