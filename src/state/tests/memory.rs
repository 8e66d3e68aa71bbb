//! The checkpoint in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, MutexGuard};

use futures::future::BoxFuture;

use crate::component::{
    CheckpointError, Commit, Intent, IntentHash, KnownId, OpenStates, SourceKey, SourceState, Store,
};
use crate::event::Origin;
use crate::state::format::intents::{Intents, contents};
use crate::state::format::intervals::Intervals;
use crate::state::open::fits;
use nordpass_env::Mutex;

/// States in memory. Clones share them, so that a test keeps one across the "restarts" of a pipeline.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<HashMap<String, Source>>>, OpenStates);

#[derive(Default)]
struct Source {
    document: Option<Vec<u8>>,
    known: BTreeMap<(i64, u128), KnownId>,
    /// Committed chunks by run.
    runs: HashMap<u64, Vec<u64>>,
    intents: Intents,
    contents: HashMap<IntentHash, Vec<u8>>,
}

struct MemorySource {
    store: MemoryStore,
    key_id: Arc<str>,
    run: u64,
}

impl MemoryStore {
    /// Without any state.
    pub fn new() -> Self {
        Self::default()
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<String, Source>> {
        self.0.lock()
    }
}

impl Store for MemoryStore {
    fn open(&self, key: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        Box::pin(async move {
            let key_id: Arc<str> = key.id().into();
            let mut sources = self.sources();
            let source = sources.entry(key_id.to_string()).or_default();
            let run = source.runs.len() as u64 + 1;
            source.runs.insert(run, Vec::new());
            let state: Arc<dyn SourceState> = Arc::new(MemorySource { store: self.clone(), key_id, run });
            self.1.add(&state);
            Ok(state)
        })
    }

    fn open_states(&self) -> &OpenStates {
        &self.1
    }

    fn is_committed(&self, origin: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>> {
        let sources = self.sources();
        let run = sources.get(&*origin.source).and_then(|source| source.runs.get(&origin.run));
        let committed = run.is_none_or(|chunks| chunks.contains(&origin.sequence));
        drop(sources);
        Box::pin(async move { Ok(committed) })
    }
}

impl SourceState for MemorySource {
    fn document(&self) -> Option<Vec<u8>> {
        self.store.sources().get(&*self.key_id)?.document.clone()
    }

    fn run(&self) -> u64 {
        self.run
    }

    fn key_id(&self) -> Arc<str> {
        self.key_id.clone()
    }

    fn known(&self, range: Range<i64>) -> BoxFuture<'_, Result<Vec<KnownId>, CheckpointError>> {
        let sources = self.store.sources();
        let source = sources.get(&*self.key_id).filter(|_| !range.is_empty());
        let in_range = |source: &Source| {
            source.known.range((range.start, 0)..(range.end, 0)).map(|(_, &known)| known).collect::<Vec<_>>()
        };
        let known = source.map(in_range).unwrap_or_default();
        Box::pin(async move { Ok(known) })
    }

    fn intents(&self) -> Vec<Intent> {
        self.store.sources().get(&*self.key_id).map(|source| source.intents.list()).unwrap_or_default()
    }

    fn read_intent(&self, hash: IntentHash) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>> {
        let content = self.store.sources().get(&*self.key_id).and_then(|source| source.contents.get(&hash).cloned());
        Box::pin(async move { content.ok_or(CheckpointError::Lost) })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<(), CheckpointError>> {
        Box::pin(async move {
            fits(&commit, Path::new(&*self.key_id))?;
            let mut sources = self.store.sources();
            let source = sources.entry(self.key_id.to_string()).or_default();
            if let Some(time) = commit.forget_before {
                source.known.retain(|&(filed, _), _| filed >= time || filed == 0);
            }
            source.known.extend(commit.ids.iter().map(|&known| ((known.time, known.id.0), known)));
            source.runs.entry(self.run).or_default().extend(&commit.chunks);
            source.contents.extend(contents(&commit).map(|(hash, content)| (hash, content.to_vec())));
            let committed: Intervals = source.runs[&self.run].iter().map(|&chunk| chunk..chunk + 1).collect();
            source.intents.step(&commit, self.run, &committed);
            if commit.document.is_some() {
                source.document = commit.document;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    #[tokio::test]
    async fn keeps_states_across_restarts() {
        let store = MemoryStore::new();
        let key = SourceKey { name: "nordpass".into(), endpoint: "https://example.com".into() };
        let first = store.open(key.clone()).await.unwrap();
        assert_eq!(first.document(), None);
        let ids = [0, 5, 10].map(|time| KnownId { time, id: EventId(7) }).to_vec();
        let commit = Commit { ids, chunks: vec![0, 2], document: Some(b"d".to_vec()), ..Commit::default() };
        first.commit(commit).await.unwrap();

        let second = store.clone().open(key).await.unwrap();
        assert_eq!(second.document().as_deref(), Some(&b"d"[..]));
        assert_ne!(first.run(), second.run());
        assert_eq!(second.known(5..10).await.unwrap().len(), 1);
        let committed = async |run, sequence| {
            let origin = Origin { source: first.key_id(), run, sequence };
            store.is_committed(&origin).await.unwrap()
        };
        assert!(committed(first.run(), 2).await && !committed(first.run(), 1).await);
        assert!(!committed(second.run(), 0).await && committed(99, 0).await);
        second.commit(Commit { forget_before: Some(10), ..Commit::default() }).await.unwrap();
        assert_eq!(second.known(0..11).await.unwrap().len(), 2, "time 0 is never forgotten");
    }
}
