//! What is written, and when.

use std::time::Duration;

use super::rig::*;
use crate::event::{AckOutcome, Backpressure, MemoryPool};

#[tokio::test(start_paused = true)]
async fn one_blob_for_each_place_and_source_with_what_it_was_committed_with() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    let lines =
        "path = \"{date}/{organization}/{hour}.ndjson.gz\"\naccess_tier = \"cool\"\ntags = { source = \"nordpass\" }";
    let mut process = machine.start(&settings(lines, &["nordpass"])).await;
    let began = tokio::time::Instant::now();
    let acks = [process.send(&[0, 1, 2]).await, process.send(&[5, 6]).await];
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    assert_eq!(began.elapsed().as_secs(), 300, "a quiet source doesn't make a blob a minute");
    let names = account.names();
    let places = ["2026-01-10/a/00.", "2026-01-10/a/01.", "2026-01-10/b/00.", "2026-01-10/b/01."];
    assert!(names.iter().zip(places).all(|(name, place)| name.starts_with(place)) && names.len() == 4, "{names:?}");
    let key_id = process.state.key_id();
    let property = |header: &str| account.simulation.blobs.property(ARCHIVE, &names[0], header);
    assert!(names.iter().all(|name| name.contains(&*key_id) && name.ends_with(".ndjson.gz")), "{names:?}");
    let content = account.simulation.blobs.content(ARCHIVE, &names[0]).expect("there");
    let hash = blake3::hash(&content).to_hex().to_string();
    assert_eq!(property("x-ms-meta-contenthash"), Some(hash));
    assert_eq!(property("content-type").as_deref(), Some("application/gzip"));
    assert_eq!(property("content-encoding"), None);
    assert_eq!(property("x-ms-access-tier").as_deref(), Some("Cool"));
    assert_eq!(property("x-ms-tags").as_deref(), Some("source=nordpass"));
    assert_eq!(account.lines(), expected([0, 1, 2, 5, 6], 1));
    let intents = process.state.intents();
    assert_eq!((intents.len(), &intents[0].chunks[..]), (1, std::slice::from_ref(&(0..2))));
    for (sequence, events) in [(1, &[5, 6][..]), (0, &[0, 1, 2])] {
        process.commit(events, sequence).await.expect("commits");
    }
    assert!(process.state.intents().is_empty(), "what is committed needs no intent");
    let numbers = process.telemetry.component(crate::telemetry::ComponentKind::Sink, "archive").numbers().totals();
    assert_eq!((numbers.sent, numbers.requests, numbers.errors), (5, 8, 0));
    process.finish().await;
    let left: Vec<_> =
        machine.disk.paths().into_iter().filter(|path| path.to_string_lossy().contains("intents/")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn blobs_that_are_closed_together_are_written_four_at_a_time() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    let mut process = machine.start(&plain()).await;
    assert_eq!(process.send(&[0]).await.await, AckOutcome::Delivered, "it has a token now");
    let _ = machine.network.clone().latency(Duration::from_secs(1), Duration::from_secs(1));
    let began = tokio::time::Instant::now();
    let hours: Vec<u64> = (1..=8).map(|hour| 5 * hour).collect();
    assert_eq!(process.send(&hours).await.await, AckOutcome::Delivered);
    assert_eq!(account.names().len(), 9);
    assert_eq!(began.elapsed().as_secs() - 300, 4, "two requests for each of eight blobs");
    process.finish().await;
}

#[tokio::test(start_paused = true)]
async fn closed_by_bytes_by_the_end_and_when_the_source_waits_for_memory() {
    for (ending, level) in [("", ""), (".gz", "compression_level = 0"), (".zst", "compression_level = 1")] {
        let account = Account::new();
        let mut machine = Machine::new(&account, 1, false);
        let lines = format!("path = \"all.ndjson{ending}\"\n{level}\nbatch = {{ max_bytes = 50 }}");
        let mut process = machine.start(&settings(&lines, &["nordpass"])).await;
        let began = tokio::time::Instant::now();
        assert_eq!(process.send(&[0, 1, 2]).await.await, AckOutcome::Delivered);
        assert!(began.elapsed().as_secs() < 1, "by bytes");
        let last = process.send(&[3]).await;
        process.finish().await;
        assert_eq!(last.await, AckOutcome::Delivered);
        assert!(began.elapsed().as_secs() < 1, "by the end");
        assert_eq!((account.lines(), account.names().len()), (expected(0..4, 1), 2));
    }
}

/// The memory of texts is given back without a blob for it. What a source may have unacknowledged isn't: then its blobs are
/// written long before they are old.
#[tokio::test(start_paused = true)]
async fn a_source_that_waits_for_memory_gets_it_without_a_blob_and_acknowledgements_with_one() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    let mut process = machine.start(&plain()).await;
    let pressure = Backpressure::default();
    let (texts, all) = (MemoryPool::new(100, pressure.clone()), MemoryPool::new(400, pressure));
    let began = tokio::time::Instant::now();
    let mut unacknowledged = Vec::new();
    // Four texts fill it; sixteen unacknowledged ones do.
    for number in 0..16 {
        unacknowledged.push(all.take(25).await);
        let text = texts.take(25).await;
        process.send_holding(&[number], text).await;
    }
    assert!(began.elapsed() < Duration::from_secs(1) && account.names().is_empty(), "{:?}", began.elapsed());
    let waiting = tokio::spawn(async move { all.take(25).await });
    until(|| !account.names().is_empty()).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(unacknowledged);
    waiting.await.expect("memory");
    process.finish().await;
    assert_eq!(account.lines(), expected(0..16, 1));
}

#[tokio::test(start_paused = true)]
async fn several_inputs_and_a_source_without_a_state() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    let mut process = machine.start(&settings("path = \"{hour}.ndjson\"", &["a", "b"])).await;
    // Hours of two days have one path.
    let acks = [process.send(&[0, 1]).await, process.send(&[120, 121]).await];
    process.finish().await;
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    assert_eq!((account.lines(), account.names().len()), (expected([0, 1, 120, 121], 2), 1));
    let mut process = machine.start(&plain()).await;
    for event in [0, 1] {
        process.send_stateless(&[event], "stdin").await;
    }
    process.finish().await;
    let mut process = machine.start(&plain()).await;
    process.send_stateless(&[2], "stdin").await;
    process.finish().await;
    let of_stdin = || account.names().into_iter().filter(|name| name.contains(".stdin."));
    assert_eq!(of_stdin().count(), 3, "two places, and one of them by two processes: {:?}", account.names());
}
