//! A partition that this process has.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::AbortHandle;

use super::super::Base;
use super::super::attempts::{Attempts, Taken, renew, take_again};
use crate::azure::blob::{BlobError, Demand};
use crate::component::{CheckpointError, LeaseGuard, LeaseKeeper, LeaseState, Partition};

/// How often to check the blob after a lost response before giving up until the next attempt.
const LOOKS: usize = 3;

/// The lease of a partition, held.
pub(in super::super) struct PartitionLease {
    base: Arc<Base>,
    blob: String,
    id: String,
    lease_keeper: LeaseKeeper,
    /// The lease: commits need it.
    pub lease: LeaseGuard,
    reading_keeper: LeaseKeeper,
    /// Whether its sources may be read. Ends before the lease when the partition is handed over.
    pub reading: LeaseGuard,
    task: AbortHandle,
}

impl PartitionLease {
    /// Takes a partition. From then on no other process reads or commits its sources.
    pub(super) async fn take(
        base: &Arc<Base>,
        partition: Partition,
        attempts: &mut Attempts,
    ) -> Result<Arc<Self>, CheckpointError> {
        let blob = base.partition_blob(partition);
        let taken = match attempts.take(base, &blob).await {
            Err(BlobError::NoBlob | BlobError::NoContainer) => {
                // The blob holds nothing but who had the partition last, so it can be created again.
                create(base, &blob).await?;
                attempts.take(base, &blob).await
            }
            taken => taken,
        };
        let taken = taken.map_err(|error| match error {
            BlobError::Conflict { .. } => base.held(),
            error => error.into(),
        })?;
        if let Err(error) = register(base, &blob, &taken).await {
            attempts.give_up(base, &blob, taken).await;
            return Err(error);
        }
        let from = attempts.begins(&taken);
        let clock = &base.env.clock;
        let (lease_keeper, lease) = LeaseKeeper::new(clock.clone());
        let (reading_keeper, reading) = LeaseKeeper::new(clock.clone());
        reading_keeper.set(LeaseState::for_good());
        let Taken { id, at } = taken;
        let renewal = {
            let (base, blob, id) = (base.clone(), blob.clone(), id.clone());
            move |ended| {
                let (base, blob, id) = (base.clone(), blob.clone(), id.clone());
                async move {
                    let is_as_left = async { Ok(base.container.without_waiting().get(&blob).await?.bytes == id) };
                    Some(if ended {
                        take_again(&base, &blob, &id, is_as_left).await
                    } else {
                        renew(&base, &blob, &id).await
                    })
                }
            }
        };
        let keeping = lease_keeper.clone().keep(base.env.clone(), base.times.renewal, from, at, renewal);
        let task = tokio::spawn(keeping).abort_handle();
        let reading = reading.within(lease.clone());
        let base = base.clone();
        Ok(Arc::new(Self { base, blob, id, lease_keeper, lease, reading_keeper, reading, task }))
    }

    /// Ends reading, while commits of what was read go on.
    pub(super) fn end_reading(&self) {
        self.reading_keeper.set(LeaseState::HandedOver);
    }

    /// Ends it in this process. Nothing is read or committed any more.
    pub(super) fn end(&self) {
        self.task.abort();
        self.reading_keeper.set(LeaseState::Lost);
        self.lease_keeper.set(LeaseState::Lost);
    }

    /// Ends it, and releases it for other processes.
    pub(super) async fn release(&self) {
        self.end();
        if let Err(error) = self.base.container.release(&self.blob, &self.id).await {
            tracing::debug!("can't release the lease of a partition; it stays until it expires: {error}");
        }
    }
}

impl Drop for PartitionLease {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn create(base: &Base, blob: &str) -> Result<(), CheckpointError> {
    let container = base.container.without_waiting();
    let mut created = container.put(blob, Bytes::new(), Demand::New).await;
    if created == Err(BlobError::NoContainer) {
        container.create_first().await?;
        created = container.put(blob, Bytes::new(), Demand::New).await;
    }
    match created {
        Ok(_) | Err(BlobError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes who has the partition. A former holder that takes its lease again finds that it isn't the last one.
async fn register(base: &Base, blob: &str, taken: &Taken) -> Result<(), CheckpointError> {
    let container = base.container.without_waiting();
    for _ in 0..LOOKS {
        let there = container.get(blob).await?;
        if there.bytes == taken.id {
            return Ok(());
        }
        let demand = Demand::Same { etag: &there.etag, lease: &taken.id };
        match container.put(blob, Bytes::from(taken.id.clone()), demand).await {
            Ok(_) => return Ok(()),
            // The blob tells whether it counted.
            Err(BlobError::Conflict { .. } | BlobError::Unclear { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let reason = "can't find out whether this process is registered as a partition's holder".to_owned();
    Err(CheckpointError::Storage { reason, wait: None })
}
