//! All of the disk: names, contents, and the faults that were ordered.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::names::{Inode, NameChange, Names, clean};
use crate::{FileEntry, SeededRandom};

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

/// A lock and the machine's life in which it was taken: one from before a crash releases nothing.
pub struct Held {
    path: PathBuf,
    life: u64,
}

pub struct State {
    names: Names,
    contents: BTreeMap<Inode, Content>,
    next_inode: Inode,
    locks: HashMap<PathBuf, u64>,
    life: u64,
    pub operations: u64,
    pub down_at: Option<u64>,
    pub down: bool,
    /// Operations by number, and how they fail.
    pub failures: (Range<u64>, io::ErrorKind),
    pub read_failures: (u64, io::ErrorKind),
    pub capacity: Option<u64>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            names: Names::default(),
            contents: BTreeMap::new(),
            next_inode: 1,
            locks: HashMap::new(),
            life: 0,
            operations: 0,
            down_at: None,
            down: false,
            failures: (0..0, io::ErrorKind::Other),
            read_failures: (0, io::ErrorKind::Other),
            capacity: None,
        }
    }
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
        if self.failures.0.contains(&number) {
            if let Change::Append { path, data, .. } = change {
                let _ = self.append(path, &data[..data.len() / 2]);
            }
            return Some(Err(self.failures.1.into()));
        }
        Some(self.apply(change))
    }

    /// An operation that the power cut interrupts: it may have happened, but nothing of it is durable by itself.
    fn start(&mut self, change: &Change<'_>) {
        match change {
            Change::Append { path, data, .. } => {
                let _ = self.append(path, data);
            }
            Change::Sync(_) | Change::SyncDir(_) => {}
            other => {
                let _ = self.apply(other);
            }
        }
    }

    pub fn read_fault(&mut self) -> io::Result<()> {
        if self.read_failures.0 > 0 {
            self.read_failures.0 -= 1;
            return Err(self.read_failures.1.into());
        }
        Ok(())
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
            Change::Sync(path) => {
                self.file(path)?.sync();
                Ok(())
            }
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
        self.life += 1;
        self.down = false;
        self.down_at = None;
        self.failures.0 = 0..0;
        self.read_failures.0 = 0;
    }

    pub fn put(&mut self, path: &Path, data: Vec<u8>) {
        let path = clean(path);
        for tree in [&mut self.names.live, &mut self.names.durable] {
            let dirs = path.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty() && *dir != Path::new("/"));
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

    pub fn paths(&self) -> Vec<PathBuf> {
        self.names.live.files.keys().cloned().collect()
    }

    pub fn list(&self, dir: &Path) -> Vec<FileEntry> {
        let dir = clean(dir);
        let files = self.names.live.files.keys().filter(|path| path.parent() == Some(&dir));
        files
            .filter_map(|path| {
                let name = path.file_name()?.to_string_lossy().into_owned();
                Some(FileEntry { name, len: self.content(path)?.len() as u64 })
            })
            .collect()
    }

    pub fn list_dirs(&self, dir: &Path) -> Vec<String> {
        let dir = clean(dir);
        let folders = self.names.live.folders.iter().filter(|path| path.parent() == Some(&dir));
        folders.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect()
    }

    pub fn lock(&mut self, path: &Path) -> Option<Held> {
        let path = clean(path);
        if self.locks.contains_key(&path) {
            return None;
        }
        self.locks.insert(path.clone(), self.life);
        Some(Held { path, life: self.life })
    }

    pub fn unlock(&mut self, held: &Held) {
        if self.locks.get(&held.path) == Some(&held.life) {
            self.locks.remove(&held.path);
        }
    }
}
