//! What a component's metrics say that is needed outside `/metrics`, too: the recorder can't be asked for it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{Metric, metrics};

/// A component's main numbers since the start, for the status page and the `health` source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// [`metrics::RECEIVED`].
    pub received: u64,
    /// [`metrics::SENT`].
    pub sent: u64,
    /// [`metrics::DISCARDED`], for whatever reason.
    pub discarded: u64,
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
    /// [`metrics::REQUESTS`], whatever the answer was.
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
    /// The last answer accepted it.
    Valid,
    /// The last answer refused it.
    Refused,
    /// There is none: it couldn't be read, or the credential gave none.
    Missing,
}

impl TokenState {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Valid => "valid",
            Self::Refused => "refused",
            Self::Missing => "missing",
        }
    }
}

/// The last of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// When something was read, passed on or delivered.
    pub success: Option<Timestamp>,
    /// When an attempt failed.
    pub error: Option<Timestamp>,
    /// The kind of that failure: the label of [`metrics::ERRORS`].
    pub error_kind: Option<String>,
    /// What has become of its token; `None` for a component without one.
    pub token: Option<TokenState>,
    /// The latest time (Unix seconds) for which the API no longer had events; `None` without any.
    pub gap: Option<Range<i64>>,
    /// The component's type in the pipeline file.
    pub type_name: Option<&'static str>,
}

/// A component's numbers, as they are counted.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    received: AtomicU64,
    sent: AtomicU64,
    discarded: AtomicU64,
    errors: AtomicU64,
    dead_letters: AtomicU64,
    gaps: AtomicU64,
    bytes_json: AtomicU64,
    bytes_wire: AtomicU64,
    requests: AtomicU64,
    /// By the stream's name.
    streams: Mutex<BTreeMap<String, StreamTotals>>,
    observations: AtomicU64,
    /// The bits of [`metrics::CURSOR_SECONDS`]; 0 while there is none.
    cursor: AtomicU64,
    /// The bits of [`metrics::CLOCK_AHEAD_SECONDS`].
    clock_ahead: AtomicU64,
    lately: Mutex<Lately>,
}

impl Numbers {
    /// Counts what a metric counts. `now` is `None` where nobody has told the time.
    pub fn add(&self, metric: &Metric, label: Option<&str>, number: u64, now: Option<Timestamp>) {
        let is = |other: &Metric| metric.name == other.name;
        // A page without events is a success, too: a quiet organization isn't a blind connector.
        if (is(&metrics::SENT) && number > 0 || is(&metrics::PAGES)) && now.is_some() {
            self.lately().success = now;
        }
        let total = match metric.name {
            _ if is(&metrics::RECEIVED) => &self.received,
            _ if is(&metrics::SENT) => &self.sent,
            _ if is(&metrics::DISCARDED) => &self.discarded,
            _ if is(&metrics::ERRORS) => {
                let mut lately = self.lately();
                lately.error = now;
                lately.error_kind = label.map(str::to_owned);
                &self.errors
            }
            _ if is(&metrics::DEAD_LETTERS) => &self.dead_letters,
            _ if is(&metrics::GAPS) => &self.gaps,
            _ if is(&metrics::BYTES_JSON) => &self.bytes_json,
            _ if is(&metrics::BYTES_WIRE) => &self.bytes_wire,
            _ if is(&metrics::REQUESTS) => &self.requests,
            _ if is(&metrics::STREAM_ROWS) => return self.stream(label, |stream| stream.rows += number),
            _ if is(&metrics::STREAM_BYTES_JSON) => return self.stream(label, |stream| stream.bytes_json += number),
            _ => return,
        };
        total.fetch_add(number, Ordering::Relaxed);
    }

    fn stream(&self, name: Option<&str>, count: impl FnOnce(&mut StreamTotals)) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        count(streams.entry(name.unwrap_or_default().to_owned()).or_default());
    }

    /// What was accepted, by stream.
    pub fn streams(&self) -> BTreeMap<String, StreamTotals> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts an observation of a distribution, and answers its number.
    pub fn observed(&self) -> u64 {
        self.observations.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes a gauge's value.
    pub fn set(&self, metric: &Metric, value: f64) {
        let kept = match metric.name {
            name if name == metrics::CURSOR_SECONDS.name => &self.cursor,
            name if name == metrics::CLOCK_AHEAD_SECONDS.name => &self.clock_ahead,
            _ => return,
        };
        kept.store(value.to_bits(), Ordering::Relaxed);
    }

    /// By how many seconds this machine's clock is behind the other side's; 0 where it is ahead.
    pub fn clock_behind(&self) -> f64 {
        (-f64::from_bits(self.clock_ahead.load(Ordering::Relaxed))).max(0.0)
    }

    /// The cursor, where there is one.
    pub fn cursor(&self) -> Option<f64> {
        let cursor = f64::from_bits(self.cursor.load(Ordering::Relaxed));
        (cursor > 0.0).then_some(cursor)
    }

    /// The last of each.
    pub fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All totals.
    pub fn totals(&self) -> Totals {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Totals {
            received: read(&self.received),
            sent: read(&self.sent),
            discarded: read(&self.discarded),
            errors: read(&self.errors),
            dead_letters: read(&self.dead_letters),
            gaps: read(&self.gaps),
            bytes_json: read(&self.bytes_json),
            bytes_wire: read(&self.bytes_wire),
            requests: read(&self.requests),
        }
    }
}
