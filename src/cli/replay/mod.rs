//! `replay`: a load test. A recording goes through a pipeline in place of its source, to the pipeline's own sinks, and
//! the report says what that took.

mod report;

use crate::sources::omitted::Omitted;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::blobs::BlobArgs;
use super::console::{Console, write_data};
use super::drive::DRAIN;
use super::error::{CommandError, CommandResult};
use super::event_source::event_source;
use super::files::VariableArgs;
use super::launch::{finish, launch};
use crate::pipeline::Config;
use crate::settings::parse_duration;
use crate::sources::replay;
use crate::state::CheckpointSettings;
use crate::telemetry::Telemetry;

use self::report::Report;

/// What `replay` takes.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Recordings: raw events or whole API pages, one per line, plain or as .gz or .zst. Accepts patterns such as
    /// `logs/*.gz` and blobs such as `az://ACCOUNT/CONTAINER/2026-01-*/**`
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// Pipeline file, folder of `*.toml` files, or `-`; repeatable, for one set. Use a separate one for load tests: they
    /// write to its destinations
    #[arg(long, required = true, value_name = "FILE")]
    pipeline: Vec<PathBuf>,
    #[command(flatten)]
    variables: VariableArgs,
    /// The source to replace, if the pipeline has several. The others are left out
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Events per second. Defaults to as many as the pipeline accepts
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// How long to read, such as `10m`. Repeats the recording unless `--repeat` is set
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// How many times to read the recording. The copies have the same ids
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u64).range(1..))]
    repeat: Option<u64>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    blobs: BlobArgs,
}

/// Replays the recordings and reports the figures.
pub(super) async fn run(args: ReplayArgs, console: &mut Console) -> CommandResult {
    let mut config = console.begin(&args.pipeline, &args.variables)?;
    let tally = replay::Tally::default();
    put_in_place(&mut config, &args, &tally)?;
    let folder = std::env::temp_dir().join(format!("nordpass-sentinel-replay-{}", std::process::id()));
    // The pipeline's own state says what has become of NordPass's events. A load test has nothing to do with it.
    config.data_dir = folder.clone();
    config.checkpoint = CheckpointSettings::Local;
    config.api_listen = None;
    let result = start(config, &args, &tally, *console).await;
    let dead_letters = folder.join("dead-letters");
    if has_files(&dead_letters) {
        console.before_logs().note(&format!("rejected records are in {}", dead_letters.display()));
    } else {
        let _ = std::fs::remove_dir_all(&folder);
    }
    result
}

async fn start(config: Config, args: &ReplayArgs, tally: &replay::Tally, console: Console) -> CommandResult {
    let telemetry = Telemetry::new();
    let ending = launch(config, false, None, &crate::http::system_env(), &telemetry).await?;
    let count = tally.count();
    let report = Report::of(&count, &telemetry);
    if args.json {
        write_data(&format!("{}\n", report.json())).map_err(|error| {
            let hint = "redirect standard output to a disk with free space";
            CommandError::failed(format!("can't write the report: {error}"), hint)
        })?;
    } else {
        // Not a log line: people want the figures wherever standard error leads.
        console.before_logs().note(&report.people());
    }
    let interrupted = ending.report().is_some_and(|report| report.drain_timed_out);
    let code = finish(ending, false, console);
    if count.acknowledged < count.read && interrupted {
        let lost = count.read - count.acknowledged;
        let limit = DRAIN.as_secs();
        return Err(CommandError::failed(
            format!("{lost} events weren't acknowledged within the {limit} s of draining"),
            "the figures cover acknowledged events only",
        ));
    }
    Ok(code)
}

/// Puts the recording in place of one source and omits the others: `health` rows would be about a load test.
fn put_in_place(config: &mut Config, args: &ReplayArgs, tally: &replay::Tally) -> CommandResult<()> {
    let chosen = event_source(config, args.source.as_deref())?;
    let blobs = args.blobs.settings(args.recordings.iter())?;
    for source in &mut config.sources {
        source.settings = if source.name == chosen {
            Arc::new(replay::Settings {
                paths: args.recordings.iter().map(|path| path.display().to_string()).collect(),
                rate: args.rate.unwrap_or(0),
                passes: args.repeat.or(args.duration.is_none().then_some(1)),
                duration: args.duration,
                blobs: blobs.clone(),
                organization: source.settings.organization().cloned(),
                tally: tally.clone(),
            })
        } else {
            Arc::new(Omitted)
        };
    }
    Ok(())
}

fn has_files(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.metadata().is_ok_and(|metadata| metadata.len() > 0))
}
