//! `backfill`: reads a time again and delivers the events that never were.

use super::super::console::Console;
use super::super::error::CommandResult;
use super::super::launch::{finish, launch};
use super::report::{self, Backfilled};
use super::{RangeArgs, assign};
use crate::{sources::nordpass::ReadMode, telemetry::Telemetry};

/// What `backfill` takes.
#[derive(Debug, clap::Args)]
pub struct BackfillArgs {
    #[command(flatten)]
    range: RangeArgs,
    /// Print one JSON object per source
    #[arg(long)]
    json: bool,
}

/// Reads the time again and reports what was delivered.
pub(in super::super) async fn run(args: BackfillArgs, console: &mut Console) -> CommandResult {
    let env = crate::http::system_env();
    let (mut config, range, chosen) = args.range.begin(console, env.clock.now())?;
    let modes: Vec<_> = chosen.into_iter().map(|(name, _)| (name, ReadMode::Fetch(range.clone()))).collect();
    assign(&mut config, &modes);
    let telemetry = Telemetry::new();
    let ending = launch(config, true, args.range.timeout, &env, &telemetry).await?;
    let complete = ending.is_complete();
    let code = finish(ending, true, *console);
    for (name, _) in &modes {
        let done = Backfilled::new(name, &range, &telemetry, complete);
        report::write(&done, args.json, Backfilled::human)?;
    }
    Ok(code)
}
