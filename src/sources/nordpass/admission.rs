//! Decides when a request may be sent: lease, concurrency, rate limit.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::{context::ReadContext, error::ReadError, query::Priority, rate_limiter::RateLimiter};
use crate::{component::LeaseGuard, http::Again};

/// Name of the status part while the lease is uncertain.
const LEASE: &str = "lease";
/// Reported time until the next check of the lease. In fact it is watched continuously.
const LEASE_LOOK: Duration = Duration::from_secs(5);

/// Admits the requests of one source.
pub struct Admission {
    context: Arc<ReadContext>,
    lease_guard: LeaseGuard,
    limiter: RateLimiter,
    /// Limits concurrent requests, except those of live polls.
    permits: Semaphore,
}

impl Admission {
    /// Takes the limits from the settings.
    pub fn new(context: Arc<ReadContext>, lease_guard: LeaseGuard) -> Self {
        let limiter = RateLimiter::new(context.settings.requests_per_second);
        let permits = Semaphore::new(context.settings.concurrency.max(1));
        Self { context, lease_guard, limiter, permits }
    }

    /// Admits no request before `until`.
    pub fn pause(&self, until: Instant) {
        self.limiter.pause(until);
    }

    /// Runs a request once its turn has come and the lease is held. Returns it for a retry when the lease becomes
    /// uncertain, because then another process may send requests.
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

    /// Waits for a concurrency permit, which live polls don't need, and for a turn within the rate limit.
    async fn turn(&self, priority: Priority) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let permit = if priority == Priority::Live { None } else { self.permits.acquire().await.ok() };
        self.limiter.take(priority).await;
        permit
    }
}
