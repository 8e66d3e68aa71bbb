//! Who owns a file: its lock, its folders and its permissions.

use std::io;
use std::path::{Path, PathBuf};

use nordpass_env::{Disk, DiskLock};

/// What failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} {}: {source}", .path.display())]
pub struct WriteError {
    doing: &'static str,
    path: PathBuf,
    /// The operating system's error.
    pub source: io::Error,
}

/// The error for a step.
pub fn at<'a>(doing: &'static str, path: impl AsRef<Path> + 'a) -> impl FnOnce(io::Error) -> WriteError + 'a {
    move |source| WriteError { doing, path: path.as_ref().to_owned(), source }
}

/// What came of locking a file.
pub enum Locked {
    /// Only this process writes to it. Other programs don't ask.
    Held {
        /// Released when it is dropped.
        _lock: Box<dyn DiskLock>,
    },
    /// Its file system has no locks. Nothing of anybody's is cut all the same.
    Unlockable,
}

/// Locks a file, which is made if it isn't there. [`io::ErrorKind::WouldBlock`] when another process has it.
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

/// Makes a folder and those above it, and gives the new ones the files' permissions.
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

/// Whoever may read the files may also look for them.
fn folder_mode(mode: u32) -> u32 {
    mode | (mode & 0o444) >> 2
}
