//! The Sentinel sink: rows to the Azure Logs Ingestion API.
//!
//! | file | what it does |
//! |---|---|
//! | [`batch`] | rows of one stream with their chunks' acknowledgements, and the body that they become |
//! | [`gzip`] | compressors that are used again |
//! | [`deliver`] | sends a batch until Azure has every row or has refused a row by name |
//! | [`proof`] | whether a refusal is about the record |
//! | [`answer`] | what Azure's answers mean |
//! | [`probe`] | tries token, rule and each stream, for `validate --connect` |
//! | [`cut`] | fields longer than Azure keeps |
//! | [`resend`] | single records again, for `dead-letters resend` |
//!
//! This file is the loop between them: one open batch for each stream, closed by bytes, by age, or at the end; a
//! bounded number of deliveries side by side; no reading of new chunks while all of them are busy, which is the
//! back-pressure.

mod answer;
mod batch;
mod cut;
mod deliver;
mod evidence;
mod gzip;
mod probe;
mod resend;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

pub use batch::{Encoded, OpenBatch, Rows};
pub use resend::resender;
pub use settings::{Settings, TYPE};

use deliver::{IngestionClient, Suspect};

use crate::azure;
use crate::component::{ComponentError, Context, DeadLetterWriter, Input, Resend, Sink, SinkSettings};
use crate::event::Chunk;
use crate::http::Backoff;
use crate::telemetry::{ComponentReporter, TokenState, metrics};
use nordpass_env::Env;

/// With more rows under suspicion than this, no new ones are taken: memory stays bounded.
const MOST_SUSPECTS: usize = 256;

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        Box::pin(build(self.clone(), context))
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(probe(self, env))
    }

    fn resender(&self, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
        resender(self, name, env)
    }
}

/// Opens the sink.
pub async fn build(settings: Settings, context: Context) -> Result<Box<dyn Sink>, ComponentError> {
    let dead_letters = context
        .dead_letters
        .open(&context.name)
        .await
        .map_err(|error| ComponentError::new(format!("can't open the dead-letter file: {error}")))?;
    let client = client(settings, Some(dead_letters), &context.env, context.telemetry.clone())
        .map_err(|reason| ComponentError::new(reason).hint("see the sink's tls, proxy and credential tables"))?;
    Ok(Box::new(Sentinel { client: Arc::new(client) }))
}

/// For `validate --connect`: gets a token and posts an empty array to each stream.
pub async fn probe(settings: &Settings, env: &Env) -> Result<String, String> {
    client(settings.clone(), None, env, ComponentReporter::detached())?.probe().await
}

fn client(
    settings: Settings,
    dead_letters: Option<Box<dyn DeadLetterWriter>>,
    env: &Env,
    telemetry: ComponentReporter,
) -> Result<IngestionClient, String> {
    let http = env.network.client(&settings.http)?;
    telemetry.token(TokenState::Unknown);
    let scope = settings.credential.monitor_scope(&settings.endpoint);
    let tokens = azure::provider(settings.credential.clone(), scope, &settings.http, env)?;
    let accepted = settings.streams.iter().map(|_| AtomicU64::new(0)).collect();
    let trusted = settings.streams.iter().map(|_| AtomicU32::new(0)).collect();
    let time_limited = settings.streams.iter().map(|_| AtomicBool::new(false)).collect();
    let paused_until = Mutex::new(Instant::now());
    Ok(IngestionClient {
        settings,
        http,
        tokens,
        dead_letters,
        env: env.clone(),
        telemetry,
        sent: AtomicU64::new(0),
        accepted,
        trusted,
        longest: AtomicUsize::new(0),
        time_limited,
        troubles: Mutex::default(),
        paused_until,
        ahead: AtomicI64::new(0),
    })
}

struct Sentinel {
    client: Arc<IngestionClient>,
}

impl Sink for Sentinel {
    fn run(self: Box<Self>, input: Input) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            let streams = self.client.settings.streams.len();
            let state = Loop {
                open: (0..streams).map(|_| None).collect(),
                ready: VecDeque::new(),
                in_flight: FuturesUnordered::new(),
                suspects: Vec::new(),
                again: VecDeque::new(),
                client: self.client,
            };
            state.run(input).await;
            Ok(())
        })
    }
}

/// The sink at work.
struct Loop {
    client: Arc<IngestionClient>,
    /// The open batch of each stream.
    open: Vec<Option<OpenBatch>>,
    /// Closed batches that wait for their turn.
    ready: VecDeque<(usize, Rows)>,
    /// Deliveries under way.
    in_flight: FuturesUnordered<BoxFuture<'static, Vec<Suspect>>>,
    /// Rows that were refused without a proof.
    suspects: Vec<Suspect>,
    /// Those of them whose turn to be tried again it is.
    again: VecDeque<Suspect>,
}

impl Loop {
    async fn run(mut self, mut input: Input) {
        let telemetry = self.client.telemetry.clone();
        let mut backoff = Backoff::new(self.client.env.random.clone());
        let mut retry_at: Option<Instant> = None;
        let mut ended = false;
        loop {
            self.launch();
            let idle = self.open.iter().all(Option::is_none)
                && self.ready.is_empty()
                && self.again.is_empty()
                && self.in_flight.is_empty();
            if ended && idle && self.suspects.is_empty() {
                return;
            }
            if self.suspects.is_empty() {
                retry_at = None;
                // One that is on its way is still one: without a pause that grows, it would be sent every second.
                if idle {
                    backoff.reset();
                }
            } else if retry_at.is_none() {
                retry_at = Some(Instant::now() + backoff.next_wait());
            }
            // One that waits is enough to keep the deliveries busy; more would only be memory while Azure is down.
            let full = !self.ready.is_empty() || self.suspects.len() + self.again.len() > MOST_SUSPECTS;
            // Nothing is under way or about to come, and somebody waits for what is still being collected.
            let stalled = self.in_flight.is_empty() && !full && input.waiting() == 0;
            if stalled && self.waited_for().is_some() {
                // A delivery that has just finished makes room too, and the one that waited may have continued.
                tokio::task::yield_now().await;
                if let Some(stream) = self.waited_for().filter(|_| input.waiting() == 0) {
                    self.close(stream);
                    continue;
                }
            }
            let age = self.oldest().map(|opened| opened + self.client.settings.timeout);
            let flush_requested = input.flush_requested();
            tokio::select! {
                biased;
                Some(suspects) = self.in_flight.next(), if !self.in_flight.is_empty() => self.on_done(suspects),
                () = sleep_until(age), if age.is_some() => self.close_aged(),
                () = flush_requested, if stalled => {}
                () = sleep_until(retry_at), if retry_at.is_some() => {
                    retry_at = None;
                    self.retry_suspects(true);
                }
                next = input.receive(), if !ended && !full => match next {
                    Some((stream, chunk)) => {
                        telemetry.set(&metrics::QUEUE_FILL, input.waiting() as f64);
                        self.take(stream, chunk);
                    }
                    None => {
                        ended = true;
                        (0..self.open.len()).for_each(|stream| self.close(stream));
                    }
                },
            }
        }
    }

    /// Adds a chunk's rows to its stream's batch.
    fn take(&mut self, stream: usize, chunk: Chunk) {
        let max_bytes = self.client.settings.max_bytes;
        self.client.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
        for (number, record) in chunk.records.iter().enumerate() {
            let text = chunk.body(record);
            let cut = cut::cut(text).map(|(text, fields)| {
                self.client.telemetry.add(&metrics::TRUNCATED, fields);
                text
            });
            let length = cut.as_deref().unwrap_or(text).len();
            if self.open[stream].as_ref().is_some_and(|open| open.with(length) > max_bytes) {
                self.close(stream);
            }
            self.open[stream].get_or_insert_with(OpenBatch::new).push(&chunk, number, cut);
        }
        // The batches hold their own shares now.
        chunk.ack.done();
    }

    fn close(&mut self, stream: usize) {
        if let Some(batch) = self.open[stream].take() {
            self.ready.push_back((stream, batch.rows));
        }
    }

    fn oldest(&self) -> Option<Instant> {
        self.open.iter().flatten().map(|batch| batch.opened).min()
    }

    /// The stream whose open batch a source waits for; the oldest of several.
    fn waited_for(&self) -> Option<usize> {
        let open = self.open.iter().enumerate().filter_map(|(stream, batch)| Some((stream, batch.as_ref()?)));
        let waited_for = open.filter(|(_, batch)| batch.rows.are_waited_for());
        waited_for.min_by_key(|(_, batch)| batch.opened).map(|(stream, _)| stream)
    }

    fn close_aged(&mut self) {
        let now = Instant::now();
        for stream in 0..self.open.len() {
            let timeout = self.client.settings.timeout;
            if self.open[stream].as_ref().is_some_and(|batch| batch.opened + timeout <= now) {
                self.close(stream);
            }
        }
    }

    /// Starts as many deliveries as may go side by side.
    fn launch(&mut self) {
        while self.in_flight.len() < self.client.settings.concurrency {
            let client = self.client.clone();
            if let Some(Suspect { rows, stream, evidence, .. }) = self.again.pop_front() {
                self.in_flight.push(Box::pin(async move { client.deliver(stream, rows, Some(evidence)).await }));
                continue;
            }
            let Some((stream, rows)) = self.ready.pop_front() else { return };
            self.in_flight.push(Box::pin(async move { client.deliver(stream, rows, None).await }));
        }
    }

    fn on_done(&mut self, suspects: Vec<Suspect>) {
        for suspect in &suspects {
            let stream = &self.client.settings.streams[suspect.stream];
            let reason = format!(
                "Azure refuses a record for stream {stream} with {}; it is kept and retried until Azure accepts it, or \
                 accepts others of the stream but not this one. If it accepts none: {}",
                suspect.refusal.answer(),
                suspect.refusal.advice(),
            );
            // Its turn comes with the next acceptance, or with the others'.
            self.client.trouble(suspect.stream, reason, None);
        }
        self.suspects.extend(suspects);
        self.retry_suspects(false);
    }

    /// Sends suspects again: those whose stream has accepted something since, which settles them; or the oldest, to see
    /// whether Azure has changed its mind.
    fn retry_suspects(&mut self, oldest: bool) {
        let accepted: Vec<u64> = self.client.accepted.iter().map(|count| count.load(Ordering::Acquire)).collect();
        let (mut due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.suspects)
            .into_iter()
            .partition(|suspect| accepted[suspect.stream] > suspect.evidence.mark);
        self.suspects = rest;
        if due.is_empty() && oldest && !self.suspects.is_empty() {
            due.push(self.suspects.remove(0));
        }
        self.again.extend(due);
    }
}

async fn sleep_until(instant: Option<Instant>) {
    if let Some(instant) = instant {
        tokio::time::sleep_until(instant).await;
    }
}
