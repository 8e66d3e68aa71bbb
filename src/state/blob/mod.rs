//! The checkpoint in Azure Blob Storage, shared by several processes ([ADR 0013](../../../docs/adr/0013-shared-checkpoint.md)).
//!
//! ```text
//! <container>/<prefix>/sources/<key id>/state   the state, whole; the process that reads the source has a lease on it
//!                                       ids/    the known ids: <yyyy-mm-dd>.<run>.<number>.ids and other.….ids
//!                                       intents/ what sinks were about to do, each under its hash
//!                      partitions/              the leases of organizations ([`partitions`])
//!                      dead-letters/            what was refused ([`crate::dead_letters`])
//! ```
//!
//! A commit appends the new ids to append blobs, each at the position where the committed bytes end, and then replaces
//! `state`: that is the commit point. The write is conditional on the version that this process wrote or read, and on
//! this process's lease. So a process that has lost its lease can't write, however late its request arrives.
//!
//! | file | what it does |
//! |---|---|
//! | [`source`] | one source's open state: queries and commits |
//! | [`opening`] | takes a source: its lease, its state, a new run |
//! | [`attempts`] | takes a lease, over several attempts |
//! | [`keeper`] | renews the lease, and gives the source up before the lease can have ended |
//! | [`partitions`] | the leases that organizations share, and which replica has which |
//! | [`parts`] | the blobs of ids |
//! | [`intents`] | the blobs of intents |
//! | [`names`] | names, and the meaning of failures |

mod attempts;
mod intents;
mod keeper;
mod names;
mod opening;
mod partitions;
mod parts;
mod source;
#[cfg(test)]
mod tests;

use std::{future::pending, path::Path, sync::Arc};

use futures::future::{BoxFuture, join_all};

use self::names::{BlobNames, Times};
use self::partitions::{PartitionLease, Partitions};
use self::source::Source;
use super::format::state::{BlobState, Part};
use super::open::{OpenSource, Slot, Slots};
use super::tasks::Tasks;
use super::{BlobSettings, Shard, TakeoverSettings};
use crate::azure::blob::{BlobError, Container};
use crate::component::{CheckpointError, OpenStates, Partition, SourceKey, SourceState, Store};
use crate::component::{Found, Predecessor, parse_cursor};
use crate::event::Origin;
use crate::http::{HttpSettings, Retry};
use nordpass_env::{DiskLock, Env};

/// The states in a container.
pub struct BlobStore {
    shared: Arc<Base>,
    tasks: Arc<Tasks>,
    slots: Slots<BlobSlot>,
    open: OpenStates,
    partitions: Arc<Partitions>,
}

/// Shared by all sources of the store.
struct Base {
    env: Env,
    container: Container,
    prefix: String,
    times: Times,
    /// Where the official connector's cursor is.
    predecessor: Option<(Container, TakeoverSettings)>,
    /// The `data_dir`'s lock: the logs of file sinks there belong to one process.
    _lock: Box<dyn DiskLock>,
}

/// What the store knows about one source.
#[derive(Default)]
struct BlobSlot {
    state: Slot<Source, Vec<Part>>,
    /// Names and lease of the last open state with a lease of its own, which stay after the source has ended.
    lease: Option<(BlobNames, String)>,
    /// What earlier attempts to take it showed.
    attempts: attempts::Attempts,
}

impl BlobStore {
    /// Takes the `data_dir`'s lock. Sends no request yet.
    pub async fn open(
        env: Env,
        settings: &BlobSettings,
        container: Container,
        data_dir: &Path,
        shard: Shard,
    ) -> Result<Arc<dyn Store>, CheckpointError> {
        let lock = super::local::lock(env.disk.as_ref(), data_dir).await?;
        let shared = Arc::new(Base::new(env, settings, container, lock));
        let partitions = Partitions::new(shared.clone(), shard);
        let (tasks, slots, open) = (Arc::default(), Slots::new(), OpenStates::default());
        Ok(Arc::new(Self { shared, tasks, slots, open, partitions }))
    }

    /// Opens a state, by a lease of its own or by the one of a partition.
    async fn open_by(
        &self,
        key: SourceKey,
        partition: Option<Arc<PartitionLease>>,
    ) -> Result<Arc<dyn SourceState>, CheckpointError> {
        let slot = self.slots.get(&key.id());
        let (base, path) = (self.shared.clone(), self.shared.names(&key.id()).path());
        let work = async move {
            let mut slot = slot.lock_owned().await;
            if slot.state.open().is_some() {
                let reason = "this process hasn't released this source yet".to_owned();
                return Err(CheckpointError::Storage { reason, wait: None });
            }
            let source = opening::open(base, key, partition, &mut slot.attempts).await?;
            slot.state.set_open(&source);
            slot.lease = source.own_lease().map(|lease| (source.names.clone(), lease.to_owned()));
            Ok(source)
        };
        let source = self.tasks.finish(&path, work).await?;
        let state: Arc<dyn SourceState> = Arc::new(OpenSource { source, tasks: self.tasks.clone() });
        self.open.add(&state);
        Ok(state)
    }
}

impl Base {
    fn new(env: Env, settings: &BlobSettings, container: Container, lock: Box<dyn DiskLock>) -> Self {
        let predecessor = settings.takeover.clone().map(|takeover| {
            let endpoint = takeover.endpoint.as_ref().unwrap_or(&settings.endpoint);
            (container.sibling(endpoint, &takeover.container), takeover)
        });
        let times = Times::of(settings.lease);
        Self { env, container, prefix: settings.prefix.clone(), times, predecessor, _lock: lock }
    }

    fn names(&self, key_id: &str) -> BlobNames {
        BlobNames::new(self.container.name(), &self.prefix, key_id)
    }

    fn partitions_prefix(&self) -> String {
        format!("{}partitions/", self.prefix)
    }

    fn replicas_prefix(&self) -> String {
        format!("{}partitions/replicas/", self.prefix)
    }

    /// A partition's blob, below the prefix.
    fn partition_name(partition: Partition) -> String {
        format!("{:03}", partition.0)
    }

    fn partition_blob(&self, partition: Partition) -> String {
        self.partitions_prefix() + &Self::partition_name(partition)
    }

    /// The error while another process has a lease.
    fn held(&self) -> CheckpointError {
        CheckpointError::Held { within: self.times.within, again: self.times.look }
    }

    /// Reads the state; `None` if there is none.
    async fn load(&self, key_id: &str) -> Result<Option<BlobState>, CheckpointError> {
        let names = self.names(key_id);
        match self.container.get(&names.state).await {
            Ok(blob) => names.decode(&blob.bytes, key_id).map(Some),
            Err(BlobError::NoBlob | BlobError::NoContainer) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, but waits while the storage is unavailable: what sinks do with their files depends on it.
    async fn load_patiently(&self, key_id: &str) -> Result<Option<BlobState>, CheckpointError> {
        let what = "can't read the checkpoint";
        Retry::logged(&self.env)
            .run(pending(), || async { self.load(key_id).await.map_err(|error| error.classify("checkpoint", what)) })
            .await
    }
}

impl Store for BlobStore {
    fn open(&self, key: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        Box::pin(self.open_by(key, None))
    }

    fn open_organization(&self, key: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        Box::pin(async move {
            let lease = self.partitions.lease(Partition::of(&key.name)).await?;
            self.open_by(key, Some(lease)).await
        })
    }

    fn open_states(&self) -> &OpenStates {
        &self.open
    }

    fn is_committed(&self, origin: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>> {
        let origin = origin.clone();
        Box::pin(async move {
            let slot = self.slots.get(&origin.source);
            let load = self.shared.load_patiently(&origin.source);
            slot.lock().await.state.is_committed(&origin, load).await
        })
    }

    fn predecessor<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Option<Predecessor>, CheckpointError>> {
        Box::pin(async move {
            let Some((container, settings)) = &self.shared.predecessor else { return Ok(None) };
            if settings.source.as_ref().is_some_and(|chosen| chosen != source) {
                return Ok(None);
            }
            let found = match container.get(&settings.blob).await {
                Ok(blob) => parse_cursor(&blob.bytes, blob.modified),
                Err(BlobError::NoBlob | BlobError::NoContainer) => Found::Nothing,
                Err(error) => return Err(error.into()),
            };
            let place = format!("{}/{}", settings.container, settings.blob);
            Ok(Some(Predecessor { place, found, overlap: settings.overlap }))
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let release = self.slots.all().into_iter().map(async |slot| {
                let mut slot = slot.lock().await;
                if let Some(source) = slot.state.open() {
                    source.end();
                }
                let Some((names, lease)) = slot.lease.take() else { return };
                if let Err(error) = self.shared.container.release(&names.state, &lease).await {
                    tracing::debug!("can't release a lease; it stays until it expires: {error}");
                }
            });
            join_all(release).await;
            self.partitions.close().await;
        })
    }
}

/// Returns the container of these settings. Sends no request. Fails with a sentence about invalid settings.
pub fn container(settings: &BlobSettings, env: &Env) -> Result<Container, String> {
    let times = Times::of(settings.lease);
    // A request that outlasts the lease is useless to its holder.
    let request_timeout = settings.http.request_timeout.min(times.duration / 4);
    let http = HttpSettings { request_timeout, ..settings.http.clone() };
    Container::new(&settings.endpoint, &settings.container, settings.credential.clone(), &http, env)
}

/// For `validate --connect`: whether the container is reachable.
pub(super) async fn probe(settings: &BlobSettings, env: &Env) -> Result<String, String> {
    let container = container(settings, env)?;
    match container.list(&format!("{}sources/", settings.prefix), 1).await {
        Ok(_) => Ok(format!("the container {} can be read", container.name())),
        Err(BlobError::NoContainer) => {
            Ok(format!("the container {} doesn't exist yet and will be created", container.name()))
        }
        Err(error) => Err(error.to_string()),
    }
}
