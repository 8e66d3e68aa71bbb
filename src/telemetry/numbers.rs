//! A component's numbers outside `/metrics`: the recorder can't be read, so they are counted here again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

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

/// Whether the other side accepts a component's token or credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It hasn't been tried yet.
    Unknown,
    /// The last response accepted it.
    Valid,
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
    observations: AtomicU64,
}

#[derive(Debug, Default)]
struct Counted {
    totals: Totals,
    /// By the stream's name.
    streams: BTreeMap<String, StreamTotals>,
    /// What the pipeline file leaves out on purpose, by the reason behind [`LEFT_OUT`].
    left_out: BTreeMap<String, u64>,
    /// [`metrics::CURSOR_SECONDS`]; 0 while there is none.
    cursor: f64,
    /// [`metrics::CLOCK_AHEAD_SECONDS`].
    clock_ahead: f64,
    lately: Lately,
}

impl Numbers {
    /// The totals since the start.
    pub fn totals(&self) -> Totals {
        self.counted.lock().totals
    }

    /// The accepted rows and bytes by stream; empty for a component without streams.
    pub fn streams(&self) -> BTreeMap<String, StreamTotals> {
        self.counted.lock().streams.clone()
    }

    /// What the pipeline file leaves out on purpose, by reason, such as `exclude login.*`. Only its own patterns are reasons, so
    /// these are few.
    pub fn left_out(&self) -> BTreeMap<String, u64> {
        self.counted.lock().left_out.clone()
    }

    /// The last success and error, the token, the gap, the type.
    pub fn lately(&self) -> Lately {
        self.counted.lock().lately.clone()
    }

    /// The Unix time up to which everything is delivered, once the component has reported one.
    pub fn cursor(&self) -> Option<f64> {
        Some(self.counted.lock().cursor).filter(|cursor| *cursor > 0.0)
    }

    /// How many seconds the cursor is behind at `now`, this machine's time. A machine whose clock is behind the other side's
    /// reads nothing newer than its own time, so that difference counts, too: otherwise all would look well.
    pub fn lag(&self, now: Timestamp) -> Option<f64> {
        let cursor = self.cursor()?;
        let clock_behind = (-self.counted.lock().clock_ahead).max(0.0);
        Some((now.as_second() as f64 + clock_behind - cursor).max(0.0))
    }

    /// Counts what a metric counts. `now` is `None` until the clock is set.
    pub(super) fn add(&self, metric: &Metric, label: Option<&str>, number: u64, now: Option<Timestamp>) {
        let is = |other: &Metric| metric.name == other.name;
        let Counted { totals, streams, left_out, lately, .. } = &mut *self.counted.lock();
        // A page without events is a success, too: a quiet organization isn't a blind connector.
        if (is(&metrics::SENT) && number > 0 || is(&metrics::PAGES)) && now.is_some() {
            lately.success = now;
        }
        if is(&metrics::ERRORS) {
            (lately.error, lately.error_kind) = (now, label.map(str::to_owned));
        }
        let mut stream = |part: fn(&mut StreamTotals) -> &mut u64| {
            *part(streams.entry(label.unwrap_or_default().to_owned()).or_default()) += number;
        };
        let total = match metric.name {
            _ if is(&metrics::RECEIVED) => &mut totals.received,
            _ if is(&metrics::SENT) => &mut totals.sent,
            _ if is(&metrics::DISCARDED) => {
                if let Some(reason) = label.and_then(|reason| reason.strip_prefix(LEFT_OUT)) {
                    totals.left_out += number;
                    let reason = reason.trim_start_matches(": ");
                    match left_out.get_mut(reason) {
                        Some(known) => *known += number,
                        None => _ = left_out.insert(reason.to_owned(), number),
                    }
                }
                &mut totals.discarded
            }
            _ if is(&metrics::ERRORS) => &mut totals.errors,
            _ if is(&metrics::DEAD_LETTERS) => &mut totals.dead_letters,
            _ if is(&metrics::GAPS) => &mut totals.gaps,
            _ if is(&metrics::BYTES_JSON) => &mut totals.bytes_json,
            _ if is(&metrics::BYTES_WIRE) => &mut totals.bytes_wire,
            _ if is(&metrics::REQUESTS) => &mut totals.requests,
            _ if is(&metrics::STREAM_ROWS) => return stream(|stream| &mut stream.rows),
            _ if is(&metrics::STREAM_BYTES_JSON) => return stream(|stream| &mut stream.bytes_json),
            _ => return,
        };
        *total += number;
    }

    /// Keeps a gauge's value.
    pub(super) fn set(&self, metric: &Metric, value: f64) {
        if metric.name == metrics::CURSOR_SECONDS.name {
            self.counted.lock().cursor = value;
        } else if metric.name == metrics::CLOCK_AHEAD_SECONDS.name {
            self.counted.lock().clock_ahead = value;
        }
    }

    /// Counts an observation of a distribution and returns its number, from 0.
    pub(super) fn observed(&self) -> u64 {
        self.observations.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut Lately)) {
        change(&mut self.counted.lock().lately);
    }
}
