//! One slice of time being read: what is known, what was seen, how much more may be asked.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use super::observations::{Observation, Observations};
use super::query::Priority;
use super::registry::Reading;
use super::time::DAY;
use crate::event::EventId;

/// A slice `[from, to)` under way.
pub struct Slice {
    /// Its seconds. Only events of these are sent.
    pub range: Range<i64>,
    /// How its requests go before others.
    pub priority: Priority,
    /// The group of its chunks.
    pub group: u64,
    /// The ids that the checkpoint knows in the range.
    pub known: HashSet<EventId>,
    /// Those that the checkpoint knows under no second of their own; `None` until they are needed.
    pub apart: Option<HashSet<EventId>>,
    /// What the answers showed.
    pub observations: Observations,
    /// Page size to ask for; smaller where large answers failed.
    pub per_page: u32,
    /// How many more requests may go into proving it.
    pub budget: u64,
    /// The slice before it had the very same large `total`: it may be where the API's count stops.
    pub repeated: bool,
    /// An answer that shows all of its window doesn't have as many events as it says there are: `total` is wrong. Else a
    /// slice that isn't proven has only used up its budget.
    pub contradicted: bool,
    /// Events of the slice that another reading has in flight: the slice isn't covered before they have arrived.
    pub awaited: BTreeSet<EventId>,
    /// How many pages were taken in.
    pub pages: u64,
    /// The bytes of the twins that are kept.
    pub twin_bytes: usize,
    /// Keeps ids known that are committed meanwhile.
    pub _reading: Reading,
}

impl Slice {
    /// How many of the events that were seen in the range the checkpoint knew already.
    pub fn acknowledged(&self) -> u64 {
        let inside = |observation: &Observation| observation.time.is_some_and(|time| self.range.contains(&time));
        let seen = self.observations.by_id.iter().filter(|(_, observation)| inside(observation));
        let copies = seen.flat_map(|(id, observation)| (0..observation.most).map(|number| id.occurrence(number)));
        copies.filter(|id| self.known.contains(id)).count() as u64
    }
}

/// What reading a slice has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceRead {
    /// Everything up to `until` was read.
    Done {
        /// The slice's end, or earlier where the server's clock didn't allow as much.
        until: i64,
        /// Whether it is proven complete.
        proven: bool,
        /// How many events it has.
        events: u64,
        /// How many of its events were acknowledged before.
        acknowledged: u64,
        /// Events that other readings have in flight.
        awaited: BTreeSet<EventId>,
    },
    /// Far more events than a slice should have: take this much instead.
    TooMany {
        /// A better end.
        until: i64,
        /// How many events the API says there are.
        total: u64,
    },
}

/// A slice should have about this many pages, or more where many are fetched side by side: its first page says how many
/// there are, and its last ones leave permits unused.
const PAGES_PER_SLICE: u64 = 50;
/// How many rounds of pages side by side that is at least.
const ROUNDS: u64 = 8;
/// What was seen of a slice is remembered until it is proven: larger slices than this many events aren't made for that.
const MOST_EVENTS: u64 = 20_000;

/// How many events a slice should have.
pub fn events_per_slice(concurrency: usize, page_size: u32) -> u64 {
    let least = PAGES_PER_SLICE * u64::from(page_size);
    (ROUNDS * concurrency as u64 * u64::from(page_size)).min(MOST_EVENTS).max(least)
}

/// The first slice of a history; the next ones follow what it holds.
pub const FIRST_SLICE: i64 = 6 * 3600;
/// No slice is longer: one request may span 90 days.
pub const LONGEST_SLICE: i64 = 30 * DAY;
/// The shortest slice that a narrower reading of an unreadable one goes down to.
pub const NARROWEST: i64 = 1;

/// How long the next slice should be to have about `target` events, where one of `length` had `events`.
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
