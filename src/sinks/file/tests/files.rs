//! Which files there are, and files that somebody else has changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::support::{Committed, Running, TestEvent, count, decode, origin};
use crate::component::SinkSettings as _;
use crate::event::AckOutcome;
use crate::sinks::file::Settings;
use nordpass_env::{MemoryDisk, SystemDisk};

fn event(number: u64, day: i64, organization: &'static str) -> TestEvent {
    TestEvent { number, day, organization }
}

/// Runs a sink on the machine's own disk for each of the `lives`, and answers what is in the folder.
async fn on_disk(template: &str, lives: &[&[&[TestEvent]]], adapt: impl Fn(&mut Settings)) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Committed::default());
    for (run, chunks) in lives.iter().enumerate() {
        let mut settings = Settings::for_path(folder.path().join(template).to_str().unwrap());
        settings.timeout = Duration::ZERO;
        adapt(&mut settings);
        let sink =
            Running::start_in(Arc::new(SystemDisk), store.clone(), settings, &folder.path().join("data"), |_| {})
                .await
                .unwrap();
        for (sequence, events) in chunks.iter().enumerate() {
            let origin = origin(run as u64, sequence as u64);
            assert_eq!(sink.send(origin.clone(), events).await.await, AckOutcome::Delivered);
            store.commit(&origin);
        }
        sink.finish().await;
    }
    let mut files = Vec::new();
    let mut folders = vec![folder.path().to_owned()];
    while let Some(dir) = folders.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = std::fs::read(&path).unwrap();
                files.push((path.strip_prefix(folder.path()).unwrap().to_owned(), content));
            }
        }
    }
    files.retain(|(path, _)| !path.starts_with("data"));
    files.sort();
    files
}

fn names(files: &[(PathBuf, Vec<u8>)]) -> Vec<&str> {
    files.iter().map(|(path, _)| path.to_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_group_that_a_source_waits_for_is_written_at_once() {
    let settings = Settings { timeout: Duration::from_secs(5), ..Settings::for_path("all.ndjson") };
    let store = Arc::new(Committed::default());
    let sink = Running::start(Arc::new(MemoryDisk::new()), store, settings).await.unwrap();
    let began = tokio::time::Instant::now();
    let ack_receiver = sink.send(origin(1, 1), &[event(1, 20_000, "o")]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let waiting = sink.room.backpressure().wait();
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    drop(waiting);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let ack_receiver = sink.send(origin(1, 2), &[event(2, 20_000, "o")]).await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    assert!(began.elapsed() >= Duration::from_secs(6), "nobody waits any more: {:?}", began.elapsed());
    sink.finish().await;
}

#[tokio::test]
async fn by_date_and_organization_and_appended_after_a_restart() {
    for ending in ["", ".gz", ".zst"] {
        let lives: &[&[&[TestEvent]]] = &[
            &[&[event(1, 0, "acme"), event(2, 1, "acme"), event(3, 0, "umbrella"), event(4, 0, "acme")]],
            &[&[event(5, 0, "acme")], &[event(6, 1, "umbrella")]],
        ];
        let files = on_disk(&format!("archive/{{date}}/{{organization}}.ndjson{ending}"), lives, |_| {}).await;
        let expected = ["01/acme", "01/umbrella", "02/acme", "02/umbrella"]
            .map(|name| format!("archive/1970-01-{name}.ndjson{ending}"));
        assert_eq!(names(&files), expected);
        assert_eq!(
            decode(&files[0].0, &files[0].1),
            [1, 4, 5].map(|n| format!("{{\"number\":{n},\"day\":0,\"organization\":\"acme\"}}\n")).concat()
        );
        assert_eq!(count(files).into_iter().collect::<Vec<_>>(), (1..=6).map(|n| (n, 1)).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn by_size_also_after_a_restart() {
    let events: Vec<TestEvent> = (10..20).map(|number| event(number, 0, "acme")).collect();
    let chunks: Vec<&[TestEvent]> = events.chunks(1).collect();
    let files = on_disk("{organization}.x.ndjson", &[&chunks[..5], &chunks[5..]], |settings| {
        settings.max_file_bytes = Some(100);
    })
    .await;
    // Two lines of 44 bytes fit.
    assert_eq!(
        names(&files),
        ["acme.x.1.ndjson", "acme.x.2.ndjson", "acme.x.3.ndjson", "acme.x.4.ndjson", "acme.x.ndjson"]
    );
    assert!(
        files.iter().all(|(_, content)| content.len() == 88),
        "{:?}",
        files.iter().map(|f| f.1.len()).collect::<Vec<_>>()
    );
    assert_eq!(count(files).len(), 10);
}

#[tokio::test]
async fn a_hostile_organization_stays_in_the_folder() {
    let organizations = ["../../etc", "", "/", "ünï/cödé", "a\0b"];
    let events: Vec<TestEvent> = organizations.iter().map(|organization| event(1, 0, organization)).collect();
    let lives: Vec<&[TestEvent]> = events.chunks(1).collect();
    // The probe in the text would break the JSON with these names; only the paths count here.
    let files = on_disk("archive/{organization}.ndjson", &[&lives], |_| {}).await;
    assert_eq!(files.len(), organizations.len(), "{:?}", names(&files));
    for (path, _) in &files {
        assert_eq!(path.parent().unwrap().to_str(), Some("archive"));
    }
}

#[tokio::test(start_paused = true)]
async fn many_files_at_once() {
    let disk = MemoryDisk::new();
    let settings = Settings::for_path("{date}/{organization}");
    let store = Arc::new(Committed::default());
    let sink = Running::start(Arc::new(disk.clone()), store, settings).await.unwrap();
    for sequence in 0..4 {
        let events: Vec<TestEvent> =
            (0..700).map(|day| event(sequence * 700 + u64::try_from(day).unwrap(), day, "acme")).collect();
        assert_eq!(sink.send(origin(1, sequence), &events).await.await, AckOutcome::Delivered);
    }
    sink.finish().await;
    let paths: Vec<_> = disk.paths().into_iter().filter(|path| !path.starts_with("data")).collect();
    assert_eq!(paths.len(), 700);
    let counts = count(paths.into_iter().map(|path| (path.clone(), disk.content(path).unwrap())));
    assert!(counts.len() == 2_800 && counts.values().all(|count| *count == 1));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_moved_away_is_started_anew() {
    use nordpass_env::Disk;
    let disk = MemoryDisk::new();
    let settings = Settings::for_path("{organization}.ndjson");
    let store = Arc::new(Committed::default());
    let sink = Running::start(Arc::new(disk.clone()), store.clone(), settings.clone()).await.unwrap();
    sink.send(origin(1, 0), &[event(1, 0, "acme")]).await.await;
    disk.rename("acme.ndjson".as_ref(), "shipped-acme".as_ref()).await.unwrap();
    sink.send(origin(1, 1), &[event(2, 0, "acme")]).await.await;
    // Cut by a tool that copies and truncates.
    disk.truncate("acme.ndjson".as_ref(), 0).await.unwrap();
    sink.send(origin(1, 2), &[event(3, 0, "acme")]).await.await;
    sink.finish().await;
    let file = |path: &str| count([(PathBuf::from(path), disk.content(path).unwrap())]).into_keys().collect::<Vec<_>>();
    assert_eq!((file("shipped-acme"), file("acme.ndjson")), (vec![1], vec![3]));
    // Nothing is committed: the next start takes back what it still can.
    Running::start(Arc::new(disk.clone()), store, settings).await.unwrap().finish().await;
    assert_eq!((file("shipped-acme"), disk.content("acme.ndjson")), (vec![1], None));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_segment_log_is_refused() {
    let disk = MemoryDisk::new();
    let settings = Settings::for_path("{organization}.ndjson");
    let store = Arc::new(Committed::default());
    let sink = Running::start(Arc::new(disk.clone()), store.clone(), settings.clone()).await.unwrap();
    sink.send(origin(1, 0), &[event(1, 0, "acme")]).await.await;
    sink.finish().await;
    let before = disk.content("acme.ndjson");
    disk.put("data/sinks/archive.log", b"something else\n".to_vec());
    let error = Running::start(Arc::new(disk.clone()), store, settings).await.err().unwrap();
    assert!(error.message.contains("archive.log can't be used: it has no header"), "{error}");
    assert!(!error.curable && disk.content("acme.ndjson") == before, "nothing was changed");
}

#[tokio::test(start_paused = true)]
async fn waits_no_longer_than_the_timeout() {
    let disk = MemoryDisk::new();
    let settings = Settings::for_path("all.ndjson");
    let sink = Running::start(Arc::new(disk.clone()), Arc::new(Committed::default()), settings).await.unwrap();
    let began = tokio::time::Instant::now();
    let first = sink.send(origin(1, 0), &[event(1, 0, "acme")]).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let second = sink.send(origin(1, 1), &[event(2, 0, "acme")]).await;
    first.await;
    assert_eq!(began.elapsed().as_millis(), 1000);
    second.await;
    assert_eq!(began.elapsed().as_millis(), 1000, "the second shares the first's sync");
    sink.finish().await;
}

#[test]
fn the_settings_are_checked() {
    use crate::settings::{Environment, Section};
    let read = |text: &str| {
        let mut section = Section::parse(text, super::super::FIELDS, Environment::default());
        let settings = Settings::read(&mut section);
        let found: Vec<String> = section.diagnostics().iter().map(|found| format!("{found:?}")).collect();
        (settings, found)
    };
    let (settings, found) = read("path = \"a/{date}.ndjson.zst\"");
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((settings.level, settings.max_bytes, settings.timeout), (3, 4_000_000, Duration::from_secs(1)));
    assert_eq!(settings.exclusive_resource(), Settings::for_path("./a//{date}.ndjson.zst").exclusive_resource());
    let (settings, found) = read(
        "path = \"x.gz\"\nmax_file_bytes = 10\ncompression_level = 9\nbatch.max_bytes = 5\nbatch.timeout = \"0s\"",
    );
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((settings.level, settings.max_bytes, settings.timeout), (9, 5, Duration::ZERO));
    assert_eq!(settings.max_file_bytes, Some(10));
    for (text, part) in [
        ("", "path"),
        ("path = \"{day}.gz\"", "unknown placeholder"),
        ("path = \"a.gz\"\ncompression_level = 12", "gzip supports 0 to 9"),
        ("path = \"a.zst\"\ncompression_level = 0", "zstd supports 1 to 19"),
        ("path = \"a.ndjson\"\ncompression_level = 1", "the path in .gz or .zst"),
        ("path = \"a\"\nmax_file_bytes = 0", "max_file_bytes"),
    ] {
        let (_, found) = read(text);
        assert!(found.len() == 1 && found[0].contains(part), "{text}: {found:?}");
    }
}
