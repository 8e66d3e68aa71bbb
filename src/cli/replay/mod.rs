//! `replay`: a load test. A recording goes through a pipeline in place of its source, to the pipeline's own sinks, and
//! the report says what that took.

mod report;

use crate::sources::omitted::Omitted;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::console::{Console, write_data};
use super::drive::{DRAIN, Ending};
use super::launch::{Refusal, finish, launch, open_state};
use super::{FAILED, LogArgs};
use crate::component::Records;
use crate::pipeline::Config;
use crate::settings::{Environment, parse_duration};
use crate::sources::replay;
use crate::state::CheckpointSettings;
use crate::telemetry::Telemetry;

use self::report::Report;

/// What `replay` takes.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Recordings: raw events or whole API pages, one per line, plain or as .gz or .zst. Accepts patterns such as
    /// `logs/*.gz`
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// Pipeline file; several make one set. Use a separate one for load tests: they write to its destinations
    #[arg(long, required = true, value_name = "FILE")]
    pipeline: Vec<PathBuf>,
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
}

/// Replays, and reports.
pub(super) async fn run(args: ReplayArgs, logs: LogArgs, console: Console) -> ExitCode {
    let people = console;
    let (mut config, console) = match console.begin(&args.pipeline, &Environment::system(), logs) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let tally = replay::Tally::default();
    if let Err(refusal) = put_in_place(&mut config, &args, &tally) {
        return refusal.usage(people);
    }
    let folder = std::env::temp_dir().join(format!("nordpass-sentinel-replay-{}", std::process::id()));
    let result = start(config, &args, &tally, &folder, people, console).await;
    let letters = folder.join("dead-letters");
    if has_files(&letters) {
        people.note(&format!("rejected records are in {}", letters.display()));
    } else {
        let _ = std::fs::remove_dir_all(&folder);
    }
    result.unwrap_or_else(|refusal| refusal.show(console))
}

/// `people` is where the report goes, whose figures are wanted wherever standard error leads; `console` is among the logs.
async fn start(
    mut config: Config,
    args: &ReplayArgs,
    tally: &replay::Tally,
    folder: &Path,
    people: Console,
    console: Console,
) -> Result<ExitCode, Refusal> {
    // The pipeline's own state says what NordPass's events have come to. A load test has nothing to do with it.
    config.data_dir = folder.to_owned();
    config.checkpoint = CheckpointSettings::Local;
    config.api_listen = None;
    let env = crate::http::system_env();
    let store = open_state(&env, &config.checkpoint, folder).await?;
    let telemetry = Telemetry::new();
    let ending = launch(config, false, None, env, store, &telemetry).await?;
    let count = tally.count();
    let report = Report::of(&count, &telemetry);
    if args.json {
        write_data(&format!("{}\n", report.json())).map_err(|error| Refusal {
            message: format!("can't write the report: {error}"),
            hint: "redirect standard output to a disk with free space".into(),
        })?;
    } else {
        people.note(&report.people());
    }
    let interrupted = matches!(
        &ending, Ending::Finished(report) | Ending::Signalled(report) if report.drain_timed_out
    );
    let code = finish(ending, false, None, console);
    if count.acknowledged < count.read && interrupted {
        let message = format!(
            "{} events weren't acknowledged within the {} s of draining",
            count.read - count.acknowledged,
            DRAIN.as_secs()
        );
        console.error(message, Some("the figures cover acknowledged events only".into()));
        return Ok(ExitCode::from(FAILED));
    }
    Ok(code)
}

/// Puts the recording in place of one source and leaves the others out. `health` rows would be about a load test.
fn put_in_place(config: &mut Config, args: &ReplayArgs, tally: &replay::Tally) -> Result<(), Refusal> {
    let events: Vec<&String> = config
        .sources
        .iter()
        .filter(|source| source.component_type.base.records == Records::Events)
        .map(|source| &source.name)
        .collect();
    let names = || events.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let chosen = match (&args.source, events.as_slice()) {
        (Some(name), _) if events.contains(&name) => name.clone(),
        (Some(name), _) => {
            return Err(Refusal {
                message: format!("`--source {name}`: no source of events has this name"),
                hint: format!("available: {}", names()),
            });
        }
        (None, [only]) => (*only).clone(),
        (None, []) => {
            return Err(Refusal {
                message: "these files have no source of events".into(),
                hint: "the recording replaces a source such as `nordpass` or `file`".into(),
            });
        }
        (None, _) => {
            return Err(Refusal {
                message: "these files have several sources".into(),
                hint: format!("select the one to replace with --source: {}", names()),
            });
        }
    };
    for source in &mut config.sources {
        source.settings = if source.name == chosen {
            Arc::new(replay::Settings {
                paths: args.recordings.iter().map(|path| path.display().to_string()).collect(),
                rate: args.rate.unwrap_or(0),
                passes: args.repeat.or(args.duration.is_none().then_some(1)),
                duration: args.duration,
                tally: tally.clone(),
            })
        } else {
            Arc::new(Omitted)
        };
    }
    Ok(())
}

fn has_files(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.metadata().is_ok_and(|metadata| metadata.len() > 0)))
    })
}
