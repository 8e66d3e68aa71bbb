//! Makes the events, at the rate that is asked for.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::Settings;
use crate::component::{ComponentError, Context, Output, Source};
use crate::event::{
    AckOutcome, AckReceiver, Chunk, EventId, Identifier, MetadataEntries, Origin, Record, Span, Text, parse_event_and,
};
use crate::telemetry::metrics;
use nordpass_simulator::generator::{Generator, Options};

/// A chunk is closed at this size.
const CHUNK_BYTES: usize = 256 << 10;

/// A slow source still sends what it has this often.
const TICK: Duration = Duration::from_millis(200);

pub struct Generate {
    pub settings: Settings,
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
    let mut ack_receivers = FuturesUnordered::new();
    let mut abandoned = 0_u64;
    context.telemetry.status().working();
    while left > 0 && !context.shutdown.is_cancelled() {
        let due = tokio::select! {
            biased;
            // First: without a rate the pace is always due, and receipts must not pile up behind it.
            Some(outcome) = ack_receivers.next(), if !ack_receivers.is_empty() => {
                abandoned += u64::from(outcome == AckOutcome::Abandoned);
                continue;
            }
            () = context.shutdown.cancelled() => break,
            due = pace.due() => due.min(left),
        };
        let (chunk, ack_receiver, made) = maker.chunk(due, context.env.clock.now_seconds());
        context.telemetry.add(&metrics::RECEIVED, made);
        context.telemetry.progress().page(made);
        left -= made;
        pace.made(made);
        ack_receivers.push(ack_receiver);
        // Nobody to send to any more: the pipeline is ending.
        if output.send(chunk).await.is_err() {
            break;
        }
    }
    drop(output);
    while let Some(outcome) = ack_receivers.next().await {
        abandoned += u64::from(outcome == AckOutcome::Abandoned);
    }
    if abandoned > 0 {
        tracing::warn!(source = context.name.as_ref(), chunks = abandoned, "generated events weren't delivered");
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
            organization: generator.organization.uuid.as_str().into(),
            generator,
            identifier: Identifier::default(),
            source: context.name.clone(),
            run: context.env.random.next_u64(),
            sequence: 0,
            last: (EventId::default(), 0),
        }
    }

    /// A chunk of at most `limit` events, its receipt, and how many they are.
    fn chunk(&mut self, limit: u64, now: i64) -> (Chunk, AckReceiver, u64) {
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
        let (chunk, ack_receiver) = Chunk::of_events(text, records, events, origin, None);
        (chunk, ack_receiver, made)
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
