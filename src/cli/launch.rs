//! What every command that runs pipelines does: opens the state, starts the set, and says how it ended.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::FAILED;
use super::console::Console;
use super::drive::{DRAIN, Ending, drive, with_progress};
use super::signals::Signals;
use crate::checkpoint::{self, CheckpointError, CheckpointSettings, Store};
use crate::config::{Config, format_duration};
use crate::handles::Handles;
use crate::telemetry::{Telemetry, api};
use crate::topology::{self, RunOptions, RunReport, ShutdownSignal};

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
}

/// Opens the state, and keeps other processes out of `data_dir`.
pub(super) async fn open_state(
    handles: &Handles,
    settings: &CheckpointSettings,
    data_dir: &Path,
) -> Result<Arc<dyn Store>, Refusal> {
    match checkpoint::open(settings, data_dir, handles).await {
        Ok(store) => Ok(store),
        Err(error) => {
            let hint = match &error {
                CheckpointError::Locked { .. } => "stop the other process, or give this one a `data_dir` of its own",
                CheckpointError::Unusable { .. } => "nothing was changed; keep the folder and see the guide on state",
                CheckpointError::Disk { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                    "mount this folder so that it can be written to, or set `data_dir` to another one"
                }
                CheckpointError::Storage { .. } | CheckpointError::Held { .. } | CheckpointError::Lost => {
                    "check the [checkpoint] table"
                }
                CheckpointError::Disk { .. } => "check that this user may write there and that the disk has room",
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

/// Runs a pipeline set to its end: by itself, at a signal, or when `timeout` has passed.
pub(super) async fn launch(
    config: Config,
    once: bool,
    timeout: Option<Duration>,
    handles: Handles,
    store: Arc<dyn Store>,
    telemetry: &Telemetry,
) -> Result<Ending, Refusal> {
    let server = match config.api_listen {
        None => None,
        Some(listen) => {
            let bound = api::bind(listen, telemetry.clone(), handles.clone()).await.map_err(|error| {
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
    let (shutdown_signal, shutdown) = ShutdownSignal::new();
    let options = RunOptions { once, drain: DRAIN };
    let run = topology::run(config, options, handles, store, telemetry.clone(), shutdown);
    let driving = drive(run, &shutdown_signal, signals, timeout, telemetry);
    let ending = with_progress(telemetry, driving).await;
    if let Some(server) = server {
        server.abort();
    }
    Ok(ending)
}

/// Listens for SIGINT and SIGTERM.
pub(super) fn signals() -> Result<Signals, Refusal> {
    Signals::new().map_err(|error| Refusal {
        message: format!("can't listen for signals: {error}"),
        hint: "this is the operating system's refusal; check its limits".into(),
    })
}

/// Says how a run ended, and answers the exit code.
pub(super) fn finish(ending: Ending, timeout: Option<Duration>, console: Console) -> ExitCode {
    match ending {
        Ending::Finished(report) => finish_report(&report, console),
        Ending::StoppedAtOnce => {
            let hint = "what wasn't acknowledged is read again next time";
            console.error("stopped at once by a second signal", Some(hint.into()));
            ExitCode::from(FAILED)
        }
        Ending::TimedOut { waiting, report } => {
            console
                .error(out_of_time(timeout, &waiting), Some("run it again to go on from here; nothing is lost".into()));
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
    waiting.iter().fold(format!("not done within {timeout}"), |text, sentence| text + "\n  " + sentence)
}

fn finish_report(report: &RunReport, console: Console) -> ExitCode {
    for failure in &report.failures {
        let message = format!("{} {} failed: {}", failure.kind.as_str(), failure.name, failure.error.message);
        console.error(message, failure.error.hint.clone());
    }
    if report.drain_timed_out {
        tracing::warn!("not everything was acknowledged within {} s; it is read again next time", DRAIN.as_secs());
    }
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}
