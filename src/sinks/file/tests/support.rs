//! A checkpoint that the test decides about, chunks, and readers that share no code with the sink.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::component::{CheckpointError, OpenStates, SourceKey, SourceState, Store};
use crate::component::{ComponentError, Context, Input, Output, Sink as _};
use crate::event::{AckReceiver, Backpressure, Chunk, EventFields, EventId, MemoryPool, Origin, Record, Span, Text};
use crate::http::SystemNetwork;
use crate::sinks::file::{FileSink, Settings, open};
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::{Disk, Env, SeededRandom, TestClock};

/// Commits what the test says.
#[derive(Default)]
pub struct Committed(pub Mutex<HashSet<Origin>>, OpenStates);

impl Committed {
    pub fn commit(&self, origin: &Origin) {
        self.0.lock().unwrap().insert(origin.clone());
    }
}

impl Store for Committed {
    fn open(&self, _: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        Box::pin(async { Err(CheckpointError::Locked { dir: PathBuf::new() }) })
    }

    fn open_states(&self) -> &OpenStates {
        &self.1
    }

    fn is_committed(&self, origin: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>> {
        let committed = self.0.lock().unwrap().contains(origin);
        Box::pin(async move { Ok(committed) })
    }
}

pub fn origin(run: u64, sequence: u64) -> Origin {
    Origin { source: "source-0123456789abcdef".into(), run, sequence }
}

/// An event of a test: its number, day and organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestEvent {
    pub number: u64,
    pub day: i64,
    pub organization: &'static str,
}

pub async fn chunk(origin: Origin, events: &[TestEvent], room: &Arc<MemoryPool>) -> (Chunk, AckReceiver) {
    let mut text = String::new();
    let mut records = Vec::new();
    for event in events {
        let start = text.len();
        let _ = write!(
            text,
            r#"{{"number":{},"day":{},"organization":"{}"}}"#,
            event.number, event.day, event.organization
        );
        records.push(Record {
            id: EventId(event.number.into()),
            time: event.day * 86_400 + 5,
            organization: event.organization.into(),
            body: Span::new(start, text.len()),
        });
    }
    let fields = vec![EventFields::default(); records.len()];
    Chunk::of_events(Text::from(text), records, fields, origin, Some(room.take(1).await))
}

pub fn context(disk: Arc<dyn Disk>, store: Arc<dyn Store>, data_dir: &Path, telemetry: &Telemetry) -> Context {
    let clock = TestClock::starting_at("2025-01-30T16:39:46Z".parse().unwrap());
    Context {
        name: "archive".into(),
        env: Env {
            clock: Arc::new(clock),
            random: Arc::new(SeededRandom::new(1)),
            disk: disk.clone(),
            network: Arc::new(SystemNetwork::default()),
        },
        telemetry: telemetry.component(ComponentKind::Sink, "archive"),
        data_dir: data_dir.to_owned(),
        store,
        dead_letters: Arc::new(crate::dead_letters::DeadLetterFolder::new(disk, data_dir)),
        shutdown: CancellationToken::new(),
        once: false,
    }
}

/// A sink that runs.
pub struct Running {
    output: Output,
    task: tokio::task::JoinHandle<Result<(), ComponentError>>,
    /// The source's.
    pub room: Arc<MemoryPool>,
    pub telemetry: Telemetry,
}

impl Running {
    pub async fn start(disk: Arc<dyn Disk>, store: Arc<dyn Store>, settings: Settings) -> Result<Self, ComponentError> {
        Self::start_in(disk, store, settings, Path::new("data"), |_| {}).await
    }

    pub async fn start_in(
        disk: Arc<dyn Disk>,
        store: Arc<dyn Store>,
        settings: Settings,
        data_dir: &Path,
        adapt: impl FnOnce(&mut FileSink),
    ) -> Result<Self, ComponentError> {
        let telemetry = Telemetry::new();
        let mut sink = open(settings, context(disk, store, data_dir, &telemetry)).await?;
        adapt(&mut sink);
        let (sender, input) = Input::new();
        let output = Output::new(vec![sender], telemetry.component(ComponentKind::Source, "test"));
        let task = tokio::spawn(Box::new(sink).run(input));
        Ok(Self { output, task, room: MemoryPool::new(1000, Backpressure::default()), telemetry })
    }

    pub async fn send(&self, origin: Origin, events: &[TestEvent]) -> AckReceiver {
        let (chunk, ack_receiver) = chunk(origin, events, &self.room).await;
        self.output.send(chunk).await.expect("the sink reads");
        ack_receiver
    }

    /// Ends the input and waits for the sink.
    pub async fn finish(self) {
        drop(self.output);
        self.task.await.expect("no panic").expect("no error");
    }

    /// The process is killed.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Decodes by the ending, with decoders that the sink doesn't use.
pub fn decode(path: &Path, bytes: &[u8]) -> String {
    let mut text = String::new();
    let result = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text),
        Some("zst") => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_string(&mut text),
        _ => (&mut &*bytes).read_to_string(&mut text),
    };
    result.unwrap_or_else(|error| panic!("{} can't be decoded: {error}", path.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "{} ends inside a line", path.display());
    text
}

/// How often each event is in files, and that it is in the right one.
pub fn count(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for (path, bytes) in files {
        for line in decode(&path, &bytes).lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("a whole record");
            let organization = event["organization"].as_str().unwrap();
            assert!(path.to_str().unwrap().contains(organization), "{line} is in {}", path.display());
            *counts.entry(event["number"].as_u64().unwrap()).or_default() += 1;
        }
    }
    counts
}
