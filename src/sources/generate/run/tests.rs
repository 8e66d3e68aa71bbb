use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::component::{CheckpointError, Input, OpenStates, SourceKey, SourceState, Store};
use crate::event::{Chunk, Origin};
use crate::telemetry::ComponentReporter;
use nordpass_env::{Env, SeededRandom, TestClock};

/// This source keeps no state, so it never opens one.
struct NoStore;

impl Store for NoStore {
    fn open(&self, _key: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        unreachable!("generated events have no state")
    }

    fn open_states(&self) -> &OpenStates {
        unreachable!("no sink asks")
    }

    fn is_committed(&self, _origin: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>> {
        Box::pin(async { Ok(true) })
    }
}

fn context(shutdown: CancellationToken) -> Context {
    let start = Timestamp::from_second(1_800_000_000).expect("a time");
    let env = Env {
        clock: Arc::new(TestClock::starting_at(start)),
        random: Arc::new(SeededRandom::new(1)),
        ..crate::http::system_env()
    };
    let dead_letters = Arc::new(crate::dead_letters::DeadLetterFolder::new(env.disk.clone(), "data".as_ref()));
    Context {
        name: "made-up".into(),
        env,
        telemetry: ComponentReporter::detached(),
        data_dir: PathBuf::new(),
        store: Arc::new(NoStore),
        dead_letters,
        shutdown,
        once: false,
    }
}

fn start(
    settings: Settings,
    shutdown: CancellationToken,
) -> (Input, tokio::task::JoinHandle<Result<(), ComponentError>>) {
    let (sender, input) = Input::new();
    let output = Output::new(vec![sender], ComponentReporter::detached());
    (input, tokio::spawn(Box::new(settings).run(context(shutdown), output)))
}

async fn all(input: &mut Input) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    while let Some((_, chunk)) = input.receive().await {
        chunk.ack.clone().done();
        chunks.push(chunk);
    }
    chunks
}

fn deliver(chunks: Vec<Chunk>) {
    for chunk in chunks {
        chunk.ack.done();
    }
}

#[tokio::test(start_paused = true)]
async fn makes_exactly_its_count() {
    let (mut input, task) = start(Settings { rate: 0, count: Some(3000), seed: 1 }, CancellationToken::new());
    let chunks = all(&mut input).await;
    assert!(!task.is_finished(), "it waits for its ack_receivers");
    assert_eq!(chunks.iter().map(|chunk| chunk.records.len()).sum::<usize>(), 3000);
    assert!(chunks.len() > 2 && chunks.iter().all(|chunk| chunk.bytes() < CHUNK_BYTES + 16_384));
    let sequences: Vec<_> = chunks.iter().map(|chunk| chunk.origin.sequence).collect();
    assert_eq!(sequences, (0..chunks.len() as u64).collect::<Vec<_>>());

    let mut ids = HashSet::new();
    let mut bodies = HashSet::new();
    for chunk in &chunks {
        for event in chunk.events() {
            assert!(ids.insert(event.record.id), "every id once, twins too");
            bodies.insert(event.body().to_owned());
            assert_eq!(event.record.time, 1_800_000_000);
            assert_eq!(&*event.record.organization, &*event.text_of(&event.fields.organization));
        }
    }
    assert!(bodies.len() < 3000, "there are twins among them");
    deliver(chunks);
    assert_eq!(task.await.expect("no panic"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn keeps_its_rate() {
    let began = Instant::now();
    let (mut input, task) = start(Settings { rate: 50, count: Some(500), seed: 1 }, CancellationToken::new());
    let chunks = all(&mut input).await;
    let took = began.elapsed();
    assert!((Duration::from_millis(9_800)..=Duration::from_millis(10_300)).contains(&took), "{took:?}");
    let last = chunks.last().expect("chunks").records[0].time;
    assert!((1_800_000_009..=1_800_000_010).contains(&last), "events happen when they are made: {last}");
    deliver(chunks);
    assert_eq!(task.await.expect("no panic"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_pipeline_gets_no_burst() {
    let (mut input, _task) = start(Settings { rate: 100, count: None, seed: 1 }, CancellationToken::new());
    tokio::time::sleep(Duration::from_mins(10)).await;
    let mut waiting = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        if let Ok(Some((_, chunk))) = tokio::time::timeout(Duration::from_secs(1), input.receive()).await {
            waiting += chunk.records.len();
            chunk.ack.done();
        }
    }
    assert!((1000..1500).contains(&waiting), "ten seconds' worth and what was in the channel: {waiting}");
}

#[tokio::test(start_paused = true)]
async fn ends_at_shutdown() {
    let signal = CancellationToken::new();
    let shutdown = signal.clone();
    let (mut input, task) = start(Settings { rate: 10, count: None, seed: 1 }, shutdown);
    let (_, chunk) = input.receive().await.expect("a chunk");
    chunk.ack.done();
    signal.cancel();
    deliver(all(&mut input).await);
    assert_eq!(task.await.expect("no panic"), Ok(()));
}
