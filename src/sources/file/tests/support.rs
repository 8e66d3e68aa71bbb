//! Recordings, and a reader at the other end of the source.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::component::Store;
use crate::component::{ComponentError, Context, Input, Output, Source as _};
use crate::event::EventId;
use crate::http::SystemNetwork;
use crate::sources::file::Settings;
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::{Env, MemoryDisk, SeededRandom, TestClock};

pub fn settings(patterns: &[&str]) -> Settings {
    let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    Settings { patterns, rate: 0, repeat: false, blobs: None, reads: Vec::new() }
}

pub fn env(disk: &MemoryDisk, seed: u64) -> Env {
    Env {
        clock: Arc::new(TestClock::starting_at("2025-01-30T16:39:46Z".parse().unwrap())),
        random: Arc::new(SeededRandom::new(seed)),
        disk: Arc::new(disk.clone()),
        network: Arc::new(SystemNetwork::default()),
    }
}

/// `count` events of about `size` bytes; every third says the same as one some events before it.
pub fn events(count: usize, size: usize) -> Vec<String> {
    (0..count)
        .map(|index| {
            let number = if index % 3 == 2 { index.saturating_sub(50) / 3 * 3 } else { index };
            let pad = "x".repeat(size);
            format!(
                r#"{{"type":"t","action":"a","timestamp":{},"metadata":{{"pad":"{pad}"}}}}"#,
                1_700_000_000 + number
            )
        })
        .collect()
}

/// A recording: some lines hold an event, some a page; compressed by the ending, in several members.
pub fn recording(path: &str, events: &[String]) -> Vec<u8> {
    let mut text = String::new();
    for (number, events) in events.chunks(7).enumerate() {
        if number % 4 == 3 {
            let _ = writeln!(text, "{{\"data\":[{}],\"metadata\":{{\"total\":7}}}}", events.join(","));
        } else {
            text.extend(events.iter().flat_map(|event| [event, "\n"]));
        }
    }
    pack(path, text.as_bytes())
}

pub fn pack(path: &str, text: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for part in text.chunks(1_000_000) {
        if path.as_bytes().ends_with(b".gz") {
            let mut encoder = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        } else if path.as_bytes().ends_with(b".zst") {
            file.extend(zstd::encode_all(part, 1).unwrap());
        } else {
            file.extend_from_slice(part);
        }
    }
    file
}

/// A source that runs, and what it sends.
pub struct Running {
    pub input: Input,
    pub task: tokio::task::JoinHandle<Result<(), ComponentError>>,
    pub signal: CancellationToken,
    pub telemetry: Telemetry,
}

impl Running {
    pub fn start(settings: Settings, disk: &MemoryDisk, store: Arc<dyn Store>) -> Self {
        let telemetry = Telemetry::new();
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let (sender, input) = Input::new();
        let component = telemetry.component(ComponentKind::Source, "recorded");
        let output = Output::new(vec![sender], component.clone());
        let context = context(env(disk, 1), component, store, shutdown);
        let task = tokio::spawn(Box::new(settings).run(context, output));
        Self { input, task, signal, telemetry }
    }

    /// Takes chunks, at most so many, and acknowledges them.
    pub async fn take(&mut self, chunks: usize) -> Vec<(EventId, String)> {
        let mut records = Vec::new();
        for _ in 0..chunks {
            let Some((_, chunk)) = self.input.receive().await else { break };
            records.extend(chunk.records.iter().map(|record| (record.id, chunk.body(record).to_owned())));
            chunk.ack.done();
        }
        records
    }

    /// Takes everything until the source ends.
    pub async fn finish(mut self) -> (Vec<(EventId, String)>, Result<(), ComponentError>) {
        let records = self.take(usize::MAX).await;
        (records, self.task.await.expect("no panic"))
    }

    /// Lets everything settle, then kills the source.
    pub async fn kill(self) {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        self.task.abort();
        let _ = self.task.await;
    }
}

pub fn context(
    env: Env,
    telemetry: crate::telemetry::ComponentReporter,
    store: Arc<dyn Store>,
    shutdown: CancellationToken,
) -> Context {
    let dead_letters = Arc::new(crate::dead_letters::DeadLetterFolder::new(env.disk.clone(), "data".as_ref()));
    let name = telemetry.name().into();
    Context { name, env, telemetry, data_dir: "data".into(), store, dead_letters, shutdown, once: false }
}
