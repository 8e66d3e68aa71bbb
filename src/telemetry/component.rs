//! A component's own view of the telemetry: its metrics, its state in words, its progress.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ::metrics::{Key, Label, Level, Metadata, Recorder};
use jiff::Timestamp;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::numbers::Numbers;
use super::{Lately, Metric, TokenState, Totals, metrics};
use crate::handles::Clock;

/// After how many observations a component has the recorder sum them up. Only a scrape would do it otherwise, and
/// where nobody scrapes, the memory would grow.
const UPKEEP: u64 = 1_024;

static METADATA: Metadata<'static> = Metadata::new("nordpass_sentinel", Level::INFO, None);

/// The telemetry of one running pipeline set. Nothing global: several can live in one process.
#[derive(Clone)]
pub struct Telemetry {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    components: Arc<Mutex<BTreeMap<(ComponentKind, String), Component>>>,
    clock: SharedClock,
}

/// The time of day, once somebody has told where it comes from.
type SharedClock = Arc<OnceLock<Arc<dyn Clock>>>;

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComponentKind {
    /// A source.
    Source,
    /// A transform.
    Transform,
    /// A sink.
    Sink,
}

impl ComponentKind {
    /// In lower case, as it stands in labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// What a component is doing, for `/ready`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentState {
    /// Made, but has had no success yet.
    Starting,
    /// Works.
    Working,
    /// Waits for something outside, and says what in a sentence.
    Waiting {
        /// What it waits for and what an operator can do.
        reason: String,
        /// Since when.
        since: Timestamp,
    },
    /// Has stopped with an error.
    Failed {
        /// Why.
        reason: String,
    },
    /// Has finished its work.
    Finished,
}

impl ComponentState {
    /// In one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Waiting { .. } => "waiting",
            Self::Failed { .. } => "failed",
            Self::Finished => "finished",
        }
    }

    /// What it waits for, or why it failed, in a sentence.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Starting => Some("it has had no success yet"),
            Self::Waiting { reason, .. } | Self::Failed { reason } => Some(reason),
            Self::Working | Self::Finished => None,
        }
    }

    /// Since when it waits.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { since, .. } => Some(*since),
            _ => None,
        }
    }
}

/// A component's line in the health report.
#[derive(Clone, Debug)]
pub struct Health {
    /// Source, transform or sink.
    pub kind: ComponentKind,
    /// Its name in the pipeline file.
    pub name: String,
    /// What it is doing.
    pub state: ComponentState,
}

/// How far a source is with its history. All numbers only for people: nothing is decided by them.
#[derive(Debug, Default)]
pub struct Progress {
    /// Events read.
    pub events: AtomicU64,
    /// Pages read.
    pub pages: AtomicU64,
    /// The history's first second (Unix), 0 while unknown.
    pub history_from: AtomicI64,
    /// The second (Unix) up to which the history has been read.
    pub history_at: AtomicI64,
    /// The history's end (Unix), 0 while unknown.
    pub history_to: AtomicI64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    /// Empty.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for metric in super::METRICS {
            let description = metric.help.into();
            match metric.kind {
                super::MetricKind::Counter => recorder.describe_counter(metric.name.into(), None, description),
                super::MetricKind::Gauge => recorder.describe_gauge(metric.name.into(), None, description),
                super::MetricKind::Histogram => recorder.describe_histogram(metric.name.into(), None, description),
            }
        }
        let handle = recorder.handle();
        Self { recorder: Arc::new(recorder), handle, components: Arc::default(), clock: Arc::default() }
    }

    /// Tells where the time of successes and errors comes from. A second call changes nothing.
    pub fn set_clock(&self, clock: Arc<dyn Clock>) {
        let _ = self.clock.set(clock);
    }

    /// The component's telemetry; made at the first call.
    pub fn component(&self, kind: ComponentKind, name: &str) -> Component {
        let mut components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        components
            .entry((kind, name.to_owned()))
            .or_insert_with(|| Component {
                recorder: self.recorder.clone(),
                inner: Arc::new(Inner {
                    kind,
                    name: name.to_owned(),
                    state: Mutex::new(ComponentState::Starting),
                    progress: Progress::default(),
                    numbers: Numbers::default(),
                    clock: self.clock.clone(),
                }),
            })
            .clone()
    }

    /// All components' states, sources first.
    pub fn health(&self) -> Vec<Health> {
        let components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        components
            .values()
            .map(|component| Health {
                kind: component.inner.kind,
                name: component.inner.name.clone(),
                state: component.state(),
            })
            .collect()
    }

    /// All components, sources first.
    pub fn components(&self) -> Vec<Component> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The metrics as of `now`: gauges that say how old something is are worked out first, so that they grow while
    /// nothing happens.
    pub fn render_at(&self, now: Timestamp) -> String {
        for component in self.components() {
            if let Some(cursor) = component.cursor() {
                component.set(&metrics::LAG_SECONDS, (now.as_second() as f64 - cursor).max(0.0));
            }
        }
        self.render()
    }

    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

struct Inner {
    kind: ComponentKind,
    name: String,
    state: Mutex<ComponentState>,
    progress: Progress,
    numbers: Numbers,
    clock: SharedClock,
}

/// One component's telemetry. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    recorder: Arc<PrometheusRecorder>,
    inner: Arc<Inner>,
}

impl Component {
    /// One that reports to nobody, for tests.
    pub fn detached() -> Self {
        Telemetry::new().component(ComponentKind::Source, "detached")
    }

    /// Its name in the pipeline file.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Source, transform or sink.
    pub fn kind(&self) -> ComponentKind {
        self.inner.kind
    }

    /// Adds to a counter without a label of its own.
    pub fn add(&self, metric: &'static Metric, number: u64) {
        self.recorder.register_counter(&self.key(metric, None), &METADATA).increment(number);
        self.inner.numbers.add(metric, None, number, self.now());
    }

    fn now(&self) -> Option<Timestamp> {
        self.inner.clock.get().map(|clock| clock.now())
    }

    /// Adds to a counter with a label.
    pub fn add_labelled(&self, metric: &'static Metric, label: &str, number: u64) {
        self.recorder.register_counter(&self.key(metric, Some(label)), &METADATA).increment(number);
        self.inner.numbers.add(metric, Some(label), number, self.now());
    }

    /// Sets a gauge.
    pub fn set(&self, metric: &'static Metric, value: f64) {
        self.recorder.register_gauge(&self.key(metric, None), &METADATA).set(value);
        self.inner.numbers.set(metric, value);
    }

    /// Records a value of a distribution.
    pub fn observe(&self, metric: &'static Metric, value: f64) {
        self.recorder.register_histogram(&self.key(metric, None), &METADATA).record(value);
        if self.inner.numbers.observed() % UPKEEP == UPKEEP - 1 {
            self.recorder.handle().run_upkeep();
        }
    }

    fn key(&self, metric: &'static Metric, label: Option<&str>) -> Key {
        let mut labels = vec![
            Label::new("component_kind", self.inner.kind.as_str()),
            Label::new("component", self.inner.name.clone()),
        ];
        if let (Some(name), Some(value)) = (metric.label, label) {
            labels.push(Label::new(name, value.to_owned()));
        }
        Key::from_parts(metric.name, labels)
    }

    /// Says in a sentence what the component waits for. Logged when the sentence changes, not at every attempt.
    pub fn waiting(&self, reason: &str, now: Timestamp) {
        let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match &*state {
            ComponentState::Waiting { reason: known, .. } if known == reason => return,
            ComponentState::Waiting { since, .. } => *since,
            _ => now,
        };
        tracing::warn!(component = self.name(), kind = self.kind().as_str(), "waiting: {reason}");
        *state = ComponentState::Waiting { reason: reason.to_owned(), since };
        drop(state);
        self.set(&metrics::WAITING, 1.0);
    }

    /// The component works (again).
    pub fn working(&self) {
        let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == ComponentState::Working {
            return;
        }
        if let ComponentState::Waiting { .. } = &*state {
            tracing::info!(component = self.name(), kind = self.kind().as_str(), "works again");
        }
        *state = ComponentState::Working;
        drop(state);
        self.set(&metrics::WAITING, 0.0);
    }

    /// The component has stopped: with an error, or because its work is done.
    pub fn stopped(&self, error: Option<String>) {
        *self.inner.state.lock().unwrap_or_else(PoisonError::into_inner) = match error {
            Some(reason) => ComponentState::Failed { reason },
            None => ComponentState::Finished,
        };
        self.set(&metrics::WAITING, 0.0);
    }

    /// What it is doing.
    pub fn state(&self) -> ComponentState {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its main numbers.
    pub fn totals(&self) -> Totals {
        self.inner.numbers.totals()
    }

    /// Its last success and error, its token, its type.
    pub fn lately(&self) -> Lately {
        self.inner.numbers.lately().clone()
    }

    /// Notes what the other side thinks of its token.
    pub fn token(&self, state: TokenState) {
        self.inner.numbers.lately().token = Some(state);
    }

    /// Notes the latest gap, in Unix seconds: a time for which the API no longer has events.
    pub fn gap(&self, gap: Range<i64>) {
        self.set(&metrics::GAP_FROM, gap.start as f64);
        self.set(&metrics::GAP_TO, gap.end as f64);
        self.inner.numbers.lately().gap = Some(gap);
    }

    /// Notes its type in the pipeline file.
    pub fn set_type(&self, name: &'static str) {
        self.inner.numbers.lately().type_name = Some(name);
    }

    /// The Unix time up to which everything is delivered, where the component has told one.
    pub fn cursor(&self) -> Option<f64> {
        self.inner.numbers.cursor()
    }

    /// Its progress numbers.
    pub fn progress(&self) -> &Progress {
        &self.inner.progress
    }
}

impl Progress {
    /// Adds a page and its events.
    pub fn page(&self, events: u64) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
    }
}
