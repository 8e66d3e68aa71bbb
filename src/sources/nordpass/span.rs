//! Reads a longer span of time slice by slice, for polls, sweeps and audited days.

use std::collections::BTreeSet;
use std::ops::Range;

use tokio::time::Instant;

use super::client::Priority;
use super::intervals::Intervals;
use super::lanes::Lanes;
use super::slice::{LONGEST_SLICE, NARROWEST, Read, Trouble, next_length};
use super::state::Change;
use crate::event::EventId;

/// What a span's reading brought.
#[derive(Default)]
pub struct Span {
    /// What holds once the span's group has arrived.
    pub changes: Vec<Change>,
    /// How many of its events were acknowledged before.
    pub acknowledged: u64,
    /// What was read and couldn't be proven complete.
    pub unproven: Intervals,
    /// Events that other readings have in flight.
    pub awaited: BTreeSet<EventId>,
    /// Single seconds that can't be read though others can.
    pub unreadable: Vec<Range<i64>>,
    /// What wasn't read because nothing was readable any more.
    pub outage: Option<Range<i64>>,
    /// The server's clock wasn't as far as the span's end, so it wasn't read to there.
    pub cut: bool,
}

impl Span {
    /// Whether all of it was read.
    pub fn is_whole(&self) -> bool {
        self.unreadable.is_empty() && self.outage.is_none() && !self.cut
    }
}

/// A span that was read, and how far.
pub struct Finished {
    /// What it brought.
    pub inner: Span,
    /// How far it was read.
    pub end: i64,
}

impl Lanes {
    /// Reads a span slice by slice into one group. Unreadable parts are narrowed down and left out.
    pub(super) async fn span(
        &self,
        range: Range<i64>,
        priority: Priority,
        group: u64,
        first_length: i64,
    ) -> Result<Finished, Trouble> {
        let mut span = Span::default();
        let (mut at, mut length, mut last_total) = (range.start, first_length, u64::MAX);
        while at < range.end {
            let piece = at..range.end.min(at + length.clamp(1, LONGEST_SLICE));
            // A narrower question that has just as many events: the API's `total` doesn't depend on the question.
            let first_guess = last_total > 0;
            let began = Instant::now();
            match self.reader.read(piece.clone(), priority, group, first_guess).await {
                Ok(Read::Done { until, proven, events, acknowledged, awaited }) => {
                    span.acknowledged += acknowledged;
                    if !proven {
                        span.unproven.insert(piece.start..until);
                    }
                    span.changes.push(Change::Covered(piece.start..until, proven));
                    span.awaited.extend(awaited);
                    length = next_length(piece.end - piece.start, events, self.reader.events_per_slice());
                    last_total = u64::MAX;
                    at = until;
                    if until < piece.end {
                        span.cut = true;
                        break;
                    }
                }
                Ok(Read::TooMany { until, total }) => {
                    length = until - piece.start;
                    last_total = if total >= last_total { 0 } else { total };
                }
                // Nothing at all is readable: an outage. Whoever called tries all of it again.
                Err(Trouble::Unreadable(reason)) if !self.reader.client.answered_since(began) => {
                    self.unreadable(&reason, None);
                    span.outage = Some(at..range.end);
                    at = range.end;
                }
                Err(Trouble::Unreadable(_)) if piece.end - piece.start > NARROWEST => {
                    length = (piece.end - piece.start) / 2;
                }
                Err(Trouble::Unreadable(_)) => {
                    span.unreadable.push(piece.clone());
                    at = piece.end;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(Finished { inner: span, end: at })
    }
}
