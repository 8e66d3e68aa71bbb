//! Generated events: for demos, load tests and trying out a pipeline without a NordPass account.
//!
//! The events come from the simulators' generator. Nothing is kept between runs: a restart begins anew, with the same
//! events for the same seed but the time at which they are made.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::config::{ComponentType, Field, Kind, Presence, Section};
use crate::event::{
    Chunk, EventId, Identifier, MetadataEntries, Origin, Outcome, Receipt, Record, Span, Text, parse_event_and,
};
use crate::simulator::generator::{Generator, Options};
use crate::telemetry::metrics;
use crate::topology::{ComponentError, Context, Output, Source};

/// The `generate` type.
pub static TYPE: ComponentType = ComponentType {
    name: "generate",
    doc: "Made-up events of a made-up organization: every pair of the catalogue, office hours aside. For demos and \
          load tests; it keeps no state.",
    fields: FIELDS,
    outputs: &[""],
};

static FIELDS: &[Field] = &[
    Field {
        name: "rate",
        kind: Kind::Integer { min: 0, max: 10_000_000 },
        presence: Presence::Default("10"),
        doc: "Events per second; 0 for as fast as the pipeline takes them.",
    },
    Field {
        name: "count",
        kind: Kind::Integer { min: 1, max: i64::MAX },
        presence: Presence::Optional,
        doc: "Ends after so many events; never when absent.",
    },
    Field {
        name: "seed",
        kind: Kind::Integer { min: 0, max: i64::MAX },
        presence: Presence::Default("1"),
        doc: "Decides people and events: the same seed gives the same ones.",
    },
];

/// A chunk is closed at this size.
const CHUNK_BYTES: usize = 256 << 10;

/// A slow source still sends what it has this often.
const TICK: Duration = Duration::from_millis(200);

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    rate: u64,
    count: Option<u64>,
    seed: u64,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let whole = |number: i64| u64::try_from(number).unwrap_or_default();
        Self {
            rate: whole(section.integer("rate")),
            count: section.optional_integer("count").map(whole),
            seed: whole(section.integer("seed")),
        }
    }
}

/// Makes the source.
pub fn build(settings: Settings) -> Box<dyn Source> {
    Box::new(Generate { settings })
}

struct Generate {
    settings: Settings,
}

impl Source for Generate {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(run(self.settings, context, output))
    }
}

async fn run(settings: Settings, context: Context, output: Output) -> Result<(), ComponentError> {
    let mut maker = Maker::new(&settings, &context);
    let mut pace = Pace::new(settings.rate);
    let mut left = settings.count.unwrap_or(u64::MAX);
    let mut receipts = FuturesUnordered::new();
    let mut abandoned = 0_u64;
    context.telemetry.working();
    while left > 0 && !context.shutdown.has_begun() {
        let due = tokio::select! {
            biased;
            // First: without a rate the pace is always due, and receipts must not pile up behind it.
            Some(outcome) = receipts.next(), if !receipts.is_empty() => {
                abandoned += u64::from(outcome == Outcome::Abandoned);
                continue;
            }
            () = context.shutdown.begun() => break,
            due = pace.due() => due.min(left),
        };
        let (chunk, receipt, made) = maker.chunk(due, context.handles.clock.now_seconds());
        context.telemetry.add(&metrics::RECEIVED, made);
        context.telemetry.progress().page(made);
        left -= made;
        pace.made(made);
        receipts.push(receipt);
        // Nobody to send to any more: the pipeline is ending.
        if output.send(chunk).await.is_err() {
            break;
        }
    }
    drop(output);
    while let Some(outcome) = receipts.next().await {
        abandoned += u64::from(outcome == Outcome::Abandoned);
    }
    if abandoned > 0 {
        tracing::warn!(source = context.name.as_ref(), chunks = abandoned, "generated events were not delivered");
    }
    Ok(())
}

/// Makes chunks of generated events.
struct Maker {
    generator: Generator,
    identifier: Identifier,
    organization: Arc<str>,
    source: Arc<str>,
    run: u64,
    sequence: u64,
    /// The event before, to number identical ones: the generator makes them one after the other.
    last: (EventId, u32),
}

impl Maker {
    fn new(settings: &Settings, context: &Context) -> Self {
        let generator = Generator::new(settings.seed, Options::default());
        Self {
            organization: generator.organization().uuid.as_str().into(),
            generator,
            identifier: Identifier::default(),
            source: context.name.clone(),
            run: context.handles.random.next_u64(),
            sequence: 0,
            last: (EventId::default(), 0),
        }
    }

    /// A chunk of at most `limit` events, its receipt, and how many they are.
    fn chunk(&mut self, limit: u64, now: i64) -> (Chunk, Receipt, u64) {
        let mut text = String::with_capacity(CHUNK_BYTES + 4096);
        let mut spans = Vec::new();
        while (spans.len() as u64) < limit && text.len() < CHUNK_BYTES {
            let begin = text.len();
            self.generator.append(&mut text, now);
            spans.push(Span::new(begin, text.len()));
            text.push('\n');
        }
        let text = Text::from(text);
        let mut records = Vec::with_capacity(spans.len());
        let mut events = Vec::with_capacity(spans.len());
        let mut metadata = MetadataEntries::default();
        for body in spans {
            // The generator writes objects; anything else would be left out here and seen by its tests.
            let Ok(fields) = parse_event_and(&text, text.at(body), &mut metadata) else { continue };
            let id = self.identifier.identify(&text, &fields, &mut metadata);
            let number = if self.last.0 == id { self.last.1 + 1 } else { 0 };
            self.last = (id, number);
            records.push(Record {
                id: id.occurrence(number),
                time: now,
                organization: self.organization.clone(),
                body,
            });
            events.push(fields);
        }
        metadata.keep(&text);
        let made = records.len() as u64;
        let origin = Origin { source: self.source.clone(), run: self.run, sequence: self.sequence };
        self.sequence += 1;
        let (chunk, receipt) = Chunk::of_events(text, records, events, origin, None);
        (chunk, receipt, made)
    }
}

/// Keeps the rate. A pipeline that was slow for a while doesn't get a burst afterwards.
struct Pace {
    rate: u64,
    began: Instant,
    made: u64,
}

impl Pace {
    fn new(rate: u64) -> Self {
        Self { rate, began: Instant::now(), made: 0 }
    }

    /// Waits until events are due, and says how many.
    async fn due(&mut self) -> u64 {
        if self.rate == 0 {
            // Stopping and acknowledging must get their turn even when nothing ever waits.
            tokio::task::yield_now().await;
            return u64::MAX;
        }
        loop {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative; saturates")]
            let owed = (self.began.elapsed().as_secs_f64() * self.rate as f64) as u64;
            let due = owed.saturating_sub(self.made);
            if due > self.rate {
                // More than a second behind: begin anew with what one second owes.
                (self.began, self.made) = (Instant::now(), 0);
                return self.rate;
            }
            if due > 0 {
                return due;
            }
            let one = Duration::from_secs_f64(1.0 / self.rate as f64);
            tokio::time::sleep(one.max(TICK)).await;
        }
    }

    fn made(&mut self, number: u64) {
        self.made += number;
    }
}

#[cfg(test)]
mod tests;
