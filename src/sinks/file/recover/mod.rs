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
//! The sink may open while its sources run: after a reload, or when one of them begins anew. What belongs to a run that goes
//! on is neither committed nor to be read again yet: it stays in the files and in the log.
//!
//! Decisions come first: the log is atomically replaced by the list of what to cut and replace, and only then is it
//! carried out. A crash before that leaves everything unchanged, and the checkpoint is asked again. A crash after it
//! leaves a list that can be carried out again from its start. Finally the log is replaced by one without it.

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

/// What a sink goes on with.
pub struct Recovered {
    /// The log. It has the appends that are still open.
    pub log: Log,
    /// An empty journal.
    pub journal: Journal,
    /// The appends of runs that go on.
    pub open: Contents,
}

/// Repairs the files and opens the log and the journal.
pub async fn recover(
    disk: Arc<dyn Disk>,
    [log_path, journal_path]: [PathBuf; 2],
    format: Format,
    store: &dyn Store,
) -> Result<Recovered, ComponentError> {
    let (path, journal_path) = (log_path, journal_path);
    let mut contents = match disk.len(&path).await.map_err(|error| failed("read", &path, &error))? {
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
    if !contents.decided.is_empty() {
        // A recovery was interrupted. What it left open is decided now.
        for entry in std::mem::take(&mut contents.decided) {
            repair::carry_out(disk.as_ref(), &entry).await?;
        }
        rewrite(&disk, &path, &contents.entries()).await?;
    }
    let begun = journal::read(disk.as_ref(), &journal_path).await;
    let begun = begun.map_err(|error| failed("read", &journal_path, &error))?;
    let decide::Decided { entries: decided, spoiled, open } =
        decide::decide(disk.as_ref(), &contents, &begun, format, store).await?;
    let still_open = open.entries();
    if !decided.is_empty() {
        rewrite(&disk, &path, &[still_open.as_slice(), &decided].concat()).await?;
    }
    for entry in &decided {
        repair::carry_out(disk.as_ref(), entry).await?;
    }
    for file in &spoiled {
        repair::put_aside(disk.as_ref(), file).await.map_err(|error| failed("put aside", file, &error))?;
    }
    let log = rewrite(&disk, &path, &still_open).await?;
    let journal = Journal::empty(disk, journal_path.clone()).await;
    let journal = journal.map_err(|error| failed("write", &journal_path, &error))?;
    Ok(Recovered { log, journal, open })
}

async fn rewrite(disk: &Arc<dyn Disk>, path: &Path, entries: &[log::Entry]) -> Result<Log, ComponentError> {
    let log = Log::replaced(disk.clone(), path.to_owned(), entries).await;
    log.map_err(|error| failed("write", path, &error))
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
