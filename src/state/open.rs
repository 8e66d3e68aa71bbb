//! An open state as its source sees it, the same on a disk and in a storage account.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::{collections::HashMap, io, ops::Range};

use futures::future::BoxFuture;

use super::format::intents::Intents;
use super::format::state::{Ids, State};
use super::{format::known::DOCUMENT_BYTES, tasks::Tasks};
use crate::component::{CheckpointError, Commit, Intent, IntentHash, KnownId, LeaseGuard, SourceState};
use crate::event::Origin;
use nordpass_env::Mutex;

/// What can be read while a commit runs.
pub struct OpenInfo {
    pub key_id: Arc<str>,
    pub run: u64,
    /// Copies of the committed document and intents.
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    document: Option<Vec<u8>>,
    intents: Intents,
}

impl OpenInfo {
    pub fn new<I: Ids>(key_id: String, state: &State<I>) -> Self {
        let info = Self { key_id: key_id.into(), run: state.run, shown: Mutex::default() };
        info.show(state);
        info
    }

    /// Call this once a commit counts.
    pub fn show<I: Ids>(&self, state: &State<I>) {
        *self.shown.lock() = Shown { document: state.document.clone(), intents: state.intents.clone() };
    }
}

/// The storage of a source's state.
pub trait StateBackend: Send + Sync + 'static {
    fn info(&self) -> &OpenInfo;
    /// Its place, for messages.
    fn path(&self) -> PathBuf;
    /// [`SourceState::known`]
    fn read_known(&self, range: Range<i64>) -> impl Future<Output = Result<Vec<KnownId>, CheckpointError>> + Send;
    /// [`SourceState::commit`], with ids sorted by time and a document that isn't too long.
    fn apply(&self, commit: Commit) -> impl Future<Output = Result<(), CheckpointError>> + Send;
    /// [`SourceState::read_intent`]
    fn read_intent(&self, hash: IntentHash) -> impl Future<Output = Result<Vec<u8>, CheckpointError>> + Send;
    /// Whether a chunk is committed. A chunk of an unknown run counts as committed.
    fn is_committed(&self, run: u64, sequence: u64) -> impl Future<Output = bool> + Send;
    /// [`SourceState::lease_guard`]
    fn lease_guard(&self) -> LeaseGuard;
}

/// What a store knows about its sources, by their keys' ids.
pub struct Slots<S>(Mutex<HashMap<String, Arc<tokio::sync::Mutex<S>>>>);

impl<S: Default> Slots<S> {
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    pub fn get(&self, key_id: &str) -> Arc<tokio::sync::Mutex<S>> {
        self.0.lock().entry(key_id.to_owned()).or_default().clone()
    }

    pub fn all(&self) -> Vec<Arc<tokio::sync::Mutex<S>>> {
        self.0.lock().values().cloned().collect()
    }
}

/// A source's state, open or read.
pub struct Slot<K, I> {
    /// Dropped with its last user.
    open: Weak<K>,
    /// Read for [`Slot::is_committed`].
    read: Option<ReadState<I>>,
}

/// A state as it was read; `None` if there is none.
struct ReadState<I>(Option<Box<State<I>>>);

impl<K, I> Default for Slot<K, I> {
    fn default() -> Self {
        Self { open: Weak::new(), read: None }
    }
}

impl<K: StateBackend, I: Ids> Slot<K, I> {
    /// The state, if it is open.
    pub fn open(&self) -> Option<Arc<K>> {
        self.open.upgrade()
    }

    /// Records that the state was opened.
    pub fn set_open(&mut self, source: &Arc<K>) {
        *self = Self { open: Arc::downgrade(source), read: None };
    }

    /// [`crate::component::Store::is_committed`]. `load` reads a state that isn't open.
    pub async fn is_committed(
        &mut self,
        origin: &Origin,
        load: impl Future<Output = Result<Option<State<I>>, CheckpointError>>,
    ) -> Result<bool, CheckpointError> {
        // Not a key's id but the name of a source without a state. It must not reach a path or an address.
        if !origin.source.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Ok(true);
        }
        if let Some(source) = self.open.upgrade() {
            return Ok(source.is_committed(origin.run, origin.sequence).await);
        }
        if self.read.is_none() {
            self.read = Some(ReadState(load.await?.map(Box::new)));
        }
        let state = self.read.as_ref().and_then(|ReadState(state)| state.as_deref());
        Ok(state.is_none_or(|state| state.is_committed(origin.run, origin.sequence)))
    }
}

/// A source's handle. When it and the store are dropped, so are the writes that nothing awaits.
pub struct OpenSource<K> {
    pub source: Arc<K>,
    pub tasks: Arc<Tasks>,
}

impl<K: StateBackend> SourceState for OpenSource<K> {
    fn document(&self) -> Option<Vec<u8>> {
        self.source.info().shown.lock().document.clone()
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

    fn intents(&self) -> Vec<Intent> {
        self.source.info().shown.lock().intents.list()
    }

    fn read_intent(&self, hash: IntentHash) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>> {
        Box::pin(self.source.read_intent(hash))
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
