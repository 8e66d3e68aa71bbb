//! The blobs of ids: append-only. Only the length in the state counts.

use bytes::Bytes;
use futures::future::BoxFuture;

use super::super::format::ids::{Bucket, Stored};
use super::super::format::state::{BlobState, Part};
use super::names::BlobNames;
use crate::azure::blob::{BlobError, Container};
use crate::component::CheckpointError;

/// Maximum bytes of one request: every version of Azure's API accepts 4 MiB.
const BLOCK: usize = 4 << 20;

/// Bytes to read ahead. A busy organization's day takes a few such requests.
const READ_BYTES: usize = 1 << 20;

/// Appends a commit's ids of one bucket, and records in `next` where they are.
pub(super) async fn append(
    container: &Container,
    names: &BlobNames,
    next: &mut BlobState,
    bucket: Bucket,
    data: &Bytes,
) -> Result<(), CheckpointError> {
    let run = next.run;
    let parts = next.ids_mut(bucket);
    if let Some(last) = parts.last_mut() {
        let blob = format!("{}{}", names.ids, last.name(bucket));
        if append_at(container, names, &blob, last.len, data).await? {
            last.len += data.len() as u64;
            return Ok(());
        }
    }
    let mut number = parts.iter().filter(|part| part.run == run).map(|part| part.number + 1).max().unwrap_or(0);
    loop {
        let mut part = Part { run, number, len: 0 };
        let blob = format!("{}{}", names.ids, part.name(bucket));
        container.create_append(&blob).await?;
        if append_at(container, names, &blob, 0, data).await? {
            part.len = data.len() as u64;
            parts.push(part);
            return Ok(());
        }
        // From another commit of this run, which didn't happen.
        number += 1;
    }
}

/// Appends at exactly this position. `false` if other bytes are there or the blob is full.
async fn append_at(
    container: &Container,
    names: &BlobNames,
    blob: &str,
    mut at: u64,
    data: &Bytes,
) -> Result<bool, CheckpointError> {
    for start in (0..data.len()).step_by(BLOCK) {
        let block = data.slice(start..data.len().min(start + BLOCK));
        match container.append(blob, at, block.clone()).await {
            Ok(()) => {}
            // The response to the same request may have been lost. Then the bytes are there.
            Err(BlobError::Conflict { code, .. }) if code == "AppendPositionConditionNotMet" => {
                let there = container.read(blob, at, block.len()).await?;
                if there != block {
                    return Ok(false);
                }
            }
            // It has 50,000 blocks, or a restored copy can't be appended to.
            Err(BlobError::Conflict { code, .. }) if code == "BlockCountExceedsLimit" || code == "InvalidBlobType" => {
                return Ok(false);
            }
            Err(BlobError::NoBlob) => return Err(missing(container, names, blob).await),
            Err(error) => return Err(error.into()),
        }
        at += block.len() as u64;
    }
    Ok(true)
}

/// The error for a missing blob of the state. If the state is missing, too, everything was deleted, which is waited out.
pub(super) async fn missing(container: &Container, names: &BlobNames, blob: &str) -> CheckpointError {
    match container.lease(&names.state).await {
        Ok(_) => names.unusable(blob, "this blob of the state is missing, but others exist"),
        Err(error) => error.into(),
    }
}

/// A part for reading.
pub(super) struct StoredPart<'a> {
    pub container: &'a Container,
    pub names: &'a BlobNames,
    pub blob: String,
}

impl Stored for StoredPart<'_> {
    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>> {
        Box::pin(async move {
            match self.container.read(&self.blob, at, len).await {
                Ok(bytes) => Ok(bytes.into()),
                Err(BlobError::NoBlob) => Err(missing(self.container, self.names, &self.blob).await),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn ahead(&self) -> usize {
        READ_BYTES
    }

    fn damaged(&self, at: u64) -> CheckpointError {
        self.names.unusable(&self.blob, format!("the known ids are damaged or truncated at byte {at}"))
    }
}
