//! Files, as the checkpoint, the file sink and the dead letters use them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

/// A file in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name, without the folder.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// Held as long as this process may use a folder; the operating system releases it when the process ends.
pub trait DiskLock: Send + Sync {}

/// The operations on files, by path: small enough that a simulation can stand in and decide what a crash keeps.
///
/// Nothing survives a crash until it is synced: the content by [`Disk::sync`] (or `append_synced`), a new, renamed or
/// removed name by [`Disk::sync_dir`] on its folder.
pub trait Disk: Send + Sync {
    /// Makes a folder and its parents.
    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<()>>;
    /// The files (not folders) of a folder, by name. A folder that isn't there has none.
    fn list<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<Vec<FileEntry>>>;
    /// The names of the folders in a folder, sorted; links to folders are left out. A folder that isn't there has
    /// none. A disk without this answer has none either.
    fn list_dirs<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<Vec<String>>> {
        let _ = dir;
        Box::pin(async { Ok(Vec::new()) })
    }
    /// A file's length in bytes; `None` when there is no such file.
    fn len<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Option<u64>>>;
    /// At most `limit` bytes from `offset`; fewer at the end of the file.
    fn read_at<'a>(&'a self, path: &'a Path, offset: u64, limit: usize) -> BoxFuture<'a, io::Result<Vec<u8>>>;
    /// [`Disk::read_at`] into a buffer that is used again.
    fn read_into<'a>(
        &'a self,
        path: &'a Path,
        offset: u64,
        limit: usize,
        buffer: Vec<u8>,
    ) -> BoxFuture<'a, io::Result<Vec<u8>>> {
        drop(buffer);
        self.read_at(path, offset, limit)
    }
    /// Appends to a file, which is made if it isn't there. Not durable before [`Disk::sync`].
    fn append<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>>;
    /// Appends, and makes the content durable.
    fn append_synced<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>>;
    /// Makes a file's content durable.
    fn sync<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<()>>;
    /// Makes the names in a folder durable.
    fn sync_dir<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<()>>;
    /// Cuts a file to `len` bytes. Not durable before [`Disk::sync`].
    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> BoxFuture<'a, io::Result<()>>;
    /// Renames a file over another.
    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> BoxFuture<'a, io::Result<()>>;
    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<()>>;
    /// Takes the lock file at `path`. [`io::ErrorKind::WouldBlock`] when another process has it.
    fn lock<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn DiskLock>>>;

    /// Whether a file or folder could be written, or made where it isn't there. Changes nothing. A disk without this answer can
    /// be written.
    fn check_writable<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        let _ = path;
        Box::pin(async { Ok(()) })
    }

    /// A whole file.
    fn read<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Vec<u8>>> {
        self.read_at(path, 0, usize::MAX)
    }

    /// Replaces a file so that a crash leaves either the old or the new content, whole.
    fn replace<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
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

/// The machine's file system. Calls that may wait for the device run on tokio's blocking threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

/// The path itself, or the nearest folder above it that is there.
fn check_writable(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    for at in path.ancestors() {
        match fs::metadata(at) {
            Ok(found) if found.is_dir() => return may_write(at, true),
            Ok(found) if at == path && found.is_file() => return may_write(at, false),
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(unix)]
fn may_write(path: &Path, folder: bool) -> io::Result<()> {
    use rustix::fs::{Access, access};
    access(path, if folder { Access::WRITE_OK | Access::EXEC_OK } else { Access::WRITE_OK }).map_err(io::Error::from)
}

#[cfg(not(unix))]
fn may_write(path: &Path, folder: bool) -> io::Result<()> {
    match fs::metadata(path)?.permissions().readonly() && !folder {
        true => Err(io::ErrorKind::PermissionDenied.into()),
        false => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn write_to_end(path: &Path, data: &[u8], sync: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(data)?;
    if sync { file.sync_data() } else { Ok(()) }
}

impl Disk for SystemDisk {
    fn check_writable<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        let path = path.to_owned();
        Box::pin(blocking(move || check_writable(&path)))
    }

    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        let dir = dir.to_owned();
        Box::pin(blocking(move || fs::create_dir_all(dir)))
    }

    fn list<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<Vec<FileEntry>>> {
        let dir = dir.to_owned();
        Box::pin(blocking(move || {
            let entries = match fs::read_dir(dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let mut files = Vec::new();
            for entry in entries {
                let entry = entry?;
                let metadata = entry.metadata()?;
                if metadata.is_file() {
                    files.push(FileEntry {
                        name: entry.file_name().to_string_lossy().into_owned(),
                        len: metadata.len(),
                    });
                }
            }
            files.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(files)
        }))
    }

    fn list_dirs<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<Vec<String>>> {
        let dir = dir.to_owned();
        Box::pin(blocking(move || {
            let entries = match fs::read_dir(dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let mut names = Vec::new();
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names.sort();
            Ok(names)
        }))
    }

    fn len<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Option<u64>>> {
        let path = path.to_owned();
        Box::pin(blocking(move || match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }))
    }

    fn read_at<'a>(&'a self, path: &'a Path, offset: u64, limit: usize) -> BoxFuture<'a, io::Result<Vec<u8>>> {
        self.read_into(path, offset, limit, Vec::new())
    }

    fn read_into<'a>(
        &'a self,
        path: &'a Path,
        offset: u64,
        limit: usize,
        mut buffer: Vec<u8>,
    ) -> BoxFuture<'a, io::Result<Vec<u8>>> {
        let path = path.to_owned();
        Box::pin(blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let there = file.metadata()?.len().saturating_sub(offset);
            buffer.clear();
            buffer.reserve(usize::try_from(there).unwrap_or(usize::MAX).min(limit));
            file.take(limit as u64).read_to_end(&mut buffer)?;
            Ok(buffer)
        }))
    }

    fn append<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        let (path, data) = (path.to_owned(), data.to_vec());
        Box::pin(blocking(move || write_to_end(&path, &data, false)))
    }

    fn append_synced<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        let (path, data) = (path.to_owned(), data.to_vec());
        Box::pin(blocking(move || write_to_end(&path, &data, true)))
    }

    fn sync<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        let path = path.to_owned();
        Box::pin(blocking(move || OpenOptions::new().write(true).open(path)?.sync_all()))
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        let dir = dir.to_owned();
        Box::pin(blocking(move || File::open(dir)?.sync_all()))
    }

    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> BoxFuture<'a, io::Result<()>> {
        let path = path.to_owned();
        Box::pin(blocking(move || OpenOptions::new().write(true).open(path)?.set_len(len)))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        Box::pin(blocking(move || fs::rename(from, to)))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<()>> {
        let path = path.to_owned();
        Box::pin(blocking(move || fs::remove_file(path)))
    }

    fn lock<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn DiskLock>>> {
        let path = path.to_owned();
        Box::pin(blocking(move || {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            match file.try_lock() {
                Ok(()) => Ok(Box::new(SystemLock { _file: file }) as Box<dyn DiskLock>),
                Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
                Err(fs::TryLockError::Error(error)) => Err(error),
            }
        }))
    }
}

struct SystemLock {
    _file: File,
}

impl DiskLock for SystemLock {}
