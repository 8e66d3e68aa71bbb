//! The machine's file system, for a folder in which nobody else may lay traps.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::system::{SystemDisk, is_link};
use super::{Disk, DiskLock, FileEntry, FileStat, IoFuture, OpenFile};

/// Follows no symbolic link below `root`. The way to `root` is the operator's, and may have some.
pub(super) struct PrivateDisk {
    root: PathBuf,
}

impl PrivateDisk {
    pub fn new(root: &Path) -> Self {
        Self { root: absolute(root) }
    }

    /// Whoever can plant a link between this look and what follows may write in the folder anyway: it is its owner's
    /// alone. This is about what was planted before it was.
    async fn check(&self, path: &Path) -> io::Result<()> {
        let path = absolute(path);
        let Ok(below) = path.strip_prefix(&self.root) else { return Ok(()) };
        let mut at = self.root.clone();
        for part in below.components() {
            at.push(part);
            if is_link(&at).await? {
                let why = format!(
                    "{} is a symbolic link, and inside `data_dir` none is followed: replace it by what it leads to",
                    at.display()
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
        }
        Ok(())
    }

    async fn checked<T>(&self, path: &Path, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.check(path).await?;
        work.await
    }
}

/// From the root on, so that two spellings of a path are one. Links stay as they are.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl Disk for PrivateDisk {
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.checked(dir, SystemDisk.create_dir_all(dir)))
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<FileEntry>> {
        Box::pin(self.checked(dir, SystemDisk.list(dir)))
    }

    fn list_dirs<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(self.checked(dir, SystemDisk.list_dirs(dir)))
    }

    fn list_with_links<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(self.checked(dir, SystemDisk.list_with_links(dir)))
    }

    fn stat<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<FileStat>> {
        Box::pin(self.checked(path, SystemDisk.stat(path)))
    }

    fn open<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn OpenFile>> {
        Box::pin(self.checked(path, SystemDisk.open(path)))
    }

    fn len<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<u64>> {
        Box::pin(self.checked(path, SystemDisk.len(path)))
    }

    fn read_into<'a>(&'a self, path: &'a Path, offset: u64, limit: usize, buffer: Vec<u8>) -> IoFuture<'a, Vec<u8>> {
        Box::pin(self.checked(path, SystemDisk.read_into(path, offset, limit, buffer)))
    }

    fn check_writable<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.checked(path, SystemDisk.check_writable(path)))
    }

    fn append<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(self.checked(path, SystemDisk.append(path, data)))
    }

    fn append_synced<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(self.checked(path, SystemDisk.append_synced(path, data)))
    }

    fn append_placed<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, u64> {
        Box::pin(self.checked(path, SystemDisk.append_placed(path, data)))
    }

    fn sync<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.checked(path, SystemDisk.sync(path)))
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.checked(dir, SystemDisk.sync_dir(dir)))
    }

    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> IoFuture<'a, ()> {
        Box::pin(self.checked(path, SystemDisk.truncate(path, len)))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(async move {
            self.check(from).await?;
            self.checked(to, SystemDisk.rename(from, to)).await
        })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        Box::pin(self.checked(path, SystemDisk.remove(path)))
    }

    fn set_mode<'a>(&'a self, path: &'a Path, mode: u32) -> IoFuture<'a, ()> {
        Box::pin(self.checked(path, SystemDisk.set_mode(path, mode)))
    }

    fn foreign_owner<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<u32>> {
        Box::pin(self.checked(path, SystemDisk.foreign_owner(path)))
    }

    fn private(&self, root: &Path) -> Option<Arc<dyn Disk>> {
        // The one folder that this is for holds everything.
        if absolute(root).starts_with(&self.root) { None } else { Some(Arc::new(Self::new(root))) }
    }

    fn lock<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn DiskLock>> {
        Box::pin(self.checked(path, SystemDisk.lock(path)))
    }
}
