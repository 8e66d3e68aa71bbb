//! `backfill`: reads a time again and delivers what never was.

use std::process::ExitCode;

use super::super::LogArgs;
use super::super::console::Console;
use super::super::launch::{Refusal, finish, launch, open_state};
use super::report::{self, Backfilled};
use super::{RangeArgs, assign};
use crate::config::{Config, Environment};
use crate::handles::Handles;
use crate::sources::nordpass::Mission;
use crate::telemetry::Telemetry;

/// What `backfill` takes.
#[derive(Debug, clap::Args)]
pub struct BackfillArgs {
    #[command(flatten)]
    range: RangeArgs,
    /// One JSON object for each source
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(in super::super) async fn run(args: BackfillArgs, logs: LogArgs, console: Console) -> ExitCode {
    let (config, console) = match console.begin(&args.range.files, &Environment::system(), logs) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    match start(config, &args.range, args.json, console).await {
        Ok(code) => code,
        Err(refusal) => refusal.show(console),
    }
}

async fn start(mut config: Config, args: &RangeArgs, json: bool, console: Console) -> Result<ExitCode, Refusal> {
    let handles = Handles::system();
    let range = args.seconds(handles.clock.now())?;
    let chosen = args.select(&mut config)?;
    let missions: Vec<_> = chosen.into_iter().map(|(name, _)| (name, Mission::Fetch(range.clone()))).collect();
    assign(&mut config, &missions);
    let store = open_state(&handles, &config.checkpoint, &config.data_dir).await?;
    let telemetry = Telemetry::new();
    let ending = launch(config, true, args.timeout, handles, store, &telemetry).await?;
    let code = finish(ending, args.timeout, console);
    for (name, _) in &missions {
        let done = Backfilled::new(name, &range, &telemetry);
        report::say(&if json { report::json(&done) } else { done.human() })?;
    }
    Ok(code)
}
