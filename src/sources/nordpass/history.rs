//! The history lane: what isn't covered, oldest first. Several of it run side by side.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::backlog::{Deferred, Gaps};
use super::client::Priority;
use super::lanes::Lanes;
use super::slice::{FIRST_SLICE, LONGEST_SLICE, NARROWEST, Read, Trouble, next_length};
use super::state::{API_DAYS, Change, DAY};
use crate::http::Backoff;
use crate::telemetry::metrics;

/// The pause before an unproven slice is read again, more narrowly; each further one is twice as long.
pub const FIRST_DOUBT: Duration = Duration::from_secs(60);
/// After a longer pause than this it is left to the sweeps.
const LAST_DOUBT: Duration = Duration::from_secs(3600);

/// What the history reads next.
struct Piece {
    range: Range<i64>,
    /// The wait before this try.
    wait: Duration,
    /// It has been read before, and not proven.
    doubtful: bool,
}

/// What the history does next.
enum Pick {
    Piece(Piece),
    /// With `once`: everything is read.
    Finished,
    /// Nothing now; when something deferred is due.
    Nothing(Option<Instant>),
}

impl Lanes {
    /// Reads the backlog; with `once`, until there is none.
    pub(super) async fn history(&self) -> Result<(), Trouble> {
        let mut length = FIRST_SLICE;
        let mut outage = Backoff::new(self.reader.ingester.env.random.clone());
        loop {
            let Some(Piece { range, wait, doubtful }) = self.next_piece(length).await? else { return Ok(()) };
            let group = self.reader.ingester.emitter.group();
            let (mut changes, mut awaited) = (Vec::new(), BTreeSet::new());
            let began = Instant::now();
            match self.reader.read(range.clone(), Priority::History, group, true).await {
                Ok(Read::Done { until, proven, events, awaited: others, .. }) => {
                    if !doubtful {
                        length = next_length(range.end - range.start, events, self.reader.events_per_slice());
                        self.reader.ingester.telemetry.progress().history_at.store(until, Ordering::Relaxed);
                    }
                    if !proven {
                        self.doubt(range.start..until, doubtful.then_some(wait));
                    }
                    changes.push(Change::Covered(range.start..until, proven));
                    awaited = others;
                    outage.reset();
                    if until < range.end {
                        self.backlog.defer(until..range.end, Duration::from_secs(1));
                    }
                }
                Ok(Read::TooMany { .. }) if doubtful => self.backlog.doubt(range, wait, true),
                Ok(Read::TooMany { until, .. }) => {
                    length = until - range.start;
                    self.backlog.add(range);
                }
                Err(Trouble::Unreadable(reason)) if self.reader.client.answered_since(began) => {
                    self.narrow(range, wait, &reason);
                }
                // Nothing is readable at all: an outage. It is waited out with all of the backlog, not piece by piece.
                Err(Trouble::Unreadable(reason)) => {
                    let wait = outage.next_wait();
                    self.unreadable(&reason, Some(wait));
                    self.backlog.add(range);
                    self.sleep(wait).await?;
                }
                Err(trouble) => return Err(trouble),
            }
            self.reader.ingester.emitter.close(group, changes, awaited);
        }
    }

    /// A slice that stays unreadable while other questions are answered: its halves are tried for themselves, so that
    /// only the second that really can't be read waits.
    fn narrow(&self, range: Range<i64>, wait: Duration, reason: &str) {
        let length = range.end - range.start;
        if length > NARROWEST {
            let middle = range.start + length / 2;
            self.backlog.defer(range.start..middle, wait);
            self.backlog.defer(middle..range.end, wait);
        } else {
            let wait = (wait * 2).clamp(Duration::from_secs(5), Duration::from_secs(300));
            self.unreadable(reason, Some(wait));
            self.backlog.defer(range, wait);
        }
    }

    /// A slice that was read and isn't proven has more events than were seen, or the API's `total` is wrong. An order
    /// that changes from answer to answer can use up what a slice may cost, so it is read again in halves, a few times
    /// and ever more rarely; unless nothing can be proven here, which says that `total` is wrong. Then the sweeps have it.
    pub(super) fn doubt(&self, range: Range<i64>, waited: Option<Duration>) {
        let wait = waited.map_or(FIRST_DOUBT, |wait| wait * 2);
        if wait <= LAST_DOUBT && !self.reader.distrusts() {
            // With `once` nobody waits for sweeps: what can be proven is proven now.
            self.backlog.doubt(range, wait, self.once);
        }
    }

    /// Says that answers can't be read, and where that is known, how long until the next try.
    pub(super) fn unreadable(&self, reason: &str, wait: Option<Duration>) {
        let ingester = &self.reader.ingester;
        let (reason, now) = (format!("can't read NordPass's responses: {reason}"), ingester.env.clock.now());
        match wait {
            Some(wait) => ingester.telemetry.trying_again(&reason, wait, now),
            None => ingester.telemetry.waiting(&reason, now),
        }
    }

    /// The next time to read, at most `length` long. `None`: with `once`, everything is read.
    async fn next_piece(&self, length: i64) -> Result<Option<Piece>, Trouble> {
        let mut idle = false;
        loop {
            let mut changed = std::pin::pin!(self.backlog.changed.notified());
            // Registered before the look, so that no change is missed.
            changed.as_mut().enable();
            let due = match self.pick(length) {
                Pick::Piece(piece) => return Ok(Some(piece)),
                Pick::Finished if idle => return Ok(None),
                Pick::Finished => {
                    // What the last page discovered may still add to the backlog: let that happen first.
                    idle = true;
                    tokio::task::yield_now().await;
                    continue;
                }
                Pick::Nothing(due) => due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600)),
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(due) => {}
                () = self.shutdown.begun() => return Err(Trouble::Ending),
            }
        }
    }

    fn pick(&self, length: i64) -> Pick {
        let now = self.reader.client.time().now();
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
            // It was read: what the API has forgotten of it since is no gap.
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

    /// Cuts off what the API no longer shows, and says so loudly: that is a gap. A history that is read more slowly than
    /// its beginning passes out of the 90 days makes a gap longer, not a new one.
    fn expire(&self, range: Range<i64>, now: i64, gaps: &mut Gaps) -> Option<Range<i64>> {
        let oldest = oldest(now);
        let gone = range.start..range.end.min(oldest);
        if !gone.is_empty() {
            let ingester = &self.reader.ingester;
            let (whole, is_new) = gaps.add(gone.clone());
            let hours = |seconds: i64| seconds / 3600;
            let length = whole.end - whole.start;
            if is_new || hours(length) > hours(length - (gone.end - gone.start)) {
                tracing::error!(
                    component = ingester.telemetry.name(),
                    from = %moment(whole.start),
                    to = %moment(whole.end),
                    "gap: the API shows only 90 days, and this period is older; its events are no longer available"
                );
            }
            ingester.telemetry.add(&metrics::GAPS, u64::from(is_new));
            ingester.telemetry.gap(whole);
            let group = ingester.emitter.group();
            ingester.emitter.close(group, vec![Change::Gap(gone)], BTreeSet::new());
        }
        let left = range.start.max(oldest)..range.end;
        (!left.is_empty()).then_some(left)
    }
}

/// What the API still shows: one second for the wider question, and a minute for the time that passes until it is asked.
fn oldest(now: i64) -> i64 {
    now - API_DAYS * DAY + 61
}

/// A Unix time for people.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or_default()
}
