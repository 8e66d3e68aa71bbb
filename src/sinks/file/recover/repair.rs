//! Carries out the decisions. Repeating one changes nothing, and neither does one for a file that was changed since.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::failed;
use crate::component::ComponentError;
use crate::sinks::file::log::Entry;
use crate::sinks::file::own;
use crate::sinks::file::owner::{Locked, lock};
use crate::sinks::file::template::folder;
use nordpass_env::Disk;

pub(super) async fn carry_out(disk: &dyn Disk, entry: &Entry) -> Result<(), ComponentError> {
    let path = match entry {
        Entry::Cut { path, .. } | Entry::Replace { path, .. } => Path::new(path),
        _ => return Ok(()),
    };
    let work = async {
        // Another process may write there now. What it appended stays, but it must not write meanwhile.
        let held = match disk.len(path).await? {
            Some(_) => lock(disk, path).await?,
            None => Locked::Unlockable,
        };
        match entry {
            Entry::Cut { length, from, .. } => cut(disk, path, *length, from.as_ref()).await?,
            Entry::Replace { by, length, from, .. } => replace(disk, path, Path::new(by), *length, *from).await?,
            _ => {}
        }
        drop(held);
        Ok(())
    };
    work.await.map_err(|error| failed("repair", path, &error))
}

/// Durably copies ranges of a file into a new one.
pub(super) async fn copy(disk: &dyn Disk, path: &Path, new: &Path, ranges: &[Range<u64>]) -> io::Result<()> {
    if disk.len(new).await?.is_some() {
        disk.remove(new).await?;
    }
    for range in ranges {
        append_range(disk, path, new, range.clone()).await?;
    }
    disk.sync(new).await?;
    disk.sync_dir(folder(new)).await
}

async fn append_range(disk: &dyn Disk, path: &Path, to: &Path, range: Range<u64>) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let bytes = own::read(disk, path, at..range.end).await?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        disk.append(to, &bytes).await?;
        at += bytes.len() as u64;
    }
    Ok(())
}

async fn cut(disk: &dyn Disk, path: &Path, length: u64, from: Option<&(u64, String)>) -> io::Result<()> {
    let Some(len) = disk.len(path).await? else {
        // A process that was killed may have removed it without syncing that.
        return match disk.sync_dir(folder(path)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
    };
    if let Some((from, expected)) = from {
        let is_as_decided =
            len >= *from && own::fingerprint_of(disk, path, length..*from).await?.as_ref() == Some(expected);
        if is_as_decided && len > *from {
            // Another program has appended since.
            let new = rewritten(path);
            copy(disk, path, &new, &[0..length, *from..len]).await?;
            disk.rename(&new, path).await?;
            return disk.sync_dir(folder(path)).await;
        }
        if !is_as_decided {
            // Done before the crash, or the file was rotated since.
            return disk.sync(path).await;
        }
    }
    if length == 0 {
        // An empty file isn't a valid .gz, so remove it.
        disk.remove(path).await?;
        return disk.sync_dir(folder(path)).await;
    }
    if len > length {
        disk.truncate(path, length).await?;
    }
    disk.sync(path).await
}

fn rewritten(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".rewrite");
    PathBuf::from(name)
}

async fn replace(disk: &dyn Disk, path: &Path, by: &Path, length: u64, from: Option<u64>) -> io::Result<()> {
    // The new content was durable before this was decided. If it is gone, it is already in place.
    let Some(prepared) = disk.len(by).await? else { return disk.sync_dir(folder(path)).await };
    let len = disk.len(path).await?;
    match (len, from) {
        (Some(len), Some(from)) if len < from => disk.remove(by).await?,
        (None, Some(_)) => disk.remove(by).await?,
        (Some(len), Some(from)) if len > from => {
            // Another program has appended since. An interrupted try may have copied part of that.
            if prepared > length {
                disk.truncate(by, length).await?;
            }
            append_range(disk, path, by, from..len).await?;
            disk.sync(by).await?;
            disk.rename(by, path).await?;
        }
        _ => disk.rename(by, path).await?,
    }
    disk.sync_dir(folder(path)).await
}

/// Puts a file aside to which nothing may be appended. It keeps its content under a new name, and the sink begins a new
/// file.
pub(super) async fn put_aside(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    for number in 1u32.. {
        let aside = PathBuf::from(format!("{}.{number}", path.display()));
        if disk.kind(&aside).await?.is_some() {
            continue;
        }
        disk.rename(path, &aside).await?;
        tracing::warn!(
            path = %path.display(),
            aside = %aside.display(),
            "another program has appended something to this file that can't be decompressed; the file was put aside, and \
             a new one begins"
        );
        break;
    }
    disk.sync_dir(folder(path)).await
}
