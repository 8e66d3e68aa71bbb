//! Appends groups to files, durably and in an order that a crash can't confuse.
//!
//! One attempt: note the length of files that are new to the log; append; sync the files; sync the names of new files
//! and folders; note the segments. An attempt that fails anywhere is made again as a whole: the files are cut back to
//! where they were (a failed append may have written a part, and after a failed sync nobody knows what the disk has),
//! and everything is written anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::try_join_all;

use super::group::{Group, Unit};
use super::log::{Entry, Log};
use super::template::{folder, number_of, numbered};
use crate::component::Store;
use crate::event::Origin;
use nordpass_env::Disk;

/// Files whose length is kept in mind; more are looked up again.
const OPEN_FILES: usize = 512;
/// Folders whose names are known to be durable.
const KNOWN_FOLDERS: usize = 4096;
/// Syncs that run side by side.
const SYNCS: usize = 8;
/// The log is compacted from this length on.
const COMPACT_BYTES: u64 = 1 << 20;

/// What failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} {}: {source}", .path.display())]
pub struct WriteError {
    doing: &'static str,
    path: PathBuf,
    /// The operating system's error.
    pub source: io::Error,
}

/// A file that this run writes to: the log has an `open` for it.
#[derive(Debug)]
struct Open {
    len: u64,
    /// An attempt has touched it and didn't finish.
    dirty: bool,
    /// Its name is durable.
    named: bool,
    /// When it was last written to, in groups.
    used: u64,
}

/// What one attempt appends to one file.
struct Append {
    start: u64,
    bytes: Vec<u8>,
    segments: Vec<(u64, Origin)>,
}

/// The files of a sink.
pub struct Writer {
    disk: Arc<dyn Disk>,
    store: Arc<dyn Store>,
    log: Log,
    /// The part of the path that no record decides.
    root: PathBuf,
    max_file_bytes: Option<u64>,
    files: BTreeMap<String, Open>,
    /// The number that a series has reached.
    numbers: HashMap<Arc<str>, u32>,
    folders: HashSet<PathBuf>,
    groups: u64,
    /// The log is compacted when it is this long, and twice as long as after the last time.
    compact_from: u64,
    compacted: u64,
}

fn at<'a>(doing: &'static str, path: impl AsRef<Path> + 'a) -> impl FnOnce(io::Error) -> WriteError + 'a {
    move |source| WriteError { doing, path: path.as_ref().to_owned(), source }
}

impl Writer {
    /// A writer on an empty log.
    pub fn new(
        disk: Arc<dyn Disk>,
        store: Arc<dyn Store>,
        log: Log,
        root: PathBuf,
        max_file_bytes: Option<u64>,
    ) -> Self {
        Self {
            disk,
            store,
            log,
            root,
            max_file_bytes,
            files: BTreeMap::new(),
            numbers: HashMap::new(),
            folders: HashSet::new(),
            groups: 0,
            compact_from: COMPACT_BYTES,
            compacted: 0,
        }
    }

    /// Compacts the log from this length on.
    #[cfg(test)]
    pub fn compact_from(&mut self, bytes: u64) {
        self.compact_from = bytes;
    }

    /// Makes a group durable. After an error it can be called again with the same group, and must be before any other.
    pub async fn write(&mut self, group: &Group) -> Result<(), WriteError> {
        if group.units.is_empty() {
            return Ok(());
        }
        let log_path = self.log.path().to_owned();
        self.log.repair().await.map_err(at("repair", &log_path))?;
        self.take_back().await?;
        self.compact().await?;

        let mut numbers = HashMap::new();
        let mut announced = Vec::new();
        let appends = self.place(&group.units, &mut numbers, &mut announced).await?;
        if !announced.is_empty() {
            self.log.append(&announced).await.map_err(at("append to", &log_path))?;
            for entry in announced {
                if let Entry::Open { path, length } = entry {
                    self.files.insert(path, Open { len: length, dirty: false, named: false, used: self.groups });
                }
            }
        }
        self.append(&appends).await?;
        self.sync(&appends).await?;
        self.log.append(&segments(&appends)).await.map_err(at("append to", &log_path))?;

        self.groups += 1;
        for (path, append) in &appends {
            if let Some(open) = self.files.get_mut(path) {
                *open = Open {
                    len: append.start + append.bytes.len() as u64,
                    dirty: false,
                    named: true,
                    used: self.groups,
                };
            }
        }
        self.numbers.extend(numbers);
        self.forget_old();
        Ok(())
    }

    /// Cuts back what a failed attempt has written.
    async fn take_back(&mut self) -> Result<(), WriteError> {
        for (path, open) in self.files.iter_mut().filter(|(_, open)| open.dirty) {
            let len = self.disk.len(Path::new(path)).await.map_err(at("read", path))?;
            if len.is_some_and(|len| len > open.len) {
                self.disk.truncate(Path::new(path), open.len).await.map_err(at("cut", path))?;
            }
            open.dirty = false;
        }
        Ok(())
    }

    /// Decides which unit goes to which file, and what has to be noted about these files first.
    async fn place(
        &mut self,
        units: &[Unit],
        numbers: &mut HashMap<Arc<str>, u32>,
        announced: &mut Vec<Entry>,
    ) -> Result<BTreeMap<String, Append>, WriteError> {
        let mut appends: BTreeMap<String, Append> = BTreeMap::new();
        for unit in units {
            let known = numbers.get(&unit.path).or_else(|| self.numbers.get(&unit.path)).copied();
            let mut number = if let Some(number) = known {
                number
            } else {
                let number = self.last_number(&unit.path).await?;
                // Kept at once: a failed attempt leaves files behind that mustn't count at the next.
                self.numbers.insert(unit.path.clone(), number);
                number
            };
            loop {
                let path = numbered(&unit.path, number);
                if !appends.contains_key(&path) {
                    let start = self.examine(&path, announced).await?;
                    appends.insert(path.clone(), Append { start, bytes: Vec::new(), segments: Vec::new() });
                }
                let Some(append) = appends.get_mut(&path) else { continue };
                let len = append.start + append.bytes.len() as u64;
                let end = len + unit.bytes.len() as u64;
                if len > 0 && self.max_file_bytes.is_some_and(|max| end > max) {
                    number += 1;
                    continue;
                }
                append.bytes.extend_from_slice(&unit.bytes);
                append.segments.push((end, unit.origin.clone()));
                break;
            }
            numbers.insert(unit.path.clone(), number);
        }
        // Those that were only looked at, because they are full.
        appends.retain(|_, append| !append.segments.is_empty());
        announced.retain(|entry| matches!(entry, Entry::Open { path, .. } if appends.contains_key(path)));
        Ok(appends)
    }

    /// The highest number of a series on disk.
    async fn last_number(&self, path: &str) -> Result<u32, WriteError> {
        if self.max_file_bytes.is_none() {
            return Ok(0);
        }
        let dir = folder(Path::new(path));
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        let files = self.disk.list(dir).await.map_err(at("list", dir))?;
        Ok(files.iter().filter_map(|file| number_of(&file.name, &name)).max().unwrap_or(0))
    }

    /// A file's length. If the log doesn't know the file or this length, that is to be announced.
    async fn examine(&self, path: &str, announced: &mut Vec<Entry>) -> Result<u64, WriteError> {
        let len = self.disk.len(Path::new(path)).await.map_err(at("read", path))?.unwrap_or(0);
        match self.files.get(path) {
            Some(open) if open.len == len => return Ok(len),
            Some(open) => tracing::warn!(
                path,
                expected = open.len,
                found = len,
                "another program has changed or moved this file; appending to what is there now"
            ),
            None => {}
        }
        announced.push(Entry::Open { path: path.to_owned(), length: len });
        Ok(len)
    }

    async fn append(&mut self, appends: &BTreeMap<String, Append>) -> Result<(), WriteError> {
        for (path, append) in appends {
            let Some(open) = self.files.get_mut(path) else { continue };
            if !open.named {
                let dir = folder(Path::new(path));
                self.disk.create_dir_all(dir).await.map_err(at("make", dir))?;
            }
            open.dirty = true;
            self.disk.append(Path::new(path), &append.bytes).await.map_err(at("append to", path))?;
        }
        Ok(())
    }

    /// Makes contents durable, and the names of files and folders that are new to this run. (One that was there may be
    /// the work of a process that was killed before it could do so.)
    async fn sync(&mut self, appends: &BTreeMap<String, Append>) -> Result<(), WriteError> {
        let paths: Vec<&String> = appends.keys().collect();
        for paths in paths.chunks(SYNCS) {
            try_join_all(paths.iter().map(|path| sync_file(self.disk.as_ref(), path))).await?;
        }
        let mut unnamed = Vec::new();
        for path in appends.keys() {
            let dir = folder(Path::new(path));
            if self.files.get(path).is_some_and(|open| !open.named) && !unnamed.contains(&dir) {
                unnamed.push(dir);
            }
        }
        for dir in unnamed {
            self.disk.sync_dir(dir).await.map_err(at("sync", dir))?;
            self.sync_folders_above(dir).await?;
        }
        Ok(())
    }

    async fn sync_folders_above(&mut self, dir: &Path) -> Result<(), WriteError> {
        if self.folders.len() >= KNOWN_FOLDERS {
            self.folders.clear();
        }
        let mut dir = dir;
        while dir != self.root && self.folders.insert(dir.to_owned()) {
            let above = folder(dir);
            if let Err(error) = self.disk.sync_dir(above).await {
                self.folders.remove(dir);
                return Err(at("sync", above)(error));
            }
            if above == Path::new(".") {
                break;
            }
            dir = above;
        }
        Ok(())
    }

    /// Forgets the files that were written to longest ago. The log still knows them.
    fn forget_old(&mut self) {
        if self.files.len() > OPEN_FILES {
            let mut used: Vec<u64> = self.files.values().map(|open| open.used).collect();
            used.sort_unstable();
            let oldest_kept = used[used.len() - OPEN_FILES / 2];
            self.files.retain(|_, open| open.dirty || open.used >= oldest_kept);
        }
        if self.numbers.len() > OPEN_FILES {
            self.numbers.clear();
        }
    }

    /// Drops from the log what is resolved: committed segments that no uncommitted one precedes, and files that have
    /// nothing else and that were forgotten here.
    async fn compact(&mut self) -> Result<(), WriteError> {
        if self.log.len() < self.compact_from.max(2 * self.compacted) {
            return Ok(());
        }
        let log_path = self.log.path().to_owned();
        let mut contents = self.log.read().await.map_err(at("read", &log_path))?;
        for tracked in contents.files.values_mut() {
            let mut committed = 0;
            for segment in &tracked.segments {
                // A checkpoint that can't answer now is asked again at the next time.
                if !self.store.is_committed(&segment.origin).await.unwrap_or(false) {
                    break;
                }
                committed += 1;
            }
            if let Some(last) = tracked.segments.drain(..committed).next_back() {
                tracked.base = last.end;
            }
        }
        contents.files.retain(|path, tracked| !tracked.segments.is_empty() || self.files.contains_key(path));
        self.log.replace(&contents.entries()).await.map_err(at("replace", &log_path))?;
        self.compacted = self.log.len();
        Ok(())
    }
}

async fn sync_file(disk: &dyn Disk, path: &str) -> Result<(), WriteError> {
    disk.sync(Path::new(path)).await.map_err(at("sync", path))
}

fn segments(appends: &BTreeMap<String, Append>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (path, append) in appends {
        let mut start = append.start;
        for (end, origin) in &append.segments {
            entries.push(Entry::segment(path, start, *end, origin));
            start = *end;
        }
    }
    entries
}
