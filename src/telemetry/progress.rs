//! How far a source is with its history.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How far a source is with its history. The numbers are for people only: nothing is decided by them.
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

impl Progress {
    /// Adds a page and its events.
    pub fn page(&self, events: u64) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
    }
}
