//! The telemetry of a pipeline set: its metrics, and a reporter for each component.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::reloads::{ReloadLog, ReloadTrouble};
use super::{ComponentKind, ComponentReporter, Health, exposition, metrics};
use nordpass_env::{Clock, Mutex};

/// The clock, once it is set.
pub(super) type SharedClock = Arc<OnceLock<Arc<dyn Clock>>>;

/// The telemetry of one running pipeline set. Nothing is global: several sets can run in one process.
#[derive(Clone, Default)]
pub struct Telemetry {
    components: Arc<Mutex<BTreeMap<(ComponentKind, String), ComponentReporter>>>,
    clock: SharedClock,
    reloads: Arc<ReloadLog>,
}

impl Telemetry {
    /// Telemetry without components.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the clock that times successes and errors. A second call changes nothing.
    pub fn set_clock(&self, clock: Arc<dyn Clock>) {
        let _ = self.clock.set(clock);
    }

    /// The component's reporter, created by the first call.
    pub fn component(&self, kind: ComponentKind, name: &str) -> ComponentReporter {
        let mut components = self.components.lock();
        components
            .entry((kind, name.to_owned()))
            .or_insert_with(|| ComponentReporter::new(kind, name, self.clock.clone()))
            .clone()
    }

    /// The component is no part of the set any more.
    pub fn forget(&self, kind: ComponentKind, name: &str) {
        self.components.lock().remove(&(kind, name.to_owned()));
    }

    /// The pipeline files can be reloaded from now on.
    pub fn begin_reloads(&self, now: Timestamp) {
        self.reloads.begin(now);
    }

    /// Notes what became of a reload: `applied`, `refused` or `wrong`; and why the files don't count, if they don't.
    pub fn reloaded(&self, outcome: &'static str, trouble: Option<String>, now: Timestamp) {
        self.reloads.note(outcome, trouble, now);
    }

    /// Why the pipeline files as they are don't count, if so.
    pub fn reload_trouble(&self) -> Option<ReloadTrouble> {
        self.reloads.trouble()
    }

    /// All components, sources first.
    pub fn components(&self) -> Vec<ComponentReporter> {
        self.components.lock().values().cloned().collect()
    }

    /// All components' states, sources first.
    pub fn health(&self) -> Vec<Health> {
        let health = |component: &ComponentReporter| Health {
            kind: component.kind(),
            name: component.name().to_owned(),
            state: component.status().get(),
            left_out: component.numbers().left_out(),
        };
        self.components().iter().map(health).collect()
    }

    /// The metrics as of `now`, in Prometheus' text format. Ages are computed first, so that they grow while nothing happens.
    pub fn render_at(&self, now: Timestamp) -> String {
        let components = self.components();
        for component in &components {
            if let Some(lag) = component.numbers().lag(now) {
                component.set(&metrics::LAG_SECONDS, lag);
            }
        }
        self.with_reloads(exposition::render(&components, now))
    }

    fn with_reloads(&self, mut text: String) -> String {
        self.reloads.render(&mut text);
        text
    }

    /// The metrics in Prometheus' text format, as last reported, without quantiles of what is older than a minute.
    pub fn render(&self) -> String {
        let now = self.clock.get().map_or_else(Timestamp::default, |clock| clock.now());
        self.with_reloads(exposition::render(&self.components(), now))
    }
}
