//! Tracks which ids are in flight, or were committed during a read.
//!
//! Several reads run in parallel: a poll's overlap, a sweep, the history. Each loads the ids of its own range from the
//! checkpoint when it begins, so it can't see what another read sends and commits after that. The registry closes this
//! gap: an id counts as known once it is claimed, and a committed one is kept until every read that began before its
//! commit has ended.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::event::EventId;
use nordpass_env::Mutex;

/// Ids in flight, shared by all reads of a source.
#[derive(Debug, Default)]
pub struct Registry(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Ids in flight, and committed ones with the tick of their commit.
    ids: HashMap<EventId, Option<u64>>,
    committed: VecDeque<(u64, EventId)>,
    /// Counts commits.
    tick: u64,
    /// The reads in progress, and the tick at which each began.
    readings: BTreeMap<u64, u64>,
    next_reading: u64,
}

/// The result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// No other read has it: the claimant sends it.
    New,
    /// Another read has sent it or is about to, and it isn't delivered yet.
    InFlight,
    /// It is delivered and committed.
    Committed,
}

/// A read in progress; ends when dropped.
#[derive(Debug)]
pub struct Reading {
    registry: Arc<Registry>,
    number: u64,
}

impl Registry {
    /// Begins a read. Call it before loading its known ids.
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

    /// Records that these ids are in the checkpoint.
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

    /// Releases ids that weren't delivered, so that they can be claimed again.
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
    /// Forgets ids that every read in progress finds in the checkpoint anyway.
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
