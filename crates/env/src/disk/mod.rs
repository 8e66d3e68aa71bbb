//! Files, as the checkpoint, the file sink and the dead letters use them.

mod private;
mod process;
mod system;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;

use super::file::{FileKind, FileStat, OpenFile, check_length};
pub use process::hangup_is_ignored;
pub use system::SystemDisk;
pub(super) use system::in_thread;

/// A file in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEntry {
    /// Its name, without the folder.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// Held as long as this process may use a folder or a file; the operating system releases it when the process ends.
pub trait DiskLock: Send + Sync {}

impl<T: Send + Sync> DiskLock for T {}

/// What an operation on files returns.
pub type IoFuture<'a, T> = BoxFuture<'a, io::Result<T>>;

/// The operations on files, by path: small enough that a simulation can stand in and decide what a crash keeps.
///
/// Nothing survives a crash until it is synced: the content by [`Disk::sync`] (or `append_synced`), a new, renamed or
/// removed name by [`Disk::sync_dir`] on its folder.
pub trait Disk: Send + Sync {
    /// Makes a folder and its parents.
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()>;
    /// The files (not folders) of a folder, by name. A folder that isn't there has none.
    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<FileEntry>>;
    /// The names of the folders in a folder, sorted; links to folders are left out. A folder that isn't there has
    /// none. A disk without this answer has none either.
    fn list_dirs<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        let _ = dir;
        Box::pin(async { Ok(Vec::new()) })
    }
    /// A file's length in bytes; `None` when there is no such file.
    fn len<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<u64>>;
    /// The names of the regular files of a folder and of the links to such files, sorted: what somebody means who puts
    /// files there. A disk without this answer has no links.
    fn list_with_links<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        Box::pin(async move { Ok(self.list(dir).await?.into_iter().map(|entry| entry.name).collect()) })
    }
    /// What is at a path, links followed; `None` when nothing is there.
    fn stat<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<FileStat>> {
        let _ = path;
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    /// Opens a regular file. What is read from then on is this file, whatever its name comes to mean. Anything else is
    /// an error, and never waited for.
    fn open<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn OpenFile>> {
        let _ = path;
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    /// At most `limit` bytes from `offset`, in a buffer that is used again; fewer at the end of the file. Only regular
    /// files are read.
    fn read_into<'a>(&'a self, path: &'a Path, offset: u64, limit: usize, buffer: Vec<u8>) -> IoFuture<'a, Vec<u8>>;
    /// Appends to a file, which is made if it isn't there. Not durable before [`Disk::sync`].
    fn append<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()>;
    /// Appends, and makes the content durable.
    fn append_synced<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()>;
    /// Appends, makes the content durable, and answers where in the file it begins: elsewhere than expected where
    /// another program has written to the file, or put another one in its place. All of it goes to one file.
    fn append_placed<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, u64> {
        Box::pin(async move {
            self.append_synced(path, data).await?;
            Ok(self.len(path).await?.unwrap_or(0).saturating_sub(data.len() as u64))
        })
    }
    /// Makes a file's content durable.
    fn sync<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()>;
    /// Makes the names in a folder durable, where its file system can.
    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()>;
    /// Cuts a file to `len` bytes. Not durable before [`Disk::sync`].
    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> IoFuture<'a, ()>;
    /// Renames a file over another.
    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()>;
    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()>;
    /// Sets the permissions of a file or folder, which are its owner's alone when it is made.
    fn set_mode<'a>(&'a self, path: &'a Path, mode: u32) -> IoFuture<'a, ()> {
        let _ = (path, mode);
        Box::pin(async { Ok(()) })
    }
    /// The number of the user that owns a file or folder, where it isn't the one that runs this program and not root.
    fn foreign_owner<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<u32>> {
        let _ = path;
        Box::pin(async { Ok(None) })
    }
    /// The same disk, which follows no symbolic link below `root`; `None` where there are no such links.
    fn private(&self, root: &Path) -> Option<Arc<dyn Disk>> {
        let _ = root;
        None
    }
    /// Takes the lock file at `path`. [`io::ErrorKind::WouldBlock`] when another process has it.
    fn lock<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn DiskLock>>;

    /// [`Disk::read_into`] a new buffer.
    fn read_at<'a>(&'a self, path: &'a Path, offset: u64, limit: usize) -> IoFuture<'a, Vec<u8>> {
        self.read_into(path, offset, limit, Vec::new())
    }

    /// Whether a file or folder could be written, or made where it isn't there. Changes nothing. A disk without this
    /// answer can be written.
    fn check_writable<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        let _ = path;
        Box::pin(async { Ok(()) })
    }

    /// What a path leads to, links followed; `None` when nothing is there.
    fn kind<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<FileKind>> {
        Box::pin(async move { Ok(self.stat(path).await?.map(|stat| stat.kind)) })
    }

    /// A whole file of at most `limit` bytes; a longer one is [`io::ErrorKind::FileTooLarge`].
    fn read_bounded<'a>(&'a self, path: &'a Path, limit: usize) -> IoFuture<'a, Vec<u8>> {
        Box::pin(async move { check_length(self.read_at(path, 0, limit + 1).await?, limit) })
    }

    /// A whole file.
    fn read<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Vec<u8>> {
        self.read_at(path, 0, usize::MAX)
    }

    /// Replaces a file so that a crash leaves either the old or the new content, whole.
    fn replace<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        Box::pin(async move {
            let mut name = path.as_os_str().to_owned();
            name.push(".new");
            let new = PathBuf::from(name);
            if self.len(&new).await?.is_some() {
                self.remove(&new).await?;
            }
            self.append_synced(&new, data).await?;
            self.rename(&new, path).await?;
            match path.parent() {
                // A bare name lies in the working directory.
                Some(dir) if dir.as_os_str().is_empty() => self.sync_dir(Path::new(".")).await,
                Some(dir) => self.sync_dir(dir).await,
                None => Ok(()),
            }
        })
    }
}
