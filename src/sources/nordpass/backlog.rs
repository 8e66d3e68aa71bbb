//! What is still to be read besides the live end.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::intervals::Intervals;

/// Times that the history has to read.
#[derive(Default)]
pub struct Backlog {
    inner: Mutex<Pending>,
    /// Told when something was added.
    pub changed: Notify,
}

/// What a [`Backlog`] holds.
#[derive(Default)]
pub struct Pending {
    /// Times that aren't read.
    pub holes: Intervals,
    /// Unreadable slices, and when to try them again.
    pub deferred: Vec<Deferred>,
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

impl Backlog {
    /// What it holds.
    pub fn lock(&self) -> MutexGuard<'_, Pending> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a time to be read.
    pub fn add(&self, range: Range<i64>) {
        self.lock().holes.insert(range);
        self.changed.notify_one();
    }

    /// What of a time isn't known to be unreadable at the moment.
    pub fn readable(&self, range: Range<i64>) -> Intervals {
        let deferred: Intervals = self.lock().deferred.iter().map(|deferred| deferred.range.clone()).collect();
        deferred.holes(range)
    }

    /// Puts a time off.
    pub fn defer(&self, range: Range<i64>, wait: Duration) {
        self.lock().deferred.push(Deferred { range, at: Instant::now() + wait, wait });
        self.changed.notify_one();
    }
}
