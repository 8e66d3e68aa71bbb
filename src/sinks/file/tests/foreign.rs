//! Archives that somebody else writes to, too: what is theirs is never cut.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::support::{Committed, Running, TestEvent, count, origin};
use crate::event::AckOutcome;
use crate::sinks::file::Settings;
use nordpass_env::{Disk, MemoryDisk, SystemDisk};

fn event(number: u64) -> TestEvent {
    TestEvent { number, day: 0, organization: "acme" }
}

fn line(number: u64) -> String {
    format!("{{\"number\":{number},\"day\":0,\"organization\":\"acme\"}}\n")
}

/// The events in a file, and how often each is there.
fn counts(disk: &MemoryDisk, path: &str) -> Vec<(u64, usize)> {
    count([(path.into(), disk.content(path).unwrap_or_default())]).into_iter().collect()
}

async fn start(disk: &MemoryDisk, store: &Arc<Committed>, settings: &Settings, data_dir: &str) -> Running {
    let data_dir = Path::new(data_dir);
    Running::start_in(Arc::new(disk.clone()), store.clone(), settings.clone(), data_dir, |_| {}).await.expect("opens")
}

/// An administrator's `cat old >> archive` behind a process that was killed: whatever it left is taken out from between.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_appended_stays_and_ours_is_taken_out() {
    // Killed before the append, in the middle of it, behind it; with segments noted or not.
    for kill_at in 0..14 {
        let (disk, store, settings) = (MemoryDisk::new(), Arc::default(), Settings::for_path("acme.ndjson"));
        let sink = start(&disk, &store, &settings, "data").await;
        sink.send(origin(1, 0), &[event(0)]).await.await;
        store.commit(&origin(1, 0));
        disk.go_down_at(kill_at);
        let sent = sink.send(origin(1, 1), &[event(1)]).await;
        tokio::select! {
            _ = sent => {}
            () = disk.went_down() => {}
        }
        sink.kill().await;
        disk.restart();
        let whole = disk.content("acme.ndjson").unwrap();
        assert!(whole.ends_with(b"\n"), "a kill tears nothing here");
        disk.put("acme.ndjson", [whole, line(70).into_bytes()].concat());
        start(&disk, &store, &settings, "data").await.finish().await;
        assert_eq!(counts(&disk, "acme.ndjson"), [(0, 1), (70, 1)], "killed at operation {kill_at}");
    }
}

/// R4: two `data_dir`s with one archive, one after the other. The first cut what the second had committed.
#[tokio::test(start_paused = true)]
async fn two_pipelines_with_one_archive_lose_nothing_of_each_other() {
    for ending in ["", ".gz", ".zst"] {
        let (disk, settings) = (MemoryDisk::new(), Settings::for_path(&format!("acme.ndjson{ending}")));
        let stores: [Arc<Committed>; 2] = Default::default();
        let mut expected = Vec::new();
        for life in 0..6 {
            let (store, data_dir) = (&stores[life % 2], ["data-1", "data-2"][life % 2]);
            let sink = start(&disk, store, &settings, data_dir).await;
            for sequence in 0..3 {
                let number = life as u64 * 10 + sequence;
                sink.send(origin(life as u64, sequence), &[event(number)]).await.await;
                // The last one of each life isn't committed: it may stay where the other has moved it.
                if sequence < 2 {
                    store.commit(&origin(life as u64, sequence));
                    expected.push((number, 1));
                }
            }
            sink.kill().await;
            disk.restart();
        }
        for (store, data_dir) in stores.iter().zip(["data-1", "data-2"]) {
            start(&disk, store, &settings, data_dir).await.finish().await;
        }
        let mut found = counts(&disk, &format!("acme.ndjson{ending}"));
        assert!(found.iter().all(|(_, count)| *count == 1), "{found:?}");
        found.retain(|(number, _)| number % 10 < 2);
        assert_eq!(found, expected, "{ending}");
    }
}

/// Somebody appends between the look at the file and the append: what is noted is where the append really is.
#[tokio::test(start_paused = true)]
async fn an_append_that_another_one_overtakes_is_noted_where_it_is() {
    let (disk, store, settings) = (MemoryDisk::new(), Arc::default(), Settings::for_path("acme.ndjson"));
    let sink = start(&disk, &store, &settings, "data").await;
    sink.send(origin(1, 0), &[event(0)]).await.await;
    disk.be_faster("acme.ndjson", line(70));
    sink.send(origin(1, 1), &[event(1)]).await.await;
    sink.send(origin(1, 2), &[event(2)]).await.await;
    store.commit(&origin(1, 0));
    store.commit(&origin(1, 2));
    sink.kill().await;
    disk.restart();
    start(&disk, &store, &settings, "data").await.finish().await;
    assert_eq!(counts(&disk, "acme.ndjson"), [(0, 1), (2, 1), (70, 1)]);
}

/// A failed append is taken back also where somebody was faster, and not where that isn't ours.
#[tokio::test(start_paused = true)]
async fn a_failed_append_takes_nothing_of_others_back() {
    let (disk, store, settings) = (MemoryDisk::new(), Arc::default(), Settings::for_path("acme.ndjson"));
    let sink = start(&disk, &store, &settings, "data").await;
    sink.send(origin(1, 0), &[event(0)]).await.await;
    // The journal is cut and written, then the append fails, half of it written.
    disk.fail(2..3, std::io::ErrorKind::StorageFull);
    let ack_receiver = sink.send(origin(1, 1), &[event(1)]).await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    let at = disk.operations();
    disk.be_faster("acme.ndjson", line(70));
    let ack_receiver = sink.send(origin(1, 2), &[event(2)]).await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    assert!(disk.operations() > at);
    sink.finish().await;
    assert_eq!(counts(&disk, "acme.ndjson"), [(0, 1), (1, 1), (2, 1), (70, 1)]);
}

/// Half a line of somebody else's stays theirs; what doesn't decompress is put aside, whole, and a new file begins.
#[tokio::test(start_paused = true)]
async fn a_rest_that_cannot_be_read_spoils_nothing() {
    for (ending, aside) in [("", false), (".gz", true), (".zst", true)] {
        let path = format!("acme.ndjson{ending}");
        let (disk, store, settings) = (MemoryDisk::new(), Arc::default(), Settings::for_path(&path));
        let sink = start(&disk, &store, &settings, "data").await;
        sink.send(origin(1, 0), &[event(0)]).await.await;
        store.commit(&origin(1, 0));
        sink.finish().await;
        disk.append(Path::new(&path), b"half").await.unwrap();
        let before = disk.content(&path).unwrap();
        let sink = start(&disk, &store, &settings, "data").await;
        sink.send(origin(2, 0), &[event(1)]).await.await;
        sink.finish().await;
        if aside {
            assert_eq!(disk.content(format!("{path}.1")), Some(before), "nothing is lost");
            assert_eq!(counts(&disk, &path), [(1, 1)]);
        } else {
            let text = String::from_utf8(disk.content(&path).unwrap()).unwrap();
            assert_eq!(text, format!("{}half\n{}", line(0), line(1)));
        }
    }
}

/// A crash between what was decided and its doing, and somebody who has written or rotated in between.
#[tokio::test(start_paused = true)]
async fn what_was_decided_before_a_crash_is_proven_again_before_it_is_done() {
    for kill_at in 0..16 {
        for rotated in [false, true] {
            let (disk, store, settings) = (MemoryDisk::new(), Arc::default(), Settings::for_path("acme.ndjson"));
            let sink = start(&disk, &store, &settings, "data").await;
            for number in 0..3 {
                sink.send(origin(1, number), &[event(number)]).await.await;
            }
            // The last one is cut, or with the first the file is written anew.
            store.commit(&origin(1, 1));
            sink.kill().await;
            disk.restart();
            disk.go_down_at(kill_at);
            let opening = Running::start(Arc::new(disk.clone()), store.clone(), settings.clone());
            let opened = tokio::select! {
                opened = opening => Some(opened.expect("opens")),
                () = disk.went_down() => None,
            };
            if let Some(sink) = opened {
                sink.kill().await;
            }
            disk.restart();
            if rotated {
                disk.rename(Path::new("acme.ndjson"), Path::new("shipped-acme")).await.unwrap();
            }
            disk.append(Path::new("acme.ndjson"), line(70).as_bytes()).await.unwrap();
            start(&disk, &store, &settings, "data").await.finish().await;
            let expected: &[(u64, usize)] = if rotated { &[(70, 1)] } else { &[(1, 1), (70, 1)] };
            assert_eq!(counts(&disk, "acme.ndjson"), expected, "killed at operation {kill_at}, rotated: {rotated}");
        }
    }
}

/// One archive for two processes at the same time, by another way to it: the second waits until the first has ended.
#[tokio::test]
async fn an_archive_has_one_owner_whatever_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    std::fs::create_dir_all(at("a")).unwrap();
    std::fs::write(at("a/acme.ndjson"), "").unwrap();
    std::os::unix::fs::symlink("a", at("b")).unwrap();
    std::fs::create_dir_all(at("c")).unwrap();
    std::os::unix::fs::symlink("../a/acme.ndjson", at("c/acme.ndjson")).unwrap();
    std::fs::hard_link(at("a/acme.ndjson"), at("acme.ndjson")).unwrap();
    let settings = |path: &str| Settings { timeout: Duration::ZERO, ..Settings::for_path(at(path).to_str().unwrap()) };
    let start = |path: &str, data: &str| {
        let data = at(data);
        let settings = settings(path);
        async move {
            Running::start_in(Arc::new(SystemDisk), Arc::new(Committed::default()), settings, &data, |_| {})
                .await
                .unwrap()
        }
    };
    for (number, path) in ["a/acme.ndjson", "b/acme.ndjson", "c/acme.ndjson", "acme.ndjson"].iter().enumerate() {
        let owner = start("a/acme.ndjson", &format!("first-{number}")).await;
        owner.send(origin(1, 0), &[event(number as u64 * 2)]).await.await;
        let second = start(path, &format!("second-{number}")).await;
        let ack_receiver = second.send(origin(1, 0), &[event(number as u64 * 2 + 1)]).await;
        let health = loop {
            let health = format!("{:?}", second.telemetry.health());
            if health.contains("Waiting") {
                break health;
            }
            tokio::task::yield_now().await;
        };
        assert!(health.contains("another process writes to this file"), "{health}");
        owner.finish().await;
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
        second.finish().await;
    }
    let counts = count([("acme".into(), std::fs::read(at("acme.ndjson")).unwrap())]);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), (0..8).map(|number| (number, 1)).collect::<Vec<_>>());
}
