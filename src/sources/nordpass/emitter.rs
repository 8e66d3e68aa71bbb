//! Sends new events as chunks and tells the committer about them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::UnboundedSender;

use super::client::Refusal;
use super::commit::CommitMessage;
use super::state::Change;
use crate::component::KnownId;
use crate::component::{Output, Shutdown};
use crate::event::{Chunk, EventFields, EventId, Origin, Record, Takeover, Text};
use crate::sources::budget::{Budget, Reservation};

/// New events of one page.
#[derive(Debug, Default)]
pub struct NewEvents {
    /// The records.
    pub records: Vec<Record>,
    /// Their fields.
    pub fields: Vec<EventFields>,
    /// What they are filed under.
    pub ids: Vec<KnownId>,
}

/// With more than this that the committer hasn't heard, nothing new is begun.
const MOST_UNHEARD: u64 = 1_024;

/// The source's way out.
pub struct Emitter {
    output: Output,
    steps: UnboundedSender<CommitMessage>,
    told: AtomicU64,
    heard: Arc<AtomicU64>,
    budget: Budget,
    shutdown: Shutdown,
    source: Arc<str>,
    run: u64,
    sequence: AtomicU64,
    group: AtomicU64,
    takeover: OnceLock<Takeover>,
}

impl Emitter {
    /// For one run of a source, with at most so many bytes of text under way.
    pub fn new(
        output: Output,
        (steps, heard): (UnboundedSender<CommitMessage>, Arc<AtomicU64>),
        most_bytes: usize,
        shutdown: Shutdown,
        source: Arc<str>,
        run: u64,
    ) -> Self {
        Self {
            output,
            steps,
            told: AtomicU64::new(0),
            heard,
            budget: Budget::new(most_bytes),
            shutdown,
            source,
            run,
            sequence: AtomicU64::new(0),
            group: AtomicU64::new(0),
            takeover: OnceLock::new(),
        }
    }

    /// Which events another connector may have delivered before: they are marked.
    pub fn set_takeover(&self, takeover: Takeover) {
        let _ = self.takeover.set(takeover);
    }

    /// Told when the lanes are to end.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// A new group of chunks.
    pub fn group(&self) -> u64 {
        self.group.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends fresh events of a text; waits while the pipeline is full.
    pub async fn send(&self, group: u64, text: &Text, new_events: NewEvents) -> Result<(), Refusal> {
        if new_events.records.is_empty() {
            return Ok(());
        }
        // The whole page stays in memory while any record of it is.
        let Reservation { text: reservation, unacknowledged } = tokio::select! {
            biased;
            claim = self.budget.take(text.len()) => claim,
            () = self.shutdown.begun() => return Err(Refusal::Ending),
        };
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { source: self.source.clone(), run: self.run, sequence };
        let (mut chunk, ack_receiver) =
            Chunk::of_events(text.clone(), new_events.records, new_events.fields, origin, Some(reservation));
        chunk.takeover = self.takeover.get().copied();
        // Told before it is sent: whatever happens to the chunk, its receipt is waited for.
        self.tell(CommitMessage::Chunk { group, sequence, ids: new_events.ids, ack_receiver, unacknowledged });
        // Not cut short by a shutdown: a chunk that only some readers of a fan-out got would be sent to them again. The
        // readers take it while they drain; the drain's deadline ends it otherwise.
        self.output.send(chunk).await.map_err(|_| Refusal::Ending)
    }

    /// Ends a group: these changes hold once all its chunks and the awaited events have arrived.
    pub fn close(&self, group: u64, changes: Vec<Change>, awaited: BTreeSet<EventId>) {
        self.tell(CommitMessage::Close { group, changes, awaited });
    }

    /// Never waits: what is told in the middle of a page must be told.
    fn tell(&self, step: CommitMessage) {
        self.told.fetch_add(1, Ordering::Relaxed);
        let _ = self.steps.send(step);
    }

    /// Whether the committer is behind with what it was told: it waits for the disk, and more would only be memory.
    pub fn is_unheard(&self) -> bool {
        self.told.load(Ordering::Relaxed).saturating_sub(self.heard.load(Ordering::Relaxed)) > MOST_UNHEARD
    }
}
