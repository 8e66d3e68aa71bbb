//! The history lane: reads what isn't covered, oldest first. Several run in parallel.

use std::sync::atomic::{AtomicI64, Ordering};
use std::{collections::BTreeSet, ops::Range, time::Duration};

use tokio::time::Instant;

use super::backlog::{Deferred, Gaps};
use super::slice::{FIRST_SLICE, LONGEST_SLICE, NARROWEST, SliceRead, next_length};
use super::time::{API_DAYS, DAY, timestamp};
use super::{error::ReadError, lanes::Lanes, query::Priority, state::Change};
use crate::http::{Again, Failure, Retry};
use crate::telemetry::metrics;

/// The next range for the history to read.
struct Piece {
    range: Range<i64>,
    /// The wait before this try.
    wait: Duration,
    /// It was read before but not proven.
    doubtful: bool,
}

/// What the history does next.
enum Pick {
    Piece(Piece),
    /// With `once`: everything is read.
    Finished,
    /// Nothing now; when the next deferred range is due.
    Nothing(Option<Instant>),
}

impl Lanes {
    /// Reads the backlog. With `once`, ends when it is empty.
    pub(super) async fn history(&self) -> Result<(), ReadError> {
        let length = AtomicI64::new(FIRST_SLICE);
        let retry = Retry::logged(&self.context.env);
        while retry.run(self.context.ending(), || self.read_backlog(&length)).await? {}
        Ok(())
    }

    /// Reads a piece of the backlog and sets the length of the next. Returns whether there was one. An outage delays
    /// the whole backlog, not each piece.
    async fn read_backlog(&self, next: &AtomicI64) -> Result<bool, Failure<ReadError>> {
        self.wait_for_the_committer().await?;
        let piece = self.next_piece(next.load(Ordering::Relaxed)).await?;
        let Some(Piece { range, wait, doubtful }) = piece else { return Ok(false) };
        let group = self.commits.group();
        let (mut changes, mut awaited) = (Vec::new(), BTreeSet::new());
        let began = Instant::now();
        let mut result = Ok(true);
        match self.reader.read(range.clone(), Priority::History, group, true).await {
            Ok(SliceRead::Done { until, proven, events, awaited: others, .. }) => {
                if !doubtful {
                    let length = next_length(range.end - range.start, events, self.reader.events_per_slice());
                    next.store(length, Ordering::Relaxed);
                    self.context.telemetry.progress().history_at.store(until, Ordering::Relaxed);
                }
                if !proven {
                    self.doubt(range.start..until, doubtful.then_some(wait));
                }
                changes.push(Change::Covered(range.start..until, proven));
                awaited = others;
                if until < range.end {
                    self.backlog.defer(until..range.end, Duration::from_secs(1));
                }
            }
            Ok(SliceRead::TooMany { .. }) if doubtful => self.backlog.doubt(range, wait, true),
            Ok(SliceRead::TooMany { until, .. }) => {
                next.store(until - range.start, Ordering::Relaxed);
                self.backlog.add(range);
            }
            Err(ReadError::Unreadable(reason)) if self.client.answered_since(began) => {
                self.narrow(range, wait, &reason);
            }
            // Nothing is readable at all: an outage.
            Err(ReadError::Unreadable(reason)) => {
                self.unreadable(&reason);
                self.backlog.add(range);
                result = Err(Again::default().into());
            }
            Err(error) => return Err(error.into()),
        }
        self.commits.close(group, changes, awaited);
        result
    }

    /// Splits a slice that stays unreadable while other queries succeed, so that only the unreadable second waits.
    fn narrow(&self, range: Range<i64>, wait: Duration, reason: &str) {
        let length = range.end - range.start;
        if length > NARROWEST {
            let middle = range.start + length / 2;
            self.backlog.defer(range.start..middle, wait);
            self.backlog.defer(middle..range.end, wait);
        } else {
            let wait = (wait * 2).clamp(Duration::from_secs(5), Duration::from_secs(300));
            self.unreadable(reason);
            self.backlog.defer(range, wait);
        }
    }

    /// Waits for the next range to read, at most `length` long. `None` with `once` when everything is read.
    async fn next_piece(&self, length: i64) -> Result<Option<Piece>, ReadError> {
        let mut idle = false;
        loop {
            let mut changed = std::pin::pin!(self.backlog.changed.notified());
            // Register before looking, so that no change is missed.
            changed.as_mut().enable();
            let due = match self.pick(length) {
                Pick::Piece(piece) => return Ok(Some(piece)),
                Pick::Finished if idle => return Ok(None),
                Pick::Finished => {
                    // The last page's discoveries may still add to the backlog. Let that happen first.
                    idle = true;
                    tokio::task::yield_now().await;
                    continue;
                }
                Pick::Nothing(due) => due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600)),
            };
            // Look again after a change or at the due time.
            let _ = self.context.unless_ending(tokio::time::timeout_at(due, changed)).await?;
        }
    }

    fn pick(&self, length: i64) -> Pick {
        let now = self.context.clock.now();
        let mut pending = self.backlog.lock();
        while let Some(range) = pending.holes.pop_first() {
            let Some(range) = self.expire(range, now, &mut pending.gaps) else { continue };
            let piece = range.start..range.end.min(range.start + length.clamp(1, LONGEST_SLICE));
            pending.holes.insert(piece.end..range.end);
            return Pick::Piece(Piece { range: piece, wait: Duration::from_millis(500), doubtful: false });
        }
        while let Some(Deferred { range, wait, .. }) = Deferred::take_due(&mut pending.deferred) {
            if let Some(range) = self.expire(range, now, &mut pending.gaps) {
                return Pick::Piece(Piece { range, wait, doubtful: false });
            }
        }
        while let Some(Deferred { range, wait, .. }) = Deferred::take_due(&mut pending.doubtful) {
            // It was read, so what the API has dropped since is no gap.
            let (start, end) = (range.start.max(oldest(now)), range.end);
            let range = start..end.min(start + FIRST_SLICE);
            if range.end < end {
                pending.doubtful.push(Deferred { range: range.end..end, at: Instant::now(), wait });
            }
            if !range.is_empty() && !self.reader.distrusts() {
                return Pick::Piece(Piece { range, wait, doubtful: true });
            }
        }
        if self.once && pending.live_done && pending.deferred.is_empty() {
            return Pick::Finished;
        }
        Pick::Nothing(pending.deferred.iter().chain(&pending.doubtful).map(|deferred| deferred.at).min())
    }

    /// Cuts off what the API no longer shows and reports it as a gap. If the start of a history expires faster than it
    /// is read, the gap grows instead of a new one being added.
    fn expire(&self, range: Range<i64>, now: i64, gaps: &mut Gaps) -> Option<Range<i64>> {
        let oldest = oldest(now);
        let gone = range.start..range.end.min(oldest);
        if !gone.is_empty() {
            let telemetry = &self.context.telemetry;
            let (whole, is_new) = gaps.add(gone.clone());
            let hours = |seconds: i64| seconds / 3600;
            let length = whole.end - whole.start;
            if is_new || hours(length) > hours(length - (gone.end - gone.start)) {
                tracing::error!(
                    component = telemetry.name(),
                    from = %timestamp(whole.start),
                    to = %timestamp(whole.end),
                    "gap: the API shows only 90 days, and this period is older; its events are no longer available"
                );
            }
            telemetry.add(&metrics::GAPS, u64::from(is_new));
            telemetry.gap(whole);
            self.commits.apply(Change::Gap(gone));
        }
        let left = range.start.max(oldest)..range.end;
        (!left.is_empty()).then_some(left)
    }
}

/// The oldest second that the API still shows, plus one for the padded query and a minute until the request is sent.
fn oldest(now: i64) -> i64 {
    now - API_DAYS * DAY + 61
}
