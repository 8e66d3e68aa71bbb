//! What a source reads, and what it commits.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::{ops::Range, sync::Arc};

/// What a source should read.
#[derive(Clone, Debug, Default)]
pub enum ReadMode {
    /// Everything, for as long as the program runs. Commits ids and covered times.
    #[default]
    Follow,
    /// These Unix seconds, once. Commits the ids of delivered events; the live cursor doesn't move.
    Fetch(Range<i64>),
    /// These Unix seconds, once, only to compare. Commits nothing.
    Compare(Range<i64>, Arc<Counts>),
}

/// Counters of a comparison.
#[derive(Debug, Default)]
pub struct Counts {
    /// Acknowledged events that NordPass shows.
    pub acknowledged: AtomicU64,
    /// Acknowledged events.
    pub known: AtomicU64,
    /// Whether a part couldn't be proven complete.
    pub unproven: AtomicBool,
}

impl ReadMode {
    /// The given range, if any.
    pub fn range(&self) -> Option<Range<i64>> {
        match self {
            Self::Follow => None,
            Self::Fetch(range) | Self::Compare(range, _) => Some(range.clone()),
        }
    }
}
