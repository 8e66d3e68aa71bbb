//! The location of dead letters and marks: a folder on the process's own disk, or blobs shared by all processes.

use std::{io, path::PathBuf, sync::Arc};

use super::blobs::{BlobLock, BlobLog, Blobs, part_name};
use super::lines::{self, LineRange, Log};
use crate::component::LeaseGuard;
use nordpass_env::{Disk, DiskLock};

/// The location of files of lines.
#[derive(Clone)]
pub(super) enum Folder {
    /// One process writes here.
    Disk {
        disk: Arc<dyn Disk>,
        dir: PathBuf,
    },
    Blobs(Blobs),
}

impl Folder {
    /// Lists the names of all files.
    pub async fn names(&self) -> io::Result<Vec<String>> {
        match self {
            Self::Disk { disk, dir } => Ok(disk.list(dir).await?.into_iter().map(|file| file.name).collect()),
            Self::Blobs(blobs) => blobs.names("").await,
        }
    }

    /// Passes every whole line of a file to `each`. A missing file has none.
    pub async fn lines(&self, name: &str, mut each: impl FnMut(LineRange, &[u8]) + Send) -> io::Result<()> {
        match self {
            Self::Disk { disk, dir } => lines::lines(disk.as_ref(), &dir.join(name), each).await.map(drop),
            Self::Blobs(blobs) => blobs.lines(name, 0, &mut each).await.map(drop),
        }
    }

    /// Reads a part of a file.
    pub async fn read_at(&self, name: &str, LineRange { offset, len }: LineRange) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk { disk, dir } => disk.read_at(&dir.join(name), offset, len).await,
            Self::Blobs(blobs) => Ok(blobs.read_at(name, offset, len).await?.unwrap_or_default()),
        }
    }

    /// Creates the writer of the file with this stem. On disk, it reads the file first.
    pub async fn writer(&self, stem: &str, mut each: impl FnMut(&[u8]) + Send) -> io::Result<Writer> {
        match self {
            Self::Disk { disk, dir } => {
                let path = dir.join(part_name(stem, 1));
                Ok(Writer::Disk(Log::open(disk.clone(), path, |_, line| each(line)).await?))
            }
            Self::Blobs(blobs) => Ok(Writer::Blobs(BlobLog::new(blobs.clone(), stem.to_owned()))),
        }
    }

    /// Takes a lock. [`io::ErrorKind::WouldBlock`] if another process has it.
    pub async fn lock(&self, name: &str) -> io::Result<Lock> {
        match self {
            Self::Disk { disk, dir } => Ok(Lock::Disk(disk.lock(&dir.join(name)).await?)),
            Self::Blobs(blobs) => Ok(Lock::Blobs(blobs.lock(name).await?)),
        }
    }
}

/// Writes a file of lines.
pub(super) enum Writer {
    Disk(Log),
    Blobs(BlobLog),
}

impl Writer {
    /// Makes what was read durable, and reads the rest.
    pub async fn settle(&mut self, each: &mut (dyn FnMut(&[u8]) + Send)) -> io::Result<()> {
        match self {
            Self::Disk(log) => log.settle().await,
            Self::Blobs(log) if log.is_read() => Ok(()),
            Self::Blobs(log) => log.catch_up(each).await,
        }
    }

    /// Appends whole lines, durably. `false` if nothing was appended, because another process has written. Its lines go
    /// to `each`.
    pub async fn append(&mut self, lines: &[u8], each: &mut (dyn FnMut(&[u8]) + Send)) -> io::Result<bool> {
        match self {
            Self::Disk(log) => log.append(lines).await.map(|()| true),
            Self::Blobs(log) => {
                let written = log.append(lines).await?;
                if !written {
                    log.catch_up(each).await?;
                }
                Ok(written)
            }
        }
    }
}

/// A held lock.
pub(super) enum Lock {
    Disk(Box<dyn DiskLock>),
    Blobs(BlobLock),
}

impl Lock {
    /// Tells whether it is still held. The operating system keeps a file's lock as long as the process lives.
    pub fn lease_guard(&self) -> LeaseGuard {
        match self {
            Self::Disk(_) => LeaseGuard::always(),
            Self::Blobs(lock) => lock.lease_guard(),
        }
    }

    /// Releases it.
    pub async fn release(self) {
        match self {
            Self::Disk(lock) => drop(lock),
            Self::Blobs(lock) => lock.release().await,
        }
    }
}
