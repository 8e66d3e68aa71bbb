//! Runs live polls, history, sweeps and the audit in parallel.
//!
//! - **Live**: every `poll_interval` from the last poll's end minus `overlap` to now minus `lag`. After an outage it
//!   hands the backlog to the history and stays with the present.
//! - **History**: what isn't covered, oldest first: the first connection's look-back, backlogs, and slices that
//!   couldn't be read (again and again, more and more narrowly, with growing pauses).
//! - **Sweeps**: the last 24 hours each hour, the last 7 days each day, for events that became visible late.
//! - **Audit**: once a day the `total` of each of the last 90 days. Reads a day again if it changed or, at first, if
//!   the known ids don't account for it.

use futures::future::{BoxFuture, join_all};

use super::{again::LastRead, error::ReadError, lanes::Lanes};

impl Lanes {
    /// Reads until reading should end or, with `once`, until everything up to `start` is read.
    ///
    /// A lane is never cancelled midway: it ends between two chunks once the shutdown begins.
    pub async fn run(&self, start: i64, last: LastRead) -> Result<(), ReadError> {
        let lane = async |lane: BoxFuture<'_, Result<(), ReadError>>| {
            let result = lane.await;
            if result.is_err() {
                self.context.shutdown.cancel();
            }
            result
        };
        let reading = async {
            // Several history lanes: while some wait for the first or the last page of their slices, the others keep
            // the connections busy.
            let number = (self.context.settings.concurrency / 4).clamp(2, 4);
            let histories = (0..number).map(|_| lane(Box::pin(self.history())));
            let results = tokio::join!(lane(Box::pin(self.live(start, last))), join_all(histories));
            // Only `once` gets here without an error. It skips sweeps and audits, except those that were due.
            self.context.shutdown.cancel();
            results
        };
        let again = async {
            // Then `live` runs those that are due.
            if self.once && self.context.settings.again_with_once {
                return (Ok(()), Ok(()));
            }
            tokio::join!(lane(Box::pin(self.sweeps(last))), lane(Box::pin(self.audits(last))))
        };
        let ((live, histories), (sweeps, audits)) = tokio::join!(reading, again);
        let ended = |result: Result<(), ReadError>| match result {
            Err(ReadError::Ending) => Ok(()),
            result => result,
        };
        [live, sweeps, audits].into_iter().chain(histories).try_for_each(ended)
    }
}
