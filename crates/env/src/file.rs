//! Files that others put there: what they are before they are opened, and handles that stay with them.
//!
//! A path can name anything. Opening a named pipe waits for a writer, and a device may have no end; so only regular files
//! are read, and opening waits for nobody.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::IoFuture;
use super::disk::in_thread;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file with content of its own.
    Regular,
    /// A folder.
    Folder,
    /// A FIFO, such as a shell's `<(…)`.
    Pipe,
    /// A socket.
    Socket,
    /// A device, such as `/dev/zero`.
    Device,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Folder => "a folder",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes.
    pub len: u64,
    /// The device and the number on it: two names with the same are one file.
    pub id: (u64, u64),
    /// When its content last changed, in nanoseconds since 1970.
    pub modified: i128,
    /// When content, name or permissions last changed, in nanoseconds since 1970. No program can set it.
    pub changed: i128,
}

impl FileStat {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let file_type = metadata.file_type();
        let kind = match file_type {
            _ if file_type.is_file() => FileKind::Regular,
            _ if file_type.is_dir() => FileKind::Folder,
            _ if file_type.is_fifo() => FileKind::Pipe,
            _ if file_type.is_socket() => FileKind::Socket,
            _ => FileKind::Device,
        };
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self {
            kind,
            len: metadata.len(),
            id: (metadata.dev(), metadata.ino()),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let kind = match () {
            () if metadata.is_file() => FileKind::Regular,
            () if metadata.is_dir() => FileKind::Folder,
            () => FileKind::Device,
        };
        let since = metadata.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let modified = since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX));
        Self { kind, len: metadata.len(), id: (0, 0), modified, changed: 0 }
    }
}

/// A regular file that stays open: renaming or removing it changes nothing for its reader.
pub trait OpenFile: Send + Sync {
    /// What it is now.
    fn stat(&self) -> IoFuture<'_, FileStat>;
    /// At most `limit` bytes from `offset`, into a buffer that is used again; fewer at the end of the file.
    fn read_into(&self, offset: u64, limit: usize, buffer: Vec<u8>) -> IoFuture<'_, Vec<u8>>;
}

/// Opens a regular file for reading, without waiting for anybody.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, FileStat)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    let stat = FileStat::of(&file.metadata()?);
    match stat.kind {
        FileKind::Regular => Ok((file, stat)),
        FileKind::Folder => Err(io::Error::new(io::ErrorKind::IsADirectory, "it's a folder, not a file")),
        kind => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it's {kind}, not a regular file"))),
    }
}

/// A whole regular file of at most `limit` bytes: for the small files that settings name. A longer one is
/// [`io::ErrorKind::FileTooLarge`].
pub fn read_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let (file, stat) = open_regular(path)?;
    // With room for all of it: growing would leave copies of a secret behind.
    let mut bytes = Vec::with_capacity(usize::try_from(stat.len).unwrap_or(usize::MAX).min(limit) + 1);
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    check_length(bytes, limit)
}

/// The same of bytes that were read up to one more than the limit.
pub(super) fn check_length(bytes: Vec<u8>, limit: usize) -> io::Result<Vec<u8>> {
    if bytes.len() > limit {
        let message = format!("it's longer than {} KiB", limit >> 10);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// A file of the machine.
pub(super) struct SystemFile(Arc<File>);

impl SystemFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(open_regular(path)?.0)))
    }
}

impl OpenFile for SystemFile {
    fn stat(&self) -> IoFuture<'_, FileStat> {
        let file = self.0.clone();
        Box::pin(in_thread(move || Ok(FileStat::of(&file.metadata()?))))
    }

    fn read_into(&self, offset: u64, limit: usize, mut buffer: Vec<u8>) -> IoFuture<'_, Vec<u8>> {
        use std::io::{Seek, SeekFrom};
        let file = self.0.clone();
        Box::pin(in_thread(move || {
            let mut file = &*file;
            file.seek(SeekFrom::Start(offset))?;
            buffer.clear();
            file.take(limit as u64).read_to_end(&mut buffer)?;
            Ok(buffer)
        }))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::{Disk, SystemDisk};

    /// Opening any of these used to wait for a writer, or to read for ever.
    #[tokio::test]
    async fn only_regular_files_are_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (path, words) in
            [(pipe.as_path(), "a named pipe"), (Path::new("/dev/zero"), "a device"), (folder.path(), "a folder")]
        {
            let errors = [
                read_bounded(path, 10).unwrap_err(),
                SystemDisk.read(path).await.unwrap_err(),
                SystemDisk.open(path).await.err().expect("no file"),
            ];
            for error in errors {
                assert!(error.to_string().contains(words), "{error}");
            }
            assert_eq!(SystemDisk.stat(path).await.unwrap().unwrap().kind.to_string(), words);
        }
    }

    #[tokio::test]
    async fn an_open_file_is_still_the_same_when_its_name_means_another() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("a"), folder.path().join("a.1"));
        std::fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("gone", folder.path().join("dangling")).unwrap();
        assert_eq!(SystemDisk.list_with_links(folder.path()).await.unwrap(), ["a", "link"]);
        let file = SystemDisk.open(&path).await.unwrap();
        let before = file.stat().await.unwrap();
        std::fs::rename(&path, moved).unwrap();
        std::fs::write(&path, "new and longer").unwrap();
        assert_eq!(file.read_into(1, 10, Vec::new()).await.unwrap(), b"ld");
        let now = SystemDisk.stat(&path).await.unwrap().unwrap();
        assert_ne!(now.id, before.id);
        assert_eq!(read_bounded(&path, 14).unwrap().len(), 14);
        assert_eq!(read_bounded(&path, 13).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
