//! What is still to be read besides the live end.

use std::{ops::Range, sync::MutexGuard, time::Duration};

use tokio::{sync::Notify, time::Instant};

use crate::state::TimeRanges;
use nordpass_env::Mutex;

const HOUR: i64 = 3600;

/// Times that the history has to read.
#[derive(Default)]
pub struct Backlog {
    inner: Mutex<Pending>,
    /// Notified when something was added.
    pub changed: Notify,
}

/// What a [`Backlog`] holds.
#[derive(Default)]
pub struct Pending {
    /// Times that aren't read.
    pub holes: TimeRanges,
    /// Unreadable slices, and when to try them again.
    pub deferred: Vec<Deferred>,
    /// Slices that were read and not proven, and when to read them more narrowly.
    pub doubtful: Vec<Deferred>,
    /// Times that the API no longer had, of this and of earlier runs, as they are reported.
    pub gaps: Gaps,
    /// Where live polls are; `None` before the first.
    pub live: Option<i64>,
    /// Live has done its part of `--once`.
    pub live_done: bool,
}

/// A time to be tried again.
pub struct Deferred {
    /// The time.
    pub range: Range<i64>,
    /// When to try.
    pub at: Instant,
    /// How long it was put off.
    pub wait: Duration,
}

/// Gaps as they are reported. While a history is read more slowly than its beginning passes out of the 90
/// days, what is lost and what is still read alternate by seconds: such pieces, less than an hour apart, are one gap.
#[derive(Default)]
pub struct Gaps(TimeRanges);

impl Gaps {
    /// Those of earlier runs.
    pub fn of(exact: &TimeRanges) -> Self {
        let mut gaps = Self::default();
        for gap in exact.iter() {
            gaps.add(gap.clone());
        }
        gaps
    }

    /// Adds what is gone. Returns the whole gap that it belongs to, and whether that is a new one.
    pub fn add(&mut self, gone: Range<i64>) -> (Range<i64>, bool) {
        let near = gone.start - HOUR..gone.end + HOUR;
        let one = self.0.iter().filter(|gap| gap.start < near.end && near.start < gap.end);
        let one = one.fold((gone, true), |(whole, _), gap| (whole.start.min(gap.start)..whole.end.max(gap.end), false));
        self.0.insert(one.0.clone());
        one
    }

    /// The one that ends last.
    pub fn latest(&self) -> Option<Range<i64>> {
        self.0.iter().last().cloned()
    }
}

impl Backlog {
    /// What it holds.
    pub fn lock(&self) -> MutexGuard<'_, Pending> {
        self.inner.lock()
    }

    /// Adds a time to be read.
    pub fn add(&self, range: Range<i64>) {
        self.lock().holes.insert(range);
        self.changed.notify_waiters();
    }

    /// What of a time isn't known to be unreadable at the moment.
    pub fn readable(&self, range: Range<i64>) -> TimeRanges {
        let deferred: TimeRanges = self.lock().deferred.iter().map(|deferred| deferred.range.clone()).collect();
        deferred.holes(range)
    }

    /// Puts a time off.
    pub fn defer(&self, range: Range<i64>, wait: Duration) {
        self.lock().deferred.push(Deferred::by(range, wait));
        self.changed.notify_waiters();
    }

    /// A time was read and not proven: its halves are read again after `wait`, each with the queries that a slice may
    /// cost. With `at_once` that isn't put off, but counts as if it were. What is in doubt already stays as it is.
    pub fn doubt(&self, range: Range<i64>, wait: Duration, at_once: bool) {
        let mut pending = self.lock();
        let already: TimeRanges = pending.doubtful.iter().map(|doubtful| doubtful.range.clone()).collect();
        for part in already.holes(range).iter() {
            let middle = part.start + (part.end - part.start) / 2;
            let halves = [part.start..middle, middle..part.end].into_iter().filter(|half| !half.is_empty());
            let doubtful = halves.map(|half| Deferred::by(half, wait));
            let now = Instant::now();
            pending.doubtful.extend(doubtful.map(|half| if at_once { Deferred { at: now, ..half } } else { half }));
        }
        drop(pending);
        self.changed.notify_waiters();
    }
}

impl Deferred {
    fn by(range: Range<i64>, wait: Duration) -> Self {
        Self { range, at: Instant::now() + wait, wait }
    }

    /// Takes one that is due.
    pub fn take_due(list: &mut Vec<Self>) -> Option<Self> {
        let now = Instant::now();
        list.iter().position(|deferred| deferred.at <= now).map(|at| list.swap_remove(at))
    }
}
