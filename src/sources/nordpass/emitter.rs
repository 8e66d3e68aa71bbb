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
    /// What they are filed under.
    ids: Vec<KnownId>,
}

impl NewEvents {
    /// None yet, with capacity for so many.
    pub fn with_capacity(events: usize) -> Self {
        Self {
            records: Vec::with_capacity(events),
            fields: Vec::with_capacity(events),
            ids: Vec::with_capacity(events),
        }
    }

    /// Adds an event that is filed under this second.
    pub fn push(&mut self, second: i64, record: Record, fields: EventFields) {
        self.ids.push(KnownId { time: second, id: record.id });
        self.records.push(record);
        self.fields.push(fields);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.records.len() as u64
    }
}

/// The source's way out.
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
    /// For one run of the source `source`.
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

    /// Which events another connector may have delivered before: they are marked.
    pub fn set_takeover(&self, takeover: Takeover) {
        let _ = self.takeover.set(takeover);
    }

    /// Sends new events of a text; waits while the pipeline is full.
    pub async fn send(&self, group: u64, text: &Text, new_events: NewEvents) -> Result<(), ReadError> {
        let NewEvents { records, fields, ids } = new_events;
        if records.is_empty() {
            return Ok(());
        }
        // The whole page stays in memory while any record of it is.
        let reservation = self.context.unless_ending(self.budget.take(text.len())).await?;
        let Reservation { text: reservation, unacknowledged } = reservation;
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { source: self.source.clone(), run: self.run, sequence };
        let (mut chunk, ack_receiver) = Chunk::of_events(text.clone(), records, fields, origin, Some(reservation));
        chunk.takeover = self.takeover.get().copied();
        self.commits.chunk(SentChunk { group, sequence, ids, ack_receiver, unacknowledged });
        // Not cut short by a shutdown: a chunk that only some readers of a fan-out got would be sent to them again. The
        // readers take it while they drain; the drain's deadline ends it otherwise.
        self.output.send(chunk).await.map_err(|_| ReadError::Ending)
    }
}
