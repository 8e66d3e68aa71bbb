//! What every command that runs pipelines does: opens the state, runs the set, and shows how it ended.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures::Stream;
use tokio_util::sync::CancellationToken;

use super::FAILED;
use super::console::{Console, counted};
use super::drive::{DRAIN, Ending, drive, with_progress};
use super::error::{CommandError, CommandResult};
use super::signals::signals;
use crate::component::CheckpointError;
use crate::pipeline::{Config, Reloads, RunOptions, RunReport, Stores, run_with_reloads};
use crate::telemetry::{ComponentKind, Telemetry, api};
use nordpass_env::Env;

/// Opens the state, and keeps other processes out of the data folder.
pub(super) async fn open_state(env: &Env, config: &Config) -> CommandResult<Stores> {
    let opened = Stores::open(&config.checkpoint, config.shard, &config.data_dir, env).await;
    opened.map_err(|error| state_error(&error, &config.data_dir))
}

/// The error when the state can't be opened.
pub(super) fn state_error(error: &CheckpointError, data_dir: &Path) -> CommandError {
    let hint = match error {
        CheckpointError::Locked { .. } => "stop the other process, or give this one its own `data_dir`",
        CheckpointError::Unusable { .. } => {
            "nothing was changed; keep the folder, and see \"Backup of the state\" in docs/guide/operations.md"
        }
        CheckpointError::Disk { source, .. } => disk_hint(source.kind()),
        CheckpointError::Storage { .. } | CheckpointError::Held { .. } | CheckpointError::Lost => {
            "check the [checkpoint] table"
        }
    };
    CommandError::failed(format!("can't open the state in {}: {error}", absolute(data_dir).display()), hint)
}

/// The error when the port can't be taken. It brings its own hint, on a second line.
pub(super) fn api_error(error: &io::Error) -> CommandError {
    let text = error.to_string();
    let (message, hint) = text.split_once("\nhint: ").unwrap_or((&text, "check `[api] listen`"));
    CommandError::failed(message, hint)
}

/// The folder from the root on: the pipeline file may say `./data`.
pub(super) fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

/// What to do about a folder that can't be used.
pub(super) fn disk_hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ReadOnlyFilesystem => "mount this folder as writable, or set `data_dir` to another one",
        io::ErrorKind::PermissionDenied => {
            "give the folder and its contents to the user that runs this program, or set `data_dir` to another one"
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "a file is where a folder should be: move it away, or set `data_dir` to another folder"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space on this disk",
        _ => "check that this user may write there and that the disk has room",
    }
}

/// Opens the state and runs a pipeline set to its end: by itself, at a signal, or when `timeout` has passed.
pub(super) async fn launch(
    config: Config,
    once: bool,
    timeout: Option<Duration>,
    env: &Env,
    telemetry: &Telemetry,
) -> CommandResult<Ending> {
    let options = RunOptions { once, drain: DRAIN };
    launch_with(config, options, timeout, env, telemetry, signals()?, Reloads::none()).await
}

/// The same with what ends it, and for a set that is reloaded.
pub(super) async fn launch_with(
    config: Config,
    options: RunOptions,
    timeout: Option<Duration>,
    env: &Env,
    telemetry: &Telemetry,
    signals: impl Stream<Item = ()>,
    reloads: Reloads,
) -> CommandResult<Ending> {
    let store = open_state(env, &config).await?;
    // For readers of the log: which version, with which state.
    let data_dir = absolute(&config.data_dir);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data_dir = %data_dir.display(), "starting");
    let server = match config.api_listen {
        None => None,
        Some(listen) => {
            let hosts = config.api_allowed_hosts.clone();
            let bound = api::bind(listen, hosts, telemetry.clone(), env.clone()).await;
            let (address, server) = bound.map_err(|error| api_error(&error))?;
            tracing::info!("serving a status page, /health, /ready and /metrics on http://{address}");
            Some(tokio::spawn(server))
        }
    };
    let shutdown = CancellationToken::new();
    let (telemetry_of_run, shutdown_of_run) = (telemetry.clone(), shutdown.clone());
    let run = run_with_reloads(config, options, env.clone(), store, telemetry_of_run, shutdown_of_run, reloads);
    let driving = drive(run, &shutdown, signals, timeout, telemetry);
    let ending = with_progress(telemetry, driving).await;
    if let Some(server) = server {
        server.abort();
    }
    log_end(&ending, telemetry);
    Ok(ending)
}

/// Writes the last log line of a run that ended in order, which distinguishes it from a kill. If something failed, that is
/// the last line.
fn log_end(ending: &Ending, telemetry: &Telemetry) {
    let (Ending::Finished(report) | Ending::Signalled(report)) = ending else { return };
    if report.drain_timed_out {
        tracing::warn!(
            "not everything was acknowledged within {} s; the rest is read again next time",
            DRAIN.as_secs()
        );
    }
    if !report.failures.is_empty() {
        return;
    }
    // By name: health rows are no events, and a record that goes to two sinks isn't two.
    let components = telemetry.components();
    let sent = |kind| {
        let of_kind = components.iter().filter(move |component| component.kind() == kind);
        of_kind
            .map(|component| format!("{} {}", component.name(), component.numbers().totals().sent))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let dead_letters = components.iter().map(|component| component.numbers().totals().dead_letters).sum();
    tracing::info!(
        "ended: read {}; delivered {}; {}",
        sent(ComponentKind::Source),
        sent(ComponentKind::Sink),
        counted(dead_letters, "dead letter")
    );
}

/// Shows how a run ended and returns the exit code. With `once`, a signal before the end is a failure; for a service it is
/// the normal end.
pub(super) fn finish(ending: Ending, once: bool, console: Console) -> ExitCode {
    const CONTINUE: &str = "run it again to continue from here; nothing is lost";
    let (report, message, hint) = match ending {
        Ending::Finished(report) => return show_failures(&report, console),
        Ending::Signalled(report) if !once => return show_failures(&report, console),
        Ending::Signalled(report) => (Some(report), "stopped by a signal before it finished".to_owned(), CONTINUE),
        Ending::StoppedAtOnce => {
            (None, "stopped at once by a second signal".to_owned(), "what wasn't acknowledged is read again next time")
        }
        Ending::TimedOut { message, report } => (report, message, CONTINUE),
    };
    if let Some(report) = &report {
        show_failures(report, console);
    }
    console.error(message, Some(hint.to_owned()));
    ExitCode::from(FAILED)
}

/// Shows each component's failure.
pub(super) fn show_failures(report: &RunReport, console: Console) -> ExitCode {
    for failure in &report.failures {
        let message = format!("{} {} failed: {}", failure.kind.as_str(), failure.name, failure.error.message);
        console.error(message, failure.error.hint.clone());
    }
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}
