//! Takes a source: its lease, its state, and a new run in it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::format::frame::frame;
use super::super::format::state::BlobState;
use super::Base;
use super::keeper;
use super::names::BlobNames;
use super::source::Source;
use crate::azure::blob::{BlobError, Demand, Lease};
use crate::component::{CheckpointError, LeaseRequested, SourceKey};

/// How often to check the blob after a lost response before giving up until the next attempt.
const LOOKS: usize = 3;

/// What one attempt to take a source passes on to the next.
#[derive(Default)]
pub(super) struct Attempts {
    /// The id of a lease request without a response. It may be ours, which only another request with the same id tells.
    asked: Option<String>,
    /// The source was seen with a broken lease. Its former holder may rely on it until this time.
    not_before: Option<Instant>,
    /// The state existed. If it disappears, that isn't a first run.
    seen: bool,
}

/// Takes the source.
pub(super) async fn open(
    base: Arc<Base>,
    key: SourceKey,
    attempts: &mut Attempts,
) -> Result<Arc<Source>, CheckpointError> {
    let key_id = key.id();
    let names = base.names(&key_id);
    let lease = match base.container.lease(&names.state).await {
        Ok(lease) => lease,
        Err(BlobError::NoBlob | BlobError::NoContainer) if !attempts.seen => {
            make(&base, &names, &key).await?;
            Lease::Free
        }
        Err(error) => return Err(error.into()),
    };
    attempts.seen = true;
    if lease == Lease::Broken {
        attempts.not_before = Some(Instant::now() + base.times.duration);
    }
    let held = || CheckpointError::Held { within: base.times.within, again: base.times.look };
    if lease == Lease::Held && attempts.asked.is_none() {
        return Err(held());
    }
    let id = attempts.asked.take().unwrap_or_else(|| base.env.random.uuid());
    let taken = LeaseRequested::now(base.env.clock.as_ref());
    match base.container.acquire(&names.state, &id, base.times.duration.as_secs()).await {
        Ok(()) => {}
        Err(BlobError::Conflict { .. }) => return Err(held()),
        Err(error) => {
            attempts.asked = Some(id);
            return Err(error.into());
        }
    }
    let begun = begin(&base, &names, &key_id, &id).await;
    let (state, etag) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            // Release the unused lease so that nothing waits for it. If that fails, request it again. A lease taken
            // after a broken one isn't released: it would look free to other processes, and they wouldn't wait.
            let wait = attempts.not_before.is_some_and(|begins| begins > Instant::now());
            if wait || base.container.release(&names.state, &id).await.is_err() {
                attempts.asked = Some(id);
            }
            return Err(error);
        }
    };
    // The former holder's commits are void already.
    let from = attempts.not_before.take().map_or(taken.at, |begins| begins.max(taken.at));
    let source = Source::new(base, names, id, state, etag);
    keeper::keep(&source, taken, from);
    Ok(source)
}

/// Creates the state before the first run, and the container if it is missing. Another process may create them, too.
async fn make(base: &Base, names: &BlobNames, key: &SourceKey) -> Result<(), CheckpointError> {
    let bytes = Bytes::from(frame(&BlobState::new(key.clone()).encode_blob()));
    let mut made = base.container.put(&names.state, bytes.clone(), Demand::New).await;
    if made == Err(BlobError::NoContainer) {
        base.container.create_first().await?;
        made = base.container.put(&names.state, bytes, Demand::New).await;
    }
    match made {
        Ok(_) | Err(BlobError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Registers a new run. From then on, its uncommitted chunks are known to be uncommitted, and the former holder can't
/// commit.
async fn begin(
    base: &Base,
    names: &BlobNames,
    key_id: &str,
    lease: &str,
) -> Result<(BlobState, String), CheckpointError> {
    let mut written: Option<(Bytes, BlobState)> = None;
    for _ in 0..LOOKS {
        let blob = base.container.get(&names.state).await?;
        // After a lost response, the blob tells.
        if let Some((_, state)) = written.take_if(|(bytes, _)| *bytes == blob.bytes) {
            return Ok((state, blob.etag));
        }
        let state = names.decode(&blob.bytes, key_id)?;
        let next = state.begin_run(base.env.random.as_ref());
        let bytes = Bytes::from(frame(&next.encode_blob()));
        let demand = Demand::Same { etag: &blob.etag, lease };
        match base.container.put(&names.state, bytes.clone(), demand).await {
            Ok(etag) => return Ok((next, etag)),
            Err(BlobError::Conflict { .. } | BlobError::Unclear { .. }) => written = Some((bytes, next)),
            Err(error) => return Err(error.into()),
        }
    }
    let reason = "can't find out whether a new run is registered in the state".to_owned();
    Err(CheckpointError::Storage { reason, wait: None })
}
