//! Writes a source's folder: decides what to sync, cut or rewrite, and in which order.

use std::path::{Path, PathBuf};
use std::{collections::BTreeSet, io, sync::Arc};

use super::intents::{intent_name, is_intent_name};
use super::load::{ids_dir, intents_dir, runs_path, state_path};
use super::{disk_error, unusable};
use super::{frame::frame, ids::Bucket, state::LocalState};
use crate::component::{CheckpointError, IntentHash};
use nordpass_env::Disk;

/// `state.log` is rewritten when it would grow over this.
const LOG_BYTES: u64 = 256 << 10;

/// The files of one source, and what is uncertain about them.
pub struct Files {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    log_len: u64,
    /// False from the start of a write to `state.log` until it succeeds. After a failure the file may end with a frame
    /// that is whole for a reader but not durable.
    log_good: bool,
    /// Files of ids with exactly the committed length. Others may have a tail of a failed commit.
    exact: BTreeSet<Bucket>,
    touched: Vec<Bucket>,
    has_new_name: bool,
    /// Files of forgotten ids that couldn't be removed yet.
    leftover: BTreeSet<u32>,
    /// The folder of intents is there, durably.
    has_intents: bool,
}

impl Files {
    /// Creates the folder and writes the state of a new run.
    pub async fn begin(
        disk: Arc<dyn Disk>,
        data_dir: &Path,
        dir: &Path,
        state: &LocalState,
    ) -> Result<Self, CheckpointError> {
        let ids = ids_dir(dir);
        disk.create_dir_all(&ids).await.map_err(disk_error(&ids))?;
        for made_in in [Some(data_dir), dir.parent()].into_iter().flatten() {
            disk.sync_dir(made_in).await.map_err(disk_error(made_in))?;
        }
        let runs = runs_path(dir);
        disk.replace(&runs, &frame(&state.encode_runs())).await.map_err(disk_error(&runs))?;
        let mut files = Self {
            disk,
            dir: dir.to_owned(),
            log_len: 0,
            log_good: false,
            exact: BTreeSet::new(),
            touched: Vec::new(),
            has_new_name: false,
            leftover: BTreeSet::new(),
            has_intents: false,
        };
        files.rewrite_log(state).await?;
        files.remove_strays(state).await;
        Ok(files)
    }

    /// Call this first. After a failed write, it makes the committed state certain again before anything that the
    /// failed one may refer to is cut.
    pub async fn begin_commit(&mut self, committed: &LocalState) -> Result<(), CheckpointError> {
        self.touched.clear();
        self.has_new_name = false;
        if self.log_good { Ok(()) } else { self.rewrite_log(committed).await }
    }

    /// Appends ids behind the committed length, durably.
    pub async fn append_ids(&mut self, bucket: Bucket, committed: u64, data: &[u8]) -> Result<(), CheckpointError> {
        let path = ids_dir(&self.dir).join(bucket.file_name());
        if !self.exact.remove(&bucket) {
            let len = self.disk.len(&path).await.map_err(disk_error(&path))?.unwrap_or(0);
            if len < committed {
                return Err(unusable(&path, format!("the file has {len} bytes, but {committed} were committed")));
            }
            if len > committed {
                self.disk.truncate(&path, committed).await.map_err(disk_error(&path))?;
            }
        }
        self.touched.push(bucket);
        self.has_new_name |= committed == 0;
        self.disk.append_synced(&path, data).await.map_err(disk_error(&path))
    }

    /// Stores what an intent says, durably. The name is the content's hash, so a file with this name has this content or is
    /// torn, and is written again.
    pub async fn write_intent(&mut self, hash: &IntentHash, content: &[u8]) -> Result<(), CheckpointError> {
        let dir = intents_dir(&self.dir);
        if !self.has_intents {
            self.disk.create_dir_all(&dir).await.map_err(disk_error(&dir))?;
            self.disk.sync_dir(&self.dir).await.map_err(disk_error(&self.dir))?;
            self.has_intents = true;
        }
        let path = dir.join(intent_name(hash));
        self.disk.replace(&path, content).await.map_err(disk_error(&path))
    }

    /// Removes the files of those of these intents that the state no longer lists.
    pub async fn remove_intents(&self, intents: Vec<IntentHash>, committed: &LocalState) {
        for hash in intents {
            if !committed.intents.hashes().any(|listed| *listed == hash) {
                self.remove(&intents_dir(&self.dir).join(intent_name(&hash))).await;
            }
        }
    }

    /// The commit point: makes `next` the state.
    pub async fn finish_commit(&mut self, next: &LocalState) -> Result<(), CheckpointError> {
        if self.has_new_name {
            let ids = ids_dir(&self.dir);
            self.disk.sync_dir(&ids).await.map_err(disk_error(&ids))?;
        }
        let frame = frame(&next.encode_log());
        if self.log_len + frame.len() as u64 > LOG_BYTES {
            self.replace_log(&frame).await?;
        } else {
            let path = state_path(&self.dir);
            self.log_good = false;
            self.disk.append_synced(&path, &frame).await.map_err(disk_error(&path))?;
            self.log_good = true;
            self.log_len += frame.len() as u64;
        }
        self.exact.extend(self.touched.drain(..));
        Ok(())
    }

    /// Removes files of forgotten ids. One that can't be removed isn't read, and is retried later.
    pub async fn remove_days(&mut self, days: Vec<u32>, committed: &LocalState) {
        self.leftover.extend(days);
        for day in std::mem::take(&mut self.leftover) {
            if committed.days.contains_key(&day) {
                continue;
            }
            self.exact.remove(&Bucket::Day(day));
            if !self.remove(&ids_dir(&self.dir).join(Bucket::Day(day).file_name())).await {
                self.leftover.insert(day);
            }
        }
    }

    /// Removes files of ids and intents that the state doesn't list: forgotten, or of a commit that didn't happen.
    async fn remove_strays(&mut self, committed: &LocalState) {
        let mut listed: BTreeSet<String> = committed.days.keys().map(|&day| Bucket::Day(day).file_name()).collect();
        if committed.other > 0 {
            listed.insert(Bucket::Other.file_name());
        }
        let files = self.disk.list(&ids_dir(&self.dir)).await.unwrap_or_default();
        for file in files.into_iter().filter(|file| Bucket::is_file_name(&file.name) && !listed.contains(&file.name)) {
            self.remove(&ids_dir(&self.dir).join(&file.name)).await;
        }
        let listed: BTreeSet<String> = committed.intents.hashes().map(intent_name).collect();
        let files = self.disk.list(&intents_dir(&self.dir)).await.unwrap_or_default();
        for file in files.into_iter().filter(|file| is_intent_name(&file.name) && !listed.contains(&file.name)) {
            self.remove(&intents_dir(&self.dir).join(&file.name)).await;
        }
    }

    async fn remove(&self, path: &Path) -> bool {
        match self.disk.remove(path).await {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "can't delete a file of the state that isn't needed any more");
                false
            }
        }
    }

    async fn rewrite_log(&mut self, state: &LocalState) -> Result<(), CheckpointError> {
        let frame = frame(&state.encode_log());
        self.replace_log(&frame).await
    }

    async fn replace_log(&mut self, frame: &[u8]) -> Result<(), CheckpointError> {
        let path = state_path(&self.dir);
        self.log_good = false;
        self.disk.replace(&path, frame).await.map_err(disk_error(&path))?;
        self.log_good = true;
        self.log_len = frame.len() as u64;
        Ok(())
    }
}
