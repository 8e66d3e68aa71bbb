//! The assigned partitions, and how far each is delivered without a gap. That is what may be committed.
//!
//! Each assignment of a partition has an epoch of its own. What belongs to an earlier one is thrown away: another member may have had
//! the partition meanwhile.

use std::collections::BTreeMap;

use nordpass_env::Mutex;
use tokio::sync::Notify;

use super::assigned::{Assigned, Batch, Phase, Receipt, Resolved};
use crate::event::AckOutcome;
use nordpass_env::kafka::{ConsumerRecord, TopicPartition};

/// Bytes of records that are read and not passed on. From then on the partitions are paused; they go on below half of it.
pub const QUEUE_BYTES: usize = 8 << 20;
/// Batches of a partition without an acknowledgement, at most. A batch has one record at least.
pub const MOST_RECEIPTS: usize = 2048;

/// What a scrape shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Partitions that this member has.
    pub assigned: usize,
    /// Records behind what is committed.
    pub lag: i64,
    /// Age in seconds of the oldest batch without an acknowledgement.
    pub oldest: f64,
}

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    assigned: BTreeMap<TopicPartition, Assigned>,
    queued_bytes: usize,
    /// Batches that were taken and aren't passed on yet.
    in_hand: usize,
    /// The partition that was last taken from, so that all get their turn.
    last: Option<TopicPartition>,
}

/// All of them. Shared between what reads, passes on, acknowledges and commits.
#[derive(Debug, Default)]
pub struct Partitions {
    state: Mutex<State>,
    /// Something was queued, resolved or taken away.
    pub changed: Notify,
}

impl Partitions {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock());
        self.changed.notify_waiters();
        result
    }

    /// These are this member's now.
    pub fn assign(&self, partitions: &[TopicPartition]) {
        self.change(|state| {
            for partition in partitions {
                state.restart(partition);
            }
        });
    }

    /// These are no longer this member's.
    pub fn remove(&self, partitions: &[TopicPartition]) {
        self.change(|state| partitions.iter().for_each(|partition| state.remove(partition)));
    }

    /// A partition is read from `from` on; the log goes up to `high`.
    pub fn position(&self, partition: &TopicPartition, from: i64, high: i64) {
        self.change(|state| {
            let Some(assigned) = state.assigned.get_mut(partition) else { return };
            (assigned.delivered, assigned.committed) = (Some(from), Some(from));
            (assigned.read, assigned.high, assigned.phase) = (from, high, Phase::Reading);
        });
    }

    /// What was read of these partitions and isn't delivered is thrown away, and they have to be positioned again.
    pub fn unposition(&self, partitions: &[TopicPartition]) {
        self.change(|state| {
            for partition in partitions {
                let Some(known) = state.assigned.get(partition).filter(|known| known.phase == Phase::Reading) else {
                    continue;
                };
                let (delivered, committed) = (known.delivered, known.committed);
                state.restart(partition);
                if let Some(assigned) = state.assigned.get_mut(partition) {
                    (assigned.delivered, assigned.committed) = (delivered, committed);
                }
            }
        });
    }

    /// A partition waits for the operator. What was read of it is passed on.
    pub fn hold(&self, partition: &TopicPartition) {
        self.change(|state| {
            state.assigned.get_mut(partition).into_iter().for_each(|assigned| assigned.phase = Phase::Held);
        });
    }

    /// The partitions in this phase.
    pub fn in_phase(&self, phase: Phase) -> Vec<TopicPartition> {
        let state = self.state.lock();
        let found = state.assigned.iter().filter(|(_, assigned)| assigned.phase == phase);
        found.map(|(partition, _)| partition.clone()).collect()
    }

    /// The offset up to which a partition is delivered, as far as this assignment knows.
    pub fn delivered(&self, partition: &TopicPartition) -> Option<i64> {
        self.state.lock().assigned.get(partition)?.delivered
    }

    /// Queues what was read. What isn't of a partition that is read is dropped: it will be read again from its position.
    pub fn push(&self, records: Vec<ConsumerRecord>) {
        self.change(|state| {
            for record in records {
                if let Some(assigned) = state.assigned.get_mut(&record.partition) {
                    state.queued_bytes += assigned.push(record);
                }
            }
        });
    }

    /// The log of a partition goes up to here.
    pub fn heard_of(&self, partition: &TopicPartition, high: i64) {
        let mut state = self.state.lock();
        state.assigned.get_mut(partition).into_iter().for_each(|assigned| assigned.high = assigned.high.max(high));
    }

    /// Whether nothing is queued, nor taken and not passed on yet.
    pub fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.queued_bytes == 0 && state.in_hand == 0
    }

    /// Bytes that are queued.
    pub fn queued_bytes(&self) -> usize {
        self.state.lock().queued_bytes
    }

    /// The next records to pass on, of the partition after the one before: at most `most` of them and about `bytes`.
    pub fn take(&self, most: usize, bytes: usize) -> Option<Batch> {
        // Nobody waits for this, least of all who takes.
        let state = &mut *self.state.lock();
        let all = || state.assigned.iter().filter(|(_, assigned)| assigned.is_ready()).map(|(partition, _)| partition);
        let next =
            all().find(|partition| state.last.as_ref().is_none_or(|last| *partition > last)).or_else(|| all().next());
        let partition = next?.clone();
        let (batch, taken) = state.assigned.get_mut(&partition)?.take(&partition, most, bytes)?;
        state.queued_bytes = state.queued_bytes.saturating_sub(taken);
        state.last = Some(partition);
        state.in_hand += 1;
        Some(batch)
    }

    /// A batch that was taken is passed on, or is of no use any more.
    pub fn passed(&self) {
        let mut state = self.state.lock();
        state.in_hand = state.in_hand.saturating_sub(1);
    }

    /// Whether a batch is of the assignment of now.
    pub fn is_current(&self, receipt: &Receipt) -> bool {
        self.state.lock().assigned.get(&receipt.partition).is_some_and(|assigned| assigned.epoch == receipt.epoch)
    }

    /// Notes a batch's outcome.
    pub fn resolve(&self, receipt: &Receipt, outcome: AckOutcome) -> Resolved {
        self.change(|state| {
            let current = state.assigned.get_mut(&receipt.partition).filter(|assigned| assigned.epoch == receipt.epoch);
            current.map_or(Resolved::Late, |assigned| assigned.resolve(receipt, outcome))
        })
    }

    /// Nothing more of these is passed on. What was read and isn't passed on is thrown away.
    pub fn revoke(&self, partitions: &[TopicPartition]) {
        self.change(|state| {
            for partition in partitions {
                let Some(assigned) = state.assigned.get_mut(partition) else { continue };
                assigned.phase = Phase::Revoking;
                state.queued_bytes = state.queued_bytes.saturating_sub(assigned.clear());
            }
        });
    }

    /// Resolves when each batch of these that was passed on has an outcome.
    pub async fn drained(&self, partitions: &[TopicPartition]) {
        loop {
            let changed = self.changed.notified();
            if partitions.iter().all(|partition| self.is_drained(partition)) {
                return;
            }
            changed.await;
        }
    }

    fn is_drained(&self, partition: &TopicPartition) -> bool {
        let state = self.state.lock();
        state.assigned.get(partition).is_none_or(Assigned::is_drained)
    }

    /// All partitions.
    pub fn all(&self) -> Vec<TopicPartition> {
        self.state.lock().assigned.keys().cloned().collect()
    }

    /// What may be committed, and isn't: of these partitions.
    pub fn to_commit(&self, partitions: &[TopicPartition]) -> Vec<(TopicPartition, i64)> {
        let state = self.state.lock();
        let due =
            partitions.iter().filter_map(|partition| Some((partition.clone(), state.assigned.get(partition)?.due()?)));
        due.collect()
    }

    /// These are committed.
    pub fn committed(&self, offsets: &[(TopicPartition, i64)]) {
        let mut state = self.state.lock();
        for (partition, offset) in offsets {
            state.assigned.get_mut(partition).into_iter().for_each(|assigned| {
                assigned.committed = assigned.committed.max(Some(*offset));
            });
        }
    }

    /// Whether all that the logs had when their partitions were positioned is read and passed on. `run --once` ends then.
    pub fn are_read_up_to(&self, ends: &BTreeMap<TopicPartition, i64>) -> bool {
        let state = self.state.lock();
        let read = |(partition, assigned): (&TopicPartition, &Assigned)| {
            assigned.phase == Phase::Held || ends.get(partition).is_some_and(|end| assigned.read >= *end)
        };
        !state.assigned.is_empty() && state.queued_bytes == 0 && state.in_hand == 0 && state.assigned.iter().all(read)
    }

    /// What a scrape shows.
    pub fn figures(&self) -> Figures {
        let state = self.state.lock();
        let oldest = state.assigned.values().filter_map(Assigned::oldest).min();
        Figures {
            assigned: state.assigned.len(),
            lag: state.assigned.values().map(Assigned::lag).sum(),
            oldest: oldest.map_or(0.0, |since| since.elapsed().as_secs_f64()),
        }
    }
}

impl State {
    fn remove(&mut self, partition: &TopicPartition) {
        if let Some(mut assigned) = self.assigned.remove(partition) {
            self.queued_bytes = self.queued_bytes.saturating_sub(assigned.clear());
        }
    }

    /// The same partition, as newly assigned.
    fn restart(&mut self, partition: &TopicPartition) {
        self.remove(partition);
        self.epoch += 1;
        self.assigned.insert(partition.clone(), Assigned::new(self.epoch));
    }
}
