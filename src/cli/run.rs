//! `run`: loads the files, opens the state, and lets the pipelines run.

use std::time::Duration;

use super::console::Console;
use super::error::CommandResult;
use super::files::FileArgs;
use super::launch::{finish, launch};
use crate::{settings::parse_duration, telemetry::Telemetry};

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    set: FileArgs,
    /// Stop once everything up to now is read, delivered and committed
    #[arg(long)]
    once: bool,
    /// Time limit for `--once`, such as `10m`. After that it exits with code 1 and says what it waited for
    #[arg(long, requires = "once", value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Runs the pipelines to their end.
pub(super) async fn run(args: RunArgs, console: &mut Console) -> CommandResult {
    let config = console.begin(&args.set.files, &args.set.variables)?;
    let ending = launch(config, args.once, args.timeout, &crate::http::system_env(), &Telemetry::new()).await?;
    Ok(finish(ending, args.once, *console))
}
