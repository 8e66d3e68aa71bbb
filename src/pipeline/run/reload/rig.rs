//! A source of numbers and sinks that note them, in sets that are made by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::component::{
    ComponentError, ComponentType, Context, Input, Output, Outputs, ReadSettings, Records, Sink, SinkSettings, Source,
    SourceKey, SourceSettings, Takes,
};
use crate::event::{AckOutcome, Chunk, EventFields, EventId, Origin, Record, Span, Text};
use crate::http::SystemNetwork;
use crate::pipeline::{
    Config, InputRef, KeptOut, Reloaded, Reloader, RunOptions, RunReport, SinkConfig, SourceConfig, Stores, reloads,
    run_with_reloads,
};
use crate::settings::Fingerprint;
use crate::settings::section::fingerprint::Fingerprinter;
use crate::state::CheckpointSettings;
use crate::telemetry::Telemetry;
use nordpass_env::{Env, MemoryDisk, Mutex, SeededRandom, TestClock};

/// What the fakes know of each other.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// The numbers below this are committed.
    pub committed: Arc<AtomicU64>,
    /// How often the source has begun.
    pub begun: Arc<AtomicU64>,
    /// Sinks and the numbers that they have delivered, and when they open and end.
    pub notes: Arc<Mutex<Vec<String>>>,
}

impl Shared {
    pub fn note(&self, note: String) {
        self.notes.lock().push(note);
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().clone()
    }

    /// The numbers that arrived anywhere, each once.
    pub fn arrived(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.notes().iter().filter_map(|note| note.split_once(' ')?.1.parse().ok()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Sends a number each second from the committed one on.
#[derive(Clone, Debug)]
pub struct Numbers {
    pub shared: Shared,
    pub goes_back: bool,
}

impl SourceSettings for Numbers {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        Box::new(self.clone())
    }

    fn state_key(&self, name: &str) -> Option<SourceKey> {
        self.goes_back.then(|| SourceKey { name: name.to_owned(), endpoint: "numbers".to_owned() })
    }
}

impl Source for Numbers {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            let run = self.shared.begun.fetch_add(1, Ordering::Relaxed);
            context.telemetry.status().working();
            let mut next = self.shared.committed.load(Ordering::Relaxed);
            let (mut output, mut under_way) = (Some(output), FuturesOrdered::new());
            loop {
                tokio::select! {
                    biased;
                    () = context.shutdown.cancelled(), if output.is_some() => output = None,
                    Some((number, outcome)) = under_way.next(), if !under_way.is_empty() => {
                        if outcome == AckOutcome::Delivered {
                            self.shared.committed.store(number + 1, Ordering::Relaxed);
                        } else if !context.shutdown.is_cancelled() {
                            return Err(ComponentError::new("dropped").begins_anew());
                        }
                    }
                    () = tokio::time::sleep(Duration::from_secs(1)), if output.is_some() => {
                        let (chunk, ack_receiver) = chunk(next, run);
                        let number = next;
                        under_way.push_back(Box::pin(async move { (number, ack_receiver.await) }));
                        next += 1;
                        if let Some(output) = &output {
                            let _ = output.send(chunk).await;
                        }
                    }
                    else => return Ok(()),
                }
            }
        })
    }
}

fn chunk(number: u64, run: u64) -> (Chunk, crate::event::AckReceiver) {
    let record = Record { id: EventId(number.into()), time: 0, organization: "".into(), body: Span::new(0, 2) };
    let origin = Origin { source: "numbers".into(), run, sequence: number };
    Chunk::of_events(Text::from("{}".to_owned()), vec![record], vec![EventFields::default()], origin, None)
}

/// Notes what it delivers.
#[derive(Clone, Debug)]
pub struct Notes {
    pub name: &'static str,
    pub shared: Shared,
    /// It holds everything and never ends.
    pub is_stuck: bool,
    /// Why it can't open.
    pub broken: Option<&'static str>,
    /// What this machine lacks.
    pub lacks: Option<&'static str>,
    pub resource: Option<&'static str>,
}

impl SinkSettings for Notes {
    fn build(&self, _: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        let this = self.clone();
        Box::pin(async move {
            if let Some(why) = this.broken {
                return Err(ComponentError::new(why));
            }
            this.shared.note(format!("{} opens", this.name));
            Ok(Box::new(this) as Box<dyn Sink>)
        })
    }

    fn check<'a>(&'a self, _: &'a Env) -> BoxFuture<'a, Result<(), ComponentError>> {
        Box::pin(async { self.lacks.map_or(Ok(()), |what| Err(ComponentError::new(what).hint("give it that"))) })
    }

    fn exclusive_resource(&self) -> Option<String> {
        self.resource.map(str::to_owned)
    }
}

impl Sink for Notes {
    fn run(self: Box<Self>, mut input: Input) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            let mut held = Vec::new();
            while let Some((_, chunk)) = input.receive().await {
                if self.is_stuck {
                    held.push(chunk);
                } else {
                    self.shared.note(format!("{} {}", self.name, chunk.origin.sequence));
                    chunk.ack.done();
                }
            }
            if self.is_stuck {
                std::future::pending::<()>().await;
            }
            self.shared.note(format!("{} ends", self.name));
            Ok(())
        })
    }
}

static SOURCE: ComponentType = ComponentType {
    name: "numbers",
    doc: "",
    fields: &[],
    outputs: Outputs::ONE,
    records: Records::Events,
    read: ReadSettings::Source(|_| unreachable!("it is never read")),
};

static SINK: ComponentType = ComponentType {
    name: "notes",
    doc: "",
    fields: &[],
    outputs: Outputs::NONE,
    records: Records::Events,
    read: ReadSettings::Sink(|_, _| unreachable!("it is never read")),
};

pub fn notes(name: &'static str, shared: &Shared) -> Notes {
    Notes { name, shared: shared.clone(), is_stuck: false, broken: None, lacks: None, resource: None }
}

/// A set of one source and these sinks, by their names in the file.
pub fn config(source: Numbers, sinks: Vec<(&str, Notes)>) -> Config {
    let fingerprint = |text: String| {
        let mut fingerprinter = Fingerprinter::default();
        fingerprinter.add(text);
        fingerprinter.finish()
    };
    let sink = |(name, notes): (&str, Notes)| SinkConfig {
        name: name.to_owned(),
        template: None,
        takes: Takes::All,
        component_type: &SINK,
        inputs: vec![InputRef { component: "numbers".into(), output: 0 }],
        required: true,
        fingerprint: fingerprint(format!("{} {} {:?}", notes.name, notes.is_stuck, notes.broken)),
        settings: Arc::new(notes),
    };
    Config {
        data_dir: "data".into(),
        checkpoint: CheckpointSettings::default(),
        checkpoint_fingerprint: Fingerprint::default(),
        core_dumps: false,
        api_listen: None,
        api_allowed_hosts: Vec::new(),
        sources: vec![SourceConfig {
            name: "numbers".into(),
            feeds: "numbers".into(),
            component_type: &SOURCE,
            fingerprint: fingerprint(source.goes_back.to_string()),
            settings: Arc::new(source),
        }],
        transforms: Vec::new(),
        sinks: sinks.into_iter().map(sink).collect(),
        tests: Vec::new(),
        kept_out: KeptOut::default(),
        shard: crate::state::Shard::default(),
    }
}

/// A set that runs.
pub struct Rig {
    pub shared: Shared,
    pub telemetry: Telemetry,
    pub reloader: Reloader,
    pub shutdown: CancellationToken,
    pub running: JoinHandle<RunReport>,
}

impl Rig {
    /// A source and these sinks.
    pub async fn start(shared: &Shared, goes_back: bool, sinks: Vec<(&str, Notes)>) -> Self {
        let config = config(Numbers { shared: shared.clone(), goes_back }, sinks);
        let env = Env {
            clock: Arc::new(TestClock::starting_at(jiff::Timestamp::UNIX_EPOCH)),
            random: Arc::new(SeededRandom::new(1)),
            disk: Arc::new(MemoryDisk::new()),
            network: Arc::new(SystemNetwork::default()),
        };
        let stores = Stores::local(&config.data_dir, &env).await.expect("opens");
        let (telemetry, shutdown, (reloader, reloads)) = (Telemetry::new(), CancellationToken::new(), reloads());
        let options = RunOptions::default();
        let run = run_with_reloads(config, options, env, stores, telemetry.clone(), shutdown.clone(), reloads);
        Self { shared: shared.clone(), telemetry, reloader, shutdown, running: tokio::spawn(run) }
    }

    /// Asks for a set of the same source and these sinks.
    pub async fn reload(&self, sinks: Vec<(&str, Notes)>) -> Reloaded {
        self.reloader.reload(config(Numbers { shared: self.shared.clone(), goes_back: true }, sinks)).await
    }

    pub fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::Relaxed)
    }

    pub fn begun(&self) -> u64 {
        self.shared.begun.load(Ordering::Relaxed)
    }

    /// Ends it, and says how. Nothing may be missing of what is committed.
    pub async fn end(self) -> RunReport {
        self.shutdown.cancel();
        let report = self.running.await.expect("no panic");
        let committed = self.shared.committed.load(Ordering::Relaxed);
        let arrived = self.shared.arrived();
        assert!((0..committed).all(|number| arrived.contains(&number)), "{committed}: {arrived:?}");
        report
    }
}

pub async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
