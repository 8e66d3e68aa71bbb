//! Builds the components of a checked configuration, runs them, and ends them in order.
//!
//! Ending always goes with the stream: a source stops reading and drops its output, so its readers see the end of
//! their input, deliver what they hold, and end in turn; meanwhile the source waits for its acknowledgements and
//! commits. Nothing is stopped in the middle, unless the drain's deadline passes. A reload ends a part of the set in the
//! same way ([`reload`]).

mod change;
mod open;
mod plan;
mod reload;
mod requests;
mod running;
mod topology;
mod transform;

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use self::requests::{Changes, Reloaded, Reloader, Reloads, reloads};

use self::open::{Waiting, first_try};
use self::reload::Set;
use self::topology::{Base, Opened, Topology};
use super::Stores;
use crate::component::ComponentError;
use crate::pipeline::Config;
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::Env;

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// End when every source has covered everything up to its start, and all of it is acknowledged and committed.
    pub once: bool,
    /// How long a shutdown may drain.
    pub drain: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { once: false, drain: Duration::from_secs(15) }
    }
}

/// A component that stopped with an error.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Source, transform or sink.
    pub kind: ComponentKind,
    /// Its name.
    pub name: String,
    /// Why.
    pub error: ComponentError,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// The components that failed; empty for exit code 0.
    pub failures: Vec<Failure>,
    /// Whether the drain's deadline passed with events unacknowledged: they are read again next time.
    pub drain_timed_out: bool,
}

/// Runs a pipeline set to its end: until `shutdown` begins (then it drains), or with `once` until everything is done.
///
/// A source that fails stops alone: another organization's events go on. When the last of them has ended and one had
/// failed, or when a transform or a required sink fails, everything is drained: by its deadline, so that a supervisor can
/// restart the process. A sink that can't open yet is waited for while the others run, unless it is a required one and
/// waiting can't cure it: then nothing has run.
///
/// The future is boxed: otherwise each crate that awaits it would compile the whole pipeline once more.
pub fn run(
    config: Config,
    options: RunOptions,
    env: Env,
    stores: Stores,
    telemetry: Telemetry,
    shutdown: CancellationToken,
) -> BoxFuture<'static, RunReport> {
    run_with_reloads(config, options, env, stores, telemetry, shutdown, Reloads::none())
}

/// The same for a set that becomes another one when it is asked to.
pub fn run_with_reloads(
    config: Config,
    options: RunOptions,
    env: Env,
    stores: Stores,
    telemetry: Telemetry,
    shutdown: CancellationToken,
    reloads: Reloads,
) -> BoxFuture<'static, RunReport> {
    Box::pin(run_set(config, options, env, stores, telemetry, shutdown, reloads))
}

async fn run_set(
    config: Config,
    options: RunOptions,
    env: Env,
    stores: Stores,
    telemetry: Telemetry,
    shutdown: CancellationToken,
    reloads: Reloads,
) -> RunReport {
    telemetry.set_clock(env.clock.clone());
    // The components end with the program, and by themselves when one fails that the others can't do without.
    let ending = shutdown.child_token();
    let _ends_when_dropped = ending.clone().drop_guard();
    let base = Base {
        data_dir: config.data_dir.clone(),
        env,
        stores: stores.clone(),
        shutdown: ending.clone(),
        once: options.once,
        telemetry,
    };
    // A file sink asks the checkpoint when it opens, and waits for it: that must not outlive the shutdown.
    let opened = tokio::select! {
        biased;
        opened = open_sinks(&config, &base) => opened,
        () = shutdown.cancelled() => return RunReport::default(),
    };
    let mut set = Set::default();
    let begun = opened.and_then(|opened| Topology::begin(config, base, opened, &mut set.running));
    match begun {
        Ok(topology) => set.topology = Some(topology),
        Err(failure) => {
            set.running.report.failures.push(failure);
            return set.running.report;
        }
    }
    let report = set.supervise(&ending, options.drain, reloads).await;
    // Best effort, and not for long: a lease that isn't released expires.
    let _ = tokio::time::timeout(RELEASE_TIME, stores.state.close()).await;
    report
}

/// How long releasing leases may take.
const RELEASE_TIME: Duration = Duration::from_secs(3);

/// Opens the sinks before any source runs, but for those that open when they are needed.
async fn open_sinks(config: &Config, base: &Base) -> Result<HashMap<String, Opened>, Failure> {
    let mut all = HashMap::new();
    for sink in config.sinks.iter().filter(|sink| sink.template.is_none()) {
        let component = base.telemetry.component(ComponentKind::Sink, &sink.name);
        component.set_type(sink.component_type.name);
        let context = base.context(component.clone());
        let (settings, required) = (sink.settings.clone(), sink.required);
        let waiting = Waiting { settings, context, required, patient: false, opens_when_needed: false };
        let opened = first_try(&waiting)
            .await
            .map_err(|error| Failure { kind: ComponentKind::Sink, name: sink.name.clone(), error })
            .inspect_err(|failure| component.status().stopped(Some(failure.error.to_string())))?;
        all.insert(sink.name.clone(), Opened { sink: opened, end: waiting.context.shutdown });
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
