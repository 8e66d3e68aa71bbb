//! The checkpoint in files below `data_dir`.
//!
//! ```text
//! data_dir/lock                       held by the one process that may use the folder
//! data_dir/sources/<key id>/runs      whose folder this is, and the chunks of the last 16 runs
//!                           state.log the state, one frame for each commit; the last whole frame counts
//!                           ids/      the known ids: <yyyy-mm-dd>.ids and other.ids
//!                           intents/  what sinks were about to do, each under its hash
//! ```
//!
//! A commit appends the new ids to their files and syncs them, then appends one frame to `state.log` and syncs it: that
//! is the commit point. The frame has the whole small state and the length of each file of ids. Longer files have ids
//! of a commit that didn't happen. `state.log` is rewritten (as another file, renamed over the old one) when a source
//! is opened, when it grows over 256 KiB, and after a failed write. So nothing is ever appended to a torn tail, and
//! after a failed sync nothing relies on a page cache that may show what the device doesn't have.

mod load;
mod source;
mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::{io, sync::Arc};

use futures::future::BoxFuture;

use self::source::LocalSource;
use super::format::{frame, ids, intents, known, recent, state};
use super::open::{OpenSource, Slot, Slots};
use super::tasks::Tasks;
use crate::component::{CheckpointError, OpenStates, SourceKey, SourceState, Store};
use crate::event::Origin;
use nordpass_env::{Disk, DiskLock, Env};

/// The states of a `data_dir` on this machine's disk. See the module documentation.
pub struct LocalStore {
    folder: Arc<Folder>,
    tasks: Arc<Tasks>,
    open: OpenStates,
}

/// The locked `data_dir`, shared by everything that may still write below it.
struct Folder {
    env: Env,
    dir: PathBuf,
    slots: Slots<Slot<LocalSource, u64>>,
    _lock: Box<dyn DiskLock>,
}

impl LocalStore {
    /// Creates the folder and takes its lock.
    pub async fn open(env: Env, data_dir: &Path) -> Result<Arc<dyn Store>, CheckpointError> {
        let lock = lock(env.disk.as_ref(), data_dir).await?;
        let (env, dir) = (env.private(data_dir), data_dir.to_owned());
        let folder = Folder { env, dir, slots: Slots::new(), _lock: lock };
        Ok(Arc::new(Self { folder: Arc::new(folder), tasks: Arc::default(), open: OpenStates::default() }))
    }
}

impl Folder {
    fn source(&self, key_id: &str) -> PathBuf {
        self.dir.join("sources").join(key_id)
    }
}

impl Store for LocalStore {
    fn open(&self, key: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        Box::pin(async move {
            let slot = self.folder.slots.get(&key.id());
            let folder = self.folder.clone();
            let work = async move {
                let mut slot = slot.lock_owned().await;
                if slot.open().is_some() {
                    let error = io::Error::new(io::ErrorKind::AlreadyExists, "this source's state is already open");
                    return Err(disk_error(&folder.source(&key.id()))(error));
                }
                let source = Arc::new(LocalSource::open(folder, key).await?);
                slot.set_open(&source);
                Ok(source)
            };
            let source = self.tasks.finish(&self.folder.dir, work).await?;
            let state: Arc<dyn SourceState> = Arc::new(OpenSource { source, tasks: self.tasks.clone() });
            self.open.add(&state);
            Ok(state)
        })
    }

    fn open_states(&self) -> &OpenStates {
        &self.open
    }

    fn is_committed(&self, origin: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>> {
        let (origin, folder) = (origin.clone(), &self.folder);
        Box::pin(async move {
            let slot = folder.slots.get(&origin.source);
            let dir = folder.source(&origin.source);
            let load = load::load(folder.env.disk.as_ref(), &dir, &origin.source);
            slot.lock().await.is_committed(&origin, load).await
        })
    }
}

/// Checks that a source's state is usable. A missing one is. Changes nothing.
pub async fn check(disk: &dyn Disk, data_dir: &Path, key: &SourceKey) -> Result<(), CheckpointError> {
    let id = key.id();
    load::load(disk, &data_dir.join("sources").join(&id), &id).await.map(drop)
}

/// Whether a process uses the folder now. Creates nothing: without a lock file, none does.
pub async fn is_locked(disk: &dyn Disk, data_dir: &Path) -> Result<bool, CheckpointError> {
    let lock = data_dir.join("lock");
    if disk.len(&lock).await.map_err(disk_error(&lock))?.is_none() {
        return Ok(false);
    }
    match disk.lock(&lock).await {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(disk_error(&lock)(error)),
    }
}

/// Refuses a folder of another user, who could change everything in it. Accepts root's: root can do that anyway, and
/// owns what is mounted.
pub async fn check_owner(disk: &dyn Disk, data_dir: &Path) -> Result<(), CheckpointError> {
    let Some(owner) = disk.foreign_owner(data_dir).await.map_err(disk_error(data_dir))? else { return Ok(()) };
    let why = format!("this folder belongs to another user (number {owner})");
    Err(disk_error(data_dir)(io::Error::new(io::ErrorKind::PermissionDenied, why)))
}

/// Creates the folder, durably, and takes its lock: one process of its owner may use it at a time.
pub(super) async fn lock(disk: &dyn Disk, data_dir: &Path) -> Result<Box<dyn DiskLock>, CheckpointError> {
    disk.create_dir_all(data_dir).await.map_err(disk_error(data_dir))?;
    // This process may not be able to read the folder above. If that is old enough, nothing is lost.
    let above = data_dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = disk.sync_dir(above).await;
    check_owner(disk, data_dir).await?;
    let lock = data_dir.join("lock");
    let private = disk.private(data_dir);
    private.as_deref().unwrap_or(disk).lock(&lock).await.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => CheckpointError::Locked { dir: data_dir.to_owned() },
        _ => disk_error(&lock)(error),
    })
}

/// The error for an unusable state, with what to do.
fn unusable(path: &Path, what: impl std::fmt::Display) -> CheckpointError {
    let folder = path.ancestors().find(|dir| dir.parent().is_some_and(|parent| parent.ends_with("sources")));
    let folder = folder.unwrap_or(path).display();
    let reason = format!(
        "{what}. Nothing was changed.\nhint: restore {folder} from a backup, or move it away to start over: everything \
         within `initial_lookback` is then delivered again, with the same ids"
    );
    CheckpointError::Unusable { path: path.to_owned(), reason }
}

fn disk_error(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError + use<> {
    let path = path.to_owned();
    move |source| CheckpointError::Disk { path, source }
}
