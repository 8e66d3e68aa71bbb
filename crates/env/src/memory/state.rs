//! All of the disk: names, contents, and the faults that were ordered.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use super::content::Content;
use super::names::{Inode, NameChange, Names, clean, is_root};
use crate::{FileEntry, FileKind, FileStat, SeededRandom};

/// An operation that changes something.
pub enum Change<'a> {
    CreateDirAll(&'a Path),
    Append { path: &'a Path, data: &'a [u8], sync: bool },
    Sync(&'a Path),
    SyncDir(&'a Path),
    Truncate { path: &'a Path, len: u64 },
    Rename { from: &'a Path, to: &'a Path },
    Remove(&'a Path),
}

/// What happens to which file; never the content.
impl std::fmt::Debug for Change<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateDirAll(path) => write!(f, "create {}", path.display()),
            Self::Append { path, data, sync } => {
                let sync = if *sync { " and sync" } else { "" };
                write!(f, "append{sync} {} bytes to {}", data.len(), path.display())
            }
            Self::Sync(path) => write!(f, "sync {}", path.display()),
            Self::SyncDir(path) => write!(f, "sync folder {}", path.display()),
            Self::Truncate { path, len } => write!(f, "cut {} to {len} bytes", path.display()),
            Self::Rename { from, to } => write!(f, "rename {} to {}", from.display(), to.display()),
            Self::Remove(path) => write!(f, "remove {}", path.display()),
        }
    }
}

#[derive(Default)]
pub struct State {
    names: Names,
    contents: BTreeMap<Inode, Content>,
    next_inode: Inode,
    /// Those taken since the last crash: one from before it releases nothing.
    locks: HashMap<PathBuf, Weak<()>>,
    pub operations: u64,
    pub down_at: Option<u64>,
    pub down: bool,
    /// Operations by number, and how they fail.
    pub failures: Option<(Range<u64>, io::ErrorKind)>,
    /// How many reads fail, and how.
    pub read_failures: Option<(u64, io::ErrorKind)>,
    pub capacity: Option<u64>,
    /// What another program appends to a file just before this one does.
    pub faster: Option<(PathBuf, Vec<u8>)>,
}

impl State {
    /// Runs an operation, with the faults that were ordered. `None`: the machine is down, it never ends.
    pub fn begin(&mut self, change: &Change<'_>) -> Option<io::Result<()>> {
        if self.down {
            return None;
        }
        let number = self.operations;
        self.operations += 1;
        if self.down_at.is_some_and(|at| number >= at) {
            self.start(change);
            self.down = true;
            return None;
        }
        if let Some((numbers, kind)) = &self.failures
            && numbers.contains(&number)
        {
            let error = io::Error::from(*kind);
            if let Change::Append { path, data, .. } = change {
                let _ = self.append(path, &data[..data.len() / 2]);
            }
            return Some(Err(error));
        }
        Some(self.apply(change))
    }

    /// An operation that the power cut interrupts: it may have happened, but nothing of it is durable by itself.
    fn start(&mut self, change: &Change<'_>) {
        let _ = match change {
            Change::Append { path, data, .. } => self.append(path, data).map(drop),
            Change::Sync(_) | Change::SyncDir(_) => Ok(()),
            other => self.apply(other),
        };
    }

    pub fn read_fault(&mut self) -> io::Result<()> {
        match &mut self.read_failures {
            Some((left @ 1.., kind)) => {
                *left -= 1;
                Err((*kind).into())
            }
            _ => Ok(()),
        }
    }

    fn apply(&mut self, change: &Change<'_>) -> io::Result<()> {
        match change {
            Change::CreateDirAll(dir) => self.create_dir_all(&clean(dir)),
            Change::Append { path, data, sync } => {
                let inode = self.append(path, data)?;
                if *sync && let Some(content) = self.contents.get_mut(&inode) {
                    content.sync();
                }
                Ok(())
            }
            Change::Sync(path) => self.file(path).map(Content::sync),
            Change::SyncDir(dir) => {
                let dir = clean(dir);
                if !self.names.live.has_folder(&dir) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                self.names.sync(&dir);
                self.forget_contents();
                Ok(())
            }
            Change::Truncate { path, len } => {
                let len = usize::try_from(*len).map_err(|_| io::ErrorKind::InvalidInput)?;
                self.file(path)?.truncate(len);
                Ok(())
            }
            Change::Rename { from, to } => {
                let (from, to) = (clean(from), clean(to));
                let inode = *self.names.live.files.get(&from).ok_or(io::ErrorKind::NotFound)?;
                self.check_folder_of(&to)?;
                self.names.change(NameChange::Rename { from, to, inode });
                Ok(())
            }
            Change::Remove(path) => {
                let path = clean(path);
                if !self.names.live.files.contains_key(&path) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                self.names.change(NameChange::Unlink(path));
                Ok(())
            }
        }
    }

    fn create_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> = dir.ancestors().filter(|dir| !self.names.live.has_folder(dir)).collect();
        missing.reverse();
        for dir in missing {
            if self.names.live.files.contains_key(dir) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            self.names.change(NameChange::Folder(dir.to_owned()));
        }
        Ok(())
    }

    fn check_folder_of(&self, path: &Path) -> io::Result<()> {
        if self.names.live.folders.contains(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let there = path.parent().is_none_or(|dir| self.names.live.has_folder(dir));
        if there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn append(&mut self, path: &Path, data: &[u8]) -> io::Result<Inode> {
        let path = clean(path);
        if let Some((_, faster)) = self.faster.take_if(|(faster, _)| *faster == path) {
            self.append(&path, &faster)?;
        }
        let inode = if let Some(inode) = self.names.live.files.get(&path) {
            *inode
        } else {
            self.check_folder_of(&path)?;
            let inode = self.next_inode;
            self.next_inode += 1;
            self.contents.insert(inode, Content::default());
            self.names.change(NameChange::Link(path, inode));
            inode
        };
        let room = self.capacity.map_or(usize::MAX, |capacity| {
            let used: usize =
                self.names.live.files.values().filter_map(|i| self.contents.get(i)).map(|c| c.live().len()).sum();
            usize::try_from(capacity).unwrap_or(usize::MAX).saturating_sub(used)
        });
        if let Some(content) = self.contents.get_mut(&inode) {
            content.append(&data[..data.len().min(room)]);
        }
        if data.len() > room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(inode) }
    }

    fn file(&mut self, path: &Path) -> io::Result<&mut Content> {
        let inode = self.names.live.files.get(&clean(path)).ok_or(io::ErrorKind::NotFound)?;
        self.contents.get_mut(inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn forget_contents(&mut self) {
        let names = &self.names;
        self.contents.retain(|inode, _| names.mentions(*inode));
    }

    pub fn crash(&mut self, seed: u64) {
        let random = SeededRandom::new(seed);
        self.names.crash(&random);
        self.forget_contents();
        for content in self.contents.values_mut() {
            content.crash(&random);
        }
        self.restart();
    }

    pub fn restart(&mut self) {
        self.locks.clear();
        self.down = false;
        (self.down_at, self.failures, self.read_failures) = (None, None, None);
    }

    pub fn put(&mut self, path: &Path, data: Vec<u8>) {
        let path = clean(path);
        for tree in [&mut self.names.live, &mut self.names.durable] {
            let dirs = path.ancestors().skip(1).filter(|dir| !is_root(dir));
            tree.folders.extend(dirs.map(Path::to_owned));
            tree.files.insert(path.clone(), self.next_inode);
        }
        self.contents.insert(self.next_inode, Content::durable(data));
        self.next_inode += 1;
    }

    pub fn content(&self, path: &Path) -> Option<&[u8]> {
        let inode = self.names.live.files.get(&clean(path))?;
        self.contents.get(inode).map(Content::live)
    }

    pub fn inode(&self, path: &Path) -> Option<Inode> {
        self.names.live.files.get(&clean(path)).copied()
    }

    /// A file's content, whatever it is called.
    pub fn content_of(&self, inode: Inode) -> &[u8] {
        self.contents.get(&inode).map_or(&[], Content::live)
    }

    pub fn stat(&self, inode: Inode) -> FileStat {
        let content = self.contents.get(&inode);
        let (len, changes) = content.map_or((0, 0), |content| (content.live().len(), content.changes()));
        let modified = i128::from(changes);
        FileStat { kind: FileKind::Regular, len: len as u64, id: (1, inode), modified, changed: modified }
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.names.live.files.keys().cloned().collect()
    }

    pub fn list(&self, dir: &Path) -> Vec<FileEntry> {
        let files = in_folder(self.names.live.files.keys(), dir);
        files.filter_map(|(path, name)| Some(FileEntry { name, len: self.content(path)?.len() as u64 })).collect()
    }

    pub fn list_dirs(&self, dir: &Path) -> Vec<String> {
        in_folder(self.names.live.folders.iter(), dir).map(|(_, name)| name).collect()
    }

    /// Takes a lock, unless it is taken; it is released when what is returned is dropped.
    pub fn lock(&mut self, path: &Path) -> Option<Arc<()>> {
        let lock = self.locks.entry(clean(path)).or_default();
        if lock.strong_count() > 0 {
            return None;
        }
        let held = Arc::new(());
        *lock = Arc::downgrade(&held);
        Some(held)
    }
}

/// Those paths that are directly in a folder, with their names.
fn in_folder<'a>(paths: impl Iterator<Item = &'a PathBuf>, dir: &Path) -> impl Iterator<Item = (&'a PathBuf, String)> {
    let dir = clean(dir);
    let inside = paths.filter(move |path| path.parent() == Some(&dir));
    inside.filter_map(|path| Some((path, path.file_name()?.to_string_lossy().into_owned())))
}
