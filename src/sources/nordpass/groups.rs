//! Releases a group's state changes once its chunks, and the events it skipped, are all delivered.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::state::Change;
use crate::{component::KnownId, event::EventId};

/// An unfinished group.
#[derive(Debug, Default)]
struct Group {
    outstanding: usize,
    awaited: usize,
    closed: Option<Vec<Change>>,
    lost: bool,
}

/// The unfinished groups, and the events that each of them waits for.
#[derive(Debug, Default)]
pub struct Groups {
    open: HashMap<u64, Group>,
    awaiting: HashMap<EventId, Vec<u64>>,
    /// Sent but not delivered, which happens only while the run ends. A group that skipped one of these is incomplete,
    /// even if it closes later.
    abandoned: HashSet<EventId>,
}

impl Groups {
    /// Records that a chunk of a group was sent.
    pub fn sent(&mut self, group: u64) {
        self.open.entry(group).or_default().outstanding += 1;
    }

    /// Closes a group: no more chunks follow. `settled` tells which awaited events are settled already. Returns the
    /// changes to apply now.
    pub fn close(
        &mut self,
        group: u64,
        then: Vec<Change>,
        awaited: BTreeSet<EventId>,
        settled: impl Fn(&EventId) -> bool,
    ) -> Vec<Change> {
        let entry = self.open.entry(group).or_default();
        entry.closed = Some(then);
        entry.lost |= awaited.iter().any(|id| self.abandoned.contains(id));
        let awaited: Vec<EventId> = awaited.into_iter().filter(|id| !settled(id)).collect();
        entry.awaited = awaited.len();
        for id in awaited {
            self.awaiting.entry(id).or_default().push(group);
        }
        self.finish(group)
    }

    /// Records that a chunk of a group is settled. Returns the changes to apply now.
    pub fn settled(&mut self, group: u64, ids: &[KnownId], delivered: bool) -> Vec<Change> {
        let entry = self.open.entry(group).or_default();
        entry.outstanding = entry.outstanding.saturating_sub(1);
        entry.lost |= !delivered;
        if !delivered {
            self.abandoned.extend(ids.iter().map(|known| known.id));
        }
        let mut changes = self.finish(group);
        for known in ids {
            for waiting in self.awaiting.remove(&known.id).unwrap_or_default() {
                if let Some(entry) = self.open.get_mut(&waiting) {
                    entry.awaited = entry.awaited.saturating_sub(1);
                    entry.lost |= !delivered;
                }
                changes.extend(self.finish(waiting));
            }
        }
        changes
    }

    /// Removes a group once everything it waits for is settled. Returns its changes if nothing was lost.
    fn finish(&mut self, group: u64) -> Vec<Change> {
        let done = |entry: &Group| entry.outstanding == 0 && entry.awaited == 0 && entry.closed.is_some();
        if !self.open.get(&group).is_some_and(done) {
            return Vec::new();
        }
        self.open.remove(&group).filter(|entry| !entry.lost).and_then(|entry| entry.closed).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(id: u128) -> Vec<KnownId> {
        vec![KnownId { time: 7, id: EventId(id) }]
    }

    fn covered() -> Vec<Change> {
        vec![Change::Covered(0..10, true)]
    }

    #[test]
    fn a_change_holds_once_its_chunks_and_the_awaited_events_have_arrived() {
        let mut groups = Groups::default();
        groups.sent(1);
        groups.sent(2);
        assert_eq!(groups.close(2, covered(), [EventId(1)].into(), |_| false), []);
        assert_eq!(groups.settled(2, &ids(2), true), [], "it awaits the other group's event");
        assert_eq!(groups.settled(1, &ids(1), true), covered());
    }

    #[test]
    fn a_group_that_awaits_what_is_abandoned_covers_nothing() {
        let mut groups = Groups::default();
        groups.sent(1);
        assert_eq!(groups.close(2, covered(), [EventId(1)].into(), |_| false), []);
        assert_eq!(groups.settled(1, &ids(1), false), []);
    }

    #[test]
    fn a_group_closed_after_its_awaited_event_was_abandoned_covers_nothing() {
        let mut groups = Groups::default();
        groups.sent(1);
        groups.settled(1, &ids(1), false);
        // It is no longer in flight by then: the registry has released it.
        assert_eq!(groups.close(2, covered(), [EventId(1)].into(), |_| true), []);
        assert_eq!(groups.close(3, covered(), [EventId(2)].into(), |_| true), covered(), "others go on");
    }
}
