//! `validate`: everything that `run` checks before it starts; with `--connect` also tokens and endpoints.

mod columns;
mod dcr;

use std::path::PathBuf;
use std::process::ExitCode;

use futures::{StreamExt, stream};

use super::FAILED;
use super::console::{Console, counted};
use super::error::CommandResult;
use super::files::{FileArgs, load_files};
use super::preflight::{self, Machine};
use crate::{pipeline::Config, state, telemetry::ComponentKind};
use nordpass_env::Env;

/// What `validate` takes.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    set: FileArgs,
    /// Also check tokens, endpoints and every stream with one request each. Reads and writes nothing
    #[arg(long)]
    connect: bool,
    /// Leave out what depends on this machine: variables, files, folders, ports. For continuous integration
    #[arg(long, conflicts_with = "connect")]
    no_environment: bool,
    /// Compare the columns of the pipeline's rows with those that a data collection rule declares: Azure drops others without
    /// an error. The rule as JSON: its JSON view, an ARM template, or the output of `az monitor data-collection rule show`
    #[arg(long, value_name = "FILE")]
    dcr: Option<PathBuf>,
}

/// Checks the files.
pub(super) async fn run(args: ValidateArgs, console: Console) -> CommandResult {
    let (config, warnings) = load_files(&args.set.files, &args.set.variables, args.no_environment)?;
    for warning in &warnings {
        console.show(warning);
    }
    let env = crate::http::system_env();
    if !args.no_environment {
        let Machine { errors, is_running } = preflight::check(&config, &env).await;
        for error in &errors {
            console.show(error);
        }
        if !errors.is_empty() {
            return Ok(ExitCode::from(FAILED));
        }
        if is_running {
            console.note("a process runs with this `data_dir` now: its state and its port weren't checked");
        }
    }
    for sink in config.distinct_sinks() {
        if let Some(remark) = sink.settings.remark() {
            console.note(&format!("note: sink {}: {remark}", sink.name));
        }
    }
    if let Some(path) = &args.dcr {
        match dcr::compare(&config, path)? {
            Ok(words) => console.note(&words),
            Err(wrong) => {
                for error in &wrong {
                    console.show(error);
                }
                return Ok(ExitCode::from(FAILED));
            }
        }
    }
    console.note(&summary(&config));
    let works = !args.connect || connect(&config, &env, console).await;
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn summary(config: &Config) -> String {
    let [sources, transforms, sinks] =
        [(config.sources.len(), "source"), (config.transforms.len(), "transform"), (config.sinks.len(), "sink")]
            .map(|(number, noun)| counted(number as u64, noun));
    format!("valid: {sources}, {transforms}, {sinks}")
}

/// As many connections are tried at the same time: a set can have thousands.
const SIDE_BY_SIDE: usize = 16;

/// Tries every source and sink. Returns whether all of them work.
async fn connect(config: &Config, env: &Env, console: Console) -> bool {
    let sources = config
        .sources
        .iter()
        .map(|source| async { (ComponentKind::Source, &source.name, source.settings.probe(env).await) });
    let sinks =
        config.sinks.iter().map(|sink| async { (ComponentKind::Sink, &sink.name, sink.settings.probe(env).await) });
    let checkpoint = state::probe(&config.checkpoint, env);
    let results = stream::iter(sources).buffered(SIDE_BY_SIDE).collect::<Vec<_>>();
    let of_sinks = stream::iter(sinks).buffered(SIDE_BY_SIDE).collect::<Vec<_>>();
    let (mut results, of_sinks, checkpoint) = futures::future::join3(results, of_sinks, checkpoint).await;
    results.extend(of_sinks);
    let mut works = true;
    let checkpoint = checkpoint.map(|result| ("checkpoint".to_owned(), result));
    let results = results.into_iter().map(|(kind, name, result)| (format!("{} {name}", kind.as_str()), result));
    for (what, result) in checkpoint.into_iter().chain(results) {
        match result {
            Ok(words) => console.note(&format!("{what}: {words}")),
            Err(reason) => {
                works = false;
                // A line for each thing that is wrong.
                for line in reason.lines() {
                    console.error(format!("{what}: {line}"), None);
                }
            }
        }
    }
    works
}
