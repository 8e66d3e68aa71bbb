//! A disk in memory that forgets what a real one may forget.
//!
//! Tests and the simulation of the delivery guarantee run the product's own code on it. It keeps what was written and
//! what was made durable apart: content counts after [`Disk::sync`] of the file, a name after [`Disk::sync_dir`] of
//! its folder, a new folder after `sync_dir` of *its* folder. [`MemoryDisk::crash`] then decides by a seed what
//! becomes of the rest: lost, kept, cut short, or there in length but with a hole of zeros, as file systems do it.
//!
//! Operations that change something are counted, so that a test can crash at the first, the second, and so on to the
//! last one. At the chosen operation the machine "goes down": that operation has begun and no operation ever ends
//! again, just as nothing goes on in a process that was killed. The test drops the program and calls `crash`, or
//! [`MemoryDisk::restart`] if only the process died.

mod content;
mod names;
mod state;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use self::names::Inode;
use self::state::{Change, State};
use super::{Disk, DiskLock, FileEntry, FileStat, IoFuture, Mutex, OpenFile};

/// A disk in memory. Clones share it. See the module's text.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
    went_down: Arc<Notify>,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A power cut, now: by `seed`, what wasn't durable is lost, torn or kept. Locks are released, and faults that
    /// were ordered are forgotten (the capacity stays). After it the disk works again.
    pub fn crash(&self, seed: u64) {
        self.state.lock().crash(seed);
    }

    /// Only the process was killed: nothing is lost, locks are released, faults that were ordered are forgotten.
    pub fn restart(&self) {
        self.state.lock().restart();
    }

    /// Goes down at the `number`th changing operation from now on (0: the next).
    pub fn go_down_at(&self, number: u64) {
        let mut state = self.state.lock();
        state.down_at = Some(state.operations + number);
    }

    /// Whether it has gone down.
    pub fn is_down(&self) -> bool {
        self.state.lock().down
    }

    /// Resolves once it has gone down.
    pub async fn went_down(&self) {
        loop {
            let notified = self.went_down.notified();
            if self.is_down() {
                return;
            }
            notified.await;
        }
    }

    /// The changing operations with these numbers, counted from now on (0: the next), fail with `kind`. A failing append
    /// writes a part.
    pub fn fail(&self, numbers: Range<u64>, kind: io::ErrorKind) {
        let mut state = self.state.lock();
        state.failures = Some((state.operations + numbers.start..state.operations + numbers.end, kind));
    }

    /// The next `count` reads fail with `kind`.
    pub fn fail_next_reads(&self, count: u64, kind: io::ErrorKind) {
        self.state.lock().read_failures = Some((count, kind));
    }

    /// The disk is full at `bytes` of content; `None` for no limit. An append that doesn't fit writes what fits.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// Just before the next append to `path`, another program appends `data` to it.
    pub fn be_faster(&self, path: impl AsRef<Path>, data: impl Into<Vec<u8>>) {
        self.state.lock().faster = Some((names::clean(path.as_ref()), data.into()));
    }

    /// How many changing operations have begun.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Puts a file there, durable with its folders, as if it had always been there.
    pub fn put(&self, path: impl AsRef<Path>, data: impl Into<Vec<u8>>) {
        self.state.lock().put(path.as_ref(), data.into());
    }

    /// A file's content as a program sees it now; `None` when there is no such file.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.state.lock().content(path.as_ref()).map(<[u8]>::to_vec)
    }

    /// All files as a program sees them now, sorted.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state.lock().paths()
    }

    /// Runs one changing operation, unless the machine is down or goes down with it: then it never ends.
    async fn change(&self, change: Change<'_>) -> io::Result<()> {
        tokio::task::yield_now().await;
        let outcome = self.state.lock().begin(&change);
        tracing::trace!(?change, ?outcome, "disk");
        if let Some(result) = outcome {
            return result;
        }
        self.went_down.notify_waiters();
        std::future::pending().await
    }

    async fn look<T>(&self, look: impl FnOnce(&State) -> io::Result<T>) -> io::Result<T> {
        tokio::task::yield_now().await;
        if self.is_down() {
            std::future::pending::<()>().await;
        }
        let mut state = self.state.lock();
        state.read_fault().and_then(|()| look(&state))
    }
}

impl Disk for MemoryDisk {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.change(Change::CreateDirAll(dir)))
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<FileEntry>> {
        Box::pin(self.look(|state| Ok(state.list(dir))))
    }

    fn list_dirs<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(self.look(|state| Ok(state.list_dirs(dir))))
    }

    fn len<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<u64>> {
        Box::pin(self.look(|state| Ok(state.content(path).map(|data| data.len() as u64))))
    }

    fn stat<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<FileStat>> {
        Box::pin(self.look(|state| Ok(state.inode(path).map(|inode| state.stat(inode)))))
    }

    fn open<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn OpenFile>> {
        Box::pin(async move {
            let inode = self.look(|state| state.inode(path).ok_or_else(|| io::ErrorKind::NotFound.into())).await?;
            Ok(Box::new(MemoryFile { disk: self.clone(), inode }) as Box<dyn OpenFile>)
        })
    }

    fn read_into<'a>(&'a self, path: &'a Path, offset: u64, limit: usize, _: Vec<u8>) -> IoFuture<'a, Vec<u8>> {
        Box::pin(self.look(move |state| {
            let data = state.content(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(part(data, offset, limit).to_vec())
        }))
    }

    fn append<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(self.change(Change::Append { path, data, sync: false }))
    }

    fn append_synced<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(self.change(Change::Append { path, data, sync: true }))
    }

    fn sync<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.change(Change::Sync(path)))
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.change(Change::SyncDir(dir)))
    }

    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> IoFuture<'a, ()> {
        Box::pin(self.change(Change::Truncate { path, len }))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.change(Change::Rename { from, to }))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.change(Change::Remove(path)))
    }

    fn lock<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn DiskLock>> {
        Box::pin(async move {
            let held = self.state.lock().lock(path).ok_or(io::ErrorKind::WouldBlock)?;
            Ok(Box::new(held) as Box<dyn DiskLock>)
        })
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    inode: Inode,
}

impl OpenFile for MemoryFile {
    fn stat(&self) -> IoFuture<'_, FileStat> {
        Box::pin(self.disk.look(|state| Ok(state.stat(self.inode))))
    }

    fn read_into(&self, offset: u64, limit: usize, _: Vec<u8>) -> IoFuture<'_, Vec<u8>> {
        Box::pin(self.disk.look(move |state| Ok(part(state.content_of(self.inode), offset, limit).to_vec())))
    }
}

fn part(data: &[u8], offset: u64, limit: usize) -> &[u8] {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
    &data[start..start.saturating_add(limit).min(data.len())]
}

#[cfg(test)]
mod tests;
