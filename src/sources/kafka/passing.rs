//! Passes batches on as chunks, and waits for their acknowledgements in any order.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::assigned::{Batch, Receipt, Resolved};
use super::member::Member;
use super::records::{Parsed, Parser};
use crate::component::{ComponentError, Context, DeadLetterWriter, Output};
use crate::event::{AckOutcome, AckReceiver, Chunk, MemoryReservation, Origin};
use crate::sources::budget::{Budget, Reservation};
use crate::telemetry::metrics;

/// Bytes of text that may be under way.
const BYTES: usize = 8 << 20;
/// Bytes and records of one chunk, about.
const CHUNK_BYTES: usize = 512 << 10;
const CHUNK_RECORDS: usize = 1000;

/// What waits for its acknowledgement, with its memory.
type Waiting = (Receipt, AckReceiver, MemoryReservation);

/// Passes on.
pub struct Passing {
    member: Arc<Member>,
    output: Output,
    parser: Parser,
    dead_letters: Box<dyn DeadLetterWriter>,
    budget: Budget,
    waiting: mpsc::UnboundedSender<Waiting>,
    context: Context,
    run: u64,
    sequence: u64,
}

/// Waits for the acknowledgements.
pub struct Acknowledgements {
    member: Arc<Member>,
    /// Bounded by the budget of what is unacknowledged.
    waiting: mpsc::UnboundedReceiver<Waiting>,
    context: Context,
}

impl Passing {
    /// Both ends.
    pub async fn new(
        context: &Context,
        output: Output,
        member: Arc<Member>,
    ) -> Result<(Self, Acknowledgements), ComponentError> {
        let dead_letters = context.dead_letters.open(&context.name).await;
        let dead_letters = dead_letters.map_err(|error| {
            ComponentError::new(format!("can't open the dead letters of {}: {error}", context.name))
        })?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let acknowledgements = Acknowledgements { member: member.clone(), waiting: receiver, context: context.clone() };
        let passing = Self {
            member,
            output,
            parser: Parser::new(context.env.clock.clone(), context.telemetry.clone()),
            dead_letters,
            budget: Budget::new(BYTES),
            waiting: sender,
            context: context.clone(),
            run: context.env.random.next_u64(),
            sequence: 0,
        };
        Ok((passing, acknowledgements))
    }

    /// Passes on what is queued, until all readers have ended.
    pub async fn run(mut self) {
        let member = self.member.clone();
        let partitions = &member.partitions;
        loop {
            let changed = partitions.changed.notified();
            match partitions.take(CHUNK_RECORDS, CHUNK_BYTES) {
                None => changed.await,
                Some(batch) => {
                    if self.pass(batch).await.is_err() {
                        return;
                    }
                    member.partitions.passed();
                }
            }
        }
    }

    async fn pass(&mut self, batch: Batch) -> Result<(), crate::component::Closed> {
        let Parsed { text, records, fields, dead_letters } = self.parser.parse(&batch);
        if !dead_letters.is_empty() {
            // They are durable before anything moves on.
            self.dead_letters.write(&dead_letters, &self.context.env, &self.context.telemetry).await;
        }
        if records.is_empty() {
            self.member.partitions.resolve(&batch.receipt, AckOutcome::Delivered);
            return Ok(());
        }
        let Reservation { text: reservation, unacknowledged } = self.budget.take(text.len()).await;
        // Another member may have the partition by now, and reads these records itself.
        if !self.member.partitions.is_current(&batch.receipt) {
            return Ok(());
        }
        let origin = Origin { source: self.context.name.clone(), run: self.run, sequence: self.sequence };
        self.sequence += 1;
        let (chunk, ack_receiver) = Chunk::of_events(text, records, fields, origin, Some(reservation));
        let _ = self.waiting.send((batch.receipt, ack_receiver, unacknowledged));
        self.output.send(chunk).await
    }
}

impl Acknowledgements {
    /// Notes each batch's outcome. An error: a part of a batch was dropped on the way.
    pub async fn run(mut self) -> Result<(), ComponentError> {
        let mut pending: FuturesUnordered<BoxFuture<'static, (Receipt, AckOutcome)>> = FuturesUnordered::new();
        let mut is_open = true;
        loop {
            tokio::select! {
                waiting = self.waiting.recv(), if is_open => match waiting {
                    Some((receipt, ack_receiver, reservation)) => pending.push(Box::pin(async move {
                        let outcome = ack_receiver.await;
                        drop(reservation);
                        (receipt, outcome)
                    })),
                    None => is_open = false,
                },
                Some((receipt, outcome)) = pending.next() => {
                    match self.member.partitions.resolve(&receipt, outcome) {
                        Resolved::Noted => {}
                        Resolved::Late => self.context.telemetry.add(&metrics::LATE_RECEIPTS, 1),
                        // At the end of the program it is read again by the next one.
                        Resolved::Abandoned if self.context.shutdown.is_cancelled() => {}
                        Resolved::Abandoned => {
                            let error = ComponentError::new("part of the pipeline dropped undelivered events");
                            return Err(error.hint("nothing is lost: they are read again").begins_anew());
                        }
                    }
                }
                else => return Ok(()),
            }
        }
    }
}
