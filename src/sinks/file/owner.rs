//! Locks files, and makes their folders with the right permissions.

use std::io;
use std::path::{Path, PathBuf};

use nordpass_env::{Disk, DiskLock};

/// A failed step and its path.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} {}: {source}", .path.display())]
pub struct WriteError {
    doing: &'static str,
    path: PathBuf,
    /// The operating system's error.
    pub source: io::Error,
}

/// Creates the error for a step.
pub fn at<'a>(doing: &'static str, path: impl AsRef<Path> + 'a) -> impl FnOnce(io::Error) -> WriteError + 'a {
    move |source| WriteError { doing, path: path.as_ref().to_owned(), source }
}

/// The result of locking a file.
pub enum Locked {
    /// Only this process writes to it. Other programs don't check the lock.
    Held {
        /// Released when dropped.
        _lock: Box<dyn DiskLock>,
    },
    /// Its file system has no locks. Even so, only our own bytes are ever cut.
    Unlockable,
}

/// Locks a file, and creates it if it is missing. [`io::ErrorKind::WouldBlock`] if another process has it.
pub async fn lock(disk: &dyn Disk, path: &Path) -> io::Result<Locked> {
    match disk.lock(path).await {
        Ok(lock) => Ok(Locked::Held { _lock: lock }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "another process writes to this file: stop it, or give each its own path",
        )),
        Err(_) => Ok(Locked::Unlockable),
    }
}

/// Creates a folder and its parents, and gives new ones the files' permissions.
pub async fn make_folders(disk: &dyn Disk, dir: &Path, mode: Option<u32>) -> Result<(), WriteError> {
    let mut new = Vec::new();
    if mode.is_some() {
        for dir in dir.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
            if disk.kind(dir).await.map_err(at("read", dir))?.is_some() {
                break;
            }
            new.push(dir);
        }
    }
    disk.create_dir_all(dir).await.map_err(at("make", dir))?;
    for (dir, mode) in new.into_iter().zip(mode.into_iter().cycle()) {
        disk.set_mode(dir, folder_mode(mode)).await.map_err(at("set the mode of", dir))?;
    }
    Ok(())
}

/// Lets users who may read the files enter their folder.
fn folder_mode(mode: u32) -> u32 {
    mode | (mode & 0o444) >> 2
}
