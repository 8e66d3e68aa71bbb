//! Keeps a lease: renews it in time, and tells its guards before it can have ended.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::lease::{LeaseKeeper, LeaseRequested, LeaseState};
use crate::http::{Again, Failure, Retry};
use nordpass_env::Env;

/// When a lease is renewed. All times count from the request that it was granted for.
#[derive(Clone, Copy, Debug)]
pub struct RenewalSchedule {
    /// When it is renewed.
    pub renew_after: Duration,
    /// How long the holder relies on it. Less than its duration: clocks drift, and a request takes time.
    pub lasts: Duration,
    /// The longest wait between two attempts.
    pub longest_wait: Duration,
}

/// What an attempt to renew a lease came to.
pub enum Renewal {
    /// It is held.
    Held(LeaseRequested),
    /// It may not be, and why. It lasts for the time that it was granted for.
    Unsure(String),
    /// It has ended, or may have, and why: another process may have had it in between.
    Ended(String),
    /// Another process has it.
    Lost,
}

impl LeaseKeeper {
    /// Renews a lease until it is lost, or until `renew` returns `None` because it is no longer needed. It counts as
    /// held from now on, but not before `from`. `renew` gets whether the lease has ended and has to be taken again.
    pub fn keep<F: Future<Output = Option<Renewal>> + Send>(
        self,
        env: Env,
        schedule: RenewalSchedule,
        from: Instant,
        mut granted: LeaseRequested,
        renew: impl Fn(bool) -> F + Send + Sync,
    ) -> impl Future<Output = ()> + Send {
        self.set(granted.state(from, schedule.lasts));
        async move {
            let retry = Retry::logged(&env).at_most(schedule.longest_wait);
            let ended = AtomicBool::new(false);
            loop {
                sleep_until(granted.at + schedule.renew_after).await;
                let attempt = || async {
                    let renewal = renew(ended.load(Ordering::Relaxed)).await;
                    self.renewed(renewal, from, &ended)
                };
                let Ok(renewed) = retry.run(pending(), attempt).await else { return };
                granted = renewed;
                ended.store(false, Ordering::Relaxed);
                self.set(granted.state(from, schedule.lasts));
            }
        }
    }

    fn renewed(
        &self,
        renewal: Option<Renewal>,
        from: Instant,
        ended: &AtomicBool,
    ) -> Result<LeaseRequested, Failure<()>> {
        match renewal {
            Some(Renewal::Held(granted)) => Ok(granted),
            Some(Renewal::Unsure(reason)) => {
                // Only when its time is over is it given up.
                if !self.is_held() && Instant::now() >= from {
                    self.set(LeaseState::Unsure(reason));
                }
                Err(Again::default().into())
            }
            Some(Renewal::Ended(reason)) => {
                self.set(LeaseState::Unsure(reason));
                // The first time it is taken again at once: perhaps no other process has noticed.
                let wait = (!ended.swap(true, Ordering::Relaxed)).then_some(Duration::ZERO);
                Err(Again { wait, ..Again::default() }.into())
            }
            Some(Renewal::Lost) => {
                self.set(LeaseState::Lost);
                Err(Failure::Stop(()))
            }
            None => Err(Failure::Stop(())),
        }
    }
}
