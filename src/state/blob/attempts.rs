//! Taking a lease, over several attempts: what one leaves for the next.

use tokio::time::Instant;

use super::Base;
use crate::azure::blob::BlobError;
use crate::component::{CheckpointError, LeaseRequested, Renewal};

use super::names::reason;

/// What one attempt to take a lease passes on to the next.
#[derive(Default)]
pub(super) struct Attempts {
    /// The id of a lease request without a response. It may be ours, which only another request with the same id tells.
    asked: Option<String>,
    /// The lease was seen broken. Its former holder may rely on it until this time.
    not_before: Option<Instant>,
    /// The blob existed. If it disappears, that isn't a first run.
    pub seen: bool,
}

/// A lease that was just taken.
pub(super) struct Taken {
    /// Its id.
    pub id: String,
    /// When it was requested.
    pub at: LeaseRequested,
}

impl Attempts {
    /// Whether a lease that is held may be ours.
    pub fn may_be_ours(&self) -> bool {
        self.asked.is_some()
    }

    /// The lease was seen broken.
    pub fn saw_broken(&mut self, base: &Base) {
        self.not_before = Some(Instant::now() + base.times.duration);
    }

    /// Takes the lease on a blob.
    pub async fn take(&mut self, base: &Base, blob: &str) -> Result<Taken, BlobError> {
        let id = self.asked.take().unwrap_or_else(|| base.env.random.uuid());
        let at = LeaseRequested::now(base.env.clock.as_ref());
        match base.container.acquire(blob, &id, base.times.duration.as_secs()).await {
            Ok(()) => Ok(Taken { id, at }),
            Err(error) => {
                let is_clear = matches!(error, BlobError::Conflict { .. } | BlobError::NoBlob | BlobError::NoContainer);
                self.asked = (!is_clear).then_some(id);
                Err(error)
            }
        }
    }

    /// Releases a lease that can't be used, so that nothing waits for it. If that fails, requests it again next time. A lease
    /// taken after a broken one isn't released: it would look free to other processes, and they wouldn't wait.
    pub async fn give_up(&mut self, base: &Base, blob: &str, taken: Taken) {
        let wait = self.not_before.is_some_and(|begins| begins > Instant::now());
        if wait || base.container.release(blob, &taken.id).await.is_err() {
            self.asked = Some(taken.id);
        }
    }

    /// From when on a lease that was taken can be relied on.
    pub fn begins(&mut self, taken: &Taken) -> Instant {
        self.not_before.take().map_or(taken.at.at, |begins| begins.max(taken.at.at))
    }
}

/// Renews the lease on a blob.
pub(super) async fn renew(base: &Base, blob: &str, id: &str) -> Renewal {
    let requested = LeaseRequested::now(base.env.clock.as_ref());
    match base.container.renew(blob, id).await {
        Ok(()) => Renewal::Held(requested),
        Err(BlobError::Conflict { code, .. }) if code == "LeaseIdMismatchWithLeaseOperation" => Renewal::Lost,
        // Broken or expired: we may be able to take it again.
        Err(BlobError::Conflict { code, .. }) => Renewal::Ended(format!("it has ended ({code})")),
        Err(error @ (BlobError::NoBlob | BlobError::NoContainer)) => Renewal::Ended(reason(&error)),
        Err(error) => Renewal::Unsure(error.to_string()),
    }
}

/// Takes a lease again that has ended. If its blob is as this process left it, no other process had it in between: each one
/// that takes it first writes that into the blob.
pub(super) async fn take_again(
    base: &Base,
    blob: &str,
    id: &str,
    is_as_left: impl Future<Output = Result<bool, CheckpointError>>,
) -> Renewal {
    let requested = LeaseRequested::now(base.env.clock.as_ref());
    match base.container.acquire(blob, id, base.times.duration.as_secs()).await {
        Ok(()) => {}
        Err(BlobError::Conflict { code, .. }) if code == "LeaseAlreadyPresent" => return Renewal::Lost,
        // For example, it is being broken. No other process can have it before that is over.
        Err(BlobError::Conflict { code, .. }) => return Renewal::Ended(format!("it has ended ({code})")),
        Err(error) => return Renewal::Ended(reason(&error)),
    }
    match is_as_left.await {
        Ok(true) => Renewal::Held(requested),
        Ok(false) => Renewal::Lost,
        Err(error) => Renewal::Ended(error.to_string()),
    }
}
