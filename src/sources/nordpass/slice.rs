//! A slice of time being read: known ids, what was seen, the remaining budget.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::mode::Examine;
use super::observations::{Observation, Observations};
use super::query::Priority;
use super::registry::Reading;
use super::time::DAY;
use crate::event::{Chunk, EventId};

/// A slice `[from, to)` in progress.
pub struct Slice {
    /// Its seconds. Events at the bounds are sent by its neighbours.
    pub range: Range<i64>,
    /// The priority of its requests.
    pub priority: Priority,
    /// The group of its chunks.
    pub group: u64,
    /// The checkpoint's ids in the range.
    pub known: HashSet<EventId>,
    /// The checkpoint's ids under no second of their own; `None` until they are needed.
    pub apart: Option<HashSet<EventId>>,
    /// What the responses showed.
    pub observations: Observations,
    /// Page size to request; smaller if large responses failed.
    pub per_page: u32,
    /// Requests left for proving it.
    pub budget: u64,
    /// The previous slice had the same large `total`, which may be the API's cap.
    pub repeated: bool,
    /// A response that shows its whole window contradicts its own `total`, so `total` is wrong. Otherwise an unproven
    /// slice has only used up its budget.
    pub contradicted: bool,
    /// Events that another read has in flight. The slice is covered only once they are delivered.
    pub awaited: BTreeSet<EventId>,
    /// The number of pages ingested.
    pub pages: u64,
    /// Bytes of the twins that are kept.
    pub twin_bytes: usize,
    /// The acknowledged events that were shown, each in a chunk of its own; empty unless a comparison examines them.
    pub shown: HashMap<EventId, Chunk>,
    /// Keeps ids known that are committed during the read.
    pub _reading: Reading,
}

impl Slice {
    /// The number of events seen in the range that were in the checkpoint already.
    pub fn acknowledged(&self) -> u64 {
        let inside = |observation: &Observation| observation.time.is_some_and(|time| self.range.contains(&time));
        let seen = self.observations.by_id.iter().filter(|(_, observation)| inside(observation));
        seen.map(|(id, observation)| self.known_copies(*id, observation)).sum()
    }

    /// How many copies of an event were in the checkpoint already.
    fn known_copies(&self, id: EventId, observation: &Observation) -> u64 {
        let copies = (0..observation.most).map(|number| id.occurrence(number));
        copies.filter(|id| self.known.contains(id)).count() as u64
    }

    /// Whether an event of this time is the slice's, and was in the checkpoint already.
    pub fn holds_known(&self, id: EventId, time: Option<i64>) -> bool {
        time.is_some_and(|time| self.range.contains(&time)) && self.known.contains(&id)
    }

    /// Shows each event that was in the checkpoint already, and how many copies of it were.
    pub fn examine(&self, examine: &dyn Examine) {
        for (id, chunk) in &self.shown {
            let copies = self.observations.by_id.get(id).map_or(0, |observation| self.known_copies(*id, observation));
            examine.acknowledged(chunk, copies);
        }
    }
}

/// The result of reading a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceRead {
    /// Everything up to `until` was read.
    Done {
        /// The slice's end, or earlier if the server's clock is behind.
        until: i64,
        /// Whether it is proven complete.
        proven: bool,
        /// The number of its events.
        events: u64,
        /// The number of its events acknowledged before.
        acknowledged: u64,
        /// Events that other reads have in flight.
        awaited: BTreeSet<EventId>,
    },
    /// Far more events than a slice should have. Read up to `until` instead.
    TooMany {
        /// A better end.
        until: i64,
        /// The API's `total`.
        total: u64,
    },
}

/// Target pages of a slice, or more where many are fetched in parallel: a slice's first page is awaited alone, and its
/// last ones leave permits unused.
const PAGES_PER_SLICE: u64 = 50;
/// Minimum rounds of parallel pages in a slice.
const ROUNDS: u64 = 8;
/// Limits the growth by parallel pages, because what was seen of a slice stays in memory until it is proven.
const MOST_EVENTS: u64 = 20_000;

/// The target number of events in a slice.
pub fn events_per_slice(concurrency: usize, page_size: u32) -> u64 {
    let least = PAGES_PER_SLICE * u64::from(page_size);
    (ROUNDS * concurrency as u64 * u64::from(page_size)).min(MOST_EVENTS).max(least)
}

/// Seconds of a history's first slice. The next ones adapt to its events.
pub const FIRST_SLICE: i64 = 6 * 3600;
/// Maximum seconds of a slice. One request may span 90 days.
pub const LONGEST_SLICE: i64 = 30 * DAY;
/// Minimum seconds of the parts of an unreadable slice.
pub const NARROWEST: i64 = 1;

/// The next slice's length for about `target` events, if one of `length` had `events`.
pub fn next_length(length: i64, events: u64, target: u64) -> i64 {
    let target = i128::from(target);
    let fitting = i128::from(length) * target / i128::from(events.max(1));
    let fitting = i64::try_from(fitting).unwrap_or(i64::MAX);
    fitting.clamp(length / 4, length.saturating_mul(4)).clamp(1, LONGEST_SLICE)
}

#[cfg(test)]
mod tests {
    use super::{events_per_slice, next_length};

    #[test]
    fn slices_have_fifty_pages_or_eight_rounds_and_never_too_many_events() {
        for ((concurrency, page_size), expected) in [
            ((1, 100), 5_000),
            ((4, 100), 5_000),
            ((16, 100), 12_800),
            ((64, 100), 20_000),
            ((64, 1_000), 50_000),
            ((4, 1), 50),
        ] {
            assert_eq!(events_per_slice(concurrency, page_size), expected, "{concurrency} pages of {page_size}");
        }
    }

    #[test]
    fn slices_follow_what_they_hold() {
        assert_eq!(next_length(3600, 0, 5000), 4 * 3600, "an idle time: longer, but not at once");
        assert_eq!(next_length(3600, 5000, 5000), 3600);
        assert_eq!(next_length(3600, 10_000, 5000), 1800);
        assert_eq!(next_length(3600, 1_000_000, 5000), 900, "busier: shorter, but not at once");
        assert_eq!(next_length(1, 1_000_000, 5000), 1);
        assert_eq!(next_length(29 * 86_400, 0, 5000), 30 * 86_400);
    }
}
