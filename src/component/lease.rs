//! Whether this process may still read and commit a source.

use std::{future::pending, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use nordpass_env::Clock;

/// Tells a source whether this process may read it. Cheap to clone.
///
/// A state on the local disk is held as long as the process lives. One in shared storage is held by a lease, and a lease
/// that couldn't be renewed ends. A reader checks [`LeaseGuard::held`] before each request and gives up when
/// [`LeaseGuard::ended`] resolves, which is before another process can get the lease.
#[derive(Clone)]
pub struct LeaseGuard {
    shared: Option<Arc<Shared>>,
    /// A lease that this one depends on.
    outer: Option<Arc<LeaseGuard>>,
}

/// Keeps a [`LeaseGuard`] up to date.
#[derive(Clone)]
pub struct LeaseKeeper(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    state: watch::Sender<LeaseState>,
}

/// The state of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Held for this time. By both clocks: a machine that slept may have missed it on one of them.
    Held {
        /// From then on: the former holder of a broken lease may not have noticed yet.
        from: Instant,
        /// The end, in monotonic time.
        until: Instant,
        /// The same end, by the wall clock.
        until_time: Timestamp,
    },
    /// Possibly no longer held, and why; it may come back.
    Unsure(String),
    /// It still is, but for commits alone: another process waits to read from here on.
    HandedOver,
    /// Another process has gone on from here. This process's view of the source is out of date for good.
    Lost,
}

/// When a lease was requested that was then granted: it ends no earlier than its duration after that.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequested {
    /// In monotonic time.
    pub at: Instant,
    /// By the wall clock.
    pub time: Timestamp,
}

impl LeaseState {
    /// Held until it is set to something else.
    pub fn for_good() -> Self {
        let from = Instant::now();
        // Some thirty years: a later `Instant` may not exist.
        let until = from + Duration::from_secs(1 << 30);
        Self::Held { from, until, until_time: Timestamp::MAX }
    }
}

impl LeaseRequested {
    /// To be taken before the request is sent.
    pub fn now(clock: &dyn Clock) -> Self {
        Self { at: Instant::now(), time: clock.now() }
    }

    /// Held from `from` on, for `lasts` by whichever clock is faster. `lasts` has to be less than the lease's duration:
    /// clocks drift, and a request takes time.
    pub fn state(self, from: Instant, lasts: Duration) -> LeaseState {
        let until_time = self.time.checked_add(lasts).unwrap_or(Timestamp::MAX);
        LeaseState::Held { from, until: self.at + lasts, until_time }
    }
}

impl LeaseGuard {
    /// Held as long as the process lives.
    pub fn always() -> Self {
        Self { shared: None, outer: None }
    }

    /// The same, but held only while `outer` is held, too, and lost with it.
    #[must_use]
    pub fn within(self, outer: Self) -> Self {
        Self { outer: Some(Arc::new(outer)), ..self }
    }

    /// Whether it is held by a lease, which can end.
    pub fn can_end(&self) -> bool {
        self.shared.is_some() || self.outer.is_some()
    }

    /// Whether it is held now.
    pub fn is_held(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.is_held()) && self.outer.as_ref().is_none_or(|it| it.is_held())
    }

    /// Resolves once it is held; never when it is lost.
    pub async fn held(&self) {
        while !self.is_held() {
            if let Some(outer) = &self.outer {
                Box::pin(outer.held()).await;
            }
            if let Some(shared) = &self.shared {
                shared.held().await;
            }
        }
    }

    /// Resolves once it is no longer certainly held.
    pub async fn ended(&self) {
        let own = async {
            match &self.shared {
                Some(shared) => shared.ended().await,
                None => pending().await,
            }
        };
        let Some(outer) = &self.outer else { return own.await };
        tokio::select! {
            () = own => {}
            () = Box::pin(outer.ended()) => {}
        }
    }

    /// Whether it is lost for good.
    pub fn is_lost(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| *shared.state.borrow() == LeaseState::Lost)
            || self.outer.as_ref().is_some_and(|outer| outer.is_lost())
    }

    /// Resolves when it is lost for good.
    pub async fn lost(&self) {
        let own = async {
            match &self.shared {
                Some(shared) => drop(shared.state.subscribe().wait_for(|state| *state == LeaseState::Lost).await),
                None => pending().await,
            }
        };
        let Some(outer) = &self.outer else { return own.await };
        tokio::select! {
            () = own => {}
            () = Box::pin(outer.lost()) => {}
        }
    }

    /// Why it isn't held, in a sentence.
    pub fn reason(&self) -> String {
        let is_own = self.shared.as_ref().is_some_and(|shared| !shared.is_held());
        if let Some(outer) = self.outer.as_ref().filter(|_| !is_own) {
            return outer.reason();
        }
        let state = self.shared.as_ref().map(|shared| shared.state.borrow().clone());
        match state {
            Some(LeaseState::HandedOver) => {
                "this replica hands the source over to the one that it belongs to".to_owned()
            }
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
    /// A keeper and the guard that it keeps up to date, unsure at first.
    pub fn new(clock: Arc<dyn Clock>) -> (Self, LeaseGuard) {
        let state = watch::Sender::new(LeaseState::Unsure("it hasn't been tried yet".to_owned()));
        let shared = Arc::new(Shared { clock, state });
        (Self(shared.clone()), LeaseGuard { shared: Some(shared), outer: None })
    }

    /// Returns whether the lease is held now.
    pub fn is_held(&self) -> bool {
        self.0.is_held()
    }

    /// Sets the state. What is lost stays lost.
    pub fn set(&self, state: LeaseState) {
        self.0.state.send_if_modified(|current| {
            let changes = *current != LeaseState::Lost;
            if changes {
                *current = state;
            }
            changes
        });
    }
}

impl Shared {
    /// Resolves once it is held; never when it is lost.
    async fn held(&self) {
        let mut state = self.state.subscribe();
        loop {
            let begins = match &*state.borrow_and_update() {
                LeaseState::Held { from, .. } => Some(*from),
                LeaseState::Unsure(_) | LeaseState::HandedOver | LeaseState::Lost => None,
            };
            if self.is_held() {
                return;
            }
            match begins.filter(|begins| *begins > Instant::now()) {
                Some(begins) => drop(timeout_at(begins, state.changed()).await),
                None => drop(state.changed().await),
            }
        }
    }

    /// Resolves once it is no longer certainly held.
    async fn ended(&self) {
        let mut state = self.state.subscribe();
        loop {
            let LeaseState::Held { until, .. } = *state.borrow_and_update() else { return };
            if !self.is_held() {
                return;
            }
            let _ = timeout_at(until, state.changed()).await;
        }
    }

    fn is_held(&self) -> bool {
        let (now, time) = (Instant::now(), self.clock.now());
        match &*self.state.borrow() {
            LeaseState::Held { from, until, until_time } => *from <= now && now < *until && time < *until_time,
            LeaseState::Unsure(_) | LeaseState::HandedOver | LeaseState::Lost => false,
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

    /// While a machine sleeps, its monotonic clock stops and its wall clock doesn't.
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
