//! An open state as its source sees it: the same on a disk and in a storage account.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use super::format::known::DOCUMENT_BYTES;
use super::tasks::Tasks;
use crate::component::{CheckpointError, Commit, KnownId, LeaseGuard, SourceState};

/// What can be asked for while a commit runs.
pub struct OpenInfo {
    pub key_id: Arc<str>,
    pub run: u64,
    /// A copy of the committed document.
    document: Mutex<Option<Vec<u8>>>,
}

impl OpenInfo {
    pub fn new(key_id: String, run: u64, document: Option<Vec<u8>>) -> Self {
        Self { key_id: key_id.into(), run, document: Mutex::new(document) }
    }

    /// To be told once a commit counts.
    pub fn set_document(&self, document: Option<&Vec<u8>>) {
        *self.document.lock().unwrap_or_else(PoisonError::into_inner) = document.cloned();
    }
}

/// A source's state where it is kept.
pub trait StateBackend: Send + Sync + 'static {
    fn info(&self) -> &OpenInfo;
    /// Its place, for messages.
    fn path(&self) -> PathBuf;
    /// [`SourceState::known`]
    fn read_known(&self, range: Range<i64>) -> impl Future<Output = Result<Vec<KnownId>, CheckpointError>> + Send;
    /// [`SourceState::commit`], with ids sorted by time and a document that isn't too long.
    fn apply(&self, commit: Commit) -> impl Future<Output = Result<(), CheckpointError>> + Send;
    /// [`SourceState::hold`]
    fn lease_guard(&self) -> LeaseGuard;
}

/// What a source holds. When it and the store are gone, so are the writes that nobody waits for any more.
pub struct OpenSource<K> {
    pub source: Arc<K>,
    pub tasks: Arc<Tasks>,
}

impl<K: StateBackend> SourceState for OpenSource<K> {
    fn document(&self) -> Option<Vec<u8>> {
        self.source.info().document.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn run(&self) -> u64 {
        self.source.info().run
    }

    fn key_id(&self) -> Arc<str> {
        self.source.info().key_id.clone()
    }

    fn known(&self, range: Range<i64>) -> BoxFuture<'_, Result<Vec<KnownId>, CheckpointError>> {
        Box::pin(self.source.read_known(range))
    }

    fn commit(&self, mut commit: Commit) -> BoxFuture<'_, Result<(), CheckpointError>> {
        let source = self.source.clone();
        Box::pin(async move {
            let path = source.path();
            fits(&commit, &path)?;
            commit.ids.sort_unstable_by_key(|known| known.time);
            self.tasks.finish(&path, async move { source.apply(commit).await }).await
        })
    }

    fn lease_guard(&self) -> LeaseGuard {
        self.source.lease_guard()
    }
}

/// Refuses a document that is too long for a state.
pub fn fits(commit: &Commit, path: &Path) -> Result<(), CheckpointError> {
    let len = commit.document.as_ref().map_or(0, Vec::len);
    if len <= DOCUMENT_BYTES {
        return Ok(());
    }
    let text = format!("the document has {len} bytes; a state allows at most {DOCUMENT_BYTES}");
    let source = io::Error::new(io::ErrorKind::InvalidInput, text);
    Err(CheckpointError::Disk { path: path.to_owned(), source })
}
