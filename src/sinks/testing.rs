//! What the tests of several sinks need.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::component::{ComponentError, Context, Input, InputSender, Output, SinkSettings};
use crate::event::{AckReceiver, Backpressure, Chunk, EventFields, EventId, MemoryPool, Origin, Record, Span, Text};
use crate::http::Network;
use crate::state::MemoryStore;
use crate::telemetry::{ComponentKind, ComponentState, Telemetry};
use nordpass_env::{Env, SeededRandom, SystemDisk, TestClock};

/// A chunk of records with these texts.
pub fn chunk(bodies: &[&str]) -> (Chunk, AckReceiver) {
    let text = bodies.concat();
    let mut end = 0;
    let records = bodies
        .iter()
        .map(|body| {
            let start = end;
            end += body.len();
            Record { id: EventId(start as u128), time: 0, organization: "".into(), body: Span::new(start, end) }
        })
        .collect::<Vec<_>>();
    let fields = vec![EventFields::default(); records.len()];
    let origin = Origin { source: "test".into(), run: 0, sequence: 0 };
    Chunk::of_events(Text::from(text), records, fields, origin, None)
}

/// The values of a metric, over all its labels.
pub fn render(telemetry: &Telemetry, name: &str) -> Vec<String> {
    let text = telemetry.render();
    let lines = text.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with('{'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(_, value)| value.to_owned()).collect()
}

/// An environment whose network is this one.
pub fn sink_env(network: impl Network + 'static) -> Env {
    Env {
        clock: Arc::new(TestClock::starting_at(Timestamp::from_second(1_794_787_200).expect("a time"))),
        random: Arc::new(SeededRandom::new(3)),
        disk: Arc::new(SystemDisk),
        network: Arc::new(network),
    }
}

/// A sink that runs, and a source in front of it.
pub struct SinkRig {
    name: &'static str,
    pub telemetry: Telemetry,
    pub sender: Option<InputSender>,
    pub task: tokio::task::JoinHandle<Result<(), ComponentError>>,
    pub folder: tempfile::TempDir,
    pub sequence: u64,
    /// The source's.
    pub room: Arc<MemoryPool>,
}

impl SinkRig {
    pub async fn new(name: &'static str, settings: &dyn SinkSettings, env: Env) -> Self {
        let telemetry = Telemetry::new();
        let folder = tempfile::tempdir().expect("a folder");
        let dead_letters = crate::dead_letters::DeadLetterFolder::new(env.disk.clone(), folder.path());
        let context = Context {
            name: name.into(),
            env,
            telemetry: telemetry.component(ComponentKind::Sink, name),
            data_dir: folder.path().to_owned(),
            store: Arc::new(MemoryStore::default()),
            dead_letters: Arc::new(dead_letters),
            shutdown: CancellationToken::new(),
            once: false,
        };
        let (sender, input) = Input::new();
        let sink = settings.build(context).await.expect("opens");
        let task = tokio::spawn(sink.run(input));
        let room = MemoryPool::new(1000, Backpressure::default());
        Self { name, telemetry, sender: Some(sender), task, folder, sequence: 0, room }
    }

    /// Sends rows as one chunk to an input.
    pub async fn send(&mut self, input: usize, rows: &[Value]) -> AckReceiver {
        let mut text = String::new();
        let mut records = Vec::new();
        for row in rows {
            let start = text.len();
            text.push_str(&row.to_string());
            let body = Span::new(start, text.len());
            let id = EventId(u128::from(row["id"].as_u64().unwrap_or_default()));
            let time = row["time"].as_i64().unwrap_or_default();
            records.push(Record { id, time, organization: "".into(), body });
        }
        self.sequence += 1;
        let origin = Origin { source: "s".into(), run: 1, sequence: self.sequence };
        let (chunk, ack_receiver) = Chunk::of_rows(Text::from(text), records, origin, Some(self.room.take(1).await));
        let component = self.telemetry.component(ComponentKind::Source, "s");
        let sender = self.sender.as_ref().expect("open").input(input);
        Output::new(vec![sender], component).send(chunk).await.expect("open");
        ack_receiver
    }

    /// Ends the input and waits for the sink's end.
    pub async fn end(&mut self) {
        self.sender = None;
        (&mut self.task).await.expect("no panic").expect("ends well");
    }

    pub fn dead(&self) -> Vec<Value> {
        let path = self.folder.path().join(format!("dead-letters/{}.ndjson", self.name));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub fn reason(&self) -> String {
        match self.telemetry.component(ComponentKind::Sink, self.name).status().get() {
            ComponentState::Waiting { reason, .. } => reason,
            state => format!("{state:?}"),
        }
    }
}
