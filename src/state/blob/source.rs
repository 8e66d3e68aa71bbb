//! One source's open state in Azure Blob Storage: queries, commits, and lost responses.

use std::{ops::Range, path::PathBuf, sync::Arc};

use bytes::Bytes;
use tokio::task::AbortHandle;

use super::super::format::ids::{self, Bucket, Stored};
use super::super::format::known::{self, Piece};
use super::super::format::{frame::frame, recent::Recent, state::BlobState};
use super::super::open::{OpenInfo, StateBackend};
use super::parts::{self, StoredPart};
use super::{Base, intents, names::BlobNames, partitions::PartitionLease};
use crate::azure::blob::{BlobError, Demand};
use crate::component::{CheckpointError, Commit, IntentHash, KnownId, LeaseGuard, LeaseKeeper, LeaseState};
use nordpass_env::Mutex;

/// How often to check a commit before giving up until the next attempt.
const LOOKS: usize = 3;

/// Maximum forgotten blobs removed after one commit.
const MOST_REMOVED: u32 = 100;

/// A source's state, open.
pub(super) struct Source {
    pub base: Arc<Base>,
    pub names: BlobNames,
    lease: Lease,
    info: OpenInfo,
    keeper: Mutex<Option<AbortHandle>>,
    /// Serializes commits and queries.
    committed: tokio::sync::Mutex<Committed>,
}

/// By what it may be read and committed.
struct Lease {
    /// The id of the lease on its state; `None` if it is read by its partition's lease.
    id: Option<String>,
    /// Kept as long as a source of it is open.
    #[expect(dead_code, reason = "its count of users tells whether the partition is needed")]
    partition: Option<Arc<PartitionLease>>,
    keeper: LeaseKeeper,
    reading: LeaseGuard,
    /// Still held a while after its partition isn't read any more.
    commits: LeaseGuard,
}

/// What is durable.
struct Committed {
    state: BlobState,
    /// The state's bytes, and the blob's version with them.
    bytes: Bytes,
    etag: String,
    recent: Recent,
    /// A commit that may have counted: its response was lost, and the blob couldn't be read, either.
    doubt: Option<Next>,
}

/// The next state.
struct Next {
    state: BlobState,
    bytes: Bytes,
    ids: Vec<KnownId>,
}

/// What the state's blob contains.
enum Stands {
    /// What this process committed last.
    AsLeft,
    /// The commit whose response was lost.
    Doubted,
    /// Another process's.
    Foreign,
}

impl Source {
    /// With a lease of its own. It isn't held until its keeper says so.
    pub(super) fn new(base: Arc<Base>, names: BlobNames, lease: String, state: BlobState, etag: String) -> Arc<Self> {
        let (lease_keeper, guard) = LeaseKeeper::new(base.env.clock.clone());
        let by =
            Lease { id: Some(lease), partition: None, keeper: lease_keeper, reading: guard.clone(), commits: guard };
        Self::open(base, names, by, state, etag)
    }

    /// With the lease of its partition.
    pub(super) fn in_partition(
        base: Arc<Base>,
        names: BlobNames,
        partition: Arc<PartitionLease>,
        state: BlobState,
        etag: String,
    ) -> Arc<Self> {
        let (lease_keeper, guard) = LeaseKeeper::new(base.env.clock.clone());
        lease_keeper.set(LeaseState::for_good());
        let reading = guard.clone().within(partition.reading.clone());
        let commits = guard.within(partition.lease.clone());
        let by = Lease { id: None, partition: Some(partition), keeper: lease_keeper, reading, commits };
        Self::open(base, names, by, state, etag)
    }

    fn open(base: Arc<Base>, names: BlobNames, lease: Lease, state: BlobState, etag: String) -> Arc<Self> {
        let recent = state.unread();
        let bytes = Bytes::from(frame(&state.encode_blob()));
        Arc::new(Self {
            base,
            names,
            lease,
            info: OpenInfo::new(state.key.id(), &state),
            keeper: Mutex::default(),
            committed: tokio::sync::Mutex::new(Committed { state, bytes, etag, recent, doubt: None }),
        })
    }

    /// The id of the lease on its state.
    pub(super) fn own_lease(&self) -> Option<&str> {
        self.lease.id.as_deref()
    }

    pub(super) fn lease_keeper(&self) -> &LeaseKeeper {
        &self.lease.keeper
    }

    /// Sets the task that keeps the lease. It ends with this source.
    pub(super) fn kept_by(&self, keeper: AbortHandle) {
        *self.keeper.lock() = Some(keeper);
    }

    fn end_keeper(&self) {
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.abort();
        }
    }

    /// Stops reads and commits. Call it before releasing the lease.
    pub(super) fn end(&self) {
        self.end_keeper();
        self.lease.keeper.set(LeaseState::Lost);
    }

    /// Whether the state is as this process left it.
    pub(super) async fn is_as_left(&self) -> Result<bool, CheckpointError> {
        let mut committed = self.committed.lock().await;
        self.settle_doubt(&mut committed).await.map(|stands| !matches!(stands, Stands::Foreign))
    }

    /// Reads the state's blob and settles a doubted commit.
    async fn settle_doubt(&self, committed: &mut Committed) -> Result<Stands, CheckpointError> {
        let blob = self.base.container.get(&self.names.state).await?;
        if blob.bytes == committed.bytes {
            // The doubted commit may still be in flight. Then its demand for the old version fails, or ours does.
            committed.etag = blob.etag;
            return Ok(Stands::AsLeft);
        }
        match committed.doubt.take_if(|doubt| doubt.bytes == blob.bytes) {
            Some(next) => {
                self.count(committed, next, blob.etag);
                Ok(Stands::Doubted)
            }
            None => Ok(Stands::Foreign),
        }
    }

    /// Makes a commit count.
    fn count(&self, committed: &mut Committed, next: Next, etag: String) {
        let Next { state, bytes, ids } = next;
        self.info.show(&state);
        committed.recent.add(&ids);
        (committed.state, committed.bytes, committed.etag) = (state, bytes, etag);
        committed.doubt = None;
    }

    fn lost(&self) -> CheckpointError {
        self.lease.keeper.set(LeaseState::Lost);
        CheckpointError::Lost
    }

    fn check_hold(&self) -> Result<(), CheckpointError> {
        if self.lease.commits.is_held() {
            return Ok(());
        }
        let wait = Some(self.base.times.look);
        Err(CheckpointError::Storage { reason: self.lease.commits.reason(), wait })
    }

    /// Stores a commit's ids, and returns the state after it. `None` if nothing changes.
    async fn next(&self, state: &BlobState, commit: &Commit) -> Result<Option<Next>, CheckpointError> {
        let mut next = state.clone();
        let batches = next.step(commit);
        if next == *state && batches.is_empty() {
            return Ok(None);
        }
        next.serial = next.serial.wrapping_add(1);
        intents::store(&self.base.container, &self.names, commit).await?;
        for (bucket, ids) in batches {
            let data = Bytes::from(ids::encode(bucket, &ids));
            parts::append(&self.base.container, &self.names, &mut next, bucket, &data).await?;
        }
        let bytes = Bytes::from(frame(&next.encode_blob()));
        Ok(Some(Next { state: next, bytes, ids: commit.ids.clone() }))
    }

    /// Removes the blobs of days before this time, which no process needs. Retries failures a day later.
    async fn remove_forgotten(&self, time: i64) {
        let Some(day) = Bucket::day(time) else { return };
        let first_kept = format!("{}{}", self.names.ids, Bucket::Day(day).file_name().trim_end_matches("ids"));
        let names = self.base.container.list(&self.names.ids, MOST_REMOVED).await.unwrap_or_default();
        // The names of other ids begin with a letter, so they sort after all days.
        for name in names.iter().filter(|name| **name < first_kept) {
            if let Err(error) = self.base.container.delete(name).await {
                tracing::debug!("can't delete a blob of expired ids yet: {error}");
            }
        }
    }
}

impl StateBackend for Source {
    fn info(&self) -> &OpenInfo {
        &self.info
    }

    fn path(&self) -> PathBuf {
        self.names.path()
    }

    async fn read_known(&self, range: Range<i64>) -> Result<Vec<KnownId>, CheckpointError> {
        let now = self.base.env.clock.now_seconds();
        let mut committed = self.committed.lock().await;
        let Committed { state, recent, .. } = &mut *committed;
        let pieces: Vec<Piece<'_>> = state
            .buckets()
            .flat_map(|(bucket, parts)| parts.iter().map(move |part| (bucket, part)))
            .map(|(bucket, part)| {
                let blob = format!("{}{}", self.names.ids, part.name(bucket));
                let stored = StoredPart { container: &self.base.container, names: &self.names, blob };
                (bucket, Box::new(stored) as Box<dyn Stored>, part.len)
            })
            .collect();
        known::read(recent, range, now, pieces).await
    }

    async fn apply(&self, commit: Commit) -> Result<(), CheckpointError> {
        let mut committed = self.committed.lock().await;
        self.check_hold()?;
        if committed.doubt.is_some()
            && let Stands::Foreign = self.settle_doubt(&mut committed).await?
        {
            return Err(self.lost());
        }
        for _ in 0..LOOKS {
            let Some(next) = self.next(&committed.state, &commit).await? else { return Ok(()) };
            let settled = intents::are_settled(&committed.state, &next.state);
            let forgotten = next.state.days.len() < committed.state.days.len() && commit.forget_before.is_some();
            self.check_hold()?;
            let demand = Demand::of(&committed.etag, self.own_lease());
            let error = match self.base.container.put(&self.names.state, next.bytes.clone(), demand).await {
                Ok(etag) => {
                    self.count(&mut committed, next, etag);
                    if forgotten {
                        self.remove_forgotten(commit.forget_before.unwrap_or(0)).await;
                    }
                    if settled {
                        intents::clean(&self.base.container, &self.names, &committed.state).await;
                    }
                    return Ok(());
                }
                Err(error @ BlobError::Refused { .. }) => return Err(error.into()),
                Err(error) => error,
            };
            // This or an earlier attempt may have counted, or the source was taken over. The blob tells.
            let bytes = next.bytes.clone();
            committed.doubt = Some(next);
            match self.settle_doubt(&mut committed).await? {
                Stands::Doubted if committed.bytes == bytes => return Ok(()),
                Stands::Foreign => return Err(self.lost()),
                Stands::AsLeft | Stands::Doubted => {
                    // Without a lease it can't be written. The keeper handles that.
                    if matches!(&error, BlobError::Conflict { code, .. } if code.starts_with("Lease")) {
                        return Err(error.into());
                    }
                }
            }
        }
        let reason = "no response to a commit".to_owned();
        Err(CheckpointError::Storage { reason, wait: None })
    }

    async fn read_intent(&self, hash: IntentHash) -> Result<Vec<u8>, CheckpointError> {
        intents::read(&self.base.container, &self.names, &hash).await
    }

    async fn is_committed(&self, run: u64, sequence: u64) -> bool {
        self.committed.lock().await.state.is_committed(run, sequence)
    }

    fn lease_guard(&self) -> LeaseGuard {
        self.lease.reading.clone()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end_keeper();
    }
}
