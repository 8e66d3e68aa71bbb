//! A component's own view of the telemetry: its metrics, its state in words, its progress.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ::metrics::{Key, Label, Level, Metadata, Recorder};
use jiff::Timestamp;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::numbers::Numbers;
use super::{Lately, Metric, StreamTotals, TokenState, Totals, metrics};
use nordpass_env::Clock;

/// After how many observations a component has the recorder sum them up. Only a scrape would do it otherwise, and
/// where nobody scrapes, the memory would grow.
const UPKEEP: u64 = 1_024;

/// After this time what is still waited for is logged again.
const REMINDER_SECONDS: i64 = 3_600;

/// How many sentences a component remembers to have logged.
const MOST_TOLD: usize = 32;

static METADATA: Metadata<'static> = Metadata::new("nordpass_sentinel", Level::INFO, None);

/// The telemetry of one running pipeline set. Nothing global: several can live in one process.
#[derive(Clone)]
pub struct Telemetry {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    components: Arc<Mutex<BTreeMap<(ComponentKind, String), ComponentReporter>>>,
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
    /// Made, but hasn't succeeded yet.
    Starting,
    /// Works.
    Working,
    /// Waits for something outside, and says what in a sentence.
    Waiting {
        /// What it waits for and what an operator can do.
        reason: String,
        /// Since when.
        since: Timestamp,
        /// When it tries again, where that is known.
        next_try: Option<Timestamp>,
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
            Self::Starting => Some("it hasn't succeeded yet"),
            Self::Waiting { reason, .. } | Self::Failed { reason } => Some(reason),
            Self::Working | Self::Finished => None,
        }
    }

    /// When it started waiting.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// When it tries again, where that is known.
    pub fn next_try(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { next_try, .. } => *next_try,
            _ => None,
        }
    }
}

/// A wait in whole seconds, as people read it: never 0.
fn in_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
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
    pub fn component(&self, kind: ComponentKind, name: &str) -> ComponentReporter {
        let mut components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        components
            .entry((kind, name.to_owned()))
            .or_insert_with(|| ComponentReporter {
                recorder: self.recorder.clone(),
                inner: Arc::new(Inner {
                    kind,
                    name: name.to_owned(),
                    states: Mutex::new(States {
                        whole: ComponentState::Starting,
                        held_up: BTreeMap::new(),
                        told: BTreeMap::new(),
                    }),
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
    pub fn components(&self) -> Vec<ComponentReporter> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The metrics as of `now`: gauges that say how old something is are worked out first, so that they grow while
    /// nothing happens.
    pub fn render_at(&self, now: Timestamp) -> String {
        for component in self.components() {
            if let Some(lag) = component.lag(now) {
                component.set(&metrics::LAG_SECONDS, lag);
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
    states: Mutex<States>,
    progress: Progress,
    numbers: Numbers,
    clock: SharedClock,
}

/// What a component is doing.
struct States {
    whole: ComponentState,
    /// What holds it up whatever the rest does, by part.
    held_up: BTreeMap<String, ComponentState>,
    /// What it has been logged to wait for since it last worked, and when.
    told: BTreeMap<String, Timestamp>,
}

/// One component's telemetry. Cheap to clone.
#[derive(Clone)]
pub struct ComponentReporter {
    recorder: Arc<PrometheusRecorder>,
    inner: Arc<Inner>,
}

impl ComponentReporter {
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

    /// Says in a sentence what the component waits for, where it isn't known when it tries again.
    pub fn waiting(&self, reason: &str, now: Timestamp) {
        self.waits(None, reason, None, now);
    }

    /// Says in a sentence what the component waits for; after `wait` it tries again.
    pub fn trying_again(&self, reason: &str, wait: Duration, now: Timestamp) {
        self.waits(None, reason, Some(wait), now);
    }

    /// The same of a part that holds the component up however well the rest of it works: [`Component::working`] doesn't
    /// end it, only [`Component::released`] with the same `part` does.
    pub fn held_up(&self, part: &str, reason: &str, wait: Duration, now: Timestamp) {
        self.waits(Some(part), reason, Some(wait), now);
    }

    /// This part doesn't hold the component up any more.
    pub fn released(&self, part: &str) {
        let mut states = self.states();
        let Some(ComponentState::Waiting { since, .. }) = states.held_up.remove(part) else { return };
        drop(states);
        self.works_again(since);
    }

    /// No part holds the component up any more: what they belonged to is gone, and begins anew.
    pub fn begins_anew(&self) {
        self.states().held_up.clear();
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.inner.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn works_again(&self, since: Timestamp) {
        let waited = self.now().map(|now| (now.as_second() - since.as_second()).max(0));
        let after = waited.map(|seconds| format!(" after {seconds} s")).unwrap_or_default();
        let waits = matches!(self.state(), ComponentState::Waiting { .. });
        if !waits {
            tracing::info!(component = self.name(), kind = self.kind().as_str(), "recovered{after}");
            self.states().told.clear();
            self.set(&metrics::WAITING, 0.0);
        }
    }

    /// Each sentence is logged once an hour until the component works again, not at every attempt: several streams or lanes
    /// that wait for several things take turns in saying so. And whoever looks at the last hour of a log has to see it.
    fn waits(&self, part: Option<&str>, reason: &str, wait: Option<Duration>, now: Timestamp) {
        let mut states = self.states();
        let known = match part {
            None => states.whole.since(),
            Some(part) => states.held_up.get(part).and_then(ComponentState::since),
        };
        let next_try = wait.and_then(|wait| now.checked_add(wait).ok());
        let state = ComponentState::Waiting { reason: reason.to_owned(), since: known.unwrap_or(now), next_try };
        match part {
            None => states.whole = state,
            Some(part) => _ = states.held_up.insert(part.to_owned(), state),
        }
        // Sentences that differ each time must not add up.
        if states.told.len() >= MOST_TOLD {
            states.told.clear();
        }
        let told = states.told.get(reason).copied();
        let is_due = told.is_none_or(|told| now.as_second() - told.as_second() >= REMINDER_SECONDS);
        if is_due {
            states.told.insert(reason.to_owned(), now);
        }
        drop(states);
        self.set(&metrics::WAITING, 1.0);
        if is_due {
            let again = wait.map(|wait| format!("; trying again in {} s", in_seconds(wait))).unwrap_or_default();
            let still = if told.is_some() { "still " } else { "" };
            tracing::warn!(component = self.name(), kind = self.kind().as_str(), "{still}waiting: {reason}{again}");
        }
    }

    /// The component works (again).
    pub fn working(&self) {
        let mut states = self.states();
        let before = std::mem::replace(&mut states.whole, ComponentState::Working);
        drop(states);
        match before {
            ComponentState::Waiting { since, .. } => self.works_again(since),
            // From the beginning on the metric says 0 where nothing is waited for.
            ComponentState::Starting if self.state() == ComponentState::Working => self.set(&metrics::WAITING, 0.0),
            _ => {}
        }
    }

    /// The component has stopped: with an error, or because its work is done.
    pub fn stopped(&self, error: Option<String>) {
        self.states().whole = match error {
            Some(reason) => ComponentState::Failed { reason },
            None => ComponentState::Finished,
        };
        self.set(&metrics::WAITING, 0.0);
    }

    /// What it is doing.
    pub fn state(&self) -> ComponentState {
        let states = self.states();
        let has_ended = matches!(states.whole, ComponentState::Failed { .. } | ComponentState::Finished);
        let part = states.held_up.values().next().filter(|_| !has_ended);
        part.unwrap_or(&states.whole).clone()
    }

    /// Its main numbers.
    pub fn totals(&self) -> Totals {
        self.inner.numbers.totals()
    }

    /// What it has had accepted, by stream; empty for what has no streams.
    pub fn streams(&self) -> BTreeMap<String, StreamTotals> {
        self.inner.numbers.streams()
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

    /// How many seconds the cursor is behind at `now`, which is this machine's time. A clock that is behind the other side's
    /// reads nothing newer than its own time, so what it lacks counts, too: else all would look well.
    pub fn lag(&self, now: Timestamp) -> Option<f64> {
        let numbers = &self.inner.numbers;
        numbers.cursor().map(|cursor| (now.as_second() as f64 + numbers.clock_behind() - cursor).max(0.0))
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
