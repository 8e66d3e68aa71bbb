//! One source's open state: what is committed, and how to commit.

use std::{ops::Range, path::PathBuf, sync::Arc};

use futures::future::BoxFuture;

use super::ids::{self, Stored};
use super::intents::{contents, intent_name};
use super::load::{self, ids_dir, intents_dir};
use super::{Folder, disk_error, unusable};
use super::{known, recent::Recent, state::LocalState, write::Files};
use crate::component::{CheckpointError, Commit, IntentHash, KnownId, LeaseGuard, SourceKey};
use crate::state::open::{OpenInfo, StateBackend};
use nordpass_env::Disk;

/// How much of a file of ids is read ahead.
const READ_BYTES: usize = 16 << 10;

/// A source's state on disk.
pub(super) struct LocalSource {
    folder: Arc<Folder>,
    info: OpenInfo,
    dir: PathBuf,
    /// Serializes commits and queries.
    committed: tokio::sync::Mutex<Committed>,
}

/// What is durable.
struct Committed {
    state: LocalState,
    files: Files,
    recent: Recent,
}

impl LocalSource {
    /// Reads the state and registers a new run, so that its uncommitted chunks are known to be uncommitted.
    pub(super) async fn open(folder: Arc<Folder>, key: SourceKey) -> Result<Self, CheckpointError> {
        let key_id = key.id();
        let dir = folder.source(&key_id);
        let disk = folder.env.disk.clone();
        let loaded = load::load(disk.as_ref(), &dir, &key_id).await?;
        let state = loaded.unwrap_or_else(|| LocalState::new(key)).begin_run(folder.env.random.as_ref());
        let recent = state.unread();
        let files = Files::begin(disk, &folder.dir, &dir, &state).await?;
        let info = OpenInfo::new(key_id, &state);
        let committed = tokio::sync::Mutex::new(Committed { state, files, recent });
        Ok(Self { folder, info, dir, committed })
    }
}

impl StateBackend for LocalSource {
    fn info(&self) -> &OpenInfo {
        &self.info
    }

    fn path(&self) -> PathBuf {
        self.dir.clone()
    }

    async fn is_committed(&self, run: u64, sequence: u64) -> bool {
        self.committed.lock().await.state.is_committed(run, sequence)
    }

    fn lease_guard(&self) -> LeaseGuard {
        LeaseGuard::always()
    }

    async fn apply(&self, commit: Commit) -> Result<(), CheckpointError> {
        let mut committed = self.committed.lock().await;
        let Committed { state, files, recent } = &mut *committed;

        let mut next = state.clone();
        let batches = next.step(&commit);
        if next == *state && batches.is_empty() {
            return Ok(());
        }
        files.begin_commit(state).await?;
        for (hash, content) in contents(&commit) {
            files.write_intent(&hash, content).await?;
        }
        for (bucket, ids) in batches {
            let data = ids::encode(bucket, &ids);
            let committed = state.ids(bucket).copied().unwrap_or(0);
            files.append_ids(bucket, committed, &data).await?;
            *next.ids_mut(bucket) = committed + data.len() as u64;
        }
        files.finish_commit(&next).await?;

        // From here on the commit counts. Nothing below may fail.
        let forgotten: Vec<_> = state.days.keys().filter(|day| !next.days.contains_key(day)).copied().collect();
        let settled: Vec<IntentHash> = state.intents.hashes().copied().collect();
        *state = next;
        self.info.show(state);
        recent.add(&commit.ids);
        files.remove_days(forgotten, state).await;
        files.remove_intents(settled, state).await;
        Ok(())
    }

    async fn read_intent(&self, hash: IntentHash) -> Result<Vec<u8>, CheckpointError> {
        let path = intents_dir(&self.dir).join(intent_name(&hash));
        let disk = self.folder.env.disk.as_ref();
        if disk.len(&path).await.map_err(disk_error(&path))?.is_none() {
            return Err(unusable(&path, "this file of the state is missing, but others exist"));
        }
        let content = disk.read(&path).await.map_err(disk_error(&path))?;
        if *blake3::hash(&content).as_bytes() == hash {
            return Ok(content);
        }
        Err(unusable(&path, "the file is damaged"))
    }

    async fn read_known(&self, range: Range<i64>) -> Result<Vec<KnownId>, CheckpointError> {
        let now = self.folder.env.clock.now_seconds();
        let mut committed = self.committed.lock().await;
        let Committed { state, recent, .. } = &mut *committed;
        let disk = self.folder.env.disk.as_ref();
        let pieces = state.buckets().map(|(bucket, &len)| {
            let path = ids_dir(&self.dir).join(bucket.file_name());
            (bucket, Box::new(IdFile { disk, path }) as Box<dyn Stored>, len)
        });
        known::read(recent, range, now, pieces.collect()).await
    }
}

/// A file of ids.
struct IdFile<'a> {
    disk: &'a dyn Disk,
    path: PathBuf,
}

impl Stored for IdFile<'_> {
    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>> {
        Box::pin(async move { self.disk.read_at(&self.path, at, len).await.map_err(disk_error(&self.path)) })
    }

    fn ahead(&self) -> usize {
        READ_BYTES
    }

    fn damaged(&self, at: u64) -> CheckpointError {
        unusable(&self.path, format!("the known ids are damaged at byte {at}"))
    }
}
