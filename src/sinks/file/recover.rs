//! Opening the sink: every file is made to hold exactly the committed appends.
//!
//! What the segment log notes is durable in the files, because files are synced before the log. What it doesn't note
//! but a file has behind its last segment is a torn write. So for each file that the log knows:
//!
//! | found | means | done |
//! |---|---|---|
//! | no such file | somebody has moved it away | forgotten |
//! | shorter than noted | somebody has changed it | an error, nothing is changed |
//! | much longer than noted | somebody has written to it | an error, nothing is changed |
//! | a tail that isn't noted | a torn write | cut |
//! | uncommitted segments at the end | the usual crash | cut |
//! | an uncommitted segment before a committed one | another sink was slower with one chunk than with the next | written anew without it |
//!
//! Decisions come before deeds: the log is replaced atomically by the list of what is to be cut and replaced, and only
//! then is it done. A crash before that leaves everything as it was, and the checkpoint is asked again; a crash after
//! it leaves a list that can be worked off again from its start, whatever was done already. At last the log is replaced
//! by an empty one: nothing is unresolved.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::{self, Contents, Entry, Log, Tracked};
use super::template::folder;
use crate::component::ComponentError;
use crate::component::Store;
use crate::event::Origin;
use nordpass_env::Disk;

/// One flush never writes as much, so a longer tail isn't a torn write.
const LONGEST_TORN_WRITE: u64 = 1 << 30;

const COPY_BYTES: usize = 1 << 20;

/// Repairs the files and opens an empty log.
pub async fn recover(disk: Arc<dyn Disk>, path: PathBuf, store: &dyn Store) -> Result<Log, ComponentError> {
    let contents = match disk.len(&path).await.map_err(|error| failed("read", &path, &error))? {
        Some(_) => {
            settle(disk.as_ref(), &path).await.map_err(|error| failed("sync", &path, &error))?;
            let bytes = disk.read(&path).await.map_err(|error| failed("read", &path, &error))?;
            log::parse(&bytes).map_err(|why| {
                ComponentError::new(format!("the segment log {} can't be used: {why}", path.display())).hint(
                    "restore it from a backup, or move it away: the files then stay unchanged, and events in flight \
                     when the program last stopped may be in them twice",
                )
            })?
        }
        None => Contents::default(),
    };
    let decided = if contents.decided.is_empty() {
        let decided = decide(disk.as_ref(), &contents, store).await?;
        if !decided.is_empty() {
            Log::replaced(disk.clone(), path.clone(), &decided)
                .await
                .map_err(|error| failed("write", &path, &error))?;
        }
        decided
    } else {
        contents.decided
    };
    for entry in &decided {
        carry_out(disk.as_ref(), entry).await?;
    }
    Log::replaced(disk, path.clone(), &[]).await.map_err(|error| failed("write", &path, &error))
}

/// Makes what is about to be read durable. A process that was killed may have replaced the log without having synced
/// its name: acting on decisions that a power cut could still take back would be as bad as not having noted them.
async fn settle(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.sync(path).await?;
    disk.sync_dir(folder(path)).await
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> ComponentError {
    ComponentError::new(format!("can't {doing} {}: {error}", path.display()))
        .hint("the sink starts once this works; nothing is lost meanwhile")
}

/// What is to be done. Changes nothing that counts: new contents are written beside the files.
async fn decide(disk: &dyn Disk, contents: &Contents, store: &dyn Store) -> Result<Vec<Entry>, ComponentError> {
    let mut asked = HashMap::new();
    let mut found = Vec::new();
    // All checks come first, so that an error leaves everything as it was.
    for (path, tracked) in &contents.files {
        let Some(len) = disk.len(Path::new(path)).await.map_err(|error| failed("read", Path::new(path), &error))?
        else {
            if !tracked.segments.is_empty() {
                tracing::info!(path, "the file was moved away since the last run; a new one will be created");
            }
            continue;
        };
        check_length(path, tracked, len)?;
        found.push((path, tracked, len, kept(tracked, store, &mut asked).await?));
    }
    let mut decided = Vec::new();
    for (path, tracked, len, kept) in found {
        let length: u64 = kept.iter().map(|(start, end)| end - start).sum();
        let new = new_name(path);
        let result = match kept.as_slice() {
            [] | [(0, _)] => drop_leftover(disk, tracked, &new).await.map(|()| {
                if length < len || len == 0 {
                    decided.push(Entry::Cut { path: path.clone(), length });
                }
            }),
            ranges => copy(disk, path, &new, ranges).await.map(|()| {
                decided.push(Entry::Replace { path: path.clone(), by: new.clone(), length });
            }),
        };
        result.map_err(|error| failed("repair", Path::new(path), &error))?;
    }
    Ok(decided)
}

fn check_length(path: &str, tracked: &Tracked, len: u64) -> Result<(), ComponentError> {
    let end = tracked.end();
    if (end..=end + LONGEST_TORN_WRITE).contains(&len) {
        return Ok(());
    }
    Err(ComponentError::new(format!(
        "{path} has {len} bytes, but this sink had written it up to {end}: another program has changed it"
    ))
    .hint("restore the file, or move it away: the sink then starts a new one"))
}

/// The ranges to keep, in order, neighbours joined.
async fn kept(
    tracked: &Tracked,
    store: &dyn Store,
    asked: &mut HashMap<Origin, bool>,
) -> Result<Vec<(u64, u64)>, ComponentError> {
    let mut kept: Vec<(u64, u64)> = Vec::new();
    if tracked.base > 0 {
        kept.push((0, tracked.base));
    }
    let mut start = tracked.base;
    for segment in &tracked.segments {
        let committed = if let Some(committed) = asked.get(&segment.origin) {
            *committed
        } else {
            let committed = store.is_committed(&segment.origin).await.map_err(|error| {
                ComponentError::new(format!("can't read from the checkpoint what is committed: {error}"))
                    .hint("repair the checkpoint first; the files stay unchanged until then")
            })?;
            asked.insert(segment.origin.clone(), committed);
            committed
        };
        if committed && segment.end > start {
            match kept.last_mut() {
                Some(last) if last.1 == start => last.1 = segment.end,
                _ => kept.push((start, segment.end)),
            }
        }
        start = segment.end;
    }
    Ok(kept)
}

/// The name under which a file's new content is prepared.
fn new_name(path: &str) -> String {
    format!("{path}.rewrite")
}

/// A crash may have left a new content that nothing was decided about.
async fn drop_leftover(disk: &dyn Disk, tracked: &Tracked, new: &str) -> io::Result<()> {
    if !tracked.segments.is_empty() && disk.len(Path::new(new)).await?.is_some() {
        disk.remove(Path::new(new)).await?;
        disk.sync_dir(folder(Path::new(new))).await?;
    }
    Ok(())
}

/// Writes the kept ranges of a file into a new one, durable with its name.
async fn copy(disk: &dyn Disk, path: &str, new: &str, ranges: &[(u64, u64)]) -> io::Result<()> {
    let (path, new) = (Path::new(path), Path::new(new));
    if disk.len(new).await?.is_some() {
        disk.remove(new).await?;
    }
    for (start, end) in ranges {
        let mut at = *start;
        while at < *end {
            let limit = usize::try_from(end - at).unwrap_or(usize::MAX).min(COPY_BYTES);
            let bytes = disk.read_at(path, at, limit).await?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            disk.append(new, &bytes).await?;
            at += bytes.len() as u64;
        }
    }
    disk.sync(new).await?;
    disk.sync_dir(folder(new)).await
}

/// Does what was decided; doing it again changes nothing.
async fn carry_out(disk: &dyn Disk, entry: &Entry) -> Result<(), ComponentError> {
    let (path, result) = match entry {
        Entry::Cut { path, length } => (path, cut(disk, Path::new(path), *length).await),
        Entry::Replace { path, by, length } => (path, replace(disk, Path::new(path), Path::new(by), *length).await),
        _ => return Ok(()),
    };
    result.map_err(|error| failed("repair", Path::new(path), &error))
}

async fn cut(disk: &dyn Disk, path: &Path, length: u64) -> io::Result<()> {
    let found = disk.len(path).await?;
    if length == 0 && found.is_some() {
        // An empty file is no valid .gz: better none.
        disk.remove(path).await?;
    }
    let Some(len) = found.filter(|_| length > 0) else {
        // Also where it was gone already: a process that was killed may have removed it without syncing that.
        return match disk.sync_dir(folder(path)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
    };
    if len < length {
        return Err(io::Error::other(format!("it has {len} bytes instead of at least {length}")));
    }
    disk.truncate(path, length).await?;
    disk.sync(path).await
}

async fn replace(disk: &dyn Disk, path: &Path, by: &Path, length: u64) -> io::Result<()> {
    // The new content was durable before this was decided: if it isn't there any more, it has been put in place.
    if disk.len(by).await?.is_some() {
        disk.rename(by, path).await?;
    } else if disk.len(path).await?.is_some_and(|len| len != length) {
        return Err(io::Error::other(format!("its new content {} is missing", by.display())));
    }
    disk.sync_dir(folder(path)).await
}
