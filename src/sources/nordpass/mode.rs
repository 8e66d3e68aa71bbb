//! What a source reads, and what of it is committed.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What a source is to read.
#[derive(Clone, Debug, Default)]
pub enum ReadMode {
    /// Everything, for as long as the program runs.
    #[default]
    Follow,
    /// These Unix seconds, once.
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

/// What a run commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitPolicy {
    /// Ids and covered times.
    All,
    /// The ids of what was delivered; the live cursor stays where it is.
    Ids,
    /// Nothing: the run only looks.
    Nothing,
}

impl ReadMode {
    /// The time, where one was given.
    pub fn range(&self) -> Option<Range<i64>> {
        match self {
            Self::Follow => None,
            Self::Fetch(range) | Self::Compare(range, _) => Some(range.clone()),
        }
    }

    /// What of it is committed.
    pub fn commit_policy(&self) -> CommitPolicy {
        match self {
            Self::Follow => CommitPolicy::All,
            Self::Fetch(_) => CommitPolicy::Ids,
            Self::Compare(..) => CommitPolicy::Nothing,
        }
    }
}
