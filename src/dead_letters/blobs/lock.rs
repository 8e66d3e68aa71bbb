//! The lock for resending dead letters: a lease on a blob, like a source's lease on its state.

use std::{io, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::Instant};

use super::{Blobs, failure};
use crate::azure::blob::{BlobError, Container};
use crate::component::{LeaseGuard, LeaseKeeper, LeaseRequested, LeaseState};
use nordpass_env::Clock;

/// How long it lasts: Azure's minimum, so that a crashed process's lease expires soon.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// How long the holder relies on it, from the start of the last renewal. The rest is a safety margin for clock drift and for
/// requests in flight.
const LASTS: Duration = LEASE.saturating_sub(Duration::from_millis(2_500));

/// The interval of renewals, and the time limit of one.
const RENEW: Duration = Duration::from_secs(5);

/// The pause after a failed renewal.
const AGAIN: Duration = Duration::from_secs(1);

/// A lease that is renewed as long as this lives.
pub(in crate::dead_letters) struct BlobLock {
    lease: Arc<Lease>,
    lease_guard: LeaseGuard,
    renewing: JoinHandle<()>,
}

struct Lease {
    container: Container,
    path: String,
    id: String,
    clock: Arc<dyn Clock>,
}

impl Blobs {
    /// Takes the lease for resending dead letters. [`io::ErrorKind::WouldBlock`] when another process has it.
    pub async fn lock(&self, name: &str) -> io::Result<BlobLock> {
        let (path, id) = (self.path(name), self.env.random.uuid());
        let clock = self.env.clock.clone();
        let lease = Arc::new(Lease { container: self.container.clone(), path, id, clock });
        let mut taken = lease.take().await;
        if matches!(taken, Err(BlobError::NoBlob | BlobError::NoContainer)) {
            self.make(name).await?;
            taken = lease.take().await;
        }
        let taken = match taken {
            Ok(taken) => taken,
            Err(BlobError::Conflict { .. }) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => return Err(failure(error)),
        };
        let (holder, lease_guard) = LeaseKeeper::new(self.env.clock.clone());
        holder.set(taken.state(taken.at, LASTS));
        let renewing = tokio::spawn(keep(lease.clone(), holder, taken.at + RENEW));
        Ok(BlobLock { lease, lease_guard, renewing })
    }
}

impl Lease {
    async fn take(&self) -> Result<LeaseRequested, BlobError> {
        let asked = LeaseRequested::now(self.clock.as_ref());
        self.container.acquire(&self.path, &self.id, LEASE.as_secs()).await.map(|()| asked)
    }
}

/// Renews it. It expires by the clocks, even if this process is stopped or responses are missing.
async fn keep(lease: Arc<Lease>, holder: LeaseKeeper, mut next: Instant) {
    loop {
        tokio::time::sleep_until(next).await;
        let asked = LeaseRequested::now(lease.clock.as_ref());
        match tokio::time::timeout(RENEW, lease.container.renew(&lease.path, &lease.id)).await {
            Ok(Ok(())) => {
                holder.set(asked.state(asked.at, LASTS));
                next = asked.at + RENEW;
            }
            // Broken, or another process has it or had it.
            Ok(Err(BlobError::Conflict { .. } | BlobError::NoBlob | BlobError::NoContainer)) => {
                holder.set(LeaseState::Lost);
                return;
            }
            // It lasts until its current end.
            Ok(Err(_)) | Err(_) => next = Instant::now() + AGAIN,
        }
    }
}

impl BlobLock {
    /// Whether it is held.
    pub fn lease_guard(&self) -> LeaseGuard {
        self.lease_guard.clone()
    }

    /// Releases it. A lease that isn't released expires.
    pub async fn release(self) {
        self.renewing.abort();
        let _ = self.lease.container.release(&self.lease.path, &self.lease.id).await;
    }
}

impl Drop for BlobLock {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
