//! What a source reads, and what it commits.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::{fmt, ops::Range, sync::Arc};

use crate::event::Chunk;

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

/// Tells what becomes of events that a comparison sees. Each is in a chunk of its own.
pub trait Examine: Send + Sync {
    /// Looks at an event of which `copies` were acknowledged.
    fn acknowledged(&self, event: &Chunk, copies: u64);

    /// Whether an event that wasn't acknowledged is to arrive nowhere, so that it isn't missing.
    fn is_unwanted(&self, event: &Chunk) -> bool;
}

/// Counters of a comparison.
pub struct Counts {
    /// Acknowledged events that NordPass shows.
    pub acknowledged: AtomicU64,
    /// Acknowledged events.
    pub known: AtomicU64,
    /// Whether a part couldn't be proven complete.
    pub unproven: AtomicBool,
    /// Looks at each event.
    pub examine: Arc<dyn Examine>,
}

impl Counts {
    /// Counters at zero.
    pub fn new(examine: Arc<dyn Examine>) -> Self {
        Self { acknowledged: AtomicU64::new(0), known: AtomicU64::new(0), unproven: AtomicBool::new(false), examine }
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts")
            .field("acknowledged", &self.acknowledged)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

impl ReadMode {
    /// Whether it only compares.
    pub fn is_comparison(&self) -> bool {
        matches!(self, Self::Compare(..))
    }

    /// The given range, if any.
    pub fn range(&self) -> Option<Range<i64>> {
        match self {
            Self::Follow => None,
            Self::Fetch(range) | Self::Compare(range, _) => Some(range.clone()),
        }
    }
}
