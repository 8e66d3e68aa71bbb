//! Writes that continue when their caller stops waiting.

use std::{io, path::Path};

use tokio::{sync::oneshot, task::JoinSet};

use crate::component::CheckpointError;
use nordpass_env::Mutex;

/// The writes in progress. A source may be cancelled (a drain's deadline, a `select!`) while it commits. The disk or
/// the storage is then still writing, and a second write must not overlap with the first. So each write is a task of
/// its own, and the next one waits for it. The tasks are dropped only with the store and all its states: then the
/// program has ended, as in a crash, and may not continue to write.
#[derive(Default)]
pub struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    /// Runs the work to its end, even if the caller stops waiting.
    pub async fn finish<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl Future<Output = Result<T, CheckpointError>> + Send + 'static,
    ) -> Result<T, CheckpointError> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut tasks = self.0.lock();
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let _ = sender.send(work.await);
            });
        }
        let cut_off =
            || CheckpointError::Disk { path: path.to_owned(), source: io::Error::other("the write was interrupted") };
        receiver.await.unwrap_or_else(|_| Err(cut_off()))
    }
}
