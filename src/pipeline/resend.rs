//! Sends the dead letters of a transform into it again, and through the pipeline behind it: `dead-letters resend`.
//!
//! The transform and everything that it leads to run in this process as they do in the service, each letter as a chunk of its
//! own. A letter counts as accepted when every required sink has acknowledged it. What is refused again, by the transform or by
//! something behind it, is no new dead letter: the one that was sent stays.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use nordpass_env::{Env, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Config, InputRef, RunOptions, SourceConfig, Stores, run};
use crate::component::{
    CheckpointError, ComponentError, ComponentType, Context, DeadLetter, DeadLetterStore, DeadLetterWriter, Letter,
    OpenStates, Output, Outputs, ReadSettings, Records, Resend, ResendOutcome, Source, SourceKey, SourceSettings,
    SourceState, Store,
};
use crate::event::{
    AckOutcome, Backpressure, Chunk, EventId, Organization, Origin, Record, ShownIds, Span, Text, event_time,
    parse_event,
};
use crate::settings::Fingerprint;
use crate::telemetry::{ComponentReporter, ComponentState, Telemetry};

/// Opens a transform of the set, with what comes behind it, for single records. The error is a sentence.
pub async fn resender(config: &Config, transform: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
    Ok(Box::new(open(config, transform, env).await?))
}

async fn open(config: &Config, transform: &str, env: &Env) -> Result<Resender, String> {
    let Some(entry) = config.transforms.iter().find(|known| known.name == transform) else {
        return Err(format!("these files have no transform `{transform}`"));
    };
    let refused = Refused::default();
    let (addresses, records) = (entry.input_addresses.clone(), entry.records);
    let (behind, inputs) = behind(config, transform, addresses.len());
    let organizations = config.sources.iter().filter_map(|source| source.settings.organization().cloned());
    let has_destinations = behind.sinks.iter().any(|sink| sink.template.is_some());
    let files = behind.sinks.iter().find(|sink| !sink.settings.writes().is_empty());
    let state = match files {
        None => Arc::new(NoState::default()) as Arc<dyn Store>,
        // Its files have one writer at a time, the holder of the lock.
        Some(sink) => {
            let stores = Stores::open(&config.checkpoint, config.shard, &config.data_dir, env).await;
            let name = &sink.name;
            stores
                .map_err(|error| format!("`{transform}` leads to the files of `{name}`: {error}; stop it first"))?
                .state
        }
    };
    let stores = Stores { state, dead_letters: Arc::new(refused.clone()) };
    let (telemetry, shutdown) = (Telemetry::new(), CancellationToken::new());
    let options = RunOptions { once: false, drain: Duration::ZERO };
    let running = tokio::spawn({
        let (env, telemetry, shutdown) = (env.clone(), telemetry.clone(), shutdown.clone());
        async move {
            let report = run(behind, options, env, stores, telemetry, shutdown).await;
            report.failures.first().map(|failure| failure.error.to_string())
        }
    });
    Ok(Resender {
        addresses,
        records,
        inputs,
        organizations: organizations.map(|organization| (organization.id.clone(), organization)).collect(),
        has_destinations,
        refused,
        env: env.clone(),
        telemetry,
        backpressure: Backpressure::default(),
        origin: (format!("dead-letters of {transform}").into(), env.random.next_u64()),
        sent: AtomicU64::new(0),
        running,
    })
}

/// The part of a set from a transform on, with a source for each of the transform's inputs.
fn behind(config: &Config, transform: &str, inputs: usize) -> (Config, Vec<mpsc::Sender<Chunk>>) {
    let mut reached: HashSet<&str> = HashSet::from([transform]);
    let mut behind =
        Config { sources: Vec::new(), transforms: Vec::new(), sinks: Vec::new(), api_listen: None, ..config.clone() };
    let reads = |inputs: &[InputRef], reached: &HashSet<&str>| {
        inputs.iter().any(|input| reached.contains(input.component.as_str()))
    };
    for known in &config.transforms {
        if known.name == transform || reads(&known.inputs, &reached) {
            reached.insert(&known.name);
            behind.transforms.push(known.clone());
        }
    }
    behind.sinks.extend(config.sinks.iter().filter(|sink| reads(&sink.inputs, &reached)).cloned());
    let mut senders = Vec::with_capacity(inputs);
    for number in 0..inputs {
        let (sender, receiver) = mpsc::channel(1);
        // Not a name that a component can have.
        let name = format!("{transform}, input {number}");
        if let Some(entry) = behind.transforms.iter_mut().find(|known| known.name == transform)
            && let Some(input) = entry.inputs.get_mut(number)
        {
            *input = InputRef { component: name.clone(), output: 0 };
        }
        let settings = Arc::new(Letters(Mutex::new(Some(receiver))));
        behind.sources.push(SourceConfig {
            feeds: name.clone(),
            name,
            component_type: &LETTERS,
            fingerprint: Fingerprint::default(),
            settings,
        });
        senders.push(sender);
    }
    (behind, senders)
}

static LETTERS: ComponentType = ComponentType {
    name: "dead_letters",
    doc: "Dead letters that are sent again.",
    fields: &[],
    outputs: Outputs::ONE,
    records: Records::Events,
    read: ReadSettings::Source(|_| Arc::new(Letters(Mutex::new(None)))),
};

/// The source of one input: what is sent to it.
#[derive(Debug)]
struct Letters(Mutex<Option<mpsc::Receiver<Chunk>>>);

impl SourceSettings for Letters {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        Box::new(Sending(self.0.lock().take()))
    }
}

struct Sending(Option<mpsc::Receiver<Chunk>>);

impl Source for Sending {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            let Some(mut chunks) = self.0 else { return Ok(()) };
            loop {
                let chunk = tokio::select! {
                    biased;
                    () = context.shutdown.cancelled() => return Ok(()),
                    chunk = chunks.recv() => chunk,
                };
                let Some(chunk) = chunk else { return Ok(()) };
                if output.send(chunk).await.is_err() {
                    return Ok(());
                }
            }
        })
    }
}

struct Resender {
    addresses: Vec<String>,
    records: Records,
    inputs: Vec<mpsc::Sender<Chunk>>,
    /// By id.
    organizations: HashMap<String, Arc<Organization>>,
    /// Whether it leads to a destination of one organization.
    has_destinations: bool,
    refused: Refused,
    env: Env,
    telemetry: Telemetry,
    /// On while a letter is under way, so that no sink waits for more records.
    backpressure: Backpressure,
    origin: (Arc<str>, u64),
    sent: AtomicU64,
    running: JoinHandle<Option<String>>,
}

/// Whatever is still under way isn't accepted, and is said so.
impl Drop for Resender {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Resend for Resender {
    fn request_id(&self) -> String {
        format!("{:016x}", self.env.random.next_u64())
    }

    fn resend<'a>(
        &'a self,
        letter: Letter<'a>,
        _request_id: &'a str,
        patience: Duration,
    ) -> BoxFuture<'a, ResendOutcome> {
        Box::pin(self.send(letter, patience))
    }
}

impl Resender {
    async fn send(&self, letter: Letter<'_>, patience: Duration) -> ResendOutcome {
        let Some(input) = self.addresses.iter().position(|address| address == letter.stream) else {
            let reason = format!("the transform no longer reads `{}`", letter.stream);
            return ResendOutcome::Impossible { reason };
        };
        let organization = match self.organization(&letter) {
            Ok(organization) => organization,
            Err(reason) => return ResendOutcome::Impossible { reason },
        };
        let sequence = self.sent.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { source: self.origin.0.clone(), run: self.origin.1, sequence };
        let Some((mut chunk, ack_receiver)) = chunk(&letter, self.records, origin, self.env.clock.now_seconds()) else {
            return ResendOutcome::Impossible { reason: "it isn't a JSON object".into() };
        };
        chunk.backpressure = Some(self.backpressure.clone());
        chunk.organization = organization;
        let id = letter.id;
        self.refused.0.lock().remove(&id);
        let sending = async {
            let sender = self.inputs.get(input)?;
            sender.send(chunk).await.ok()?;
            let _waiting = self.backpressure.wait();
            Some(ack_receiver.await)
        };
        match tokio::time::timeout(patience, sending).await {
            Ok(Some(AckOutcome::Delivered)) => self.refused.0.lock().remove(&id).unwrap_or(ResendOutcome::Accepted),
            Ok(Some(AckOutcome::Abandoned)) => self.unavailable("what comes behind it has stopped", true),
            Ok(None) => self.unavailable("what comes behind it can't run", false),
            Err(_) => self.unavailable("no acknowledgement in time", true),
        }
    }

    /// Whose the letter is, where organizations have destinations: no other one may get it. The error is a sentence.
    fn organization(&self, letter: &Letter<'_>) -> Result<Option<Arc<Organization>>, String> {
        let Some(id) = letter.organization else {
            let nobodys = "it doesn't say whose it is, and organizations have destinations of their own";
            return if self.has_destinations { Err(nobodys.to_owned()) } else { Ok(None) };
        };
        match self.organizations.get(id) {
            Some(organization) => Ok(Some(organization.clone())),
            None if self.has_destinations => Err("its organization is no longer listed".to_owned()),
            None => Ok(None),
        }
    }

    /// What is waited for, or why something failed.
    fn unavailable(&self, otherwise: &str, unsure: bool) -> ResendOutcome {
        let health = self.telemetry.health();
        let words = health.iter().find_map(|health| {
            let reason = ComponentState::reason(&health.state).filter(|reason| !reason.is_empty())?;
            Some(format!("`{}`: {reason}", health.name))
        });
        ResendOutcome::Unavailable { reason: words.unwrap_or_else(|| otherwise.to_owned()), unsure }
    }
}

/// A chunk of one record, as it came to the transform.
fn chunk(
    letter: &Letter<'_>,
    records: Records,
    origin: Origin,
    now: i64,
) -> Option<(Chunk, crate::event::AckReceiver)> {
    let text = Text::from(letter.record.trim().to_owned());
    let fields = parse_event(&text, &text).ok()?;
    let body = Span::new(0, text.len());
    let record = |time, organization| vec![Record { id: letter.id, time, organization, body }];
    let (mut chunk, ack_receiver) = match records {
        Records::Rows => {
            let row: serde_json::Value = serde_json::from_str(&text).ok()?;
            let time = row["TimeGenerated"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
            let organization = [&row["AdditionalFields"]["Organization"], &row["organization_uuid"]];
            let organization = organization.into_iter().find_map(serde_json::Value::as_str).unwrap_or_default().into();
            let records = record(time.map_or(now, jiff::Timestamp::as_second), organization);
            Chunk::of_rows(text, records, origin, None)
        }
        Records::Events | Records::AsInputs => {
            let time = event_time(&text, &fields.timestamp).map_or(now, |(time, _)| time);
            let organization = text.at(fields.organization.span).into();
            let records = record(time, organization);
            Chunk::of_events(text, records, vec![fields], origin, None)
        }
    };
    chunk.shown_ids = letter.shown_id.map(|shown| ShownIds::new(move |_| shown));
    Some((chunk, ack_receiver))
}

/// What was refused again, by the event's id.
#[derive(Clone, Default)]
struct Refused(Arc<Mutex<HashMap<EventId, ResendOutcome>>>);

impl DeadLetterStore for Refused {
    fn open<'a>(&'a self, component: &'a str) -> BoxFuture<'a, io::Result<Box<dyn DeadLetterWriter>>> {
        let writer = RefusedBy { component: component.to_owned(), refused: self.clone() };
        Box::pin(ready(Ok(Box::new(writer) as Box<dyn DeadLetterWriter>)))
    }
}

struct RefusedBy {
    component: String,
    refused: Refused,
}

impl DeadLetterWriter for RefusedBy {
    fn write<'a>(
        &'a self,
        dead_letters: &'a [DeadLetter],
        _: &'a Env,
        _: &'a ComponentReporter,
    ) -> BoxFuture<'a, usize> {
        let mut refused = self.refused.0.lock();
        for dead_letter in dead_letters {
            let outcome = match dead_letter.status {
                Some(status) => ResendOutcome::Refused { status, code: dead_letter.code.clone() },
                None => ResendOutcome::Impossible {
                    reason: format!("`{}` refuses it again: {}", self.component, dead_letter.reason),
                },
            };
            refused.insert(dead_letter.id, outcome);
        }
        Box::pin(ready(dead_letters.len()))
    }
}

/// No states: nothing here has one.
#[derive(Default)]
struct NoState(OpenStates);

impl Store for NoState {
    fn open(&self, _: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        Box::pin(ready(Err(CheckpointError::Lost)))
    }

    fn open_states(&self) -> &OpenStates {
        &self.0
    }

    fn is_committed(&self, _: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>> {
        Box::pin(ready(Ok(true)))
    }
}

#[cfg(test)]
mod tests;
