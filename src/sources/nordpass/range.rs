//! The lane of `backfill` and `reconcile`: reads one given range once.
//!
//! Known events are dropped as usual, so only the difference is delivered. Only the ids of delivered events are
//! committed: the live cursor, the covered times and the sweeps don't change.

use std::{collections::VecDeque, ops::Range, sync::atomic::Ordering};

use super::{error::ReadError, lanes::Lanes, mode::ReadMode, query::Priority, slice::FIRST_SLICE, time::DAY};
use crate::http::{Again, Failure, Retry};
use nordpass_env::Mutex;

/// Maximum tries for unreadable seconds before the command fails.
const TRIES: u32 = 5;

/// The part of a range that is still to be read.
#[derive(Default)]
struct Rest {
    pieces: VecDeque<Range<i64>>,
    unreadable: Vec<Range<i64>>,
    /// How often the unreadable pieces were retried.
    tries: u32,
}

impl Lanes {
    /// Reads a range day by day. Retries unreadable seconds once all others are read.
    pub(super) async fn range(&self, range: Range<i64>, mode: &ReadMode) -> Result<(), ReadError> {
        let progress = self.context.telemetry.progress();
        progress.history_from.store(range.start, Ordering::Relaxed);
        progress.history_to.store(range.end, Ordering::Relaxed);
        let rest = Mutex::new(Rest { pieces: days(&range), ..Rest::default() });
        let retry = Retry::logged(&self.context.env);
        while retry.run(self.context.ending(), || self.read_piece(&rest, mode)).await? {}
        self.context.shutdown.cancel();
        Ok(())
    }

    /// Reads the next piece. Returns whether there was one.
    async fn read_piece(&self, rest: &Mutex<Rest>, mode: &ReadMode) -> Result<bool, Failure<ReadError>> {
        let rest = || rest.lock();
        self.wait_for_the_committer().await?;
        let Some(piece) = rest().pieces.pop_front() else { return Ok(false) };
        let group = self.commits.group();
        let read = self.read_slices(piece.clone(), Priority::History, group, FIRST_SLICE).await?;
        self.commits.close(group, Vec::new(), read.awaited);
        // What an outage left out is read and counted later.
        let end = read.outage.map_or(read.end, |outage| outage.start);
        self.context.telemetry.progress().history_at.store(end, Ordering::Relaxed);
        if let ReadMode::Compare(_, counts) = mode {
            let known = self.dedup.known(piece.start..end).await?.len() as u64;
            counts.known.fetch_add(known, Ordering::Relaxed);
            counts.acknowledged.fetch_add(read.acknowledged, Ordering::Relaxed);
            counts.unproven.fetch_or(!read.unproven.is_empty(), Ordering::Relaxed);
        }
        let mut rest = rest();
        rest.unreadable.extend(read.unreadable);
        // An outage, or the server's clock isn't that far yet: the rest waits.
        if end < piece.end {
            rest.pieces.push_front(end..piece.end);
            return Err(Again::default().into());
        }
        let Some(first) = rest.unreadable.first().filter(|_| rest.pieces.is_empty()) else { return Ok(true) };
        if rest.tries + 1 == TRIES {
            let reason = format!(
                "can't read {} seconds, the first at {} (Unix time); the others were read",
                rest.unreadable.len(),
                first.start
            );
            return Err(ReadError::Unreadable(reason).into());
        }
        rest.tries += 1;
        rest.pieces = std::mem::take(&mut rest.unreadable).into();
        Err(Again::default().into())
    }
}

/// Splits a range into UTC days.
fn days(range: &Range<i64>) -> VecDeque<Range<i64>> {
    let mut days = VecDeque::new();
    let mut at = range.start;
    while at < range.end {
        let end = ((at.div_euclid(DAY) + 1) * DAY).min(range.end);
        days.push_back(at..end);
        at = end;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_by_utc_days() {
        assert_eq!(days(&(10..20)), vec![Range { start: 10, end: 20 }]);
        assert_eq!(days(&(DAY - 1..2 * DAY + 1)), [DAY - 1..DAY, DAY..2 * DAY, 2 * DAY..2 * DAY + 1]);
        assert!(days(&(5..5)).is_empty());
    }
}
