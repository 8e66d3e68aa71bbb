use std::fmt::Write as _;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::component::Input;
use crate::event::EventId;
use crate::http::SystemNetwork;
use crate::state::LocalStore;
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::{Env, MemoryDisk, SeededRandom, TestClock};

use super::*;

/// A recording of one event every ten seconds.
fn recording(events: i64) -> Vec<u8> {
    let mut text = String::new();
    for number in 0..events {
        let _ = writeln!(
            text,
            r#"{{"type":"t","action":"a","timestamp":{},"metadata":{{}}}}"#,
            1_700_000_000 + number * 10
        );
    }
    text.into_bytes()
}

fn settings(tally: &Tally) -> Settings {
    let paths = vec!["*.ndjson".to_owned()];
    let organization = Some(Arc::new(Organization { id: "c-1".into(), ..Organization::default() }));
    Settings { paths, rate: 0, passes: Some(1), duration: None, blobs: None, organization, tally: tally.clone() }
}

/// Replays to the end; the reader needs `each` for a chunk. Answers the ids that arrived.
async fn replay(disk: &MemoryDisk, settings: Settings, each: Duration) -> Result<Vec<EventId>, ComponentError> {
    let organization = settings.organization.clone();
    let env = Env {
        clock: Arc::new(TestClock::starting_at("2026-11-16T00:00:00Z".parse().unwrap())),
        random: Arc::new(SeededRandom::new(1)),
        disk: Arc::new(disk.clone()),
        network: Arc::new(SystemNetwork::default()),
    };
    let store = LocalStore::open(env.clone(), "data".as_ref()).await.expect("a state");
    let telemetry = Telemetry::new().component(ComponentKind::Source, "recording");
    let shutdown = CancellationToken::new();
    let (sender, mut input) = Input::new();
    let output = Output::new(vec![sender], telemetry.clone());
    let dead_letters = Arc::new(crate::dead_letters::DeadLetterFolder::new(env.disk.clone(), "data".as_ref()));
    let context = Context {
        name: "recording".into(),
        env,
        telemetry,
        data_dir: "data".into(),
        store,
        dead_letters,
        shutdown,
        once: false,
    };
    let reader = tokio::spawn(async move {
        let mut ids = Vec::new();
        while let Some((_, chunk)) = input.receive().await {
            assert_eq!(chunk.organization, organization, "it stands for that organization's source");
            ids.extend(chunk.records.iter().map(|record| record.id));
            tokio::time::sleep(each).await;
            chunk.ack.done();
        }
        ids
    });
    Box::new(settings).run(context, output).await?;
    Ok(reader.await.expect("no panic"))
}

async fn disk(events: i64) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.put("a.ndjson", recording(events));
    disk
}

#[tokio::test(start_paused = true)]
async fn each_pass_has_the_same_ids_and_all_of_it_is_counted() {
    let tally = Tally::default();
    let ids = replay(&disk(50).await, Settings { passes: Some(3), ..settings(&tally) }, Duration::ZERO).await.unwrap();
    assert_eq!(ids.len(), 150);
    assert_eq!((&ids[..50], &ids[..50]), (&ids[50..100], &ids[100..]));
    let count = tally.count();
    assert_eq!((count.read, count.acknowledged, count.first_pass, count.passes), (150, 150, 50, 3));
    assert_eq!(count.span, Some((1_700_000_000, 1_700_000_490)));
    assert_eq!(count.text_bytes, 3 * recording(50).len() as u64);
    assert_eq!(count.latency.len(), 150, "a value for each event");
}

#[tokio::test(start_paused = true)]
async fn latency_is_the_time_from_reading_to_acknowledgement() {
    let tally = Tally::default();
    replay(&disk(10).await, settings(&tally), Duration::from_millis(250)).await.unwrap();
    let count = tally.count();
    let near = |micros: u64| (248_000..=252_000).contains(&micros);
    assert!(near(count.latency.value_at_percentile(50.0)) && near(count.latency.max()), "{}", count.latency.max());
    assert_eq!(count.elapsed, Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn a_rate_and_a_duration_are_kept() {
    let tally = Tally::default();
    let began = Instant::now();
    let limits = Settings { rate: 100, passes: None, duration: Some(Duration::from_secs(20)), ..settings(&tally) };
    let ids = replay(&disk(50).await, limits, Duration::ZERO).await.unwrap();
    assert!((1_990..=2_010).contains(&ids.len()), "{} in 20 s at 100 a second", ids.len());
    assert!(began.elapsed() <= Duration::from_millis(20_100), "{:?}", began.elapsed());
    assert_eq!(tally.count().acknowledged, ids.len() as u64, "what was read by then is delivered");
}

#[tokio::test(start_paused = true)]
async fn nothing_to_replay_is_an_error_with_a_hint() {
    let tally = Tally::default();
    for (disk, expected) in
        [(MemoryDisk::new(), "no file matches *.ndjson"), (disk(0).await, "a.ndjson contain no events")]
    {
        let error = replay(&disk, settings(&tally), Duration::ZERO).await.unwrap_err();
        assert_eq!(error.message, expected);
        assert!(error.hint.is_some());
    }
}
