//! Sends new events as chunks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::commit_queue::{CommitSender, SentChunk};
use super::{context::ReadContext, error::ReadError};
use crate::component::{KnownId, Output};
use crate::event::{Chunk, EventFields, Origin, Record, Takeover, Text};
use crate::sources::budget::{Budget, Reservation};

/// New events of one page.
#[derive(Debug, Default)]
pub struct NewEvents {
    records: Vec<Record>,
    fields: Vec<EventFields>,
    /// The ids they are filed under.
    ids: Vec<KnownId>,
}

impl NewEvents {
    /// Creates an empty list with capacity for `events`.
    pub fn with_capacity(events: usize) -> Self {
        Self {
            records: Vec::with_capacity(events),
            fields: Vec::with_capacity(events),
            ids: Vec::with_capacity(events),
        }
    }

    /// Adds an event and files it under `second`.
    pub fn push(&mut self, second: i64, record: Record, fields: EventFields) {
        self.ids.push(KnownId { time: second, id: record.id });
        self.records.push(record);
        self.fields.push(fields);
    }

    /// The number of events.
    pub fn count(&self) -> u64 {
        self.records.len() as u64
    }
}

/// Sends the source's chunks to its output.
pub struct Emitter {
    context: Arc<ReadContext>,
    output: Output,
    commits: CommitSender,
    budget: Budget,
    source: Arc<str>,
    run: u64,
    sequence: AtomicU64,
    takeover: OnceLock<Takeover>,
}

impl Emitter {
    /// Creates the emitter for one run of `source`.
    pub fn new(
        context: Arc<ReadContext>,
        output: Output,
        commits: CommitSender,
        (source, run): (Arc<str>, u64),
    ) -> Self {
        let budget = Budget::new(context.settings.max_in_flight_bytes);
        let (sequence, takeover) = (AtomicU64::new(0), OnceLock::new());
        Self { context, output, commits, budget, source, run, sequence, takeover }
    }

    /// Sets which events another connector may have delivered, so that they are marked.
    pub fn set_takeover(&self, takeover: Takeover) {
        let _ = self.takeover.set(takeover);
    }

    /// Sends the new events of `text`. Waits while the pipeline is full.
    pub async fn send(&self, group: u64, text: &Text, new_events: NewEvents) -> Result<(), ReadError> {
        let NewEvents { records, fields, ids } = new_events;
        if records.is_empty() {
            return Ok(());
        }
        // The whole page stays in memory as long as any of its records.
        let reservation = self.context.unless_ending(self.budget.take(text.len())).await?;
        let Reservation { text: reservation, unacknowledged } = reservation;
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { source: self.source.clone(), run: self.run, sequence };
        let (mut chunk, ack_receiver) = Chunk::of_events(text.clone(), records, fields, origin, Some(reservation));
        chunk.takeover = self.takeover.get().copied();
        chunk.organization = self.context.settings.organization.clone();
        self.commits.chunk(SentChunk { group, sequence, ids, ack_receiver, unacknowledged });
        // Not cancelled by a shutdown: readers of a fan-out that already got the chunk would get it again. Readers take
        // it while they drain, or the drain's deadline ends it.
        self.output.send(chunk).await.map_err(|_| ReadError::Ending)
    }
}
