//! What the sources that read recordings do with a parsed block: dead letters first, then chunks, at a rate.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, join};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::budget::Reservation;
use super::in_flight::{InFlight, in_flight};
use super::recording::{Parsed, Position};
use crate::component::{Closed, ComponentError, Context, DeadLetterWriter, Output};
use crate::event::{Chunk, EventFields, Organization, Origin, Record};
use crate::telemetry::ComponentReporter;
use nordpass_env::Env;

/// Parts of a second that a rate is kept in.
const TICKS: u64 = 10;

/// What a mark is about: the events of one chunk, and what lies between them and those before.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// How far the text is done with it.
    pub position: Position,
    /// The chunk's number; `None` where there were no events.
    pub sequence: Option<u64>,
    /// How many events.
    pub events: u64,
}

/// Sends the chunks of one run of a source.
pub struct Delivery<M> {
    output: Output,
    in_flight: InFlight<M>,
    dead_letters: Box<dyn DeadLetterWriter>,
    env: Env,
    telemetry: ComponentReporter,
    source: Arc<str>,
    run: u64,
    /// Whose events they are, where the organizations file lists it.
    organization: Option<Arc<Organization>>,
    sequence: u64,
    pace: Pace,
}

impl<M> Delivery<M> {
    /// A delivery whose chunks are of this source and run; `rate` is in events per second, 0 for no limit.
    pub async fn new(
        context: &Context,
        output: Output,
        in_flight: InFlight<M>,
        (source, run): (Arc<str>, u64),
        rate: u64,
    ) -> Result<Self, ComponentError> {
        let dead_letters = context.dead_letters.open(&context.name).await;
        let dead_letters = dead_letters.map_err(|error| {
            ComponentError::new(format!("can't open the dead letters of {}: {error}", context.name))
        })?;
        Ok(Self {
            output,
            in_flight,
            dead_letters,
            env: context.env.clone(),
            telemetry: context.telemetry.clone(),
            source,
            run,
            organization: None,
            sequence: 0,
            pace: Pace { rate, next: Instant::now() },
        })
    }

    /// The same for events of an organization that the organizations file lists.
    pub fn of_organization(self, organization: Option<Arc<Organization>>) -> Self {
        Self { organization, ..self }
    }

    /// Sends a block's events, waiting for memory and for the rate. `mark` makes the mark of a portion. `Closed`: all
    /// readers have ended, and the source may end.
    pub async fn send(&mut self, parsed: Parsed, mut mark: impl FnMut(Portion) -> M) -> Result<(), Closed> {
        if !parsed.dead_letters.is_empty() {
            // They are durable before anything moves on.
            self.dead_letters.write(&parsed.dead_letters, &self.env, &self.telemetry).await;
        }
        let text = parsed.text.clone();
        for Piece { records, fields, position } in cut(parsed, self.events_at_once()) {
            if records.is_empty() {
                let mark = mark(Portion { position, sequence: None, events: 0 });
                self.in_flight.push(None, mark).await?;
                continue;
            }
            self.pace.wait(records.len()).await;
            let bytes = records.iter().map(|record| record.body.len()).sum();
            let mark = mark(Portion { position, sequence: Some(self.sequence), events: records.len() as u64 });
            let origin = Origin { source: self.source.clone(), run: self.run, sequence: self.sequence };
            let Reservation { text: reservation, unacknowledged } = self.in_flight.reserve(bytes).await;
            let (mut chunk, ack_receiver) = Chunk::of_events(text.clone(), records, fields, origin, Some(reservation));
            chunk.organization.clone_from(&self.organization);
            self.in_flight.push(Some((ack_receiver, unacknowledged)), mark).await?;
            self.sequence += 1;
            self.output.send(chunk).await?;
        }
        self.telemetry.status().working();
        Ok(())
    }

    /// The most events that become one chunk.
    pub fn events_at_once(&self) -> usize {
        let events = (self.pace.rate / TICKS).max(1);
        if self.pace.rate == 0 { usize::MAX } else { usize::try_from(events).unwrap_or(usize::MAX) }
    }

    /// Notes something that holds once all that was sent before is delivered.
    pub async fn note(&self, mark: M) -> Result<(), Closed> {
        self.in_flight.push(None, mark).await
    }
}

/// What becomes one chunk.
struct Piece {
    records: Vec<Record>,
    fields: Vec<EventFields>,
    /// The position after it.
    position: Position,
}

/// Cuts a block into pieces of at most `size` events. A block without events is one piece, to move the position.
fn cut(parsed: Parsed, size: usize) -> Vec<Piece> {
    let Parsed { mut records, mut fields, mut positions, end, .. } = parsed;
    let mut pieces = Vec::new();
    while records.len() > size {
        let (later_records, later_fields) = (records.split_off(size), fields.split_off(size));
        let later_positions = positions.split_off(size);
        let position = positions.last().copied().unwrap_or(end);
        pieces.push(Piece { records, fields, position });
        (records, fields, positions) = (later_records, later_fields, later_positions);
    }
    pieces.push(Piece { records, fields, position: end });
    pieces
}

/// Runs a source that keeps no state: reads until `reading` or the program ends, and waits until everything that was sent is
/// delivered. `delivered` takes the marks of what is. A dropped chunk ends the source: the component that dropped it is
/// ending, with an error of its own if it has one.
pub async fn read_and_deliver<M>(
    shutdown: CancellationToken,
    reading: impl FnOnce(InFlight<M>) -> BoxFuture<'static, Result<(), ComponentError>>,
    mut delivered: impl FnMut(Vec<M>),
) -> Result<(), ComponentError> {
    let (in_flight, mut ack_receivers) = in_flight();
    let delivering = async move {
        while let Some(marks) = ack_receivers.next().await {
            delivered(marks);
        }
    };
    join(unless_shutdown(shutdown, reading(in_flight)), delivering).await.0
}

/// Reads to the end, or until the program is to end. Either way the reading is dropped before this returns, and with
/// it the source's output: the sinks then deliver what they hold.
pub async fn unless_shutdown(
    shutdown: CancellationToken,
    reading: BoxFuture<'static, Result<(), ComponentError>>,
) -> Result<(), ComponentError> {
    tokio::select! {
        biased;
        result = reading => result,
        () = shutdown.cancelled() => Ok(()),
    }
}

/// Keeps a rate without bursts: what was missed while waiting for others isn't made up for.
struct Pace {
    rate: u64,
    next: Instant,
}

impl Pace {
    /// Waits until this many more events may go.
    async fn wait(&mut self, events: usize) {
        if self.rate == 0 {
            return;
        }
        tokio::time::sleep_until(self.next).await;
        let seconds = events as f64 / self.rate as f64;
        self.next = self.next.max(Instant::now()) + Duration::from_secs_f64(seconds);
    }
}
