//! Keeps a source's lease.

use std::sync::Arc;

use tokio::time::Instant;

use super::{names::reason, source::Source};
use crate::azure::blob::BlobError;
use crate::component::{LeaseRequested, Renewal};

/// Keeps the lease until the source is dropped or lost. The source may be read from `from` on.
pub(super) fn keep(source: &Arc<Source>, granted: LeaseRequested, from: Instant) {
    // The source's users alone decide how long it is kept.
    let weak = Arc::downgrade(source);
    let renew = move |ended| {
        let weak = weak.clone();
        async move {
            let source = weak.upgrade()?;
            Some(if ended { take_again(&source).await } else { renew(&source).await })
        }
    };
    let env = source.base.env.clone();
    let keeping = source.lease_keeper.clone().keep(env, source.base.times.renewal, from, granted, renew);
    source.kept_by(tokio::spawn(keeping).abort_handle());
}

async fn renew(source: &Source) -> Renewal {
    let requested = LeaseRequested::now(source.base.env.clock.as_ref());
    match source.base.container.renew(&source.names.state, &source.lease).await {
        Ok(()) => Renewal::Held(requested),
        Err(BlobError::Conflict { code, .. }) if code == "LeaseIdMismatchWithLeaseOperation" => Renewal::Lost,
        // Broken or expired: we may be able to take it again.
        Err(BlobError::Conflict { code, .. }) => Renewal::Ended(format!("it has ended ({code})")),
        Err(error @ (BlobError::NoBlob | BlobError::NoContainer)) => Renewal::Ended(reason(&error)),
        Err(error) => Renewal::Unsure(error.to_string()),
    }
}

/// Takes the lease again. If the state is unchanged, no other process had the source in between: each one that takes it
/// first writes that into the state.
async fn take_again(source: &Source) -> Renewal {
    let requested = LeaseRequested::now(source.base.env.clock.as_ref());
    let seconds = source.base.times.duration.as_secs();
    match source.base.container.acquire(&source.names.state, &source.lease, seconds).await {
        Ok(()) => {}
        Err(BlobError::Conflict { code, .. }) if code == "LeaseAlreadyPresent" => return Renewal::Lost,
        // For example, it is being broken. No other process can have it before that is over.
        Err(BlobError::Conflict { code, .. }) => return Renewal::Ended(format!("it has ended ({code})")),
        Err(error) => return Renewal::Ended(reason(&error)),
    }
    match source.is_as_left().await {
        Ok(true) => Renewal::Held(requested),
        Ok(false) => Renewal::Lost,
        Err(error) => Renewal::Ended(error.to_string()),
    }
}
