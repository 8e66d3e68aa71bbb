//! `demo` and `simulate` in a build without the feature `simulator`: what is deployed has no simulators.

use std::ffi::OsString;

use clap::Args;

use super::CommandError;

/// Any arguments, so that the error is about the build and not about them.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct AnyArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _arguments: Vec<OsString>,
}

/// The error that this build can't run `command`.
pub fn error(command: &str) -> CommandError {
    let hint = "use a release archive, or build with the default features: cargo build --release";
    CommandError::usage(format!("this build has no simulators, and `{command}` runs them"), hint)
}
