//! Reads a longer range slice by slice, for polls, sweeps and audited days.

use std::{collections::BTreeSet, ops::Range};

use tokio::time::Instant;

use super::slice::{LONGEST_SLICE, NARROWEST, SliceRead, next_length};
use super::{error::ReadError, lanes::Lanes, query::Priority, state::Change};
use crate::{event::EventId, state::TimeRanges};

/// The result of reading a range.
#[derive(Default)]
pub struct SlicesRead {
    /// How far it was read.
    pub end: i64,
    /// The changes to apply once the group is delivered.
    pub changes: Vec<Change>,
    /// The number of its events acknowledged before.
    pub acknowledged: u64,
    /// What was read but couldn't be proven complete.
    pub unproven: TimeRanges,
    /// Events that other reads have in flight.
    pub awaited: BTreeSet<EventId>,
    /// Single seconds that can't be read although others can.
    pub unreadable: Vec<Range<i64>>,
    /// What wasn't read because of an outage.
    pub outage: Option<Range<i64>>,
    /// Not read to the end, because the server's clock is behind.
    pub cut: bool,
}

impl SlicesRead {
    /// Whether all of it was read.
    pub fn is_whole(&self) -> bool {
        self.unreadable.is_empty() && self.outage.is_none() && !self.cut
    }
}

impl Lanes {
    /// Reads a range slice by slice into one group. Narrows unreadable parts down and leaves them out.
    pub(super) async fn read_slices(
        &self,
        range: Range<i64>,
        priority: Priority,
        group: u64,
        first_length: i64,
    ) -> Result<SlicesRead, ReadError> {
        let mut read = SlicesRead { end: range.start, ..SlicesRead::default() };
        let (mut length, mut last_total) = (first_length, u64::MAX);
        while read.end < range.end {
            let piece = read.end..range.end.min(read.end + length.clamp(1, LONGEST_SLICE));
            // If a narrower query has as many events, the API's `total` doesn't depend on the query.
            let first_guess = last_total > 0;
            let began = Instant::now();
            match self.reader.read(piece.clone(), priority, group, first_guess).await {
                Ok(SliceRead::Done { until, proven, events, acknowledged, awaited }) => {
                    read.acknowledged += acknowledged;
                    if !proven {
                        read.unproven.insert(piece.start..until);
                    }
                    read.changes.push(Change::Covered(piece.start..until, proven));
                    read.awaited.extend(awaited);
                    length = next_length(piece.end - piece.start, events, self.reader.events_per_slice());
                    last_total = u64::MAX;
                    read.end = until;
                    if until < piece.end {
                        read.cut = true;
                        break;
                    }
                }
                Ok(SliceRead::TooMany { until, total }) => {
                    length = until - piece.start;
                    last_total = if total >= last_total { 0 } else { total };
                }
                // Nothing at all is readable: an outage. All of it is retried.
                Err(ReadError::Unreadable(reason)) if !self.client.answered_since(began) => {
                    self.unreadable(&reason);
                    read.outage = Some(read.end..range.end);
                    read.end = range.end;
                }
                Err(ReadError::Unreadable(_)) if piece.end - piece.start > NARROWEST => {
                    length = (piece.end - piece.start) / 2;
                }
                Err(ReadError::Unreadable(_)) => {
                    read.end = piece.end;
                    read.unreadable.push(piece);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}
