//! What is known about one stream: a part of a destination that may refuse records which others accept.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

/// Maximum records dead-lettered on the strength of an accepted body without records, between two accepted rows.
const MOST_ON_TRUST: u32 = 3;

/// A stream.
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The highest number of its accepted requests. Responses may come late, and a request sent before a refusal says
    /// nothing about it.
    accepted: AtomicU64,
    /// Records dead-lettered on the strength of such a body since it last accepted rows.
    on_trust: AtomicU32,
    /// Within how many seconds the records of a request must be; [`i64::MAX`]: any.
    pub time_range: AtomicI64,
}

impl Stream {
    /// Creates a stream that nothing is known about.
    pub fn new(name: String) -> Self {
        Self { name, accepted: AtomicU64::new(0), on_trust: AtomicU32::new(0), time_range: AtomicI64::new(i64::MAX) }
    }

    /// Records an accepted request.
    pub fn accept(&self, number: u64) {
        self.accepted.fetch_max(number, Ordering::AcqRel);
        self.on_trust.store(0, Ordering::Release);
    }

    /// The highest number of its accepted requests; 0 if none.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Whether an accepted body without records may count as proof now.
    pub fn may_trust(&self) -> bool {
        self.on_trust.load(Ordering::Acquire) < MOST_ON_TRUST
    }

    /// Counts such a body as proof once more. `false` if it has counted too often.
    pub fn trust(&self) -> bool {
        self.on_trust.fetch_add(1, Ordering::AcqRel) < MOST_ON_TRUST
    }
}
