//! The queue from the reading code to the committer.
//!
//! Sending never waits, because messages sent in the middle of a page must get through. Code that starts new work first
//! checks whether the committer [is behind](CommitSender::is_behind).

use std::sync::atomic::{AtomicU64, Ordering};
use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::state::Change;
use crate::component::KnownId;
use crate::event::{AckReceiver, EventId, MemoryReservation};

/// No new work starts while more messages than this are queued.
const MOST_QUEUED: u64 = 1_024;

/// A message to the committer.
#[derive(Debug)]
pub enum CommitMessage {
    /// A chunk was sent.
    Chunk(SentChunk),
    /// No more chunks of the group follow.
    Close {
        /// The group.
        group: u64,
        /// The changes to apply once all of them are delivered.
        changes: Vec<Change>,
        /// Events the group skipped because another read had them in flight. They must be delivered, too.
        awaited: BTreeSet<EventId>,
    },
}

/// A chunk that was sent.
#[derive(Debug)]
pub struct SentChunk {
    /// The group it belongs to.
    pub group: u64,
    /// Its number in this run.
    pub sequence: u64,
    /// The ids its records are filed under.
    pub ids: Vec<KnownId>,
    /// Resolves when it is delivered or abandoned.
    pub ack_receiver: AckReceiver,
    /// Its share of the budget for unacknowledged events.
    pub unacknowledged: MemoryReservation,
}

/// Creates a queue and returns both ends.
pub fn commit_queue() -> (CommitSender, CommitReceiver) {
    let (sender, messages) = unbounded_channel();
    let queued = Arc::<AtomicU64>::default();
    (CommitSender { sender, queued: queued.clone(), next_group: Arc::default() }, CommitReceiver { messages, queued })
}

/// The reading code's end.
#[derive(Clone)]
pub struct CommitSender {
    sender: UnboundedSender<CommitMessage>,
    queued: Arc<AtomicU64>,
    next_group: Arc<AtomicU64>,
}

impl CommitSender {
    /// Starts a new group of chunks and returns its number.
    pub fn group(&self) -> u64 {
        self.next_group.fetch_add(1, Ordering::Relaxed)
    }

    /// Queues a chunk. Call it before sending the chunk, so that its acknowledgement is awaited whatever happens.
    pub fn chunk(&self, chunk: SentChunk) {
        self.send(CommitMessage::Chunk(chunk));
    }

    /// Closes a group: applies `changes` once all its chunks and the awaited events are delivered.
    pub fn close(&self, group: u64, changes: Vec<Change>, awaited: BTreeSet<EventId>) {
        self.send(CommitMessage::Close { group, changes, awaited });
    }

    /// Queues a change that depends on no chunk.
    pub fn apply(&self, change: Change) {
        self.close(self.group(), vec![change], BTreeSet::new());
    }

    fn send(&self, message: CommitMessage) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        // Fails only without a committer, when the run is ending.
        let _ = self.sender.send(message);
    }

    /// Whether the committer is behind, waiting for the disk: more messages would only use memory.
    pub fn is_behind(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > MOST_QUEUED
    }
}

/// The committer's end.
pub struct CommitReceiver {
    messages: UnboundedReceiver<CommitMessage>,
    queued: Arc<AtomicU64>,
}

impl CommitReceiver {
    /// Receives the next message; `None` once the reading code has ended and the queue is empty.
    pub async fn receive(&mut self) -> Option<CommitMessage> {
        let message = self.messages.recv().await;
        self.count(message)
    }

    /// Takes the next message, if there is one.
    pub fn try_receive(&mut self) -> Option<CommitMessage> {
        let message = self.messages.try_recv().ok();
        self.count(message)
    }

    fn count(&self, message: Option<CommitMessage>) -> Option<CommitMessage> {
        self.queued.fetch_sub(u64::from(message.is_some()), Ordering::Relaxed);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sender_knows_how_far_the_committer_is_behind() {
        let (sender, mut receiver) = commit_queue();
        for _ in 0..=MOST_QUEUED {
            sender.apply(Change::Audited(1));
        }
        assert!(sender.is_behind());
        assert!(receiver.try_receive().is_some());
        assert!(!sender.is_behind());
        drop(sender);
        for _ in 0..MOST_QUEUED {
            assert!(receiver.receive().await.is_some());
        }
        assert!(receiver.receive().await.is_none());
    }
}
