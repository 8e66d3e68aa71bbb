//! What is read when: live polls, history, sweeps and the audit, side by side.
//!
//! - **Live**: every `poll_interval` from the last poll's end minus `overlap` to now minus `lag`. After an outage it
//!   doesn't work the backlog off: it hands it to the history and stays with the present.
//! - **History**: what isn't covered, oldest first: the first connection's look-back, backlogs, slices that couldn't be
//!   read (again and again, ever more narrowly, with growing pauses).
//! - **Sweeps**: the last 24 hours each hour, the last 7 days each day, for events that became visible late.
//! - **Audit**: once a day the `total` of each of the last 90 days; a day that changed is read again.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::client::Priority;
use super::intervals::Intervals;
use super::reader::{PAGES_PER_SLICE, Reader};
use super::slice::{Read, Trouble};
use super::state::{API_DAYS, Change, DAY, State};
use crate::event::EventId;
use crate::http::Backoff;
use crate::telemetry::metrics;
use crate::topology::Shutdown;

/// A backlog longer than this is the history's.
const LIVE_AT_MOST: i64 = 15 * 60;
/// The first slice of a history; the next ones follow what it holds.
const FIRST_SLICE: i64 = 6 * 3600;
/// No slice is longer: one request may span 90 days.
const LONGEST_SLICE: i64 = 30 * DAY;
/// The shortest slice that a narrower reading of an unreadable one goes down to.
const NARROWEST: i64 = 1;

/// All reading of one source.
pub struct Lanes {
    /// Reads slices.
    pub reader: Arc<Reader>,
    /// The state as committed.
    pub state: watch::Receiver<State>,
    /// Told when the program is to end.
    pub shutdown: Shutdown,
    /// `run --once`.
    pub once: bool,
    /// What is still to be read, besides the live end.
    pub backlog: Backlog,
    /// When the last day and the last week were last swept; the first run's beginning counts as both.
    pub swept: (i64, i64),
    /// When the days were last audited.
    pub audited: i64,
}

/// Times that the history has to read.
#[derive(Default)]
pub struct Backlog {
    inner: Mutex<Pending>,
    changed: Notify,
}

#[derive(Default)]
struct Pending {
    holes: Intervals,
    /// Unreadable slices, and when to try them again.
    deferred: Vec<Deferred>,
    /// Where live polls are; `None` before the first.
    live: Option<i64>,
    /// Live has done its part of `--once`.
    live_done: bool,
}

struct Deferred {
    range: Range<i64>,
    at: Instant,
    wait: Duration,
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a time to be read.
    pub fn add(&self, range: Range<i64>) {
        self.lock().holes.insert(range);
        self.changed.notify_one();
    }

    /// What of a time isn't known to be unreadable at the moment.
    fn readable(&self, range: Range<i64>) -> Intervals {
        let deferred: Intervals = self.lock().deferred.iter().map(|deferred| deferred.range.clone()).collect();
        deferred.holes(range)
    }

    fn defer(&self, range: Range<i64>, wait: Duration) {
        self.lock().deferred.push(Deferred { range, at: Instant::now() + wait, wait });
        self.changed.notify_one();
    }
}

/// What the history does next.
enum Pick {
    /// Read this; the wait before the last try.
    Piece(Range<i64>, Duration),
    /// With `once`: everything is read.
    Finished,
    /// Nothing now; when something deferred is due.
    Nothing(Option<Instant>),
}

/// What a span's reading brought.
#[derive(Default)]
struct Span {
    changes: Vec<Change>,
    awaited: HashSet<EventId>,
    /// Single seconds that can't be read though others can.
    unreadable: Vec<Range<i64>>,
    /// What wasn't read because nothing was readable any more.
    outage: Option<Range<i64>>,
}

impl Span {
    fn is_whole(&self) -> bool {
        self.unreadable.is_empty() && self.outage.is_none()
    }
}

impl Lanes {
    /// Reads until the program ends or, with `once`, until everything up to the start is read.
    pub async fn run(&self, start: i64) -> Result<(), Trouble> {
        tokio::select! {
            result = async { tokio::try_join!(self.live(start), self.history()).map(|_| ()) } => result,
            // These two never end by themselves, and `once` doesn't wait for them.
            result = async { tokio::try_join!(self.sweeps(), self.audits()).map(|_| ()) } => result,
        }
    }

    /// Live polls. `start` is where they begin: what is before it is history.
    async fn live(&self, start: i64) -> Result<(), Trouble> {
        let settings = &self.reader.settings;
        let overlap = seconds(settings.overlap);
        let mut cursor = start;
        let goal = self.reader.client.safe_now();
        loop {
            let began = Instant::now();
            let to = self.reader.client.safe_now().max(cursor - overlap);
            if to - cursor > LIVE_AT_MOST.max(2 * overlap) {
                let rest = to - overlap;
                self.backlog.add(cursor..rest);
                cursor = rest;
            }
            let origin = self.state.borrow().origin;
            let from = (cursor - overlap).max(origin).min(to);
            if from < to {
                let mut read = from;
                let mut unreadable = Vec::new();
                for part in self.backlog.readable(from..to).iter() {
                    let group = self.reader.absorber.emitter.group();
                    let length = part.end - part.start;
                    let span = self.span(part.clone(), Priority::Live, group, length).await?;
                    self.reader.absorber.emitter.close(group, span.inner.changes, span.inner.awaited);
                    unreadable.extend(span.inner.unreadable);
                    if let Some(rest) = span.inner.outage {
                        self.backlog.add(rest);
                    }
                    read = span.end;
                    if read < part.end {
                        break;
                    }
                }
                for range in unreadable {
                    tracing::warn!(
                        component = self.reader.absorber.telemetry.name(),
                        from = range.start,
                        to = range.end,
                        "this time can't be read now; it is tried again beside the live polls"
                    );
                    self.backlog.defer(range, Duration::from_secs(1));
                }
                cursor = cursor.max(read);
                self.backlog.lock().live = Some(cursor);
            }
            // A server whose clock is behind decides what "everything up to the start" is.
            if self.once && cursor >= goal.min(self.reader.client.safe_now()) {
                self.backlog.lock().live_done = true;
                self.backlog.changed.notify_one();
                return Ok(());
            }
            let pause = settings.poll_interval.saturating_sub(began.elapsed());
            self.sleep(if self.once { pause.min(Duration::from_secs(1)) } else { pause }).await?;
        }
    }

    async fn history(&self) -> Result<(), Trouble> {
        let mut length = FIRST_SLICE;
        let mut outage = Backoff::new(self.reader.absorber.handles.random.clone());
        loop {
            let Some((range, wait)) = self.next_piece(length).await? else { return Ok(()) };
            let group = self.reader.absorber.emitter.group();
            let (mut changes, mut awaited) = (Vec::new(), HashSet::new());
            let began = Instant::now();
            match self.reader.read(range.clone(), Priority::History, group, true).await {
                Ok(Read::Done { until, proven, events, awaited: others }) => {
                    length = next_length(range.end - range.start, events, self.reader.settings.page_size);
                    changes.push(Change::Covered(range.start..until, proven));
                    awaited = others;
                    outage.reset();
                    self.reader.absorber.telemetry.progress().history_at.store(until, Ordering::Relaxed);
                    if until < range.end {
                        self.backlog.defer(until..range.end, Duration::from_secs(1));
                    }
                }
                Ok(Read::TooMany { until, .. }) => {
                    length = until - range.start;
                    self.backlog.add(range);
                }
                Err(Trouble::Unreadable(reason)) if self.reader.client.answered_since(began) => {
                    self.narrow(range, wait, &reason);
                }
                // Nothing is readable at all: an outage. It is waited out with all of the backlog, not piece by piece.
                Err(Trouble::Unreadable(reason)) => {
                    self.unreadable(&reason);
                    self.backlog.add(range);
                    self.sleep(outage.next()).await?;
                }
                Err(trouble) => return Err(trouble),
            }
            self.reader.absorber.emitter.close(group, changes, awaited);
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
            self.unreadable(reason);
            self.backlog.defer(range, (wait * 2).clamp(Duration::from_secs(5), Duration::from_secs(300)));
        }
    }

    fn unreadable(&self, reason: &str) {
        let now = self.reader.absorber.handles.clock.now();
        self.reader.absorber.telemetry.waiting(&format!("NordPass's answers can't be read: {reason}"), now);
    }

    /// The next time to read, at most `length` long. `None`: with `once`, everything is read.
    async fn next_piece(&self, length: i64) -> Result<Option<(Range<i64>, Duration)>, Trouble> {
        let mut idle = false;
        loop {
            let due = match self.pick(length) {
                Pick::Piece(range, wait) => return Ok(Some((range, wait))),
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
                () = self.backlog.changed.notified() => {}
                () = tokio::time::sleep_until(due) => {}
                () = self.shutdown.begun() => return Err(Trouble::Ending),
            }
        }
    }

    fn pick(&self, length: i64) -> Pick {
        let now = self.reader.absorber.handles.clock.now_seconds();
        let mut pending = self.backlog.lock();
        while let Some(range) = pending.holes.pop_first() {
            let Some(range) = self.expire(range, now) else { continue };
            let piece = range.start..range.end.min(range.start + length.clamp(1, LONGEST_SLICE));
            pending.holes.insert(piece.end..range.end);
            return Pick::Piece(piece, Duration::from_millis(500));
        }
        while let Some(at) = pending.deferred.iter().position(|deferred| deferred.at <= Instant::now()) {
            let deferred = pending.deferred.swap_remove(at);
            if let Some(range) = self.expire(deferred.range, now) {
                return Pick::Piece(range, deferred.wait);
            }
        }
        if self.once && pending.live_done && pending.deferred.is_empty() {
            return Pick::Finished;
        }
        Pick::Nothing(pending.deferred.iter().map(|deferred| deferred.at).min())
    }

    /// Cuts off what the API no longer shows, and says so loudly: that is a gap.
    fn expire(&self, range: Range<i64>, now: i64) -> Option<Range<i64>> {
        // One second for the wider question, and a minute for the time that passes until it is asked.
        let oldest = now - API_DAYS * DAY + 61;
        let gone = range.start..range.end.min(oldest);
        if !gone.is_empty() {
            let absorber = &self.reader.absorber;
            tracing::error!(
                component = absorber.telemetry.name(),
                from = gone.start,
                to = gone.end,
                "gap: the API shows 90 days only, and this time is older; its events can't be read any more"
            );
            absorber.telemetry.add(&metrics::GAPS, 1);
            let group = absorber.emitter.group();
            absorber.emitter.close(group, vec![Change::Gap(gone)], HashSet::new());
        }
        let left = range.start.max(oldest)..range.end;
        (!left.is_empty()).then_some(left)
    }

    async fn sweeps(&self) -> Result<(), Trouble> {
        // Kept here, too: the committed state follows only once a sweep's events have arrived.
        let (mut day, mut week) = self.swept;
        loop {
            self.sleep(Duration::from_secs(60)).await?;
            let now = self.reader.absorber.handles.clock.now_seconds();
            if now - week >= DAY {
                (day, week) = (now, now);
                self.sweep(now - 7 * DAY, vec![Change::SweptWeek(now), Change::SweptDay(now)]).await?;
            } else if now - day >= 3600 {
                day = now;
                self.sweep(now - DAY, vec![Change::SweptDay(now)]).await?;
            }
        }
    }

    async fn sweep(&self, from: i64, then: Vec<Change>) -> Result<(), Trouble> {
        let origin = self.state.borrow().origin;
        let Some(to) = self.backlog.lock().live else { return Ok(()) };
        let group = self.reader.absorber.emitter.group();
        let span = self.span(from.max(origin)..to, Priority::History, group, FIRST_SLICE).await?;
        let whole = span.inner.is_whole();
        let mut changes = span.inner.changes;
        if whole {
            changes.extend(then);
        }
        self.reader.absorber.emitter.close(group, changes, span.inner.awaited);
        Ok(())
    }

    async fn audits(&self) -> Result<(), Trouble> {
        let mut audited = self.audited;
        loop {
            self.sleep(Duration::from_secs(300)).await?;
            let now = self.reader.absorber.handles.clock.now_seconds();
            if now - audited < DAY {
                continue;
            }
            audited = now;
            let emitter = &self.reader.absorber.emitter;
            let origin = self.state.borrow().origin;
            let today = now.div_euclid(DAY);
            let first = (today - API_DAYS + 1).max(origin.div_euclid(DAY));
            for day in first..today {
                let range = day * DAY..(day + 1) * DAY;
                let total = match self.reader.total(&range).await {
                    Ok(Some(total)) => total,
                    // No audit of this day today; tomorrow's compares with the last one that came.
                    Ok(None) | Err(Trouble::Unreadable(_) | Trouble::TooLarge) => continue,
                    Err(trouble) => return Err(trouble),
                };
                let group = emitter.group();
                let known = self.state.borrow().total(day);
                let mut changes = vec![Change::Total(day, total)];
                let mut awaited = HashSet::new();
                if known.is_some_and(|known| known != total) {
                    let range = range.start.max(origin)..range.end;
                    let span = self.span(range, Priority::History, group, FIRST_SLICE).await?;
                    if !span.inner.is_whole() {
                        changes.clear();
                    }
                    changes.extend(span.inner.changes);
                    awaited = span.inner.awaited;
                }
                emitter.close(group, changes, awaited);
            }
            emitter.close(emitter.group(), vec![Change::Audited(now)], HashSet::new());
        }
    }

    /// Reads a span slice by slice into one group. Unreadable parts are narrowed down and left out.
    async fn span(
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
                Ok(Read::Done { until, proven, events, awaited }) => {
                    span.changes.push(Change::Covered(piece.start..until, proven));
                    span.awaited.extend(awaited);
                    length = next_length(piece.end - piece.start, events, self.reader.settings.page_size);
                    last_total = u64::MAX;
                    at = until;
                    if until < piece.end {
                        break;
                    }
                }
                Ok(Read::TooMany { until, total }) => {
                    length = until - piece.start;
                    last_total = if total >= last_total { 0 } else { total };
                }
                // Nothing at all is readable: an outage. Whoever called tries all of it again.
                Err(Trouble::Unreadable(reason)) if !self.reader.client.answered_since(began) => {
                    self.unreadable(&reason);
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

    async fn sleep(&self, time: Duration) -> Result<(), Trouble> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.shutdown.begun() => Err(Trouble::Ending),
        }
    }
}

/// A span that was read, and how far.
struct Finished {
    inner: Span,
    end: i64,
}

/// How long the next slice should be to have about [`PAGES_PER_SLICE`] pages.
fn next_length(length: i64, events: u64, page_size: u32) -> i64 {
    let target = i128::from(PAGES_PER_SLICE * u64::from(page_size));
    let fitting = i128::from(length) * target / i128::from(events.max(1));
    let fitting = i64::try_from(fitting).unwrap_or(i64::MAX);
    fitting.clamp(length / 4, length.saturating_mul(4)).clamp(1, LONGEST_SLICE)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::next_length;

    #[test]
    fn slices_follow_what_they_hold() {
        assert_eq!(next_length(3600, 0, 100), 4 * 3600, "an idle time: longer, but not at once");
        assert_eq!(next_length(3600, 5000, 100), 3600);
        assert_eq!(next_length(3600, 10_000, 100), 1800);
        assert_eq!(next_length(3600, 1_000_000, 100), 900, "busier: shorter, but not at once");
        assert_eq!(next_length(1, 1_000_000, 100), 1);
        assert_eq!(next_length(29 * 86_400, 0, 100), 30 * 86_400);
    }
}
