//! One slice of time being read: what is known, what was seen, what may still be asked.

use std::collections::HashSet;
use std::ops::Range;

use super::client::Priority;
use super::registry::Reading;
use super::seen::Seen;
use crate::event::EventId;

/// A slice `[from, to)` under way.
pub struct Slice {
    /// Its seconds. Only events of these are sent.
    pub range: Range<i64>,
    /// Who reads.
    pub priority: Priority,
    /// The group of its chunks.
    pub group: u64,
    /// The ids that the checkpoint knows in the range.
    pub known: HashSet<EventId>,
    /// What the answers showed.
    pub seen: Seen,
    /// Page size to ask for; smaller where large answers failed.
    pub per_page: u32,
    /// How many more requests may go into proving it.
    pub budget: u64,
    /// Events of the slice that another reading has in flight: the slice isn't covered before they have arrived.
    pub awaited: HashSet<EventId>,
    /// Keeps ids that are committed meanwhile known.
    pub _reading: Reading,
}

/// How reading a slice came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Everything up to `until` was read.
    Done {
        /// The slice's end, or earlier where the server's clock didn't allow as much.
        until: i64,
        /// Whether it is proven complete.
        proven: bool,
        /// How many events it has.
        events: u64,
        /// Events that other readings have in flight.
        awaited: HashSet<EventId>,
    },
    /// Far more events than a slice should have: take this much instead.
    TooMany {
        /// A better end.
        until: i64,
        /// How many events the API says there are.
        total: u64,
    },
}

/// Why a slice can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The program is ending.
    Ending,
    /// The answers are larger than what is read: smaller pages may do.
    TooLarge,
    /// This slice's answers stay unreadable; others may be fine.
    Unreadable(String),
    /// The checkpoint failed.
    Checkpoint(String),
}
