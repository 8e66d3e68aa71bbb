//! A recording in place of a pipeline's source, for the command `replay`: as fast as the rest of the pipeline takes it,
//! or at a rate; once, several times, or for a while. It keeps no state, and it measures.

use crate::{component::SourceSettings, telemetry::Telemetry};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::delivery::{Delivery, Portion, read_and_deliver};
use super::file::blobs::BlobSettings;
use super::file::locations::Locations;
use super::in_flight::InFlight;
use super::recording::{Parsed, Parser, Position};
use super::recording_file::{self, RecordingFile};
use crate::component::{ComponentError, Context, Output, Source};
use crate::event::Organization;
use nordpass_env::Mutex;

/// What is replayed, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Patterns of recordings, as the `file` source takes them.
    pub paths: Vec<String>,
    /// Events per second; 0 for no limit.
    pub rate: u64,
    /// How often all of it is replayed; `None` until the time is over.
    pub passes: Option<u64>,
    /// How long events are read at most. What was read by then is still delivered.
    pub duration: Option<Duration>,
    /// How blobs among them are reached.
    pub blobs: Option<BlobSettings>,
    /// The organization whose source the recording stands for, where the organizations file lists it.
    pub organization: Option<Arc<Organization>>,
    /// Where it is noted.
    pub tally: Tally,
}

/// What a replay has come to. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Count>>);

/// The numbers of a [`Tally`].
#[derive(Clone, Debug)]
pub struct Count {
    /// Events that were read.
    pub read: u64,
    /// Bytes of text that they and the lines without an event had.
    pub text_bytes: u64,
    /// Events whose rows every required sink has, or whose dead letters are durable.
    pub acknowledged: u64,
    /// Events of the first pass.
    pub first_pass: u64,
    /// The Unix times of the first pass's earliest and latest event.
    pub span: Option<(i64, i64)>,
    /// Whole passes.
    pub passes: u64,
    /// Microseconds from reading an event to its acknowledgement, one value for each event. An event counts as
    /// acknowledged when all before it are, too: that is when a source could commit it.
    pub latency: Histogram<u64>,
    /// From the first event's reading to the last acknowledgement.
    pub elapsed: Duration,
}

impl Default for Count {
    fn default() -> Self {
        // Two significant digits up to two hours: 20 KiB. More is shown as the most.
        let latency = Histogram::new_with_bounds(1, 7_200_000_000, 2).expect("these bounds are valid");
        Self {
            read: 0,
            text_bytes: 0,
            acknowledged: 0,
            first_pass: 0,
            span: None,
            passes: 0,
            latency,
            elapsed: Duration::ZERO,
        }
    }
}

impl Tally {
    /// The numbers so far.
    pub fn count(&self) -> Count {
        self.0.lock().clone()
    }

    fn read(&self, parsed: &Parsed, text_bytes: u64) {
        let mut count = self.0.lock();
        count.read += parsed.records.len() as u64;
        count.text_bytes += text_bytes;
        if count.passes == 0 {
            count.first_pass += parsed.records.len() as u64;
            let times = || parsed.records.iter().map(|record| record.time);
            let (earliest, latest) = count.span.unwrap_or((i64::MAX, i64::MIN));
            let both = times().min().zip(times().max()).map(|(from, to)| (earliest.min(from), latest.max(to)));
            count.span = both.or(count.span);
        }
    }

    fn acknowledged(&self, marks: &[Mark], began: Instant) {
        let now = Instant::now();
        let mut count = self.0.lock();
        for mark in marks {
            let micros = u64::try_from((now - mark.read).as_micros()).unwrap_or(u64::MAX);
            count.latency.saturating_record_n(micros.max(1), mark.events);
            count.acknowledged += mark.events;
        }
        count.elapsed = now - began;
    }
}

/// A chunk's events.
struct Mark {
    read: Instant,
    events: u64,
}

impl SourceSettings for Settings {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        Box::new(self.clone())
    }
}

impl Source for Settings {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(run(*self, context, output))
    }
}

async fn run(settings: Settings, context: Context, output: Output) -> Result<(), ComponentError> {
    let locations = Locations::new(settings.blobs.as_ref(), &context.env, Some(&context.telemetry));
    let files = tokio::select! {
        biased;
        files = recording_file::files(&locations, &settings.paths) => files?,
        () = context.shutdown.cancelled() => return Ok(()),
    };
    let began = Instant::now();
    let (tally, shutdown) = (settings.tally.clone(), context.shutdown.clone());
    let reading = |in_flight| {
        Box::pin(read_all(settings, (locations, files), context, output, in_flight)) as BoxFuture<'static, _>
    };
    read_and_deliver(shutdown, reading, |marks| tally.acknowledged(&marks, began)).await
}

async fn read_all(
    settings: Settings,
    (locations, files): (Locations, Vec<String>),
    context: Context,
    output: Output,
    in_flight: InFlight<Mark>,
) -> Result<(), ComponentError> {
    let Settings { rate, passes, duration, organization, tally, .. } = settings;
    let end = duration.map(|duration| Instant::now() + duration);
    let is_over = || end.is_some_and(|end| Instant::now() >= end);
    let origin = (context.name.clone(), context.env.random.next_u64());
    let delivery = Delivery::new(&context, output, in_flight, origin, rate).await?;
    let mut delivery = delivery.of_organization(organization);
    let mut parser = Parser::new(context.env.clock.clone(), context.telemetry.clone());
    let mut pass = 0;
    while passes.is_none_or(|passes| pass < passes) {
        let before = tally.0.lock().read;
        for path in &files {
            let mut file = RecordingFile::open(&locations, path).await?;
            parser.restart();
            while let Some(block) = file.next().await? {
                let bytes = block.bytes.len() as u64;
                let parsed = parser.parse(block.bytes, block.offset, Position::default());
                tally.read(&parsed, bytes);
                let mark = |portion: Portion| Mark { read: Instant::now(), events: portion.events };
                // With a rate, a block may take longer than the time that is left.
                let sending = delivery.send(parsed, mark);
                let sent = match end {
                    Some(end) => tokio::time::timeout_at(end, sending).await,
                    None => Ok(sending.await),
                };
                if !matches!(sent, Ok(Ok(()))) || is_over() {
                    return Ok(());
                }
            }
        }
        pass += 1;
        tally.0.lock().passes = pass;
        if tally.0.lock().read == before {
            return Err(recording_file::without_events(&files));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
