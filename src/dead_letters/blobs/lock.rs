//! The lock for resending dead letters: a lease on a blob, like a source's lease on its state.

use std::{io, sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::{Blobs, failure};
use crate::azure::blob::{BlobError, Container};
use crate::component::{LeaseGuard, LeaseKeeper, LeaseRequested, Renewal, RenewalSchedule};
use nordpass_env::Clock;

/// Duration of the lease: Azure's minimum, so that a crashed process's lease expires soon.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// The interval of renewals, and the time-out of each.
const RENEW: Duration = Duration::from_secs(5);

/// Renewals are frequent enough that two failures don't end the lease.
const SCHEDULE: RenewalSchedule = RenewalSchedule {
    renew_after: RENEW,
    lasts: LEASE.saturating_sub(Duration::from_millis(2_500)),
    longest_wait: Duration::from_secs(1),
};

/// A lease that is renewed until this is dropped.
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
    /// Takes the lease for resending dead letters. [`io::ErrorKind::WouldBlock`] if another process has it.
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
        let (keeper, lease_guard) = LeaseKeeper::new(self.env.clock.clone());
        let renewed = lease.clone();
        let renew = move |_| {
            let lease = renewed.clone();
            async move { Some(lease.renew().await) }
        };
        let renewing = tokio::spawn(keeper.keep(self.env.clone(), SCHEDULE, taken.at, taken, renew));
        Ok(BlobLock { lease, lease_guard, renewing })
    }
}

impl Lease {
    async fn take(&self) -> Result<LeaseRequested, BlobError> {
        let asked = LeaseRequested::now(self.clock.as_ref());
        self.container.acquire(&self.path, &self.id, LEASE.as_secs()).await.map(|()| asked)
    }

    async fn renew(&self) -> Renewal {
        let asked = LeaseRequested::now(self.clock.as_ref());
        match tokio::time::timeout(RENEW, self.container.renew(&self.path, &self.id)).await {
            Ok(Ok(())) => Renewal::Held(asked),
            // Broken, or another process has or had it.
            Ok(Err(BlobError::Conflict { .. } | BlobError::NoBlob | BlobError::NoContainer)) => Renewal::Lost,
            Ok(Err(error)) => Renewal::Unsure(error.to_string()),
            Err(_) => Renewal::Unsure(format!("no response within {} s", RENEW.as_secs())),
        }
    }
}

impl BlobLock {
    /// Tells whether it is held.
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
