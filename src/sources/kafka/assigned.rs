//! One assigned partition: what was read of it and isn't passed on yet, and what was passed on and isn't acknowledged yet.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::partitions::MOST_RECEIPTS;
use crate::event::AckOutcome;
use nordpass_env::kafka::{ConsumerRecord, TopicPartition};

/// What is done with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its position isn't known yet.
    Unpositioned,
    /// It is read.
    Reading,
    /// It waits for the operator: its records are gone or damaged.
    Held,
    /// It goes to another member: nothing more of it is passed on.
    Revoking,
}

/// A batch that was passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its partition.
    pub partition: TopicPartition,
    /// The epoch of the assignment.
    pub epoch: u64,
    number: u64,
}

/// What became of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// It is noted.
    Noted,
    /// It belongs to an earlier assignment.
    Late,
    /// A part of the batch was dropped on the way.
    Abandoned,
}

/// Records of one partition, to be passed on together.
#[derive(Debug)]
pub struct Batch {
    /// The records, in their order.
    pub records: Vec<ConsumerRecord>,
    /// To be resolved with the acknowledgement.
    pub receipt: Receipt,
}

/// A batch without an acknowledgement, or behind one.
#[derive(Debug)]
struct Waiting {
    /// The offset behind the batch.
    next: i64,
    since: Instant,
    is_delivered: bool,
    is_resolved: bool,
}

/// A partition.
#[derive(Debug)]
pub struct Assigned {
    /// Of this assignment. Another one of the same partition has another.
    pub epoch: u64,
    /// What is done with it.
    pub phase: Phase,
    queue: VecDeque<ConsumerRecord>,
    receipts: VecDeque<Waiting>,
    /// The number of the first of them.
    first: u64,
    /// Everything before it is delivered; `None` before it is positioned.
    pub delivered: Option<i64>,
    /// What is committed, as far as this assignment knows.
    pub committed: Option<i64>,
    /// The offset behind what was read.
    pub read: i64,
    /// The offset behind the log's last record, as last heard.
    pub high: i64,
}

impl Assigned {
    /// Newly assigned.
    pub fn new(epoch: u64) -> Self {
        let (queue, receipts) = Default::default();
        let phase = Phase::Unpositioned;
        Self { epoch, phase, queue, receipts, first: 0, delivered: None, committed: None, read: 0, high: 0 }
    }

    /// Queues a record. Returns the bytes that it takes; none if it is of no use: it was fetched before the partition was positioned.
    pub fn push(&mut self, record: ConsumerRecord) -> usize {
        if self.phase != Phase::Reading || record.offset < self.read {
            return 0;
        }
        self.read = record.offset + 1;
        self.high = self.high.max(self.read);
        let bytes = record.bytes();
        self.queue.push_back(record);
        bytes
    }

    /// Whether there is something to pass on, and room for its receipt.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Reading | Phase::Held)
            && !self.queue.is_empty()
            && self.receipts.len() < MOST_RECEIPTS
    }

    /// Takes records to pass on, at most `most` and about `bytes`. Returns the bytes that they took in the queue, too.
    pub fn take(&mut self, partition: &TopicPartition, most: usize, bytes: usize) -> Option<(Batch, usize)> {
        let (mut records, mut taken) = (Vec::new(), 0);
        while records.len() < most && (records.is_empty() || taken < bytes) {
            let Some(record) = self.queue.pop_front() else { break };
            taken += record.bytes();
            records.push(record);
        }
        let next = records.last()?.offset + 1;
        let number = self.first + self.receipts.len() as u64;
        self.receipts.push_back(Waiting { next, since: Instant::now(), is_delivered: false, is_resolved: false });
        let receipt = Receipt { partition: partition.clone(), epoch: self.epoch, number };
        Some((Batch { records, receipt }, taken))
    }

    /// Notes the outcome of a batch of this assignment, and moves the end of the delivered prefix.
    pub fn resolve(&mut self, receipt: &Receipt, outcome: AckOutcome) -> Resolved {
        let index = receipt.number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(waiting) = index.and_then(|index| self.receipts.get_mut(index)) else { return Resolved::Late };
        waiting.is_resolved = true;
        waiting.is_delivered = outcome == AckOutcome::Delivered;
        while let Some(done) = self.receipts.pop_front_if(|waiting| waiting.is_delivered) {
            self.delivered = Some(done.next);
            self.first += 1;
        }
        if outcome == AckOutcome::Delivered { Resolved::Noted } else { Resolved::Abandoned }
    }

    /// Whether each batch that was passed on has an outcome.
    pub fn is_drained(&self) -> bool {
        self.receipts.iter().all(|waiting| waiting.is_resolved)
    }

    /// Throws away what isn't passed on. Returns the bytes that it took.
    pub fn clear(&mut self) -> usize {
        self.queue.drain(..).map(|record| record.bytes()).sum()
    }

    /// Since when the oldest batch waits.
    pub fn oldest(&self) -> Option<Instant> {
        self.receipts.front().map(|waiting| waiting.since)
    }

    /// The records behind what is committed.
    pub fn lag(&self) -> i64 {
        (self.high - self.committed.unwrap_or(self.high)).max(0)
    }

    /// What may be committed, and isn't.
    pub fn due(&self) -> Option<i64> {
        self.delivered.filter(|delivered| self.committed.is_none_or(|known| known < *delivered))
    }
}
