//! What the lanes share: each reads another part of the time, and they go side by side.

use std::{ops::Range, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    backlog::Backlog, client::Client, commit_queue::CommitSender, context::ReadContext, dedup::Dedup, error::ReadError,
    reader::Reader, state::State,
};

/// The pause before an unproven slice is read again, more narrowly; each further one is twice as long.
pub const FIRST_DOUBT: Duration = Duration::from_secs(60);
/// After a longer pause than this it is left to the sweeps.
const LAST_DOUBT: Duration = Duration::from_secs(3600);

/// All reading of one source.
pub struct Lanes {
    /// What they share with the rest of the reading code.
    pub context: Arc<ReadContext>,
    /// Reads slices.
    pub reader: Reader,
    /// The API.
    pub client: Arc<Client>,
    /// The ids that are known.
    pub dedup: Arc<Dedup>,
    /// Where changes of the state go.
    pub commits: CommitSender,
    /// The state as committed.
    pub state: watch::Receiver<State>,
    /// `run --once`.
    pub once: bool,
    /// What is still to be read, besides the live end.
    pub backlog: Backlog,
}

impl Lanes {
    /// Sleeps, unless reading is to end; and longer while the state can't be written.
    pub async fn sleep(&self, time: Duration) -> Result<(), ReadError> {
        self.context.sleep(time).await?;
        self.wait_for_the_committer().await
    }

    /// Waits while the state can't be written, unless reading is to end.
    pub async fn wait_for_the_committer(&self) -> Result<(), ReadError> {
        while self.commits.is_behind() {
            self.context.sleep(Duration::from_secs(1)).await?;
        }
        Ok(())
    }

    /// Reports that answers can't be read.
    pub fn unreadable(&self, reason: &str) {
        let reason = format!("can't read NordPass's responses: {reason}");
        self.context.telemetry.status().waiting(&reason, self.context.env.clock.now());
    }

    /// A slice that was read and isn't proven has more events than were seen, or the API's `total` is wrong. An order
    /// that changes from answer to answer can use up what a slice may cost, so it is read again in halves, a few times
    /// and ever more rarely; unless nothing can be proven here, which says that `total` is wrong. Then the sweeps have it.
    pub fn doubt(&self, range: Range<i64>, waited: Option<Duration>) {
        let wait = waited.map_or(FIRST_DOUBT, |wait| wait * 2);
        if wait <= LAST_DOUBT && !self.reader.distrusts() {
            // With `once` there are no sweeps to wait for: what can be proven is proven now.
            self.backlog.doubt(range, wait, self.once);
        }
    }
}
