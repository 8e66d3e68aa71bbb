//! Repairs the files when the sink opens, so that of its appends they have only the committed ones.
//!
//! What the segment log records is durable in the files, because files are synced before the log. What it doesn't
//! record is a torn write, and the [journal](super::journal) has what should have been written. So for each file that
//! the log knows:
//!
//! | found | means | done |
//! |---|---|---|
//! | no such file | it was moved away | forgotten |
//! | uncommitted segments, or a torn write, at the end | the usual crash | cut |
//! | the same, followed by something that stays | another sink was slower with one chunk than with the next, or another program appended | rewritten without it |
//! | anything else where these should be | the file was rotated, cut or replaced | kept |
//!
//! Only what is [provably ours](super::own) is removed, under the file's lock.
//!
//! Decisions come first: the log is atomically replaced by the list of what to cut and replace, and only then is it
//! carried out. A crash before that leaves everything unchanged, and the checkpoint is asked again. A crash after it
//! leaves a list that can be carried out again from its start. Finally the log is replaced by an empty one.

mod decide;
mod repair;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::encode::Format;
use super::journal::{self, Journal};
use super::log::{self, Contents, Log};
use super::template::folder;
use crate::component::ComponentError;
use crate::component::Store;
use nordpass_env::Disk;

/// Repairs the files and opens an empty log and an empty journal.
pub async fn recover(
    disk: Arc<dyn Disk>,
    [log_path, journal_path]: [PathBuf; 2],
    format: Format,
    store: &dyn Store,
) -> Result<(Log, Journal), ComponentError> {
    let (path, journal_path) = (log_path, journal_path);
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
    let mut spoiled = Vec::new();
    let decided = if contents.decided.is_empty() {
        let begun = journal::read(disk.as_ref(), &journal_path).await;
        let begun = begun.map_err(|error| failed("read", &journal_path, &error))?;
        let (decided, unreadable) = decide::decide(disk.as_ref(), &contents, &begun, format, store).await?;
        spoiled = unreadable;
        if !decided.is_empty() {
            Log::replaced(disk.clone(), path.clone(), &decided)
                .await
                .map_err(|error| failed("write", &path, &error))?;
        }
        decided
    } else {
        contents.decided.clone()
    };
    for entry in &decided {
        repair::carry_out(disk.as_ref(), entry).await?;
    }
    for file in &spoiled {
        repair::put_aside(disk.as_ref(), file).await.map_err(|error| failed("put aside", file, &error))?;
    }
    let log = Log::replaced(disk.clone(), path.clone(), &[]).await.map_err(|error| failed("write", &path, &error))?;
    let journal = Journal::empty(disk, journal_path.clone()).await;
    Ok((log, journal.map_err(|error| failed("write", &journal_path, &error))?))
}

/// Makes what is about to be read durable. A process that was killed may have replaced the log without syncing its
/// name. Acting on decisions that a power cut could still undo would be as bad as not recording them.
async fn settle(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.sync(path).await?;
    disk.sync_dir(folder(path)).await
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> ComponentError {
    super::failed(format!("can't {doing} {}: {error}", path.display()), error.kind())
        .hint("the sink starts once this works; nothing is lost meanwhile")
}
