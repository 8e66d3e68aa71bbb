//! What a source reads, and what it commits.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::{ops::Range, sync::Arc};

/// What a source is to read.
#[derive(Clone, Debug, Default)]
pub enum ReadMode {
    /// Everything, for as long as the program runs. Commits ids and covered times.
    #[default]
    Follow,
    /// These Unix seconds, once. Commits the ids of what was delivered; the live cursor stays where it is.
    Fetch(Range<i64>),
    /// These Unix seconds, once, only to compare; nothing is committed.
    Compare(Range<i64>, Arc<Counts>),
}

/// What a comparison counts while it reads.
#[derive(Debug, Default)]
pub struct Counts {
    /// Events that NordPass shows and that were acknowledged.
    pub acknowledged: AtomicU64,
    /// Events that were acknowledged.
    pub known: AtomicU64,
    /// Whether a part couldn't be proven complete.
    pub unproven: AtomicBool,
}

impl ReadMode {
    /// The time, where one was given.
    pub fn range(&self) -> Option<Range<i64>> {
        match self {
            Self::Follow => None,
            Self::Fetch(range) | Self::Compare(range, _) => Some(range.clone()),
        }
    }
}
