//! A disk in memory that counts, refuses, tears and forgets, as a real one does when the power goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::future::BoxFuture;

use nordpass_env::{Disk, DiskLock, FileEntry, IoFuture};

/// How an operation that changes something goes wrong. The caller sees an error each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens.
    Refused,
    /// Half of the bytes are written.
    Half,
    /// All bytes are written, none is synced; and as on Linux, a later sync of the same bytes says it went well, while
    /// the device never gets them.
    Unsynced,
    /// All of it happens.
    Done,
}

pub const FAULTS: [Fault; 4] = [Fault::Refused, Fault::Half, Fault::Unsynced, Fault::Done];

/// What a restart finds of what wasn't synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: the power went.
    Synced,
    /// Half of the bytes; all names.
    Half,
    /// All: only the process ended.
    All,
}

pub const KEPT: [Kept; 3] = [Kept::Synced, Kept::Half, Kept::All];

#[derive(Clone, Default)]
pub struct TestDisk(Arc<Mutex<World>>);

#[derive(Clone, Default)]
struct File {
    data: Vec<u8>,
    synced: Vec<u8>,
    /// Bytes that only the page cache has, and that it takes for clean.
    lost: Range<usize>,
}

impl File {
    fn sync(&mut self) {
        self.synced.clone_from(&self.data);
        let end = self.lost.end.min(self.synced.len());
        if self.lost.start < end {
            self.synced[self.lost.start..end].fill(0);
        }
    }

    fn truncate(&mut self, len: usize) {
        self.data.truncate(len);
        self.lost.end = self.lost.end.min(len);
    }
}

#[derive(Default)]
struct World {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    written: u64,
    read: u64,
    fault: Option<(u64, Fault)>,
    crashes: bool,
    dead: bool,
    read_only: bool,
}

impl TestDisk {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// The next operations go well until the `after`th one that changes something (0: the next one).
    pub fn fault_after(&self, after: u64, fault: Fault, crashes: bool) {
        let mut world = self.world();
        world.fault = Some((world.operations + after, fault));
        world.crashes = crashes;
    }

    /// Whether the fault is still to come.
    pub fn is_armed(&self) -> bool {
        self.world().fault.is_some()
    }

    /// Whether nothing works until a restart.
    pub fn is_dead(&self) -> bool {
        self.world().dead
    }

    pub fn set_read_only(&self, read_only: bool) {
        self.world().read_only = read_only;
    }

    /// The bytes written so far.
    pub fn written(&self) -> u64 {
        self.world().written
    }

    /// The bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.world().read
    }

    /// The bytes that all files have.
    pub fn size(&self) -> u64 {
        let world = self.world();
        world.names.values().map(|&file| world.files[file].data.len() as u64).sum()
    }

    /// All files.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let world = self.world();
        world.names.iter().map(|(path, &file)| (path.clone(), world.files[file].data.clone())).collect()
    }

    /// Puts a file there, synced.
    pub fn put(&self, path: &Path, data: &[u8]) {
        let mut world = self.world();
        let file = world.file(path);
        world.files[file] = File { data: data.to_vec(), synced: data.to_vec(), lost: 0..0 };
        world.synced_names.insert(path.to_owned(), file);
    }

    /// Takes a file away for good.
    pub fn take(&self, path: &Path) {
        let mut world = self.world();
        world.names.remove(path);
        world.synced_names.remove(path);
    }

    /// The machine comes back.
    pub fn restart(&self, kept: Kept) {
        let mut world = self.world();
        for file in &mut world.files {
            let common = if file.data.starts_with(&file.synced) {
                file.synced.len()
            } else {
                file.data.iter().zip(&file.synced).take_while(|(a, b)| a == b).count()
            };
            file.data = match kept {
                Kept::All => file.data.clone(),
                Kept::Synced => file.synced.clone(),
                Kept::Half => file.data[..common.max(usize::midpoint(common, file.data.len()))].to_vec(),
            };
            if kept == Kept::All {
                file.sync();
            } else {
                *file = File { data: file.data.clone(), synced: file.data.clone(), lost: 0..0 };
            }
        }
        if kept == Kept::Synced {
            world.names = world.synced_names.clone();
        }
        world.synced_names = world.names.clone();
        world.locks.clear();
        (world.fault, world.dead) = (None, false);
    }
}

impl World {
    fn file(&mut self, path: &Path) -> usize {
        if let Some(&file) = self.names.get(path) {
            return file;
        }
        self.files.push(File::default());
        self.names.insert(path.to_owned(), self.files.len() - 1);
        self.files.len() - 1
    }

    fn existing(&self, path: &Path) -> io::Result<usize> {
        if self.dead {
            return Err(io::Error::other("the machine is down"));
        }
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// To be asked by each operation that changes something: how it goes wrong, if it does.
    fn change(&mut self) -> io::Result<Option<Fault>> {
        if self.dead {
            return Err(io::Error::other("the machine is down"));
        }
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.operations += 1;
        match self.fault {
            Some((at, fault)) if at < self.operations => {
                self.fault = None;
                self.dead = self.crashes;
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }

    fn simple(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let fault = self.change()?;
        if matches!(fault, None | Some(Fault::Done)) {
            work(self)?;
        }
        outcome(fault)
    }

    fn append(&mut self, path: &Path, data: &[u8], sync: bool) -> io::Result<()> {
        let fault = self.change()?;
        if fault == Some(Fault::Refused) {
            return outcome(fault);
        }
        let file = self.file(path);
        let data = if fault == Some(Fault::Half) { &data[..data.len() / 2] } else { data };
        self.files[file].data.extend_from_slice(data);
        self.written += data.len() as u64;
        let file = &mut self.files[file];
        if sync && matches!(fault, None | Some(Fault::Done)) {
            file.sync();
        } else if sync && fault == Some(Fault::Unsynced) {
            file.lost = file.data.len() - data.len()..file.data.len();
        }
        outcome(fault)
    }
}

fn outcome(fault: Option<Fault>) -> io::Result<()> {
    match fault {
        None => Ok(()),
        Some(_) => Err(io::ErrorKind::StorageFull.into()),
    }
}

fn done<'a, T: Send + 'a>(result: io::Result<T>) -> BoxFuture<'a, io::Result<T>> {
    Box::pin(std::future::ready(result))
}

struct TestLock(TestDisk, PathBuf);

impl Drop for TestLock {
    fn drop(&mut self) {
        self.0.world().locks.remove(&self.1);
    }
}

impl Disk for TestDisk {
    fn create_dir_all<'a>(&'a self, _: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        done(self.world().simple(|_| Ok(())))
    }

    fn list<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<Vec<FileEntry>>> {
        let world = self.world();
        let files = world.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        let entry = |(path, &file): (&PathBuf, &usize)| FileEntry {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            len: world.files[file].data.len() as u64,
        };
        done(Ok(files.map(entry).collect()))
    }

    fn len<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Option<u64>>> {
        let world = self.world();
        done(Ok(world.names.get(path).map(|&file| world.files[file].data.len() as u64)))
    }

    fn read_into<'a>(&'a self, path: &'a Path, offset: u64, limit: usize, _: Vec<u8>) -> IoFuture<'a, Vec<u8>> {
        let mut world = self.world();
        let data = world.existing(path).map(|file| {
            let data = &world.files[file].data;
            let start = usize::try_from(offset).unwrap().min(data.len());
            data[start..start.saturating_add(limit).min(data.len())].to_vec()
        });
        world.read += data.as_ref().map_or(0, Vec::len) as u64;
        done(data)
    }

    fn append<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        done(self.world().append(path, data, false))
    }

    fn append_synced<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        done(self.world().append(path, data, true))
    }

    fn sync<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        done(self.world().simple(|world| {
            let file = world.existing(path)?;
            world.files[file].sync();
            Ok(())
        }))
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        done(self.world().simple(|world| {
            world.synced_names.retain(|path, _| path.parent() != Some(dir));
            let names: Vec<_> = world.names.iter().filter(|(path, _)| path.parent() == Some(dir)).collect();
            world.synced_names.extend(names.into_iter().map(|(path, &file)| (path.clone(), file)));
            Ok(())
        }))
    }

    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> BoxFuture<'a, io::Result<()>> {
        done(self.world().simple(|world| {
            let file = world.existing(path)?;
            world.files[file].truncate(usize::try_from(len).unwrap());
            Ok(())
        }))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        done(self.world().simple(|world| {
            let file = world.existing(from)?;
            world.names.remove(from);
            world.names.insert(to.to_owned(), file);
            Ok(())
        }))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        done(self.world().simple(|world| {
            world.existing(path)?;
            world.names.remove(path);
            Ok(())
        }))
    }

    fn lock<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn DiskLock>>> {
        let free = self.world().locks.insert(path.to_owned());
        done(if free {
            Ok(Box::new(TestLock(self.clone(), path.to_owned())) as Box<dyn DiskLock>)
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        })
    }
}
