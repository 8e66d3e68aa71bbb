//! What is read, in which order, with which ids, and how often.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::support::{Running, events, pack, recording, settings};
use crate::settings::{Environment, Section};
use crate::sources::file::Settings;
use crate::state::MemoryStore;
use nordpass_env::MemoryDisk;

#[tokio::test(start_paused = true)]
async fn all_formats_in_the_order_of_their_names() {
    let disk = MemoryDisk::new();
    let events = events(90, 10);
    for (path, part) in ["in/a.ndjson", "in/b.gz", "in/c.zst"].into_iter().zip(events.chunks(30)) {
        disk.put(path, recording(path, part));
    }
    let source = Running::start(settings(&["in/*"]), &disk, Arc::new(MemoryStore::new()));
    let telemetry = source.telemetry.clone();
    let (records, result) = source.finish().await;
    assert_eq!(result, Ok(()));
    assert!(records.iter().map(|(_, body)| body).eq(&events));
    assert!(
        telemetry
            .render()
            .contains("sentinel_received_records_total{component_kind=\"source\",component=\"recorded\"} 90")
    );
}

#[tokio::test(start_paused = true)]
async fn identical_events_have_ids_of_their_own() {
    let disk = MemoryDisk::new();
    disk.put("a", recording("a", &events(3_000, 10)));
    let (records, _) = Running::start(settings(&["a"]), &disk, Arc::new(MemoryStore::new())).finish().await;
    let bodies: HashSet<_> = records.iter().map(|(_, body)| body).collect();
    let ids: HashSet<_> = records.iter().map(|(id, _)| id).collect();
    assert!(bodies.len() < records.len() && ids.len() == records.len());
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_same_ids() {
    let events = events(12_000, 1_000);
    for path in ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"] {
        let disk = MemoryDisk::new();
        disk.put(path, recording(path, &events));
        let (whole, _) = Running::start(settings(&[path]), &disk, Arc::new(MemoryStore::new())).finish().await;
        assert_eq!(whole.len(), events.len());
        // The rates cut pages in the middle.
        for (rate, lives) in [(0, [1, 20, 7, 0]), (60, [3, 9, 1, 40])] {
            let store = Arc::new(MemoryStore::new());
            let settings = |rate| Settings { rate, ..settings(&[path]) };
            let mut records = Vec::new();
            for chunks in lives {
                let mut source = Running::start(settings(rate), &disk, store.clone());
                records.extend(source.take(chunks).await);
                source.kill().await;
            }
            let (rest, result) = Running::start(settings(0), &disk, store.clone()).finish().await;
            assert_eq!(result, Ok(()));
            assert!(!rest.is_empty());
            records.extend(rest);
            assert!(records == whole, "{path} at rate {rate}");
            let (nothing, result) = Running::start(settings(0), &disk, store).finish().await;
            assert_eq!((nothing.len(), result), (0, Ok(())));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn new_files_and_grown_ones_are_read_finished_ones_are_not() {
    let disk = MemoryDisk::new();
    let store = Arc::new(MemoryStore::new());
    let events = events(40, 10);
    disk.put("b.gz", recording("b.gz", &events[..10]));
    disk.put("c.gz", recording("c.gz", &events[10..20]));
    let read = || async { Running::start(settings(&["*.gz"]), &disk, store.clone()).finish().await };
    assert_eq!(read().await.0.len(), 20);
    disk.put("a.gz", recording("a.gz", &events[20..30]));
    let grown = [recording("b.gz", &events[..10]), pack("b.gz", format!("{}\n", events[30]).as_bytes())].concat();
    disk.put("b.gz", grown);
    let bodies: Vec<String> = read().await.0.into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, [&events[20..30], &events[30..31]].concat());
    assert_eq!(read().await.0.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_loop_repeats_until_the_shutdown() {
    let disk = MemoryDisk::new();
    let events = events(10, 10);
    disk.put("a", recording("a", &events));
    let repeat = Settings { repeat: true, ..settings(&["a"]) };
    let mut source = Running::start(repeat.clone(), &disk, Arc::new(MemoryStore::new()));
    let records = source.take(5).await;
    assert_eq!(records.len(), 50);
    assert_eq!(records[..10], records[40..]);
    source.signal.cancel();
    assert_eq!(source.finish().await.1, Ok(()));
    disk.put("a", b"".to_vec());
    let (_, result) = Running::start(repeat, &disk, Arc::new(MemoryStore::new())).finish().await;
    assert!(result.unwrap_err().message.contains("nothing to repeat"));
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept() {
    let disk = MemoryDisk::new();
    disk.put("a", recording("a", &events(100, 10)));
    for (rate, least, most) in [(10, 9_900, 10_001), (50, 1_900, 2_001), (7, 14_000, 14_290)] {
        let began = Instant::now();
        let source = Running::start(Settings { rate, ..settings(&["a"]) }, &disk, Arc::new(MemoryStore::new()));
        assert_eq!(source.finish().await.0.len(), 100);
        let took = began.elapsed().as_millis();
        assert!((least..=most).contains(&took), "{rate}/s took {took} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_stops_when_nothing_is_acknowledged() {
    let disk = MemoryDisk::new();
    let line = format!("{{\"pad\":\"{}\"}}\n", "x".repeat(250_000));
    disk.put("a", line.repeat(300));
    let mut source = Running::start(settings(&["a"]), &disk, Arc::new(MemoryStore::new()));
    let mut held = Vec::new();
    while let Ok(Some((_, chunk))) = tokio::time::timeout(Duration::from_secs(60), source.input.receive()).await {
        held.push(chunk);
    }
    let bytes: usize = held.iter().map(crate::event::Chunk::bytes).sum();
    assert!((8 << 20..10 << 20).contains(&bytes), "{bytes} bytes under way");
    source.kill().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_whole_is_delivered_before_an_error() {
    let disk = MemoryDisk::new();
    let store = Arc::new(MemoryStore::new());
    let events = events(5_000, 100);
    let file = recording("a.gz", &events);
    disk.put("a.gz", file[..file.len() - 4].to_vec());
    let (records, result) = Running::start(settings(&["a.gz", "b"]), &disk, store.clone()).finish().await;
    assert!(result.unwrap_err().message.starts_with("a.gz is damaged before byte"));
    assert!(records.iter().map(|(_, body)| body).eq(&events), "{}", records.len());
    // An intact copy: reading goes on where it stopped.
    disk.put("a.gz", file);
    let (records, result) = Running::start(settings(&["a.gz", "b"]), &disk, store.clone()).finish().await;
    assert_eq!((records.len(), result), (0, Ok(())));
    let (_, result) = Running::start(settings(&["b", "c/*"]), &disk, store).finish().await;
    assert!(result.unwrap_err().message.contains("no file matches b, c/*"));
}

#[tokio::test(start_paused = true)]
async fn bad_lines_are_dead_letters() {
    let disk = MemoryDisk::new();
    disk.put("a", b"{\"a\":1}\nnonsense\n\n[2]\n{\"b\":\"\xff\"}\n".to_vec());
    disk.put("b", b"{\"c\":3}\nonly nonsense\n".to_vec());
    let store = Arc::new(MemoryStore::new());
    let source = Running::start(settings(&["a", "b"]), &disk, store.clone());
    let telemetry = source.telemetry.clone();
    let (records, result) = source.finish().await;
    assert_eq!(result, Ok(()));
    assert_eq!(
        records.into_iter().map(|(_, body)| body).collect::<Vec<_>>(),
        ["{\"a\":1}", "{\"b\":\"\u{fffd}\"}", "{\"c\":3}"]
    );
    let metrics = telemetry.render();
    assert!(
        metrics.contains("sentinel_dead_letters_total{component_kind=\"source\",component=\"recorded\"} 3"),
        "{metrics}"
    );
    assert!(metrics.contains("kind=\"not a JSON object\"} 3"), "{metrics}");
    // The position has moved past them, too.
    let source = Running::start(settings(&["a", "b"]), &disk, store);
    let telemetry = source.telemetry.clone();
    source.finish().await.1.unwrap();
    assert!(!telemetry.render().contains("dead_letters_total{"));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_chunk_ends_it_and_is_read_again() {
    let disk = MemoryDisk::new();
    let store = Arc::new(MemoryStore::new());
    let events = events(60, 10);
    disk.put("a", recording("a", &events));
    let slow = Settings { rate: 100, ..settings(&["a"]) };
    let mut source = Running::start(slow.clone(), &disk, store.clone());
    let first = source.take(2).await;
    drop(source.input.receive().await);
    let (_, result) = source.finish().await;
    assert!(result.is_err_and(|error| error.begins_anew));
    let (rest, _) = Running::start(slow, &disk, store).finish().await;
    assert_eq!(first.len() + rest.len(), 60);
}

#[test]
fn the_settings_are_checked() {
    let read = |text: &str| {
        let mut section = Section::parse(text, super::super::FIELDS, Environment::default());
        let settings = Settings::read(&mut section);
        (settings, section.diagnostics().len())
    };
    let (settings, problems) = read("paths = [\"a/*.gz\"]\nrate = 5\nloop = true");
    assert_eq!((settings.patterns.len(), settings.rate, settings.repeat, problems), (1, 5, true, 0));
    assert_eq!(read("paths = []").1, 1);
    assert_eq!((read("paths = [\"a[\"]").1, read("paths = [\"\"]").1), (1, 1));
    assert_eq!(read("").1, 1);
}
