//! What every command that runs pipelines does: opens the state, starts the set, and says how it ended.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::console::{Console, counted};
use super::drive::{DRAIN, Ending, drive, with_progress};
use super::signals::Signals;
use super::{FAILED, USAGE};
use crate::component::CheckpointError;
use crate::pipeline::{Config, RunOptions, RunReport, Stores};
use crate::settings::format_duration;
use crate::state::CheckpointSettings;
use crate::telemetry::{ComponentKind, Telemetry, api};
use nordpass_env::Env;

/// Why nothing could be started.
#[derive(Debug)]
pub(super) struct Refusal {
    pub message: String,
    pub hint: String,
}

impl Refusal {
    /// Says so.
    pub fn show(self, console: Console) -> ExitCode {
        console.error(self.message, Some(self.hint));
        ExitCode::from(FAILED)
    }

    /// Says so where the command line is to blame: trying again cures nothing.
    pub fn usage(self, console: Console) -> ExitCode {
        console.error(self.message, Some(self.hint));
        ExitCode::from(USAGE)
    }
}

/// Opens the state, and keeps other processes out of `data_dir`.
pub(super) async fn open_state(env: &Env, settings: &CheckpointSettings, data_dir: &Path) -> Result<Stores, Refusal> {
    match Stores::open(settings, data_dir, env).await {
        Ok(store) => Ok(store),
        Err(error) => {
            let hint = match &error {
                CheckpointError::Locked { .. } => "stop the other process, or give this one its own `data_dir`",
                CheckpointError::Unusable { .. } => {
                    "nothing was changed; keep the folder, and see \"Backup of the state\" in docs/guide/operations.md"
                }
                CheckpointError::Disk { source, .. } => disk_hint(source.kind()),
                CheckpointError::Storage { .. } | CheckpointError::Held { .. } | CheckpointError::Lost => {
                    "check the [checkpoint] table"
                }
            };
            // Which folder is meant is clear only from the root on: the file may say `./data`.
            let folder = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
            Err(Refusal {
                message: format!("can't open the state in {}: {error}", folder.display()),
                hint: hint.into(),
            })
        }
    }
}

/// What to do about a folder that can't be used.
fn disk_hint(kind: io::ErrorKind) -> &'static str {
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

/// Runs a pipeline set to its end: by itself, at a signal, or when `timeout` has passed.
pub(super) async fn launch(
    config: Config,
    once: bool,
    timeout: Option<Duration>,
    env: Env,
    store: Stores,
    telemetry: &Telemetry,
) -> Result<Ending, Refusal> {
    // What somebody who opens the log later asks first: which program, on which state.
    let data_dir = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data_dir = %data_dir.display(), "starting");
    let server = match config.api_listen {
        None => None,
        Some(listen) => {
            let bound = api::bind(listen, telemetry.clone(), env.clone()).await.map_err(|error| {
                // The error brings its own hint, behind a line end.
                let text = error.to_string();
                let (message, hint) = text.split_once("\nhint: ").unwrap_or((&text, "check `[api] listen`"));
                Refusal { message: message.to_owned(), hint: hint.to_owned() }
            })?;
            let (address, server) = bound;
            tracing::info!("serving /health, /ready and /metrics on http://{address}");
            Some(tokio::spawn(server))
        }
    };
    let signals = signals()?.stream();
    let shutdown = CancellationToken::new();
    let options = RunOptions { once, drain: DRAIN };
    let run = crate::pipeline::run(config, options, env, store, telemetry.clone(), shutdown.clone());
    let driving = drive(run, &shutdown, signals, timeout, telemetry);
    let ending = with_progress(telemetry, driving).await;
    if let Some(server) = server {
        server.abort();
    }
    say_ended(&ending, telemetry);
    Ok(ending)
}

/// The log's last line of a run that ended in order: without it nobody could tell such an end from a kill. Where something
/// failed, that is the last word.
fn say_ended(ending: &Ending, telemetry: &Telemetry) {
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
    let (mut events, mut records, mut dead_letters) = (0, 0, 0);
    for component in telemetry.components() {
        let totals = component.totals();
        dead_letters += totals.dead_letters;
        match component.kind() {
            ComponentKind::Source => events += totals.sent,
            ComponentKind::Sink => records += totals.sent,
            ComponentKind::Transform => {}
        }
    }
    tracing::info!(
        "ended: {} read, {} delivered, {}",
        counted(events, "new event"),
        counted(records, "record"),
        counted(dead_letters, "dead letter")
    );
}

/// Listens for SIGINT and SIGTERM.
pub(super) fn signals() -> Result<Signals, Refusal> {
    Signals::new().map_err(|error| Refusal {
        message: format!("can't listen for signals: {error}"),
        hint: "the operating system refused it; check its limits".into(),
    })
}

/// Says how a run ended, and answers the exit code. Whoever asked for something `whole`, such as `--once`, has to hear
/// when a signal came before it was done; to a service, a signal is the end that it waits for.
pub(super) fn finish(ending: Ending, whole: bool, timeout: Option<Duration>, console: Console) -> ExitCode {
    match ending {
        Ending::Finished(report) => finish_report(&report, console),
        Ending::Signalled(report) => {
            let code = finish_report(&report, console);
            if !whole {
                return code;
            }
            let hint = "run it again to continue from here; nothing is lost";
            console.error("stopped by a signal before it finished", Some(hint.into()));
            ExitCode::from(FAILED)
        }
        Ending::StoppedAtOnce => {
            let hint = "what wasn't acknowledged is read again next time";
            console.error("stopped at once by a second signal", Some(hint.into()));
            ExitCode::from(FAILED)
        }
        Ending::TimedOut { waiting, report } => {
            console.error(
                out_of_time(timeout, &waiting),
                Some("run it again to continue from here; nothing is lost".into()),
            );
            if let Some(report) = report {
                finish_report(&report, console);
            }
            ExitCode::from(FAILED)
        }
    }
}

/// That the time is over, and what was waited for.
pub(super) fn out_of_time(timeout: Option<Duration>, waiting: &[String]) -> String {
    let timeout = format_duration(timeout.unwrap_or_default());
    waiting.iter().fold(format!("not finished within {timeout}"), |text, sentence| text + "\n  " + sentence)
}

fn finish_report(report: &RunReport, console: Console) -> ExitCode {
    for failure in &report.failures {
        let message = format!("{} {} failed: {}", failure.kind.as_str(), failure.name, failure.error.message);
        console.error(message, failure.error.hint.clone());
    }
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}
