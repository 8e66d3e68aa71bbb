//! `run`: loads the files, opens the state, and lets the pipelines run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::console::Console;
use super::drive::{DRAIN, Ending, drive, with_progress};
use super::signals::Signals;
use super::{FAILED, LogArgs};
use crate::checkpoint::{CheckpointError, LocalStore};
use crate::config::{Config, Environment, format_duration, parse_duration};
use crate::handles::Handles;
use crate::telemetry::{Telemetry, api};
use crate::topology::{self, RunOptions, RunReport, ShutdownSignal};

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Pipeline files; several make one set
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Stop when everything up to now is read, delivered and committed
    #[arg(long)]
    once: bool,
    /// How long `--once` may take, such as `10m`; then it ends with exit code 1 and says what it waited for
    #[arg(long, requires = "once", value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Runs the pipelines to their end.
pub(super) async fn run(args: RunArgs, logs: LogArgs, console: Console) -> ExitCode {
    let (config, warnings) = match console.load(&args.files, &Environment::system()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    logs.init();
    let console = console.among_logs(logs.log_format);
    for warning in &warnings {
        console.show(warning);
    }
    match start(config, &args).await {
        Ok(ending) => finish(ending, &args, console),
        Err(Refusal { message, hint }) => {
            console.error(message, Some(hint));
            ExitCode::from(FAILED)
        }
    }
}

/// Why nothing could be started.
struct Refusal {
    message: String,
    hint: String,
}

async fn start(config: Config, args: &RunArgs) -> Result<Ending, Refusal> {
    let handles = Handles::system();
    let store = LocalStore::open(handles.clone(), &config.data_dir).await.map_err(|error| {
        let hint = match &error {
            CheckpointError::Locked { .. } => "stop the other process, or give this one a `data_dir` of its own",
            CheckpointError::Unusable { .. } => "nothing was changed; keep the folder and see the guide on state",
            CheckpointError::Disk { .. } => "check that this user may write there and that the disk has room",
        };
        Refusal { message: format!("can't open the state: {error}"), hint: hint.into() }
    })?;
    let telemetry = Telemetry::new();
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
    let signals = Signals::new().map_err(|error| Refusal {
        message: format!("can't listen for signals: {error}"),
        hint: "this is the operating system's refusal; check its limits".into(),
    })?;
    let signals = signals.stream();
    let (shutdown_signal, shutdown) = ShutdownSignal::new();
    let options = RunOptions { once: args.once, drain: DRAIN };
    let run = topology::run(config, options, handles, store, telemetry.clone(), shutdown);
    let driving = drive(run, &shutdown_signal, signals, args.timeout, &telemetry);
    let ending = with_progress(&telemetry, driving).await;
    if let Some(server) = server {
        server.abort();
    }
    Ok(ending)
}

fn finish(ending: Ending, args: &RunArgs, console: Console) -> ExitCode {
    match ending {
        Ending::Finished(report) => finish_report(&report, console),
        Ending::StoppedAtOnce => {
            let hint = "what wasn't acknowledged is read again next time";
            console.error("stopped at once by a second signal", Some(hint.into()));
            ExitCode::from(FAILED)
        }
        Ending::TimedOut { waiting, report } => {
            let timeout = format_duration(args.timeout.unwrap_or_default());
            let mut message = format!("not done within {timeout}");
            for sentence in &waiting {
                message.push_str("\n  ");
                message.push_str(sentence);
            }
            console.error(message, Some("run it again to go on from here; nothing is lost".into()));
            if let Some(report) = report {
                finish_report(&report, console);
            }
            ExitCode::from(FAILED)
        }
    }
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
