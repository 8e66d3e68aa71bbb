//! What remains to be read, apart from the newest events.

use std::{ops::Range, sync::MutexGuard, time::Duration};

use tokio::{sync::Notify, time::Instant};

use crate::state::TimeRanges;
use nordpass_env::Mutex;

const HOUR: i64 = 3600;

/// Ranges for the history to read.
#[derive(Default)]
pub struct Backlog {
    inner: Mutex<Pending>,
    /// Notified when something is added.
    pub changed: Notify,
}

/// The contents of a [`Backlog`].
#[derive(Default)]
pub struct Pending {
    /// Unread ranges.
    pub holes: TimeRanges,
    /// Unreadable slices, and when to retry them.
    pub deferred: Vec<Deferred>,
    /// Slices that were read but not proven, and when to read them more narrowly.
    pub doubtful: Vec<Deferred>,
    /// Times that the API no longer had, in this and earlier runs, as reported.
    pub gaps: Gaps,
    /// How far live polls have read; `None` before the first.
    pub live: Option<i64>,
    /// Live polls have finished their part of `--once`.
    pub live_done: bool,
}

/// A range to retry.
pub struct Deferred {
    /// The range.
    pub range: Range<i64>,
    /// When to try.
    pub at: Instant,
    /// The delay before this try.
    pub wait: Duration,
}

/// Gaps as reported. When the start of a history expires faster than it is read, lost and read seconds alternate.
/// Pieces less than an hour apart are therefore one gap.
#[derive(Default)]
pub struct Gaps(TimeRanges);

impl Gaps {
    /// Restores the gaps of earlier runs.
    pub fn of(exact: &TimeRanges) -> Self {
        let mut gaps = Self::default();
        for gap in exact.iter() {
            gaps.add(gap.clone());
        }
        gaps
    }

    /// Adds a lost range. Returns the whole gap that it belongs to, and whether that gap is new.
    pub fn add(&mut self, gone: Range<i64>) -> (Range<i64>, bool) {
        let near = gone.start - HOUR..gone.end + HOUR;
        let one = self.0.iter().filter(|gap| gap.start < near.end && near.start < gap.end);
        let one = one.fold((gone, true), |(whole, _), gap| (whole.start.min(gap.start)..whole.end.max(gap.end), false));
        self.0.insert(one.0.clone());
        one
    }

    /// The gap that ends last.
    pub fn latest(&self) -> Option<Range<i64>> {
        self.0.iter().last().cloned()
    }
}

impl Backlog {
    /// Locks the contents.
    pub fn lock(&self) -> MutexGuard<'_, Pending> {
        self.inner.lock()
    }

    /// Adds a range to read.
    pub fn add(&self, range: Range<i64>) {
        self.lock().holes.insert(range);
        self.changed.notify_waiters();
    }

    /// The parts of a range that aren't deferred as unreadable.
    pub fn readable(&self, range: Range<i64>) -> TimeRanges {
        let deferred: TimeRanges = self.lock().deferred.iter().map(|deferred| deferred.range.clone()).collect();
        deferred.holes(range)
    }

    /// Defers a range.
    pub fn defer(&self, range: Range<i64>, wait: Duration) {
        self.lock().deferred.push(Deferred::by(range, wait));
        self.changed.notify_waiters();
    }

    /// Schedules the halves of an unproven range after `wait`, each with a slice's full query budget. With `at_once`
    /// they are due now, but back-off continues from `wait`. Parts already in doubt don't change.
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

    /// Takes a range that is due.
    pub fn take_due(list: &mut Vec<Self>) -> Option<Self> {
        let now = Instant::now();
        list.iter().position(|deferred| deferred.at <= now).map(|at| list.swap_remove(at))
    }
}
