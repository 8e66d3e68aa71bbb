//! What runs as which component.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::Id;
use tokio_util::sync::CancellationToken;

use super::change::Change;
use super::plan::{Key, Plan};
use super::running::Running;
use super::{Changes, Failure};
use crate::component::{ComponentError, Context, OutputHandle, Sink, WeakInput};
use crate::pipeline::{Config, Stores};
use crate::settings::Fingerprint;
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry};
use nordpass_env::Env;

/// What all components get.
pub(super) struct Base {
    pub data_dir: PathBuf,
    pub env: Env,
    pub stores: Stores,
    pub shutdown: CancellationToken,
    pub once: bool,
    pub telemetry: Telemetry,
}

impl Base {
    /// The context of a component, with a token of its own to end it.
    pub fn context(&self, telemetry: ComponentReporter) -> Context {
        Context {
            name: telemetry.name().into(),
            env: self.env.clone(),
            telemetry,
            data_dir: self.data_dir.clone(),
            store: self.stores.state.clone(),
            dead_letters: self.stores.dead_letters.clone(),
            shutdown: self.shutdown.child_token(),
            once: self.once,
        }
    }
}

/// A sink that was opened before anything ran; `None`: it can't open yet.
pub(super) struct Opened {
    pub sink: Option<Box<dyn Sink>>,
    pub end: CancellationToken,
}

/// A component at work.
pub(super) struct Part {
    pub id: Id,
    pub fingerprint: Fingerprint,
    /// The way into it. A source has none.
    pub input: Option<WeakInput>,
    /// Whether it is a source that reports about the others.
    pub observes: bool,
    pub outputs: Vec<OutputHandle>,
    /// Ends it.
    pub end: CancellationToken,
}

/// The set as it runs.
pub(super) struct Topology {
    pub config: Config,
    pub base: Base,
    pub parts: BTreeMap<Key, Part>,
}

impl Topology {
    /// Begins a set of which the sinks are open.
    pub fn begin(
        config: Config,
        base: Base,
        opened: HashMap<String, Opened>,
        running: &mut Running,
    ) -> Result<Self, Failure> {
        let mut topology = Self { config: config.clone(), base, parts: BTreeMap::new() };
        let plan = Plan::of(&config, &topology.parts, running, &[]);
        topology.change(config, plan, opened, Duration::ZERO, running)?;
        Ok(topology)
    }

    /// Makes the set another one. Returns what has changed, and the tasks that drain. Sources that begin do so after a pause.
    pub fn change(
        &mut self,
        config: Config,
        plan: Plan,
        mut opened: HashMap<String, Opened>,
        pause: Duration,
        running: &mut Running,
    ) -> Result<(Changes, Vec<Id>), Failure> {
        let Plan { begin, end } = plan;
        let mut parts = std::mem::take(&mut self.parts);
        let is_start = parts.is_empty();
        let old: BTreeMap<Key, Part> = end.iter().filter_map(|key| Some((key.clone(), parts.remove(key)?))).collect();
        let changes = Changes {
            begun: begin.iter().map(|(_, name)| name.clone()).collect(),
            removed: end.difference(&begin).map(|(_, name)| name.clone()).collect(),
            kept: parts.len(),
            aborted: Vec::new(),
        };
        let mut change = Change::new(&self.base, running, begin, parts, is_start);
        let made = change.make(&config, &mut opened, pause);
        let Change { parts, running, .. } = change;
        self.parts = parts;
        made?;
        let mut draining = Vec::new();
        for ((kind, name), part) in old {
            if running.is_running(part.id) {
                running.replaced(part.id);
                part.end.cancel();
                draining.push(part.id);
            } else {
                self.gone(kind, &name);
            }
            running.forget_failure(kind, &name);
        }
        self.config = config;
        Ok((changes, draining))
    }

    /// A component has ended that a reload has removed, or that another one has followed.
    pub fn gone(&self, kind: ComponentKind, name: &str) {
        if !self.parts.contains_key(&(kind, name.to_owned())) {
            self.base.telemetry.forget(kind, name);
        }
    }
}

/// Checks what the components that begin need of this machine. The error names the first one that lacks something.
pub(super) async fn check(config: &Config, begin: &BTreeSet<Key>, env: &Env) -> Result<(), ComponentError> {
    for source in &config.sources {
        if begin.contains(&(ComponentKind::Source, source.name.clone())) {
            let settings = Arc::clone(&source.settings);
            settings.check(env).await.map_err(|error| named(&source.name, error))?;
        }
    }
    for sink in &config.sinks {
        if begin.contains(&(ComponentKind::Sink, sink.name.clone())) {
            let settings = Arc::clone(&sink.settings);
            settings.check(env).await.map_err(|error| named(&sink.name, error))?;
        }
    }
    Ok(())
}

fn named(name: &str, error: ComponentError) -> ComponentError {
    ComponentError { message: format!("`{name}`: {}", error.message), ..error }
}
