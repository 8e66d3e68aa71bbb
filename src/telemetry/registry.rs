//! The telemetry of a pipeline set: its metrics, and a reporter for each component.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::{ComponentKind, ComponentReporter, Health, METRICS, MetricKind, metrics};
use nordpass_env::{Clock, Mutex};

/// A quantile is that of the values since this window began.
const WINDOW: Duration = Duration::from_secs(60);

/// The clock, once it is set.
pub(super) type SharedClock = Arc<OnceLock<Arc<dyn Clock>>>;

/// The telemetry of one running pipeline set. Nothing is global: several sets can run in one process.
#[derive(Clone)]
pub struct Telemetry {
    recorder: Arc<PrometheusRecorder>,
    components: Arc<Mutex<BTreeMap<(ComponentKind, String), ComponentReporter>>>,
    clock: SharedClock,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    /// Telemetry without components.
    pub fn new() -> Self {
        // One window instead of three that overlap: each may take a quarter of a MiB for each distribution.
        let builder = PrometheusBuilder::new()
            .set_bucket_duration(WINDOW)
            .map(|builder| builder.set_bucket_count(NonZeroU32::MIN));
        let recorder = builder.unwrap_or_default().build_recorder();
        for metric in METRICS {
            use ::metrics::Recorder as _;
            let description = metric.help.into();
            match metric.kind {
                MetricKind::Counter => recorder.describe_counter(metric.name.into(), None, description),
                MetricKind::Gauge => recorder.describe_gauge(metric.name.into(), None, description),
                MetricKind::Histogram => recorder.describe_histogram(metric.name.into(), None, description),
            }
        }
        Self { recorder: Arc::new(recorder), components: Arc::default(), clock: Arc::default() }
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
            .or_insert_with(|| ComponentReporter::new(kind, name, self.recorder.clone(), self.clock.clone()))
            .clone()
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
        for component in self.components() {
            if let Some(lag) = component.numbers().lag(now) {
                component.set(&metrics::LAG_SECONDS, lag);
            }
        }
        self.render()
    }

    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let handle = self.recorder.handle();
        handle.run_upkeep();
        handle.render()
    }
}
