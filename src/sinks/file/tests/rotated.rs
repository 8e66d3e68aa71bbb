//! Archives that are rotated, cut, removed and replaced, between two runs and while one runs.

use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::support::{Committed, Running, TestEvent, count, origin};
use crate::event::AckOutcome;
use crate::sinks::file::Settings;
use nordpass_env::{Disk, MemoryDisk, SystemDisk};

fn event(number: u64) -> TestEvent {
    TestEvent { number, day: 0, organization: "acme" }
}

const PATH: &str = "archive/acme.ndjson";

/// What people and logrotate do to a file.
#[derive(Clone, Copy, Debug)]
enum Done {
    Moved,
    Create,
    CopyTruncate,
    Removed,
    ReplacedByShorter,
    ReplacedByLonger,
}

const ALL: [Done; 6] =
    [Done::Moved, Done::Create, Done::CopyTruncate, Done::Removed, Done::ReplacedByShorter, Done::ReplacedByLonger];

/// A line that was never ours.
const FOREIGN: &str = "{\"number\":70,\"day\":0,\"organization\":\"acme\"}\n";

/// Does it, and returns which of somebody else's lines are in the new file.
async fn rotate(disk: &MemoryDisk, done: Done) -> usize {
    let (path, moved) = (Path::new(PATH), Path::new("archive/acme.ndjson.1"));
    match done {
        Done::Moved => disk.rename(path, moved).await.unwrap(),
        Done::Create => {
            disk.rename(path, moved).await.unwrap();
            disk.append(path, b"").await.unwrap();
        }
        Done::CopyTruncate => {
            disk.put(moved, disk.content(path).unwrap());
            disk.truncate(path, 0).await.unwrap();
        }
        Done::Removed => disk.remove(path).await.unwrap(),
        Done::ReplacedByShorter => disk.put(path, FOREIGN),
        Done::ReplacedByLonger => disk.put(path, FOREIGN.repeat(9)),
    }
    match done {
        Done::ReplacedByShorter => 1,
        Done::ReplacedByLonger => 9,
        _ => 0,
    }
}

fn counts(disk: &MemoryDisk, path: &str) -> Vec<(u64, usize)> {
    count([(path.into(), disk.content(path).unwrap_or_default())]).into_iter().collect()
}

fn and_foreign(number: u64, foreign: usize) -> Vec<(u64, usize)> {
    [(number, 1), (70, foreign)].into_iter().filter(|(_, count)| *count > 0).collect()
}

async fn start(disk: &MemoryDisk, store: &Arc<Committed>) -> Running {
    let settings = Settings::for_path(PATH);
    Running::start(Arc::new(disk.clone()), store.clone(), settings).await.expect("opens")
}

/// R3: logrotate between two runs was exit 1 for ever, although everything was committed.
#[tokio::test(start_paused = true)]
async fn rotated_between_two_runs_a_new_file_begins() {
    for done in ALL {
        for committed in [true, false] {
            let (disk, store) = (MemoryDisk::new(), Arc::default());
            let sink = start(&disk, &store).await;
            sink.send(origin(1, 0), &[event(0)]).await.await;
            sink.send(origin(1, 1), &[event(1)]).await.await;
            store.commit(&origin(1, 0));
            if committed {
                store.commit(&origin(1, 1));
            }
            sink.kill().await;
            disk.restart();
            let foreign = rotate(&disk, done).await;
            let sink = start(&disk, &store).await;
            assert_eq!(sink.send(origin(2, 0), &[event(2)]).await.await, AckOutcome::Delivered);
            store.commit(&origin(2, 0));
            sink.finish().await;
            start(&disk, &store).await.finish().await;
            assert_eq!(counts(&disk, PATH), and_foreign(2, foreign), "{done:?}, committed: {committed}");
            if matches!(done, Done::Moved | Done::Create | Done::CopyTruncate) {
                assert_eq!(counts(&disk, "archive/acme.ndjson.1"), [(0, 1), (1, 1)], "{done:?}");
            }
        }
    }
}

/// The same while it runs, with a crash behind it.
#[tokio::test(start_paused = true)]
async fn rotated_while_it_runs_a_new_file_begins() {
    for done in ALL {
        for committed in [true, false] {
            let (disk, store) = (MemoryDisk::new(), Arc::default());
            let sink = start(&disk, &store).await;
            sink.send(origin(1, 0), &[event(0)]).await.await;
            let foreign = rotate(&disk, done).await;
            sink.send(origin(1, 1), &[event(1)]).await.await;
            sink.send(origin(1, 2), &[event(2)]).await.await;
            store.commit(&origin(1, 0));
            store.commit(&origin(1, 1));
            if committed {
                store.commit(&origin(1, 2));
            }
            sink.kill().await;
            disk.restart();
            let sink = start(&disk, &store).await;
            let mut expected = and_foreign(1, foreign);
            if committed {
                expected.insert(1, (2, 1));
            }
            assert_eq!(counts(&disk, PATH), expected, "{done:?}, committed: {committed}");
            sink.finish().await;
        }
    }
}

/// At any operation of an append: what is acknowledged is in the old file or in the new one, and nowhere else.
#[tokio::test(start_paused = true)]
async fn rotated_at_any_moment_nothing_is_lost() {
    for at in 0..12 {
        let (disk, store) = (MemoryDisk::new(), Arc::<Committed>::default());
        let settings = Settings { timeout: Duration::ZERO, ..Settings::for_path(PATH) };
        let sink = Running::start(Arc::new(disk.clone()), store.clone(), settings).await.expect("opens");
        sink.send(origin(1, 0), &[event(0)]).await.await;
        store.commit(&origin(1, 0));
        let from = disk.operations();
        let mut second = sink.send(origin(1, 1), &[event(1)]).await;
        // The disk yields at each operation: the rotation comes between two of them.
        let mut outcome = None;
        while outcome.is_none() && disk.operations() < from + at {
            tokio::task::yield_now().await;
            if let Poll::Ready(delivered) = futures::poll!(&mut second) {
                outcome = Some(delivered);
            }
        }
        rotate(&disk, Done::Create).await;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => second.await,
        };
        assert_eq!(outcome, AckOutcome::Delivered, "rotated at operation {at}");
        store.commit(&origin(1, 1));
        sink.finish().await;
        start(&disk, &store).await.finish().await;
        let mut all = counts(&disk, PATH);
        all.extend(counts(&disk, "archive/acme.ndjson.1"));
        let total = |number| all.iter().filter(|(found, _)| *found == number).map(|(_, count)| count).sum::<usize>();
        assert_eq!(total(0), 1, "rotated at operation {at}: {all:?}");
        assert!(total(1) >= 1, "rotated at operation {at}: {all:?}");
    }
}

/// Whoever clears up removes the folder as well.
#[tokio::test]
async fn a_folder_that_is_removed_while_it_runs_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a/archive");
    let path = archive.join("{organization}.ndjson");
    let settings = Settings { timeout: Duration::ZERO, ..Settings::for_path(path.to_str().unwrap()) };
    let data_dir = folder.path().join("data");
    let sink = Running::start_in(Arc::new(SystemDisk), Arc::new(Committed::default()), settings, &data_dir, |_| {})
        .await
        .unwrap();
    for number in 0..3 {
        assert_eq!(sink.send(origin(1, number), &[event(number)]).await.await, AckOutcome::Delivered);
        let content = std::fs::read(archive.join("acme.ndjson")).unwrap();
        assert_eq!(count([("acme".into(), content)]).into_iter().collect::<Vec<_>>(), [(number, 1)]);
        std::fs::remove_dir_all(folder.path().join("a")).unwrap();
    }
    sink.finish().await;
}
