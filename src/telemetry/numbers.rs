//! What a component has counted and measured: for `/metrics`, health rows, reports and the status page.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;

use super::distribution::{Distribution, Summary};
use super::{Metric, metrics};
use nordpass_env::Mutex;

/// How the reasons of [`metrics::DISCARDED`] begin for what the pipeline file leaves out on purpose.
pub const LEFT_OUT: &str = "filtered";

/// A component's main numbers since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// [`metrics::RECEIVED`].
    pub received: u64,
    /// [`metrics::SENT`].
    pub sent: u64,
    /// [`metrics::DISCARDED`], for all reasons.
    pub discarded: u64,
    /// [`metrics::DISCARDED`], for reasons that begin with [`LEFT_OUT`].
    pub left_out: u64,
    /// [`metrics::ERRORS`], of all kinds.
    pub errors: u64,
    /// [`metrics::DEAD_LETTERS`].
    pub dead_letters: u64,
    /// [`metrics::GAPS`].
    pub gaps: u64,
    /// [`metrics::BYTES_JSON`].
    pub bytes_json: u64,
    /// [`metrics::BYTES_WIRE`].
    pub bytes_wire: u64,
    /// [`metrics::REQUESTS`], of all statuses.
    pub requests: u64,
}

/// What Azure has accepted for one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// [`metrics::STREAM_ROWS`].
    pub rows: u64,
    /// [`metrics::STREAM_BYTES_JSON`].
    pub bytes_json: u64,
}

/// Whether the other side accepts a component's token or credential. The worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenState {
    /// The last response accepted it.
    Valid,
    /// It hasn't been tried yet.
    Unknown,
    /// The last response refused it.
    Refused,
    /// There is none: it couldn't be read, or the credential gave none.
    Missing,
}

impl TokenState {
    /// The state in one word, as the health rows show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Valid => "valid",
            Self::Refused => "refused",
            Self::Missing => "missing",
        }
    }
}

/// The latest of what a component has reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// When something was read, passed on or delivered.
    pub success: Option<Timestamp>,
    /// When an attempt failed.
    pub error: Option<Timestamp>,
    /// The kind of that failure: the label of [`metrics::ERRORS`].
    pub error_kind: Option<String>,
    /// The state of its token; `None` for a component without one.
    pub token: Option<TokenState>,
    /// The latest time (Unix seconds) for which the API no longer had events; `None` without any.
    pub gap: Option<Range<i64>>,
    /// The component's type in the pipeline file.
    pub type_name: Option<&'static str>,
}

/// What a component has reported, in numbers.
#[derive(Debug, Default)]
pub struct Numbers {
    counted: Mutex<Counted>,
}

/// By the metric's name.
#[derive(Debug, Default)]
struct Counted {
    /// By the label's value; empty for a counter without a label of its own.
    counters: BTreeMap<&'static str, BTreeMap<String, u64>>,
    gauges: BTreeMap<&'static str, f64>,
    distributions: BTreeMap<&'static str, Distribution>,
    lately: Lately,
}

impl Counted {
    fn labels(&self, metric: &Metric) -> impl Iterator<Item = (&str, u64)> {
        let labels = self.counters.get(metric.name).into_iter().flatten();
        labels.map(|(label, number)| (label.as_str(), *number))
    }

    fn sum(&self, metric: &Metric) -> u64 {
        self.labels(metric).map(|(_, number)| number).sum()
    }

    /// The reasons behind [`LEFT_OUT`], and how many records each.
    fn left_out(&self) -> impl Iterator<Item = (&str, u64)> {
        self.labels(&metrics::DISCARDED).filter_map(|(label, number)| {
            let reason = label.strip_prefix(LEFT_OUT)?;
            Some((reason.trim_start_matches(": "), number))
        })
    }
}

impl Numbers {
    /// The totals since the start.
    pub fn totals(&self) -> Totals {
        let counted = self.counted.lock();
        Totals {
            received: counted.sum(&metrics::RECEIVED),
            sent: counted.sum(&metrics::SENT),
            discarded: counted.sum(&metrics::DISCARDED),
            left_out: counted.left_out().map(|(_, number)| number).sum(),
            errors: counted.sum(&metrics::ERRORS),
            dead_letters: counted.sum(&metrics::DEAD_LETTERS),
            gaps: counted.sum(&metrics::GAPS),
            bytes_json: counted.sum(&metrics::BYTES_JSON),
            bytes_wire: counted.sum(&metrics::BYTES_WIRE),
            requests: counted.sum(&metrics::REQUESTS),
        }
    }

    /// The accepted rows and bytes by stream; empty for a component without streams.
    pub fn streams(&self) -> BTreeMap<String, StreamTotals> {
        let counted = self.counted.lock();
        let mut streams: BTreeMap<String, StreamTotals> = BTreeMap::new();
        for (stream, rows) in counted.labels(&metrics::STREAM_ROWS) {
            streams.entry(stream.to_owned()).or_default().rows = rows;
        }
        for (stream, bytes) in counted.labels(&metrics::STREAM_BYTES_JSON) {
            streams.entry(stream.to_owned()).or_default().bytes_json = bytes;
        }
        streams
    }

    /// What the pipeline file leaves out on purpose, by reason, such as `exclude login.*`. Only its own patterns are reasons, so
    /// these are few.
    pub fn left_out(&self) -> BTreeMap<String, u64> {
        self.counted.lock().left_out().map(|(reason, number)| (reason.to_owned(), number)).collect()
    }

    /// Adds another component's numbers: for the one that stands for all of a template's organizations. Of gauges the worst
    /// counts, and of those that are 0 or 1 the sum. What another replica reads has counters only: its gauges are that replica's,
    /// and stood still here when it went there.
    pub(super) fn absorb(&self, other: &Self) {
        let is_here = other.lease_held() != Some(0.0);
        let (mut to, from) = (self.counted.lock(), other.counted.lock());
        for (metric, labels) in &from.counters {
            let counter = to.counters.entry(metric).or_default();
            for (label, number) in labels {
                *counter.entry(label.clone()).or_default() += number;
            }
        }
        for (metric, value) in from.gauges.iter().filter(|_| is_here) {
            let is = |other: &Metric| *metric == other.name;
            let gauge = to.gauges.entry(metric).or_insert(if is(&metrics::CURSOR_SECONDS) { f64::MAX } else { 0.0 });
            *gauge = if is(&metrics::CURSOR_SECONDS) {
                gauge.min(*value)
            } else if [&metrics::WAITING, &metrics::LEASE_HELD, &metrics::QUEUE_FILL].into_iter().any(is) {
                *gauge + value
            } else if value.abs() > gauge.abs() {
                *value
            } else {
                *gauge
            };
        }
        for (metric, values) in &from.distributions {
            to.distributions.entry(metric).or_default().absorb(values);
        }
        let Lately { success, error, error_kind, token, gap, type_name } = &from.lately;
        let lately = &mut to.lately;
        lately.success = lately.success.max(*success);
        if *error > lately.error {
            (lately.error, lately.error_kind) = (*error, error_kind.clone());
        }
        lately.token = lately.token.max(*token);
        if gap.as_ref().map(|gap| gap.end) > lately.gap.as_ref().map(|gap| gap.end) {
            lately.gap.clone_from(gap);
        }
        lately.type_name = lately.type_name.or(*type_name);
    }

    /// The last success and error, the token, the gap, the type.
    pub fn lately(&self) -> Lately {
        self.counted.lock().lately.clone()
    }

    /// The Unix time up to which everything is delivered, once the component has reported one.
    pub fn cursor(&self) -> Option<f64> {
        self.gauge(&metrics::CURSOR_SECONDS).filter(|cursor| *cursor > 0.0)
    }

    /// Whether this process has a source that several processes could read; `None` where there is no choice.
    pub(super) fn lease_held(&self) -> Option<f64> {
        self.gauge(&metrics::LEASE_HELD)
    }

    /// How many seconds the cursor is behind at `now`, this machine's time. A machine whose clock is behind the other side's
    /// reads nothing newer than its own time, so that difference counts, too: otherwise all would look well.
    pub fn lag(&self, now: Timestamp) -> Option<f64> {
        let cursor = self.cursor()?;
        let clock_behind = (-self.gauge(&metrics::CLOCK_AHEAD_SECONDS).unwrap_or_default()).max(0.0);
        Some((now.as_second() as f64 + clock_behind - cursor).max(0.0))
    }

    /// What a counter has counted, by the value of its label; empty without one, and `[]` before the first report.
    pub(super) fn counter(&self, metric: &Metric) -> Vec<(String, u64)> {
        self.counted.lock().labels(metric).map(|(label, number)| (label.to_owned(), number)).collect()
    }

    /// A gauge's value, once it is set.
    pub(super) fn gauge(&self, metric: &Metric) -> Option<f64> {
        self.counted.lock().gauges.get(metric.name).copied()
    }

    /// A distribution as of `now`, once it has a value.
    pub(super) fn distribution(&self, metric: &Metric, now: Timestamp) -> Option<Summary> {
        self.counted.lock().distributions.get(metric.name).map(|values| values.summary(now))
    }

    /// Counts what a metric counts. `now` is `None` until the clock is set.
    pub(super) fn add(&self, metric: &'static Metric, label: Option<&str>, number: u64, now: Option<Timestamp>) {
        let is = |other: &Metric| metric.name == other.name;
        let Counted { counters, lately, .. } = &mut *self.counted.lock();
        // A page without events is a success, too: a quiet organization isn't a blind connector.
        if (is(&metrics::SENT) && number > 0 || is(&metrics::PAGES)) && now.is_some() {
            lately.success = now;
        }
        if is(&metrics::ERRORS) {
            (lately.error, lately.error_kind) = (now, label.map(str::to_owned));
        }
        let (labels, label) = (counters.entry(metric.name).or_default(), label.unwrap_or_default());
        match labels.get_mut(label) {
            Some(total) => *total += number,
            None => _ = labels.insert(label.to_owned(), number),
        }
    }

    /// Keeps a gauge's value.
    pub(super) fn set(&self, metric: &'static Metric, value: f64) {
        self.counted.lock().gauges.insert(metric.name, value);
    }

    /// Adds a value to a distribution.
    pub(super) fn observe(&self, metric: &'static Metric, value: f64, now: Timestamp) {
        self.counted.lock().distributions.entry(metric.name).or_default().record(value, now);
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut Lately)) {
        change(&mut self.counted.lock().lately);
    }
}
