//! What the sink knows of one stream.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// How many records of a stream are dead-lettered between two accepted ones because an empty array was accepted.
const MOST_ON_TRUST: u32 = 3;

/// A stream of the rule.
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The highest number among the requests that it has accepted. Numbers, because a response may come late: what was
    /// accepted before a refusal says nothing about it.
    accepted: AtomicU64,
    /// How many records were dead-lettered because an empty array was accepted, since it last accepted rows.
    on_trust: AtomicU32,
    /// Whether its table wants the rows of a request within 30 minutes.
    pub time_limited: AtomicBool,
}

impl Stream {
    /// One that nothing is known of.
    pub fn new(name: String) -> Self {
        Self { name, accepted: AtomicU64::new(0), on_trust: AtomicU32::new(0), time_limited: AtomicBool::new(false) }
    }

    /// It has accepted a request.
    pub fn accept(&self, number: u64) {
        self.accepted.fetch_max(number, Ordering::AcqRel);
        self.on_trust.store(0, Ordering::Release);
    }

    /// The highest number among the accepted requests; 0: none.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Whether an accepted empty array may count as a proof now.
    pub fn may_trust(&self) -> bool {
        self.on_trust.load(Ordering::Acquire) < MOST_ON_TRUST
    }

    /// Lets it count once more. `false`: it has counted too often.
    pub fn trust(&self) -> bool {
        self.on_trust.fetch_add(1, Ordering::AcqRel) < MOST_ON_TRUST
    }
}
