//! The queue from the reading code to the committer.
//!
//! Sending never waits: what is to be committed with the events in the middle of a page must get there. Code
//! that begins something new first checks whether the committer [is behind](CommitSender::is_behind).

use std::sync::atomic::{AtomicU64, Ordering};
use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::state::Change;
use crate::component::KnownId;
use crate::event::{AckReceiver, EventId, MemoryReservation};

/// With more messages than this in the queue, nothing new is begun.
const MOST_QUEUED: u64 = 1_024;

/// What the committer is sent.
#[derive(Debug)]
pub enum CommitMessage {
    /// A chunk was sent.
    Chunk(SentChunk),
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

/// A chunk that was sent.
#[derive(Debug)]
pub struct SentChunk {
    /// The group it belongs to.
    pub group: u64,
    /// Its number in this run.
    pub sequence: u64,
    /// What its records are filed under.
    pub ids: Vec<KnownId>,
    /// Resolves when it has arrived.
    pub ack_receiver: AckReceiver,
    /// What it takes of the events that may be unacknowledged.
    pub unacknowledged: MemoryReservation,
}

/// Both ends of a new queue.
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
    /// The number of a new group of chunks.
    pub fn group(&self) -> u64 {
        self.next_group.fetch_add(1, Ordering::Relaxed)
    }

    /// Queues a chunk, to be called before it is sent: whatever happens to it then, its acknowledgement is waited for.
    pub fn chunk(&self, chunk: SentChunk) {
        self.send(CommitMessage::Chunk(chunk));
    }

    /// Ends a group: these changes hold once all its chunks and the awaited events have arrived.
    pub fn close(&self, group: u64, changes: Vec<Change>, awaited: BTreeSet<EventId>) {
        self.send(CommitMessage::Close { group, changes, awaited });
    }

    /// A change that waits for nothing.
    pub fn apply(&self, change: Change) {
        self.close(self.group(), vec![change], BTreeSet::new());
    }

    fn send(&self, message: CommitMessage) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        // Without a committer the run is ending.
        let _ = self.sender.send(message);
    }

    /// Whether the committer is behind: it waits for the disk, and more messages would only take memory.
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
    /// The next message; `None` once the reading code has ended and all is taken.
    pub async fn receive(&mut self) -> Option<CommitMessage> {
        let message = self.messages.recv().await;
        self.count(message)
    }

    /// The next message, if there is one now.
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
