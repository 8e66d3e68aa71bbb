//! What to do with a partition, by what is seen of it.

use std::time::Duration;

use tokio::time::Instant;

use super::super::names::Times;
use crate::azure::blob::Lease;

/// What this process has of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing.
    None,
    /// The lease.
    Held,
    /// The lease, of which another process has made something else.
    Lost,
    /// The lease, while what was read is delivered before it goes to another replica.
    HandingOver {
        /// Since when.
        since: Instant,
    },
}

/// What is seen of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The lease, as the list of blobs has it.
    pub lease: Lease,
    /// Since when it is free, as far as this process has seen.
    pub free_since: Option<Instant>,
    /// Whether this replica is to read it.
    pub is_own: bool,
    /// Whether a source of this process reads it or wants to.
    pub is_wanted: bool,
    /// Whether the replica that it belongs to waits for it.
    pub is_asked_back: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it is as it should be, or another process has it.
    Nothing,
    /// Take it: it belongs to this replica.
    Take,
    /// Take it for the replica that it belongs to, which doesn't.
    TakeOver,
    /// End reading, so that it can be handed over.
    EndReading,
    /// Release it.
    Release,
    /// Forget what this process had.
    Forget,
}

/// How long what was read may take until it is delivered, when a partition is handed over.
pub(super) fn drain(times: &Times) -> Duration {
    times.duration / 3
}

/// How long a partition is left to its own replica, which may be restarting, before another one takes it over. After a crash
/// the lease has lasted for that long already.
pub(super) fn patience(times: &Times, lease: Lease) -> Duration {
    if lease == Lease::Free { times.duration / 2 } else { times.look / 2 }
}

/// Decides.
pub(super) fn step(hold: Hold, seen: &Seen, now: Instant, times: &Times) -> Step {
    match hold {
        Hold::Lost => Step::Forget,
        Hold::HandingOver { since } => {
            let is_over = now.saturating_duration_since(since) >= drain(times);
            if is_over || !seen.is_wanted { Step::Release } else { Step::Nothing }
        }
        Hold::Held if !seen.is_wanted => Step::Release,
        Hold::Held if !seen.is_own && seen.is_asked_back => Step::EndReading,
        Hold::Held => Step::Nothing,
        Hold::None if !seen.is_wanted || seen.lease == Lease::Held => Step::Nothing,
        Hold::None if seen.is_own => Step::Take,
        Hold::None => {
            let since = seen.free_since.map(|since| now.saturating_duration_since(since));
            // Its own replica is there, and takes it at its next look.
            let is_orphan = !seen.is_asked_back && since.is_some_and(|since| since >= patience(times, seen.lease));
            if is_orphan { Step::TakeOver } else { Step::Nothing }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(seconds: u64, now: Instant) -> Seen {
        let free_since = now.checked_sub(Duration::from_secs(seconds));
        Seen { lease: Lease::Free, free_since, is_own: false, is_wanted: true, is_asked_back: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_goes_to_its_own_replica_and_else_to_the_one_that_is_there() {
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let (now, times) = (Instant::now(), Times::of(Duration::from_secs(60)));
        let decided = |hold, seen: Seen| step(hold, &seen, now, &times);
        let own = Seen { is_own: true, ..free(0, now) };
        assert_eq!(decided(Hold::None, own), Step::Take);
        assert_eq!(decided(Hold::None, Seen { lease: Lease::Held, ..own }), Step::Nothing);
        assert_eq!(decided(Hold::None, Seen { is_wanted: false, ..own }), Step::Nothing);
        // Its own replica may be restarting.
        assert_eq!(decided(Hold::None, free(20, now)), Step::Nothing);
        assert_eq!(decided(Hold::None, free(23, now)), Step::TakeOver);
        let asked_back = Seen { is_asked_back: true, ..free(23, now) };
        assert_eq!(decided(Hold::None, asked_back), Step::Nothing);
        // A lease that expired was left by a crash.
        let crashed = Seen { lease: Lease::Expired, ..free(0, now) };
        assert_eq!(decided(Hold::None, crashed), Step::Nothing);
        assert_eq!(decided(Hold::None, Seen { lease: Lease::Expired, ..free(3, now) }), Step::TakeOver);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_over_goes_back_when_its_own_replica_asks() {
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let (now, times) = (Instant::now(), Times::of(Duration::from_secs(60)));
        let decided = |hold, seen: Seen| step(hold, &seen, now, &times);
        let held = Seen { lease: Lease::Held, free_since: None, ..free(0, now) };
        let asked_back = Seen { is_asked_back: true, ..held };
        assert_eq!(decided(Hold::Held, held), Step::Nothing);
        assert_eq!(decided(Hold::Held, asked_back), Step::EndReading);
        // Two replicas that both count it as their own would hand it back and forth.
        assert_eq!(decided(Hold::Held, Seen { is_own: true, ..asked_back }), Step::Nothing);
        assert_eq!(decided(Hold::Held, Seen { is_wanted: false, ..held }), Step::Release);
        assert_eq!(decided(Hold::HandingOver { since: now }, asked_back), Step::Nothing);
        let since = now.checked_sub(Duration::from_secs(15)).expect("a time");
        assert_eq!(decided(Hold::HandingOver { since }, asked_back), Step::Release);
        assert_eq!(decided(Hold::Lost, held), Step::Forget);
    }
}
