//! Appends groups to files durably, in an order that is safe against crashes.
//!
//! An attempt: record the length of files that are new to the log; lock them; write what will be appended into the
//! journal; append and sync; sync the names of new files and folders; record the segments. An attempt that fails
//! anywhere is repeated as a whole. First, what it wrote is cut again, because a failed append may have written a part,
//! and after a failed sync the disk's content is unknown.
//!
//! The operator owns the files, and may rotate, cut, remove or append to them at any moment. So each append is recorded
//! where the operating system has put it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::join_all;

use super::Settings;
use super::encode::Format;
use super::group::{Group, Unit};
use super::journal::Journal;
use super::log::{Entry, Log, Segment};
use super::own;
use super::owner::{Locked, WriteError, at, lock, make_folders};
use super::template::{folder, number_of, numbered};
use crate::component::Store;
use crate::event::Origin;
use nordpass_env::{Disk, FileKind};

/// Maximum files whose length is remembered. Others are looked up again.
const OPEN_FILES: usize = 512;
/// Maximum files that stay locked between groups, because each takes a file descriptor. Others are locked only while
/// checking that no other process has them.
const LOCKED_FILES: usize = 128;
/// Maximum folders remembered as durable.
const KNOWN_FOLDERS: usize = 4096;
/// Maximum parallel syncs.
const SYNCS: usize = 8;
/// The log is compacted from this length on.
const COMPACT_BYTES: u64 = 1 << 20;

/// A file that this run writes to. The log has an `open` for it.
struct Open {
    len: u64,
    /// Keeps our other processes from writing to it.
    lock: Option<Locked>,
    /// Its name is durable.
    named: bool,
    /// The group that last wrote to it.
    used: u64,
}

/// What one attempt appends to one file.
struct Append {
    start: u64,
    bytes: Vec<u8>,
    /// The end of each chunk's part of `bytes`.
    segments: Vec<(usize, Origin)>,
}

/// The files of a sink.
pub struct Writer {
    disk: Arc<dyn Disk>,
    store: Arc<dyn Store>,
    log: Log,
    journal: Journal,
    format: Format,
    /// The permissions of new files, if wider than owner-only.
    mode: Option<u32>,
    /// The folder that doesn't depend on any record.
    root: PathBuf,
    max_file_bytes: Option<u64>,
    files: BTreeMap<String, Open>,
    /// The current number of each series.
    numbers: HashMap<Arc<str>, u32>,
    /// What an unfinished attempt may have appended.
    attempt: Option<BTreeMap<String, Append>>,
    folders: HashSet<PathBuf>,
    groups: u64,
    /// The log is compacted when it is this long and twice as long as after the last compaction.
    compact_from: u64,
    compacted: u64,
}

impl Writer {
    /// Creates a writer on an empty log and an empty journal.
    pub fn new(
        disk: Arc<dyn Disk>,
        store: Arc<dyn Store>,
        (log, journal): (Log, Journal),
        root: PathBuf,
        settings: &Settings,
    ) -> Self {
        Self {
            disk,
            store,
            log,
            journal,
            format: settings.format,
            mode: settings.mode,
            root,
            max_file_bytes: settings.max_file_bytes,
            attempt: None,
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

    /// Makes a group durable. After an error, call it again with the same group before any other.
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
        self.announce(announced).await?;
        self.own(&appends).await?;
        let begun = appends.iter().map(|(path, append)| (path.as_str(), append.start, append.bytes.as_slice()));
        self.journal.write(begun).await.map_err(at("write", self.journal.path()))?;

        let appends = &*self.attempt.insert(appends);
        let placed = append(self.disk.as_ref(), appends).await?;
        self.sync_names(placed.keys()).await?;
        let appends = self.attempt.take().unwrap_or_default();
        let noted = self.note(&appends, &placed).await;
        if let Err(error) = noted {
            self.attempt = Some(appends);
            return Err(error);
        }

        self.groups += 1;
        for (path, append) in &appends {
            if let (Some(open), Some(start)) = (self.files.get_mut(path), placed.get(path)) {
                (open.len, open.named, open.used) = (start + append.bytes.len() as u64, true, self.groups);
            }
        }
        self.numbers.extend(numbers);
        self.forget_old();
        Ok(())
    }

    /// Cuts what a failed attempt has written.
    async fn take_back(&mut self) -> Result<(), WriteError> {
        let Some(attempt) = &self.attempt else { return Ok(()) };
        for (path, append) in attempt {
            let file = Path::new(path);
            let Some(len) = self.disk.len(file).await.map_err(at("read", path))? else { continue };
            let found = own::written(self.disk.as_ref(), file, len, append.start, &append.bytes).await;
            match found.map_err(at("read", path))? {
                Some(range) if range.end == len => {
                    self.disk.truncate(file, range.start).await.map_err(at("cut", path))?;
                    self.disk.sync(file).await.map_err(at("sync", path))?;
                }
                Some(_) => tracing::warn!(
                    path,
                    "another program has appended to this file while it couldn't be synced: what is written again is in it \
                     twice"
                ),
                None => {}
            }
        }
        self.attempt = None;
        Ok(())
    }

    /// Decides which unit goes to which file, and what to record about these files first.
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
                // Kept at once: files left behind by a failed attempt mustn't count at the next.
                self.numbers.insert(unit.path.clone(), number);
                number
            };
            loop {
                let path = numbered(&unit.path, number);
                if !appends.contains_key(&path) {
                    let (start, bytes) = self.examine(&path, announced).await?;
                    appends.insert(path.clone(), Append { start, bytes, segments: Vec::new() });
                }
                let Some(append) = appends.get_mut(&path) else { continue };
                let len = append.start + append.bytes.len() as u64;
                let end = len + unit.bytes.len() as u64;
                if len > 0 && self.max_file_bytes.is_some_and(|max| end > max) {
                    number += 1;
                    continue;
                }
                append.bytes.extend_from_slice(&unit.bytes);
                append.segments.push((append.bytes.len(), unit.origin.clone()));
                break;
            }
            numbers.insert(unit.path.clone(), number);
        }
        // Drop files that were only examined because they are full.
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

    /// Returns a file's length, and what to write before the first record. Adds an entry to `announced` if the log
    /// doesn't know the file or this length.
    async fn examine(&self, path: &str, announced: &mut Vec<Entry>) -> Result<(u64, Vec<u8>), WriteError> {
        let file = Path::new(path);
        let len = self.disk.len(file).await.map_err(at("read", path))?.unwrap_or(0);
        match self.files.get(path) {
            Some(open) if open.len == len && len > 0 => return Ok((len, Vec::new())),
            Some(open) if open.len > len => tracing::info!(path, "this file was moved away or cut; a new one begins"),
            Some(open) if open.len < len => tracing::warn!(
                path,
                expected = open.len,
                found = len,
                "another program has changed this file; appending to what is there now"
            ),
            Some(_) | None => {}
        }
        if let Some(kind) =
            self.disk.kind(file).await.map_err(at("read", path))?.filter(|kind| *kind != FileKind::Regular)
        {
            let error =
                io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}, and records are kept in files"));
            return Err(at("append to", path)(error));
        }
        announced.push(Entry::Open { path: path.to_owned(), length: len });
        // Another program's unfinished line stays theirs.
        let mut before = Vec::new();
        if self.format == Format::Plain && len > 0 {
            let last = self.disk.read_at(file, len - 1, 1).await.map_err(at("read", path))?;
            if last != b"\n" {
                before.push(b'\n');
            }
        }
        Ok((len, before))
    }

    /// Records files that are new to the log or have a different length than it knows.
    async fn announce(&mut self, announced: Vec<Entry>) -> Result<(), WriteError> {
        if announced.is_empty() {
            return Ok(());
        }
        self.log.append(&announced).await.map_err(at("append to", self.log.path()))?;
        for entry in announced {
            if let Entry::Open { path, length } = entry {
                // What is known of its folders may be about earlier ones.
                for dir in Path::new(&path).ancestors().skip(1) {
                    self.folders.remove(dir);
                }
                self.files.insert(path, Open { len: length, lock: None, named: false, used: self.groups });
            }
        }
        Ok(())
    }

    /// Creates the folders of new files and locks the files.
    async fn own(&mut self, appends: &BTreeMap<String, Append>) -> Result<(), WriteError> {
        let mut locked = self.files.values().filter(|open| open.lock.is_some()).count();
        for (path, append) in appends {
            let Some(open) = self.files.get_mut(path) else { continue };
            let file = Path::new(path);
            if !open.named {
                make_folders(self.disk.as_ref(), folder(file), self.mode).await?;
            }
            if open.lock.is_some() {
                continue;
            }
            let is_new = self.mode.is_some() && self.disk.kind(file).await.map_err(at("read", path))?.is_none();
            let lock = lock(self.disk.as_ref(), file).await.map_err(at("lock", path))?;
            if let Some(mode) = self.mode.filter(|_| is_new) {
                self.disk.append(file, b"").await.map_err(at("make", path))?;
                self.disk.set_mode(file, mode).await.map_err(at("set the mode of", path))?;
            }
            // Until now another process may have written to it.
            let len = self.disk.len(file).await.map_err(at("read", path))?.unwrap_or(0);
            if len != append.start {
                let error = io::Error::other("another process has just written to it");
                return Err(at("append to", path)(error));
            }
            if locked < LOCKED_FILES {
                locked += 1;
                open.lock = Some(lock);
            }
        }
        Ok(())
    }

    /// Makes the names of files and folders that are new to this run durable. (Existing ones may be from a process that
    /// was killed before it could do so.)
    async fn sync_names(&mut self, paths: impl Iterator<Item = &String>) -> Result<(), WriteError> {
        let mut unnamed = Vec::new();
        for path in paths {
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

    /// Records the segments where they are.
    async fn note(
        &mut self,
        appends: &BTreeMap<String, Append>,
        placed: &BTreeMap<String, u64>,
    ) -> Result<(), WriteError> {
        let mut entries = Vec::new();
        let mut moved = false;
        for (path, append) in appends {
            let base = placed.get(path).copied().unwrap_or(append.start);
            if base != append.start {
                moved = true;
                tracing::info!(path, "this file was moved away, cut or written to just now");
                entries.push(Entry::Open { path: path.clone(), length: base });
            }
            let mut start = 0;
            for (end, origin) in &append.segments {
                let fingerprint = Some(own::fingerprint(&append.bytes[start..*end]));
                let (from, to) = (base + start as u64, base + *end as u64);
                let segment = Segment { start: from, end: to, origin: origin.clone(), fingerprint };
                entries.push(Entry::segment(path, segment));
                start = *end;
            }
        }
        self.log.append(&entries).await.map_err(at("append to", self.log.path()))?;
        if moved {
            // It is recorded at another place than the journal says. The appends count even if this fails.
            let _ = self.journal.clear().await;
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

    /// Forgets the least recently written files. The log still knows them.
    fn forget_old(&mut self) {
        if self.files.len() > OPEN_FILES {
            let mut used: Vec<u64> = self.files.values().map(|open| open.used).collect();
            used.sort_unstable();
            let oldest_kept = used[used.len() - OPEN_FILES / 2];
            self.files.retain(|_, open| open.used >= oldest_kept);
        }
        if self.numbers.len() > OPEN_FILES {
            self.numbers.clear();
        }
    }

    /// Drops what is resolved from the log: committed segments, and files that have no others and were forgotten here.
    async fn compact(&mut self) -> Result<(), WriteError> {
        if self.log.len() < self.compact_from.max(2 * self.compacted) {
            return Ok(());
        }
        let log_path = self.log.path().to_owned();
        let mut contents = self.log.read().await.map_err(at("read", &log_path))?;
        for tracked in contents.files.values_mut() {
            let mut unresolved = Vec::with_capacity(tracked.segments.len());
            for segment in tracked.segments.drain(..) {
                // If the checkpoint can't answer now, the next compaction asks again.
                if !self.store.is_committed(&segment.origin).await.unwrap_or(false) {
                    unresolved.push(segment);
                }
            }
            tracked.segments = unresolved;
        }
        contents.files.retain(|path, tracked| !tracked.segments.is_empty() || self.files.contains_key(path));
        self.log.replace(&contents.entries()).await.map_err(at("replace", &log_path))?;
        self.compacted = self.log.len();
        Ok(())
    }
}

/// Appends durably, and returns where each append begins.
async fn append(disk: &dyn Disk, appends: &BTreeMap<String, Append>) -> Result<BTreeMap<String, u64>, WriteError> {
    let mut placed = BTreeMap::new();
    let all: Vec<(&String, &Append)> = appends.iter().collect();
    for some in all.chunks(SYNCS) {
        // Await all of them, even if one fails: an abandoned append could arrive after it was taken back.
        let starts = join_all(some.iter().map(|(path, append)| async move {
            disk.append_placed(Path::new(path), &append.bytes).await.map_err(at("append to", path))
        }));
        for ((path, _), start) in some.iter().zip(starts.await) {
            placed.insert((*path).clone(), start?);
        }
    }
    Ok(placed)
}
