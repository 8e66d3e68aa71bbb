//! The states that are open, for sinks that record intents in them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::watch;

use super::SourceState;
use crate::event::Origin;

/// By keys' ids ([`crate::component::SourceKey::id`]). An entry stays after the source has ended.
type States = BTreeMap<Arc<str>, Weak<dyn SourceState>>;

/// The states that a store has opened in this process. Clones share them. It holds none of them open.
#[derive(Clone, Default)]
pub struct OpenStates {
    states: Arc<watch::Sender<States>>,
    number: Arc<AtomicU64>,
}

/// Tells when another state was opened.
pub struct OpenStatesWatch(watch::Receiver<States>);

/// What is known of a source's state.
pub enum StateOf {
    /// It keeps none: it was never opened.
    Stateless,
    /// It was open, and its source has ended or lost it.
    Ended,
    /// It is open.
    Open(Arc<dyn SourceState>),
}

impl OpenStates {
    /// Adds a state that was just opened. It replaces the one of the same key.
    pub fn add(&self, state: &Arc<dyn SourceState>) {
        self.states.send_modify(|states| {
            states.insert(state.key_id(), Arc::downgrade(state));
        });
    }

    /// The state that chunks with this [`crate::event::Origin::source`] come from.
    pub fn of(&self, source: &str) -> StateOf {
        match self.states.borrow().get(source) {
            None => StateOf::Stateless,
            Some(state) => state.upgrade().map_or(StateOf::Ended, StateOf::Open),
        }
    }

    /// Whether a chunk's run goes on, so that it may still be committed.
    pub fn has_run(&self, origin: &Origin) -> bool {
        matches!(self.of(&origin.source), StateOf::Open(state) if state.run() == origin.run)
    }

    /// A number that nothing else of this process has. A sink that follows another one of its name has other numbers, too.
    pub fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// All that are open now.
    pub fn all(&self) -> Vec<Arc<dyn SourceState>> {
        self.states.borrow().values().filter_map(Weak::upgrade).collect()
    }

    /// Tells of those that are opened from now on, and first of those that are open already.
    pub fn watch(&self) -> OpenStatesWatch {
        let mut receiver = self.states.subscribe();
        receiver.mark_changed();
        OpenStatesWatch(receiver)
    }
}

impl OpenStatesWatch {
    /// Resolves when another state was opened; never once the store is gone.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl std::fmt::Debug for OpenStates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenStates({})", self.states.borrow().len())
    }
}
