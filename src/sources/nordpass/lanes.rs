//! What the lanes share. Each lane reads a different part of the time, in parallel with the others.

use std::{ops::Range, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    backlog::Backlog, client::Client, commit_queue::CommitSender, context::ReadContext, dedup::Dedup, error::ReadError,
    reader::Reader, state::State,
};

/// Pause before an unproven slice is read again, more narrowly. It doubles each time.
pub const FIRST_DOUBT: Duration = Duration::from_secs(60);
/// Above this pause, the slice is left to the sweeps.
const LAST_DOUBT: Duration = Duration::from_secs(3600);

/// All lanes of one source.
pub struct Lanes {
    /// Shared with the rest of the reading code.
    pub context: Arc<ReadContext>,
    /// Reads slices.
    pub reader: Reader,
    /// The API.
    pub client: Arc<Client>,
    /// Knows which ids aren't new.
    pub dedup: Arc<Dedup>,
    /// Receives changes of the state.
    pub commits: CommitSender,
    /// The committed state.
    pub state: watch::Receiver<State>,
    /// `run --once`.
    pub once: bool,
    /// What remains to be read, apart from the newest events.
    pub backlog: Backlog,
}

impl Lanes {
    /// Sleeps unless reading should end. Sleeps longer while the state can't be written.
    pub async fn sleep(&self, time: Duration) -> Result<(), ReadError> {
        self.context.sleep(time).await?;
        self.wait_for_the_committer().await
    }

    /// Waits while the state can't be written, unless reading should end.
    pub async fn wait_for_the_committer(&self) -> Result<(), ReadError> {
        while self.commits.is_behind() {
            self.context.sleep(Duration::from_secs(1)).await?;
        }
        Ok(())
    }

    /// Reports that responses can't be read.
    pub fn unreadable(&self, reason: &str) {
        let reason = format!("can't read NordPass's responses: {reason}");
        self.context.telemetry.status().waiting(&reason, self.context.env.clock.now());
    }

    /// Schedules an unproven slice to be read again in halves, a few times and less and less often. Either events are
    /// missing, because a changing order can use up a slice's budget, or the API's `total` is wrong. If nothing can be
    /// proven here, `total` is wrong, and the sweeps take over.
    pub fn doubt(&self, range: Range<i64>, waited: Option<Duration>) {
        let wait = waited.map_or(FIRST_DOUBT, |wait| wait * 2);
        if wait <= LAST_DOUBT && !self.reader.distrusts() {
            // With `once` no sweeps follow, so prove now what can be proven.
            self.backlog.doubt(range, wait, self.once);
        }
    }
}
