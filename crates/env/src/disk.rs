//! Files, as the checkpoint, the file sink and the dead letters use them.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use super::file::{FileStat, OpenFile, SystemFile, check_length, open_regular};

/// A file in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEntry {
    /// Its name, without the folder.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// Held as long as this process may use a folder; the operating system releases it when the process ends.
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
    /// Makes a file's content durable.
    fn sync<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()>;
    /// Makes the names in a folder durable.
    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()>;
    /// Cuts a file to `len` bytes. Not durable before [`Disk::sync`].
    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> IoFuture<'a, ()>;
    /// Renames a file over another.
    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()>;
    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()>;
    /// Takes the lock file at `path`. [`io::ErrorKind::WouldBlock`] when another process has it.
    fn lock<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn DiskLock>>;

    /// [`Disk::read_into`] a new buffer.
    fn read_at<'a>(&'a self, path: &'a Path, offset: u64, limit: usize) -> IoFuture<'a, Vec<u8>> {
        self.read_into(path, offset, limit, Vec::new())
    }

    /// Whether a file or folder could be written, or made where it isn't there. Changes nothing. A disk without this answer can
    /// be written.
    fn check_writable<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        let _ = path;
        Box::pin(async { Ok(()) })
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

fn blocking<'a, T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> IoFuture<'a, T> {
    let path = path.to_owned();
    Box::pin(in_thread(move || work(&path)))
}

/// Runs what may wait for the device.
pub(super) async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// What `pick` takes from the entries of a folder, sorted.
fn entries<T: Ord>(dir: &Path, pick: impl Fn(&DirEntry) -> io::Result<Option<T>>) -> io::Result<Vec<T>> {
    let entries = unless_missing(fs::read_dir(dir))?.into_iter().flatten();
    let picked = entries.filter_map(|entry| entry.and_then(|entry| pick(&entry)).transpose());
    let mut picked = picked.collect::<io::Result<Vec<T>>>()?;
    picked.sort();
    Ok(picked)
}

fn name_of(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

fn write_to_end(path: &Path, data: &[u8], sync: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(data)?;
    if sync { file.sync_data() } else { Ok(()) }
}

impl Disk for SystemDisk {
    fn check_writable<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        blocking(path, check_writable)
    }

    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        blocking(dir, |dir| fs::create_dir_all(dir))
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<FileEntry>> {
        blocking(dir, |dir| {
            entries(dir, |entry| {
                let metadata = entry.metadata()?;
                Ok(metadata.is_file().then(|| FileEntry { name: name_of(entry), len: metadata.len() }))
            })
        })
    }

    fn list_dirs<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        blocking(dir, |dir| entries(dir, |entry| Ok(entry.file_type()?.is_dir().then(|| name_of(entry)))))
    }

    fn list_with_links<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        blocking(dir, |dir| {
            entries(dir, |entry| {
                let kind = entry.file_type()?;
                // A link to nothing is nothing.
                let links = || kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
                Ok((kind.is_file() || links()).then(|| name_of(entry)))
            })
        })
    }

    fn stat<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<FileStat>> {
        blocking(path, |path| Ok(unless_missing(fs::metadata(path))?.map(|metadata| FileStat::of(&metadata))))
    }

    fn open<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn OpenFile>> {
        blocking(path, |path| Ok(Box::new(SystemFile::open(path)?) as Box<dyn OpenFile>))
    }

    fn len<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<u64>> {
        blocking(path, |path| Ok(unless_missing(fs::metadata(path))?.map(|metadata| metadata.len())))
    }

    fn read_into<'a>(&'a self, path: &'a Path, offset: u64, limit: usize, buffer: Vec<u8>) -> IoFuture<'a, Vec<u8>> {
        blocking(path, move |path| {
            let mut buffer = buffer;
            let (mut file, stat) = open_regular(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let there = stat.len.saturating_sub(offset);
            buffer.clear();
            buffer.reserve(usize::try_from(there).unwrap_or(usize::MAX).min(limit));
            file.take(limit as u64).read_to_end(&mut buffer)?;
            Ok(buffer)
        })
    }

    fn append<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        let data = data.to_vec();
        blocking(path, move |path| write_to_end(path, &data, false))
    }

    fn append_synced<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        let data = data.to_vec();
        blocking(path, move |path| write_to_end(path, &data, true))
    }

    fn sync<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        blocking(path, |path| OpenOptions::new().write(true).open(path)?.sync_all())
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        blocking(dir, |dir| File::open(dir)?.sync_all())
    }

    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> IoFuture<'a, ()> {
        blocking(path, move |path| OpenOptions::new().write(true).open(path)?.set_len(len))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        let to = to.to_owned();
        blocking(from, move |from| fs::rename(from, to))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        blocking(path, |path| fs::remove_file(path))
    }

    fn lock<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn DiskLock>> {
        blocking(path, |path| {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            file.try_lock()?;
            Ok(Box::new(file) as Box<dyn DiskLock>)
        })
    }
}
