//! What is read when: live polls, history, sweeps and the audit, side by side.
//!
//! - **Live**: every `poll_interval` from the last poll's end minus `overlap` to now minus `lag`. After an outage it
//!   doesn't work the backlog off: it hands it to the history and stays with the present.
//! - **History**: what isn't covered, oldest first: the first connection's look-back, backlogs, slices that couldn't be
//!   read (again and again, ever more narrowly, with growing pauses).
//! - **Sweeps**: the last 24 hours each hour, the last 7 days each day, for events that became visible late.
//! - **Audit**: once a day the `total` of each of the last 90 days; a day that changed, or that the known ids don't account
//!   for at first, is read again.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio::sync::watch;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::client::Priority;
use super::reader::Reader;
use super::slice::Trouble;
use super::state::State;
use crate::component::{Shutdown, ShutdownSignal};

/// A backlog longer than this is the history's.
const LIVE_AT_MOST: i64 = 15 * 60;
/// All reading of one source.
pub struct Lanes {
    /// Reads slices.
    pub reader: Arc<Reader>,
    /// The state as committed.
    pub state: watch::Receiver<State>,
    /// Told when the lanes are to end.
    pub shutdown: Shutdown,
    /// Tells them.
    pub signal: ShutdownSignal,
    /// `run --once`.
    pub once: bool,
    /// What is still to be read, besides the live end.
    pub backlog: Backlog,
}

impl Lanes {
    /// Reads until the program ends or, with `once`, until everything up to `start` is read. `swept` says when the last
    /// day and the last week were last swept, `audited` when the days were last audited.
    ///
    /// A lane is never cut off in the middle: it is told to end, and ends between two chunks.
    pub async fn run(&self, start: i64, swept: (i64, i64), audited: i64) -> Result<(), Trouble> {
        let told = async |lane: BoxFuture<'_, Result<(), Trouble>>| {
            let result = lane.await;
            if result.is_err() {
                self.signal.begin();
            }
            result
        };
        let reading = async {
            // Several readings of the history side by side: while some learn how many pages their slices have, or wait for
            // the last of them, the others keep the connections busy.
            let number = (self.reader.settings.concurrency / 4).clamp(2, 4);
            let histories = (0..number).map(|_| told(Box::pin(self.history())));
            let results = tokio::join!(told(Box::pin(self.live(start, (swept, audited)))), join_all(histories));
            // Only `once` comes here without an error. Sweeps and audits are left aside then, but for those that were due.
            self.signal.begin();
            results
        };
        let again = async {
            // Then `live` makes those that are due.
            if self.once && self.reader.settings.again_with_once {
                return (Ok(()), Ok(()));
            }
            tokio::join!(told(Box::pin(self.sweeps(swept))), told(Box::pin(self.audits(audited))))
        };
        let ((live, histories), (sweeps, audits)) = tokio::join!(reading, again);
        let ended = |result: Result<(), Trouble>| match result {
            Err(Trouble::Ending) => Ok(()),
            result => result,
        };
        [live, sweeps, audits].into_iter().chain(histories).try_for_each(ended)
    }

    /// Live polls. `start` is where they begin: what is before it is history. `again` says when was last read again.
    async fn live(&self, start: i64, again: ((i64, i64), i64)) -> Result<(), Trouble> {
        let settings = &self.reader.settings;
        let overlap = seconds(settings.overlap);
        let mut cursor = start;
        // Sources that start together would poll together for ever: each comes to its own time with its second poll.
        let mut early = self.reader.ingester.env.random.fraction();
        let goal = self.reader.client.safe_now();
        loop {
            let began = Instant::now();
            let to = self.reader.client.safe_now().max(cursor - overlap);
            if to - cursor > LIVE_AT_MOST.max(2 * overlap) {
                let rest = to - overlap;
                // With the overlap: a late event may have become visible during the outage.
                self.backlog.add((cursor - overlap).max(self.state.borrow().origin).min(cursor)..rest);
                cursor = rest;
            }
            let origin = self.state.borrow().origin;
            let from = (cursor - overlap).max(origin).min(to);
            if from >= to {
                let wait = self.reader.client.wait_for_the_clock(cursor, settings.poll_interval);
                wait.await.map_err(|_| Trouble::Ending)?;
            } else {
                self.reader.client.the_clock_is_right();
                let mut read = from;
                let mut unreadable = Vec::new();
                for part in self.backlog.readable(from..to).iter() {
                    let group = self.reader.ingester.emitter.group();
                    let length = part.end - part.start;
                    let span = self.span(part.clone(), Priority::Live, group, length).await?;
                    self.reader.ingester.emitter.close(group, span.inner.changes, span.inner.awaited);
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
                        component = self.reader.ingester.telemetry.name(),
                        from = range.start,
                        to = range.end,
                        "can't read this period now; retrying it in parallel with live polls"
                    );
                    self.backlog.defer(range, Duration::from_secs(1));
                }
                cursor = cursor.max(read);
                self.backlog.lock().live = Some(cursor);
            }
            // A server whose clock is behind decides what "everything up to the start" is.
            if self.once && cursor >= goal.min(self.reader.client.safe_now()) {
                if settings.again_with_once {
                    // Before the history may end: it also reads what these leave in doubt.
                    self.due(again.0, again.1).await?;
                }
                self.backlog.lock().live_done = true;
                self.backlog.changed.notify_waiters();
                return Ok(());
            }
            let interval = settings.poll_interval.mul_f64(1.0 - std::mem::take(&mut early));
            let pause = interval.saturating_sub(began.elapsed());
            self.sleep(if self.once { pause.min(Duration::from_secs(1)) } else { pause }).await?;
        }
    }

    /// Sleeps, unless the program ends; and longer while the state can't be written.
    pub(super) async fn sleep(&self, mut time: Duration) -> Result<(), Trouble> {
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep(time) => {}
                () = self.shutdown.begun() => return Err(Trouble::Ending),
            }
            if !self.reader.ingester.emitter.is_unheard() {
                return Ok(());
            }
            time = Duration::from_secs(1);
        }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
