//! The rate limit, shared by live polls and all other requests, and their order.
//!
//! Requests keep an interval. Live polls go first, but every fourth turn goes to other requests that wait. Otherwise an
//! unstable order, which takes many queries for each poll, could keep the history waiting forever.

use std::{collections::VecDeque, time::Duration};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::query::Priority;
use nordpass_env::Mutex;

/// Maximum turns of live polls in a row while others wait.
const LIVE_IN_A_ROW: u32 = 3;

/// How late a timer may fire on a machine of normal speed.
const LATE: Duration = Duration::from_millis(2);

/// Limits the requests of one source.
pub struct RateLimiter {
    /// Minimum time between two requests.
    interval: Duration,
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    /// When the next request may be sent.
    next: Instant,
    /// No request is sent before this, after a 429.
    paused_until: Instant,
    live: VecDeque<u64>,
    others: VecDeque<u64>,
    /// Live turns since the last turn of another request.
    in_a_row: u32,
    tickets: u64,
}

/// A request's position in the queue; given up when dropped.
struct Ticket<'a> {
    limiter: &'a RateLimiter,
    number: u64,
}

impl RateLimiter {
    /// Creates a limiter for this many requests a second.
    pub fn new(requests_per_second: u32) -> Self {
        let now = Instant::now();
        let inner = Inner {
            next: now,
            paused_until: now,
            live: VecDeque::new(),
            others: VecDeque::new(),
            in_a_row: 0,
            tickets: 0,
        };
        Self {
            interval: Duration::from_secs(1) / requests_per_second.max(1),
            inner: Mutex::new(inner),
            changed: Notify::new(),
        }
    }

    /// Holds all requests back until then.
    pub fn pause(&self, until: Instant) {
        self.inner.lock().paused_until = until;
    }

    /// Resolves when it is this request's turn.
    pub async fn take(&self, priority: Priority) {
        let ticket = self.ticket(priority);
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Register before looking, so that no change is missed.
            changed.as_mut().enable();
            let due = {
                let mut inner = self.inner.lock();
                let due = inner.next.max(inner.paused_until);
                let is_first = inner.first() == Some(ticket.number);
                let now = Instant::now();
                if is_first && due <= now {
                    // Make up for timers that fire up to a millisecond late, but not for idle time.
                    let late = now.saturating_duration_since(due).min(LATE.min(self.interval));
                    inner.next = now + self.interval - late;
                    inner.in_a_row = if priority == Priority::Live { inner.in_a_row + 1 } else { 0 };
                    return;
                }
                is_first.then_some(due)
            };
            match due {
                Some(due) => tokio::select! {
                    biased;
                    () = sleep_until(due) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    fn ticket(&self, priority: Priority) -> Ticket<'_> {
        let number = {
            let mut inner = self.inner.lock();
            inner.tickets += 1;
            let number = inner.tickets;
            if priority == Priority::Live { &mut inner.live } else { &mut inner.others }.push_back(number);
            number
        };
        // A live poll may have become the first.
        self.changed.notify_waiters();
        Ticket { limiter: self, number }
    }
}

impl Inner {
    fn first(&self) -> Option<u64> {
        let (live, other) = (self.live.front(), self.others.front());
        if self.in_a_row < LIVE_IN_A_ROW { live.or(other) } else { other.or(live) }.copied()
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut inner = self.limiter.inner.lock();
        inner.live.retain(|number| *number != self.number);
        inner.others.retain(|number| *number != self.number);
        drop(inner);
        self.limiter.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The turns, and after how many milliseconds, when all these request at once and in a loop.
    async fn turns(requests_per_second: u32, askers: &[Priority], total: usize) -> Vec<(Priority, u128)> {
        let limiter = Arc::new(RateLimiter::new(requests_per_second));
        let (start, had) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = tokio::task::JoinSet::new();
        for priority in askers.iter().copied() {
            let (limiter, had) = (limiter.clone(), had.clone());
            tasks.spawn(async move {
                loop {
                    limiter.take(priority).await;
                    had.lock().push((priority, start.elapsed().as_millis()));
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(1) / requests_per_second * u32::try_from(total).expect("small")).await;
        tasks.shutdown().await;
        let mut had = had.lock().clone();
        had.truncate(total);
        had
    }

    #[tokio::test(start_paused = true)]
    async fn requests_keep_their_distance_whatever_their_priority() {
        for askers in [&[Priority::Live; 5][..], &[Priority::History; 5], &[Priority::Live, Priority::History]] {
            let had = turns(10, askers, 10).await;
            assert!(had.iter().zip(0..).all(|((_, at), number)| *at >= number * 100), "{had:?}");
            assert!(had.last().expect("turns").1 <= 1_020, "none is wasted: {had:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_is_not_saved_up() {
        let limiter = RateLimiter::new(1);
        limiter.take(Priority::History).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        limiter.take(Priority::History).await;
        let first = Instant::now();
        limiter.take(Priority::History).await;
        assert!(first.elapsed() >= Duration::from_millis(998), "{:?}", first.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn live_polls_go_first_and_starve_no_other() {
        let had = turns(10, &[Priority::History, Priority::History, Priority::Live, Priority::Live], 40).await;
        let others = had.iter().filter(|(priority, _)| *priority == Priority::History).count();
        assert!((9..=12).contains(&others), "a fourth of 40: {others}");
        let alone = turns(10, &[Priority::History], 20).await;
        assert_eq!(alone.len(), 20, "every turn where no other request waits");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_for_all_and_a_request_that_is_given_up_holds_up_none() {
        let limiter = RateLimiter::new(1);
        limiter.pause(Instant::now() + Duration::from_secs(20));
        let start = Instant::now();
        assert!(tokio::time::timeout(Duration::from_secs(5), limiter.take(Priority::Live)).await.is_err());
        limiter.take(Priority::History).await;
        assert_eq!(start.elapsed().as_secs(), 20);
    }
}
