//! Which request may go out, and when: the lease, the requests side by side, the rate limit.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::{context::ReadContext, error::ReadError, query::Priority, rate_limiter::RateLimiter};
use crate::{component::LeaseGuard, http::Again};

/// What holds the source up while it isn't certain that it is this process's to read.
const LEASE: &str = "lease";
/// When the next look at the lease is reported to be: it is looked at all the time.
const LEASE_LOOK: Duration = Duration::from_secs(5);

/// Admits the requests of one source.
pub struct Admission {
    context: Arc<ReadContext>,
    lease_guard: LeaseGuard,
    limiter: RateLimiter,
    /// For all requests but those of live polls.
    permits: Semaphore,
}

impl Admission {
    /// For the limits of the settings.
    pub fn new(context: Arc<ReadContext>, lease_guard: LeaseGuard) -> Self {
        let limiter = RateLimiter::new(context.settings.requests_per_second);
        let permits = Semaphore::new(context.settings.concurrency.max(1));
        Self { context, lease_guard, limiter, permits }
    }

    /// Admits no request before then.
    pub fn pause(&self, until: Instant) {
        self.limiter.pause(until);
    }

    /// Makes a request once it is its turn and the lease is held. Gives it up to be made again when the lease isn't certain
    /// any more: another process may ask then, and two must not.
    pub async fn admit<T>(
        &self,
        priority: Priority,
        request: impl Future<Output = T>,
    ) -> Result<Result<T, Again>, ReadError> {
        let _permit = self.context.unless_ending(self.turn(priority)).await?;
        if !self.lease_guard.is_held() {
            self.context.held_up(LEASE, &self.lease_guard.reason(), LEASE_LOOK);
            self.context.unless_ending(self.lease_guard.held()).await?;
            self.context.telemetry.status().released(LEASE);
        }
        let request = async {
            tokio::select! {
                biased;
                answer = request => Ok(answer),
                () = self.lease_guard.ended() => Err(Again::because(LEASE, self.lease_guard.reason())),
            }
        };
        self.context.unless_ending(request).await
    }

    /// Waits for a permit to ask beside others, which live polls don't need, and for a turn within the rate limit.
    async fn turn(&self, priority: Priority) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let permit = if priority == Priority::Live { None } else { self.permits.acquire().await.ok() };
        self.limiter.take(priority).await;
        permit
    }
}
