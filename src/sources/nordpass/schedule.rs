//! What is read when: live polls, history, sweeps and the audit, side by side.
//!
//! - **Live**: every `poll_interval` from the last poll's end minus `overlap` to now minus `lag`. After an outage it
//!   doesn't work the backlog off: it hands it to the history and stays with the present.
//! - **History**: what isn't covered, oldest first: the first connection's look-back, backlogs, slices that couldn't be
//!   read (again and again, ever more narrowly, with growing pauses).
//! - **Sweeps**: the last 24 hours each hour, the last 7 days each day, for events that became visible late.
//! - **Audit**: once a day the `total` of each of the last 90 days; a day that changed, or that the known ids don't account
//!   for at first, is read again.

use futures::future::{BoxFuture, join_all};

use super::{again::LastRead, error::ReadError, lanes::Lanes};

impl Lanes {
    /// Reads until it is to end or, with `once`, until everything up to `start` is read.
    ///
    /// A lane is never cut off in the middle: it ends between two chunks once the shutdown begins.
    pub async fn run(&self, start: i64, last: LastRead) -> Result<(), ReadError> {
        let lane = async |lane: BoxFuture<'_, Result<(), ReadError>>| {
            let result = lane.await;
            if result.is_err() {
                self.context.shutdown.cancel();
            }
            result
        };
        let reading = async {
            // Several readings of the history side by side: while some learn how many pages their slices have, or wait for
            // the last of them, the others keep the connections busy.
            let number = (self.context.settings.concurrency / 4).clamp(2, 4);
            let histories = (0..number).map(|_| lane(Box::pin(self.history())));
            let results = tokio::join!(lane(Box::pin(self.live(start, last))), join_all(histories));
            // Only `once` comes here without an error. Sweeps and audits are left aside then, but for those that were due.
            self.context.shutdown.cancel();
            results
        };
        let again = async {
            // Then `live` makes those that are due.
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
