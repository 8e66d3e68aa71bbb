//! Waits for acknowledgements and moves the state.
//!
//! The reading code sends [`CommitMessage`]s: each chunk with its receipt, and for each group of chunks (a slice, a sweep, an
//! audited day) the [`Change`]s that hold once the whole group is delivered. Ids are committed as soon as their chunk is
//! acknowledged; a change only after its group. So the state never runs ahead of an acknowledgement, and a crash in
//! the middle of a slice doesn't double what had arrived.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::intervals::Intervals;
use super::registry::Registry;
use super::state::{API_DAYS, Change, DAY, State};
use super::time::Time;
use crate::component::{Commit, KnownId, SourceState};
use crate::component::{ComponentError, Shutdown};
use crate::event::{AckOutcome, AckReceiver, EventId, MemoryReservation};
use crate::sources::retry::{RetryStop, retry_until_ready};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;

/// What the reading code tells the committer.
#[derive(Debug)]
pub enum CommitMessage {
    /// A chunk was sent.
    Chunk {
        /// The group it belongs to.
        group: u64,
        /// Its number in this run.
        sequence: u64,
        /// What its records are filed under.
        ids: Vec<KnownId>,
        /// Resolves when it has arrived.
        ack_receiver: AckReceiver,
        /// Its share of what may be unacknowledged.
        unacknowledged: MemoryReservation,
    },
    /// No more chunks of the group follow.
    Close {
        /// The group.
        group: u64,
        /// What holds once all of them have arrived.
        changes: Vec<Change>,
        /// Events that the group's readings skipped because another one had them in flight: they have to arrive, too.
        awaited: BTreeSet<EventId>,
    },
}

/// A group that isn't finished.
#[derive(Debug, Default)]
struct Group {
    outstanding: usize,
    awaited: usize,
    closed: Option<Vec<Change>>,
    lost: bool,
}

/// The groups that aren't finished, and who waits for which event.
#[derive(Debug, Default)]
struct Groups {
    open: HashMap<u64, Group>,
    awaiting: HashMap<EventId, Vec<u64>>,
    /// Sent and not delivered, which only happens while the run ends: a group that skipped one of these isn't whole, even
    /// if it is closed after that.
    abandoned: HashSet<EventId>,
}

impl Groups {
    fn sent(&mut self, group: u64) {
        self.open.entry(group).or_default().outstanding += 1;
    }

    /// No more chunks of a group follow. `settled` says which of the awaited events needn't be waited for.
    fn close(
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

    /// A chunk of a group is settled. Answers the changes that hold now.
    fn settled(&mut self, group: u64, ids: &[KnownId], delivered: bool) -> Vec<Change> {
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

    /// Takes a group's changes once all that it waits for has arrived.
    fn finish(&mut self, group: u64) -> Vec<Change> {
        let done = |entry: &Group| entry.outstanding == 0 && entry.awaited == 0 && entry.closed.is_some();
        if !self.open.get(&group).is_some_and(done) {
            return Vec::new();
        }
        self.open.remove(&group).filter(|entry| !entry.lost).and_then(|entry| entry.closed).unwrap_or_default()
    }
}

/// The committer of one source.
pub struct Committer {
    /// The source's state in the checkpoint.
    pub store: Arc<dyn SourceState>,
    /// The state as committed; the reading code watches it.
    pub state: watch::Sender<State>,
    /// The ids in flight.
    pub registry: Arc<Registry>,
    /// Clock and randomness.
    pub env: Env,
    /// What the 90 days are counted from.
    pub time: Arc<Time>,
    /// For metrics and waiting.
    pub telemetry: ComponentReporter,
    /// To tell a loss from an ending.
    pub shutdown: Shutdown,
    /// What of it is kept.
    pub policy: CommitPolicy,
    /// How many steps it has taken up.
    pub heard: Arc<AtomicU64>,
}

/// What a run leaves in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitPolicy {
    /// Ids and covered times.
    All,
    /// The ids of what was delivered; the live cursor stays where it is.
    Ids,
    /// Nothing: the run only looks.
    Nothing,
}

struct Arrived {
    group: u64,
    sequence: u64,
    ids: Vec<KnownId>,
    outcome: AckOutcome,
    _reservation: MemoryReservation,
}

impl Committer {
    /// Runs until the reading code has ended and everything that it sent is settled.
    pub async fn run(self, mut steps: UnboundedReceiver<CommitMessage>) -> Result<(), ComponentError> {
        let mut waiting = FuturesUnordered::new();
        let mut groups = Groups::default();
        let mut open = true;
        let mut forgot_day = 0;
        // Seconds of late events that are on their way. They aren't covered, for the case of a crash; nobody is behind for that.
        let mut late = Intervals::default();
        while open || !waiting.is_empty() {
            let (mut step, mut arrived) = (None, None);
            tokio::select! {
                biased;
                next = steps.recv(), if open => {
                    open = next.is_some();
                    step = next;
                }
                Some(done) = waiting.next(), if !waiting.is_empty() => arrived = Some(done),
            }
            // Everything that is ready goes into one commit.
            let mut commit = Commit::default();
            let mut changes = Vec::new();
            loop {
                self.heard.fetch_add(u64::from(step.is_some()), Ordering::Relaxed);
                match step.take() {
                    Some(CommitMessage::Chunk { group, sequence, ids, ack_receiver, unacknowledged }) => {
                        groups.sent(group);
                        waiting.push(async move {
                            Arrived { group, sequence, ids, outcome: ack_receiver.await, _reservation: unacknowledged }
                        });
                    }
                    Some(CommitMessage::Close { group, changes: then, awaited }) => {
                        // Also what is delivered, but in the commit that is being put together.
                        let settled = |id: &EventId| {
                            !self.registry.is_in_flight(*id) || commit.ids.iter().any(|known| known.id == *id)
                        };
                        changes.extend(groups.close(group, then, awaited, settled));
                    }
                    None => {}
                }
                if let Some(done) = arrived.take() {
                    self.settle(done, &mut groups, &mut commit, &mut changes)?;
                }
                step = steps.try_recv().ok();
                if step.is_none() {
                    arrived = futures::FutureExt::now_or_never(waiting.next()).flatten();
                }
                if step.is_none() && arrived.is_none() {
                    break;
                }
            }
            if commit.chunks.is_empty() && changes.is_empty() {
                continue;
            }
            let mut state = self.state.borrow().clone();
            let changed = !changes.is_empty();
            for change in changes.drain(..) {
                match &change {
                    Change::Uncovered(second) => late.insert(second.clone()),
                    Change::Covered(range, _) => late.remove(range),
                    _ => {}
                }
                state.apply(change);
            }
            let now = self.time.now();
            if now.div_euclid(DAY) != forgot_day && self.policy == CommitPolicy::All {
                forgot_day = now.div_euclid(DAY);
                state.forget(now);
                commit.forget_before = Some(now - (API_DAYS + 1) * DAY);
            }
            if changed || commit.forget_before.is_some() {
                commit.document = Some(state.encode());
            }
            self.commit(commit).await?;
            let cursor = state.cursor(&late);
            self.telemetry.set(&metrics::CURSOR_SECONDS, cursor as f64);
            self.telemetry.set(&metrics::LAG_SECONDS, (now - cursor).max(0) as f64);
            self.state.send_replace(state);
        }
        Ok(())
    }

    fn settle(
        &self,
        arrived: Arrived,
        groups: &mut Groups,
        commit: &mut Commit,
        changes: &mut Vec<Change>,
    ) -> Result<(), ComponentError> {
        let Arrived { group, sequence, ids, outcome, .. } = arrived;
        changes.extend(groups.settled(group, &ids, outcome == AckOutcome::Delivered));
        if outcome == AckOutcome::Delivered && self.policy == CommitPolicy::Nothing {
            return Ok(());
        }
        if outcome == AckOutcome::Delivered {
            commit.ids.extend(ids);
            commit.chunks.push(sequence);
        } else {
            self.registry.released(ids.into_iter().map(|known| known.id));
            if !self.shutdown.has_begun() {
                let message = "part of the pipeline dropped undelivered events";
                return Err(ComponentError::new(message).hint("nothing is lost: they are read again at the next start"));
            }
        }
        Ok(())
    }

    /// Commits, however long the disk refuses.
    async fn commit(&self, commit: Commit) -> Result<(), ComponentError> {
        // A shutdown doesn't cut it short: the drain has a deadline of its own.
        let (what, never) = ("can't write the checkpoint", Shutdown::never());
        let attempt = || self.store.commit(commit.clone());
        match retry_until_ready(what, &self.env, &self.telemetry, &never, attempt).await {
            Ok(()) | Err(RetryStop::Ending) => {}
            Err(RetryStop::Unusable(error)) => return Err(ComponentError::new(error.to_string())),
        }
        self.telemetry.add(&metrics::COMMITS, 1);
        self.registry.committed(commit.ids.into_iter().map(|known| known.id));
        Ok(())
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
