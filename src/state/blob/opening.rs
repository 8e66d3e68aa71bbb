//! Takes a source: its lease, its state, and a new run in it.

use std::sync::Arc;

use super::super::format::frame::frame;
use super::super::format::state::BlobState;
use super::attempts::Attempts;
use super::names::BlobNames;
use super::partitions::PartitionLease;
use super::source::Source;
use super::{Base, keeper};
use crate::azure::blob::{BlobError, Demand, Lease};
use crate::component::{CheckpointError, SourceKey};
use bytes::Bytes;

/// How often to check the blob after a lost response before giving up until the next attempt.
const LOOKS: usize = 3;

/// Takes the source. With a partition's lease, that is the one by which it is read.
pub(super) async fn open(
    base: Arc<Base>,
    key: SourceKey,
    partition: Option<Arc<PartitionLease>>,
    attempts: &mut Attempts,
) -> Result<Arc<Source>, CheckpointError> {
    match partition {
        Some(partition) => open_in(base, key, partition, attempts).await,
        None => open_alone(base, key, attempts).await,
    }
}

/// Takes a source by the lease of its partition.
async fn open_in(
    base: Arc<Base>,
    key: SourceKey,
    partition: Arc<PartitionLease>,
    attempts: &mut Attempts,
) -> Result<Arc<Source>, CheckpointError> {
    let key_id = key.id();
    let names = base.names(&key_id);
    let seen = &mut attempts.seen;
    let begun = match begin(&base, &names, &key_id, None, seen).await {
        Err(Begin::Missing) if !*seen => {
            make(&base, &names, &key).await?;
            begin(&base, &names, &key_id, None, seen).await
        }
        begun => begun,
    };
    let (state, etag) = begun?;
    Ok(Source::in_partition(base, names, partition, state, etag))
}

/// Takes a source by a lease of its own.
async fn open_alone(base: Arc<Base>, key: SourceKey, attempts: &mut Attempts) -> Result<Arc<Source>, CheckpointError> {
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
        attempts.saw_broken(&base);
    }
    if lease == Lease::Held && !attempts.may_be_ours() {
        return Err(base.held());
    }
    let taken = attempts.take(&base, &names.state).await.map_err(|error| match error {
        BlobError::Conflict { .. } => base.held(),
        error => error.into(),
    })?;
    let (state, etag) = match begin(&base, &names, &key_id, Some(&taken.id), &mut attempts.seen).await {
        Ok(begun) => begun,
        Err(error) => {
            attempts.give_up(&base, &names.state, taken).await;
            return Err(error.into());
        }
    };
    // The former holder's commits are void already.
    let from = attempts.begins(&taken);
    let source = Source::new(base, names, taken.id, state, etag);
    keeper::keep(&source, taken.at, from);
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

/// Why no run was registered.
enum Begin {
    /// There is no state.
    Missing,
    Failed(CheckpointError),
}

impl From<CheckpointError> for Begin {
    fn from(error: CheckpointError) -> Self {
        Self::Failed(error)
    }
}

impl From<Begin> for CheckpointError {
    fn from(begin: Begin) -> Self {
        match begin {
            Begin::Missing => BlobError::NoBlob.into(),
            Begin::Failed(error) => error,
        }
    }
}

/// Registers a new run. From then on, its uncommitted chunks are known to be uncommitted, and the former holder can't
/// commit. `seen`: the state was there, so that it isn't created again where it disappears.
async fn begin(
    base: &Base,
    names: &BlobNames,
    key_id: &str,
    lease: Option<&str>,
    seen: &mut bool,
) -> Result<(BlobState, String), Begin> {
    let mut written: Option<(Bytes, BlobState)> = None;
    for _ in 0..LOOKS {
        let blob = match base.container.get(&names.state).await {
            Ok(blob) => blob,
            Err(BlobError::NoBlob | BlobError::NoContainer) => return Err(Begin::Missing),
            Err(error) => return Err(Begin::Failed(error.into())),
        };
        *seen = true;
        // After a lost response, the blob tells.
        if let Some((_, state)) = written.take_if(|(bytes, _)| *bytes == blob.bytes) {
            return Ok((state, blob.etag));
        }
        let state = names.decode(&blob.bytes, key_id)?;
        let next = state.begin_run(base.env.random.as_ref());
        let bytes = Bytes::from(frame(&next.encode_blob()));
        let demand = Demand::of(&blob.etag, lease);
        match base.container.put(&names.state, bytes.clone(), demand).await {
            Ok(etag) => return Ok((next, etag)),
            // A process that knows no partitions has it, by a lease of its own.
            Err(BlobError::Conflict { code, .. }) if lease.is_none() && code == "LeaseIdMissing" => {
                return Err(Begin::Failed(base.held()));
            }
            Err(BlobError::Conflict { .. } | BlobError::Unclear { .. }) => written = Some((bytes, next)),
            Err(error) => return Err(Begin::Failed(error.into())),
        }
    }
    let reason = "can't find out whether a new run is registered in the state".to_owned();
    Err(Begin::Failed(CheckpointError::Storage { reason, wait: None }))
}
