//! `run`: loads the files, opens the state, and lets the pipelines run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::LogArgs;
use super::console::Console;
use super::drive::Ending;
use super::launch::{Refusal, finish, launch, open_state};
use crate::pipeline::Config;
use crate::settings::{Environment, parse_duration};
use crate::telemetry::Telemetry;

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Pipeline files. Several files make one set
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Stop once everything up to now is read, delivered and committed
    #[arg(long)]
    once: bool,
    /// Time limit for `--once`, such as `10m`. After that it exits with code 1 and says what it waited for
    #[arg(long, requires = "once", value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Runs the pipelines to their end.
pub(super) async fn run(args: RunArgs, logs: LogArgs, console: Console) -> ExitCode {
    let (config, console) = match console.begin(&args.files, &Environment::system(), logs) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    match start(config, &args).await {
        Ok(ending) => finish(ending, args.once, args.timeout, console),
        Err(refusal) => refusal.show(console),
    }
}

async fn start(config: Config, args: &RunArgs) -> Result<Ending, Refusal> {
    let env = crate::http::system_env();
    let store = open_state(&env, &config.checkpoint, &config.data_dir).await?;
    launch(config, args.once, args.timeout, env, store, &Telemetry::new()).await
}
