//! One bounded run of the pipelines, as `run --once` makes it, for one call of the host.
//!
//! It ends when everything is covered, when its time is over, when there is no more progress, or when the host ends the
//! process. What was acknowledged by then is committed, and the next call goes on from there. It has failed only if a
//! component could do nothing at all: running out of time is no failure.

use crate::sources::nordpass;
use std::{any::Any, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use super::call::Outcome;
use super::outcome::{Ended, StopReason, sentence, states};
use super::settings::Settings;
use crate::cli::drive::DRAIN;
use crate::cli::launch::open_state;
use crate::pipeline::RunOptions;
use crate::pipeline::{Config, load, read_files};
use crate::settings::{Environment, Severity};
use crate::telemetry::Telemetry;
use nordpass_env::Env;

/// If a component has waited this long without any progress, going on only costs money: the next call tries again. Longer
/// than a blob's lease, so that a crashed process's successor gets the state in its first call.
const PATIENCE: Duration = Duration::from_secs(90);
/// For the response itself, after the drain.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// Makes catch-ups, one at a time.
pub struct CatchUp {
    settings: Settings,
    environment: Environment,
    env: Env,
    shutdown: CancellationToken,
    /// Held while one runs.
    running: Mutex<()>,
}

impl CatchUp {
    /// Keeps connections from call to call.
    pub fn new(settings: Settings, environment: Environment, env: Env, shutdown: CancellationToken) -> Self {
        Self { settings, environment, env, shutdown, running: Mutex::default() }
    }

    /// Waits until none runs.
    pub async fn idle(&self) {
        drop(self.running.lock().await);
    }

    /// One catch-up; nothing if one is already running.
    pub async fn run(&self) -> Outcome {
        let Ok(_running) = self.running.try_lock() else {
            let line = "a catch-up is already running and covers this call too";
            return Outcome { logs: vec![line.into()], failures: Vec::new() };
        };
        if self.shutdown.is_cancelled() {
            return Outcome::failed("the host is stopping this process");
        }
        let began = Instant::now();
        let config = match self.config() {
            Ok(config) => config,
            Err(failures) => return Outcome { logs: Vec::new(), failures },
        };
        let store = match open_state(&self.env, &config).await {
            Ok(store) => store,
            Err(error) => {
                let failures = error.diagnostics.iter().map(sentence).collect();
                return Outcome { logs: Vec::new(), failures };
            }
        };
        let telemetry = Telemetry::new();
        let shutdown = CancellationToken::new();
        let options = RunOptions { once: true, drain: DRAIN.min(self.settings.limit / 3) };
        let deadline = began + self.settings.limit.saturating_sub(options.drain + LAST_MOMENTS);
        let run = crate::pipeline::run(config, options, self.env.clone(), store, telemetry.clone(), shutdown.clone());
        let mut run = std::pin::pin!(run);
        let stop = tokio::select! {
            biased;
            report = &mut run => {
                return Ended { states: states(&telemetry), report, stop: None, took: began.elapsed() }
                    .outcome(&telemetry, self.env.clock.now());
            }
            () = self.shutdown.cancelled() => StopReason::Host,
            () = tokio::time::sleep_until(deadline) => StopReason::Time,
            () = stuck(&telemetry) => StopReason::Stuck,
        };
        // The states now: after the drain, all components have ended.
        let states = states(&telemetry);
        shutdown.cancel();
        let report = run.await;
        Ended { states, report, stop: Some(stop), took: began.elapsed() }.outcome(&telemetry, self.env.clock.now())
    }

    /// Reads the files again for each call: corrections take effect at the next one, and errors show in each.
    pub fn config(&self) -> Result<Config, Vec<String>> {
        let loaded = read_files(&self.settings.files).and_then(|files| load(&files, &self.environment));
        let (mut config, warnings) = loaded.map_err(|found| {
            let errors = found.iter().filter(|found| found.severity == Severity::Error);
            errors.map(sentence).collect::<Vec<_>>()
        })?;
        for warning in &warnings {
            tracing::warn!("{}", sentence(warning));
        }
        // It would be up for seconds only, and a Function App's ports can't be reached.
        config.api_listen = None;
        for source in &mut config.sources {
            let settings: &dyn Any = source.settings.as_ref();
            if let Some(settings) = settings.downcast_ref::<nordpass::Settings>() {
                source.settings = Arc::new(nordpass::Settings { again_with_once: true, ..settings.clone() });
            }
        }
        Ok(config)
    }
}

/// Resolves when a component waits and there was no progress for [`PATIENCE`].
async fn stuck(telemetry: &Telemetry) {
    let (mut before, mut since) = (0, Instant::now());
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let components = telemetry.components();
        let moved = |component: &crate::telemetry::ComponentReporter| {
            let totals = component.numbers().totals();
            let pages = component.progress().pages.load(std::sync::atomic::Ordering::Relaxed);
            totals.received + totals.sent + totals.dead_letters + pages
        };
        let now: u64 = components.iter().map(moved).sum();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        let waits = components.iter().any(|component| component.status().get().is_waiting());
        if waits && since.elapsed() >= PATIENCE {
            return;
        }
    }
}
