//! `backfill`: reads a time again and delivers what never was.

use std::process::ExitCode;

use super::super::LogArgs;
use super::super::console::Console;
use super::super::drive::Ending;
use super::super::launch::{Refusal, finish, launch, open_state};
use super::report::{self, Backfilled};
use super::{Asked, RangeArgs, assign};
use crate::pipeline::Config;
use crate::settings::Environment;
use crate::sources::nordpass::ReadMode;
use crate::telemetry::Telemetry;
use nordpass_env::Env;

/// What `backfill` takes.
#[derive(Debug, clap::Args)]
pub struct BackfillArgs {
    #[command(flatten)]
    range: RangeArgs,
    /// Print one JSON object per source
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(in super::super) async fn run(args: BackfillArgs, logs: LogArgs, console: Console) -> ExitCode {
    let people = console;
    let (mut config, console) = match console.begin(&args.range.files, &Environment::system(), logs) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let env = crate::http::system_env();
    let asked = match args.range.resolve(&mut config, env.clock.now()) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.usage(people),
    };
    match start(config, &args, asked, env, console).await {
        Ok(code) => code,
        Err(refusal) => refusal.show(console),
    }
}

async fn start(
    mut config: Config,
    args: &BackfillArgs,
    (range, chosen): Asked,
    env: Env,
    console: Console,
) -> Result<ExitCode, Refusal> {
    let missions: Vec<_> = chosen.into_iter().map(|(name, _)| (name, ReadMode::Fetch(range.clone()))).collect();
    assign(&mut config, &missions);
    let store = open_state(&env, &config.checkpoint, &config.data_dir).await?;
    let telemetry = Telemetry::new();
    let timeout = args.range.timeout;
    let ending = launch(config, true, timeout, env, store, &telemetry).await?;
    let complete = matches!(&ending, Ending::Finished(report) if report.failures.is_empty());
    let code = finish(ending, true, timeout, console);
    for (name, _) in &missions {
        let done = Backfilled::new(name, &range, &telemetry, complete);
        report::say(&if args.json { report::json(&done) } else { done.human() })?;
    }
    Ok(code)
}
