//! How a component reports: metrics here, its state with [`Status`], how far it is with [`Progress`].

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use nordpass_env::Mutex;

use super::numbers::Numbers;
use super::registry::SharedClock;
use super::status::{States, Status};
use super::{Metric, Progress, Telemetry, TokenState, metrics};

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
    /// The kind in lower case, as in labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

pub(super) struct Inner {
    kind: ComponentKind,
    name: String,
    pub(super) states: Mutex<States>,
    progress: Progress,
    numbers: Numbers,
    clock: SharedClock,
    /// The template that this source of an organization is made from.
    template: OnceLock<String>,
}

/// Reports for one component. Cheap to clone.
#[derive(Clone)]
pub struct ComponentReporter {
    pub(super) inner: Arc<Inner>,
}

impl std::fmt::Debug for ComponentReporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl ComponentReporter {
    pub(super) fn new(kind: ComponentKind, name: &str, clock: SharedClock) -> Self {
        let (states, progress, numbers, template) = Default::default();
        Self { inner: Arc::new(Inner { kind, name: name.to_owned(), states, progress, numbers, clock, template }) }
    }

    /// The component is one of many that are made from a template: it is shown by itself only while it is in trouble.
    pub fn set_template(&self, template: &str) {
        let _ = self.inner.template.set(template.to_owned());
    }

    /// It is an organization's, and another replica reads it, as it should.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.template().is_some() && self.numbers().lease_held() == Some(0.0)
    }

    /// The template that it is made from, if it is.
    pub(super) fn template(&self) -> Option<&str> {
        self.inner.template.get().map(String::as_str)
    }

    pub(super) fn clock(&self) -> SharedClock {
        self.inner.clock.clone()
    }

    /// A reporter that belongs to no pipeline set, for tests and probes.
    pub fn detached() -> Self {
        Telemetry::new().component(ComponentKind::Source, "detached")
    }

    /// The component's name in the pipeline file.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Source, transform or sink.
    pub fn kind(&self) -> ComponentKind {
        self.inner.kind
    }

    /// Adds to a counter without a label of its own.
    pub fn add(&self, metric: &'static Metric, number: u64) {
        self.count(metric, None, number);
    }

    /// Adds to a counter with a label.
    pub fn add_labelled(&self, metric: &'static Metric, label: &str, number: u64) {
        self.count(metric, Some(label), number);
    }

    /// Sets a gauge.
    pub fn set(&self, metric: &'static Metric, value: f64) {
        self.inner.numbers.set(metric, value);
    }

    /// Records a value of a distribution.
    pub fn observe(&self, metric: &'static Metric, value: f64) {
        self.inner.numbers.observe(metric, value, self.now().unwrap_or_default());
    }

    /// Reports whether the other side accepts the component's token.
    pub fn token(&self, state: TokenState) {
        self.inner.numbers.note(|lately| lately.token = Some(state));
    }

    /// Reports the latest gap, in Unix seconds: a time for which the API no longer has events.
    pub fn gap(&self, gap: Range<i64>) {
        self.set(&metrics::GAP_FROM, gap.start as f64);
        self.set(&metrics::GAP_TO, gap.end as f64);
        self.inner.numbers.note(|lately| lately.gap = Some(gap));
    }

    /// Reports the component's type in the pipeline file.
    pub fn set_type(&self, name: &'static str) {
        self.inner.numbers.note(|lately| lately.type_name = Some(name));
    }

    /// What it is doing, and what it waits for.
    pub fn status(&self) -> Status<'_> {
        Status(self)
    }

    /// How far it is with its history.
    pub fn progress(&self) -> &Progress {
        &self.inner.progress
    }

    /// What it has reported, for health rows, reports and the status page.
    pub fn numbers(&self) -> &Numbers {
        &self.inner.numbers
    }

    /// The time, once the clock is set.
    pub(super) fn now(&self) -> Option<Timestamp> {
        self.inner.clock.get().map(|clock| clock.now())
    }

    fn count(&self, metric: &'static Metric, label: Option<&str>, number: u64) {
        self.inner.numbers.add(metric, label, number, self.now());
    }
}
