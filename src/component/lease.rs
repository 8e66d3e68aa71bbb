//! Whether a source may still be read and committed by this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use nordpass_env::Clock;

/// Tells a source whether it is this process's to read. Cheap to clone.
///
/// A state on the local disk is held as long as the process lives. One in shared storage is held by a lease, and a lease
/// that couldn't be renewed ends: whoever reads the source asks [`LeaseGuard::held`] before each request and gives up when
/// [`LeaseGuard::ended`] resolves, which is before another process can get the lease.
#[derive(Clone)]
pub struct LeaseGuard(Option<Arc<Shared>>);

/// Keeps a [`LeaseGuard`] up to date.
pub struct LeaseKeeper(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<LeaseState>,
    changed: Notify,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Held for this time. By both clocks: a machine that slept may have missed it on one of them.
    Held {
        /// From then on: a lease that was broken may still be somebody else's belief.
        from: Instant,
        /// The end, in the time that passes.
        until: Instant,
        /// The same end, as the time of day.
        until_time: Timestamp,
    },
    /// Perhaps not held any more, and why; it may come back.
    Unsure(String),
    /// Another process has gone on from here. This one's picture of the source is out of date for good.
    Lost,
}

/// When a lease was asked for that was then given: it ends no earlier than its duration after that.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequested {
    /// In the time that passes.
    pub at: Instant,
    /// As the time of day.
    pub time: Timestamp,
}

impl LeaseRequested {
    /// To be noted before the request is sent.
    pub fn now(clock: &dyn Clock) -> Self {
        Self { at: Instant::now(), time: clock.now() }
    }

    /// Held from `from` on, until it `lasts` no longer by one of both clocks. That has to be less than the lease's
    /// duration: clocks run differently, and a request may be under way.
    pub fn state(self, from: Instant, lasts: Duration) -> LeaseState {
        let until_time = self.time.checked_add(lasts).unwrap_or(Timestamp::MAX);
        LeaseState::Held { from, until: self.at + lasts, until_time }
    }
}

impl LeaseGuard {
    /// Held as long as the process lives.
    pub fn always() -> Self {
        Self(None)
    }

    /// Whether it is held by a lease, which can end.
    pub fn can_end(&self) -> bool {
        self.0.is_some()
    }

    /// Whether it is held now.
    pub fn is_held(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| shared.is_held())
    }

    /// Resolves once it is held; never when it is lost.
    pub async fn held(&self) {
        let Some(shared) = &self.0 else { return };
        loop {
            let changed = shared.changed.notified();
            if shared.is_held() {
                return;
            }
            let begins = match &*shared.state() {
                LeaseState::Held { from, .. } if *from > Instant::now() => Some(*from),
                _ => None,
            };
            match begins {
                Some(begins) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = tokio::time::sleep_until(begins) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Resolves once it isn't held for certain any more.
    pub async fn ended(&self) {
        let Some(shared) = &self.0 else { return std::future::pending().await };
        loop {
            let changed = shared.changed.notified();
            let until = match &*shared.state() {
                LeaseState::Held { until, .. } => *until,
                _ => return,
            };
            if !shared.is_held() {
                return;
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Whether it is lost for good.
    pub fn is_lost(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| *shared.state() == LeaseState::Lost)
    }

    /// Resolves when it is lost for good.
    pub async fn lost(&self) {
        let Some(shared) = &self.0 else { return std::future::pending().await };
        loop {
            let changed = shared.changed.notified();
            if *shared.state() == LeaseState::Lost {
                return;
            }
            changed.await;
        }
    }

    /// Why it isn't held, in a sentence.
    pub fn reason(&self) -> String {
        let state = self.0.as_ref().map(|shared| shared.state().clone());
        match state {
            Some(LeaseState::Unsure(reason)) => format!("the lease on this source can't be renewed: {reason}"),
            Some(LeaseState::Lost) => "another process has taken over this source".to_owned(),
            Some(LeaseState::Held { from, .. }) if from > Instant::now() => {
                "this source's lease was broken: waiting until its former holder has noticed".to_owned()
            }
            _ => "the lease on this source hasn't been renewed in time".to_owned(),
        }
    }
}

impl LeaseKeeper {
    /// A holder and the hold that it keeps, unsure at first.
    pub fn new(clock: Arc<dyn Clock>) -> (Self, LeaseGuard) {
        let state = Mutex::new(LeaseState::Unsure("it hasn't been tried yet".to_owned()));
        let shared = Arc::new(Shared { clock, state, changed: Notify::new() });
        (Self(shared.clone()), LeaseGuard(Some(shared)))
    }

    /// Says how it stands. What is lost stays lost.
    pub fn set(&self, state: LeaseState) {
        {
            let mut current = self.0.state();
            if *current == LeaseState::Lost {
                return;
            }
            *current = state;
        }
        self.0.changed.notify_waiters();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, LeaseState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_held(&self) -> bool {
        let (now, time) = (Instant::now(), self.clock.now());
        match &*self.state() {
            LeaseState::Held { from, until, until_time } => *from <= now && now < *until && time < *until_time,
            LeaseState::Unsure(_) | LeaseState::Lost => false,
        }
    }
}

impl std::fmt::Debug for LeaseGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LeaseGuard({})", self.is_held())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nordpass_env::TestClock;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn held(clock: &TestClock, from: u64, until: u64, until_time: u64) -> LeaseState {
        let now = Instant::now();
        let until_time = clock.now().checked_add(seconds(until_time)).expect("a time");
        LeaseState::Held { from: now + seconds(from), until: now + seconds(until), until_time }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_begins_and_ends_by_itself() {
        let clock = TestClock::starting_at(Timestamp::UNIX_EPOCH);
        let (holder, lease_guard) = LeaseKeeper::new(Arc::new(clock.clone()));
        assert!(!lease_guard.is_held());
        holder.set(held(&clock, 10, 40, 40));
        let began = Instant::now();
        lease_guard.held().await;
        assert_eq!(began.elapsed(), seconds(10));
        lease_guard.ended().await;
        assert_eq!(began.elapsed(), seconds(40));
        assert!(!lease_guard.is_held());
    }

    /// A machine that sleeps: its time that passes stands still, its time of day doesn't.
    #[tokio::test(start_paused = true)]
    async fn the_earlier_of_both_clocks_ends_it() {
        let clock = TestClock::starting_at(Timestamp::UNIX_EPOCH);
        let (holder, lease_guard) = LeaseKeeper::new(Arc::new(clock.clone()));
        holder.set(held(&clock, 0, 40, 5));
        assert!(lease_guard.is_held());
        tokio::time::sleep(seconds(6)).await;
        assert!(!lease_guard.is_held());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_stays_lost() {
        let clock = TestClock::starting_at(Timestamp::UNIX_EPOCH);
        let (holder, lease_guard) = LeaseKeeper::new(Arc::new(clock.clone()));
        holder.set(held(&clock, 0, 40, 40));
        let waiting = tokio::spawn({
            let lease_guard = lease_guard.clone();
            async move { lease_guard.lost().await }
        });
        tokio::task::yield_now().await;
        holder.set(LeaseState::Lost);
        holder.set(held(&clock, 0, 40, 40));
        waiting.await.expect("told");
        lease_guard.ended().await;
        assert!(!lease_guard.is_held());
    }
}
