//! Which ids are in flight, or were committed during a reading.
//!
//! Several readings go side by side: a poll's overlap, a sweep, the history. Each loads the ids of its own time range
//! from the checkpoint when it begins, so it can't see what another reading sends and commits after that. The registry
//! closes this hole: an id counts as known from the moment it is sent, and a committed one is kept until every reading
//! that began before its commit has ended.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::event::EventId;
use nordpass_env::Mutex;

/// Ids in flight, shared by all readings of a source.
#[derive(Debug, Default)]
pub struct Registry(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// In flight; with the tick of its commit once it is committed.
    ids: HashMap<EventId, Option<u64>>,
    committed: VecDeque<(u64, EventId)>,
    /// Counts commits and beginnings.
    tick: u64,
    /// The readings under way, and when each began.
    readings: BTreeMap<u64, u64>,
    next_reading: u64,
}

/// What a claim found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// No other reading has it: the claiming one sends it.
    New,
    /// Another reading has sent it, or is about to, and it hasn't arrived.
    InFlight,
    /// It has arrived.
    Committed,
}

/// A reading under way; ends when dropped.
#[derive(Debug)]
pub struct Reading {
    registry: Arc<Registry>,
    number: u64,
}

impl Registry {
    /// Begins a reading: to be called before it loads its known ids.
    pub fn begin(self: &Arc<Self>) -> Reading {
        let mut inner = self.0.lock();
        let number = inner.next_reading;
        inner.next_reading += 1;
        let tick = inner.tick;
        inner.readings.insert(number, tick);
        Reading { registry: self.clone(), number }
    }

    /// Claims an id for sending.
    pub fn claim(&self, id: EventId) -> Claim {
        match self.0.lock().ids.entry(id) {
            Entry::Occupied(entry) if entry.get().is_some() => Claim::Committed,
            Entry::Occupied(_) => Claim::InFlight,
            Entry::Vacant(entry) => {
                entry.insert(None);
                Claim::New
            }
        }
    }

    /// Whether an id is in flight.
    pub fn is_in_flight(&self, id: EventId) -> bool {
        self.0.lock().ids.get(&id) == Some(&None)
    }

    /// These ids are in the checkpoint now.
    pub fn committed(&self, ids: impl IntoIterator<Item = EventId>) {
        let mut inner = self.0.lock();
        let tick = inner.tick;
        inner.tick += 1;
        for id in ids {
            inner.ids.insert(id, Some(tick));
            inner.committed.push_back((tick, id));
        }
        inner.forget();
    }

    /// These ids didn't arrive: they may be claimed again.
    pub fn released(&self, ids: impl IntoIterator<Item = EventId>) {
        let mut inner = self.0.lock();
        for id in ids {
            inner.ids.remove(&id);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().ids.len()
    }
}

impl Inner {
    /// Forgets what every reading under way finds in the checkpoint anyway.
    fn forget(&mut self) {
        let oldest = self.readings.values().min().copied().unwrap_or(u64::MAX);
        while let Some((tick, id)) = self.committed.front().copied() {
            if tick >= oldest {
                break;
            }
            self.committed.pop_front();
            self.ids.remove(&id);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut inner = self.registry.0.lock();
        inner.readings.remove(&self.number);
        inner.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_claimed_once_while_a_reading_could_miss_its_commit() {
        let registry = Arc::new(Registry::default());
        let reading = registry.begin();
        assert_eq!(registry.claim(EventId(1)), Claim::New);
        assert_eq!(registry.claim(EventId(1)), Claim::InFlight);
        registry.committed([EventId(1)]);
        assert_eq!(registry.claim(EventId(1)), Claim::Committed, "the reading began before the commit");
        drop(reading);
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn a_reading_that_began_after_the_commit_finds_the_id_in_the_checkpoint() {
        let registry = Arc::new(Registry::default());
        assert_eq!(registry.claim(EventId(1)), Claim::New);
        registry.committed([EventId(1)]);
        let _later = registry.begin();
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn a_released_id_can_be_claimed_again() {
        let registry = Arc::new(Registry::default());
        assert_eq!(registry.claim(EventId(1)), Claim::New);
        registry.released([EventId(1)]);
        assert_eq!(registry.claim(EventId(1)), Claim::New);
    }
}
