//! One source's open state: what is committed, and the way to the next commit.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::ids::{self, Bucket, Stored};
use super::known;
use super::load::{self, Loaded, ids_dir};
use super::recent::Recent;
use super::snapshot::{Run, Snapshot};
use super::write::Files;
use super::{Folder, disk_error, unusable};
use crate::component::{CheckpointError, Commit, KnownId, LeaseGuard, SourceKey};
use crate::state::open::{OpenInfo, StateBackend};
use nordpass_env::Disk;

/// How much of a file of ids is read ahead.
const READ_BYTES: usize = 16 << 10;

/// A source's state on disk.
pub(super) struct LocalSource {
    folder: Arc<Folder>,
    info: OpenInfo,
    dir: PathBuf,
    earlier: Vec<Run>,
    /// Commits and queries, one after the other.
    committed: tokio::sync::Mutex<Committed>,
}

/// What is durable.
struct Committed {
    snapshot: Snapshot,
    files: Files,
    recent: Recent,
}

impl LocalSource {
    /// Reads the state and registers a new run: from then on a chunk of this run that isn't committed is known as such.
    pub(super) async fn open(folder: Arc<Folder>, key: SourceKey) -> Result<Self, CheckpointError> {
        let key_id = key.id();
        let dir = folder.source(&key_id);
        let disk = folder.env.disk.clone();
        let loaded = load::load(disk.as_ref(), &dir, &key_id).await?;
        let mut snapshot = loaded.as_ref().map_or_else(Snapshot::default, |loaded| loaded.snapshot.clone());
        let earlier = loaded.map_or_else(Vec::new, Loaded::into_runs);
        let run = loop {
            let run = folder.env.random.next_u64();
            if earlier.iter().all(|earlier| earlier.number != run) {
                break run;
            }
        };
        let recent =
            if snapshot.days.is_empty() && snapshot.other == 0 { Recent::of_first_run() } else { Recent::unread() };
        snapshot.run = run;
        snapshot.chunks = super::intervals::Intervals::default();
        let files = Files::begin(disk, &folder.dir, &dir, &key, &earlier, &snapshot).await?;
        let info = OpenInfo::new(key_id, run, snapshot.document.clone());
        let committed = tokio::sync::Mutex::new(Committed { snapshot, files, recent });
        Ok(Self { folder, info, dir, earlier, committed })
    }

    /// Whether a chunk is committed; one of a run that isn't known counts as such.
    pub(super) async fn is_committed(&self, run: u64, sequence: u64) -> bool {
        if run == self.info.run {
            return self.committed.lock().await.snapshot.chunks.contains(sequence);
        }
        self.earlier.iter().find(|earlier| earlier.number == run).is_none_or(|run| run.chunks.contains(sequence))
    }
}

impl StateBackend for LocalSource {
    fn info(&self) -> &OpenInfo {
        &self.info
    }

    fn path(&self) -> PathBuf {
        self.dir.clone()
    }

    fn lease_guard(&self) -> LeaseGuard {
        LeaseGuard::always()
    }

    async fn apply(&self, commit: Commit) -> Result<(), CheckpointError> {
        let mut committed = self.committed.lock().await;
        let Committed { snapshot, files, recent } = &mut *committed;

        let mut next = snapshot.clone();
        let batches = known::step(&commit, &mut next.chunks, &mut next.document, &mut next.days);
        if next == *snapshot && batches.is_empty() {
            return Ok(());
        }
        files.begin_commit(snapshot).await?;
        for (bucket, ids) in batches {
            let data = ids::encode(bucket, &ids);
            let len = len_of(snapshot, bucket) + data.len() as u64;
            files.append_ids(bucket, len_of(snapshot, bucket), &data).await?;
            match bucket {
                Bucket::Day(day) => drop(next.days.insert(day, len)),
                Bucket::Other => next.other = len,
            }
        }
        files.finish_commit(&next).await?;

        // From here on the commit counts; nothing below may fail.
        let forgotten: Vec<_> = snapshot.days.keys().filter(|day| !next.days.contains_key(day)).copied().collect();
        *snapshot = next;
        self.info.set_document(snapshot.document.as_ref());
        recent.add(&commit.ids);
        files.remove_days(forgotten, snapshot).await;
        Ok(())
    }

    async fn read_known(&self, range: Range<i64>) -> Result<Vec<KnownId>, CheckpointError> {
        let now = self.folder.env.clock.now_seconds();
        let mut committed = self.committed.lock().await;
        let Committed { snapshot, recent, .. } = &mut *committed;
        let disk = self.folder.env.disk.as_ref();
        let days = snapshot.days.iter().map(|(&day, &len)| (Bucket::Day(day), len));
        let pieces = days.chain([(Bucket::Other, snapshot.other)]).map(|(bucket, len)| {
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

fn len_of(snapshot: &Snapshot, bucket: Bucket) -> u64 {
    match bucket {
        Bucket::Day(day) => snapshot.days.get(&day).copied().unwrap_or(0),
        Bucket::Other => snapshot.other,
    }
}
