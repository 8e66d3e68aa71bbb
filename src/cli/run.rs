//! `run`: loads the files, opens the state, and lets the pipelines run.

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::console::Console;
use super::drive::DRAIN;
use super::error::{CommandError, CommandResult};
use super::files::FileArgs;
use super::launch::{finish, launch, launch_with};
use super::reload::Reloading;
use super::signals::signals_and_reloads;
use super::watch::{Watched, changes};
use crate::pipeline::{RunOptions, reloads};
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
    /// Reload the pipeline files when they change, as SIGHUP does. Wrong files change nothing
    #[arg(long, conflicts_with = "once")]
    watch: bool,
}

/// Runs the pipelines to their end.
pub(super) async fn run(args: RunArgs, console: &mut Console) -> CommandResult {
    let FileArgs { files, variables } = args.set;
    let from_stdin = files.iter().any(|path| path == Path::new("-"));
    if args.watch && from_stdin {
        let message = "`--watch` can't watch standard input";
        return Err(CommandError::usage(message, "give the pipeline file by its name instead of `-`"));
    }
    let config = console.begin(&files, &variables)?;
    let (env, telemetry) = (crate::http::system_env(), Telemetry::new());
    if args.once || from_stdin {
        let ending = launch(config, args.once, args.timeout, &env, &telemetry).await?;
        return Ok(finish(ending, args.once, *console));
    }
    let watched = Watched { files: files.clone(), variables: variables.files().to_vec() };
    let changes = if args.watch { changes(watched).left_stream() } else { stream::pending().right_stream() };
    let (ends, hangups) = signals_and_reloads()?;
    let (reloader, reloads) = reloads();
    let reloading = Reloading { files, variables, reloader, telemetry: telemetry.clone(), env: env.clone() };
    let reloading = tokio::spawn(reloading.serve(stream::select(hangups, Box::pin(changes))));
    let options = RunOptions { once: false, drain: DRAIN };
    let ending = launch_with(config, options, args.timeout, &env, &telemetry, ends, reloads).await;
    reloading.abort();
    Ok(finish(ending?, false, *console))
}
