//! Crashes: at each operation, with any part of the acknowledged chunks committed, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::support::{Committed, Running, TestEvent, count, origin};
use crate::event::AckOutcome;
use crate::sinks::file::Settings;
use nordpass_env::{MemoryDisk, Random, SeededRandom};

const EVENTS: u64 = 24;
/// A line that was in one of the files before the sink.
const FOREIGN: u64 = 1_000_000;

/// What one seed decides.
struct World {
    random: SeededRandom,
    disk: MemoryDisk,
    store: Arc<Committed>,
    settings: Settings,
    compact_from: Option<u64>,
    committed: BTreeSet<u64>,
    foreign: bool,
    lives: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = SeededRandom::new(seed);
        let ending = ["", ".gz", ".zst"][(random.next_u64() % 3) as usize];
        let mut settings = Settings::for_path(&format!("archive/{{date}}/{{organization}}.ndjson{ending}"));
        settings.max_file_bytes = (random.next_u64().is_multiple_of(2)).then_some(200);
        settings.max_bytes = [1, 150, 4_000_000][(random.next_u64() % 3) as usize];
        let disk = MemoryDisk::new();
        let foreign = ending.is_empty() && random.next_u64().is_multiple_of(2);
        if foreign {
            let line = format!("{{\"number\":{FOREIGN},\"organization\":\"a\"}}\n");
            disk.put("archive/1970-01-01/a.ndjson", line.into_bytes());
        }
        let compact_from = (random.next_u64().is_multiple_of(2)).then_some(300);
        Self {
            random,
            disk,
            store: Arc::default(),
            settings,
            compact_from,
            committed: BTreeSet::new(),
            foreign,
            lives: 0,
        }
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = self.disk.paths().into_iter().filter(|path| path.starts_with("archive"));
        paths.map(|path| (path.clone(), self.disk.content(&path).unwrap())).collect()
    }

    /// Each committed event is in the files once, and nothing else is.
    fn check(&self, when: &str) {
        let mut expected: BTreeMap<u64, usize> = self.committed.iter().map(|number| (*number, 1)).collect();
        if self.foreign {
            expected.insert(FOREIGN, 1);
        }
        assert_eq!(count(self.files()), expected, "{when}");
    }

    /// Mostly a power cut; else only the process was killed.
    fn crash(&self) {
        if self.random.next_u64().is_multiple_of(4) {
            self.disk.restart();
        } else {
            self.disk.crash(self.random.next_u64());
        }
    }

    /// One life of the process: opens the sink, checks what it made of the files, and sends what isn't committed.
    /// `false` when the machine went down.
    async fn live(&mut self, all_commit: bool) -> bool {
        self.lives += 1;
        let run = self.lives;
        let compact_from = self.compact_from;
        let opening = Running::start_in(
            Arc::new(self.disk.clone()),
            self.store.clone(),
            self.settings.clone(),
            "data".as_ref(),
            |sink| {
                if let Some(bytes) = compact_from {
                    sink.writer.as_mut().expect("open").compact_from(bytes);
                }
            },
        );
        let sink = tokio::select! {
            sink = opening => sink.expect("opens"),
            () = self.disk.went_down() => return false,
        };
        self.check("after opening");
        if self.random.next_u64().is_multiple_of(3) {
            let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::Other];
            let first = self.random.next_u64() % 12;
            self.disk.fail(first..first + self.random.next_u64() % 4, kinds[(self.random.next_u64() % 2) as usize]);
        }
        let missing: Vec<TestEvent> =
            (0..EVENTS).filter(|number| !self.committed.contains(number)).map(event).collect();
        let size = 1 + (self.random.next_u64() % 5) as usize;
        let mut ack_receivers = Vec::new();
        let down = self.disk.clone();
        let sending = async {
            for (sequence, events) in missing.chunks(size).enumerate() {
                ack_receivers.push((sink.send(origin(run, sequence as u64), events).await, sequence as u64, events));
            }
        };
        tokio::select! {
            () = sending => {}
            () = down.went_down() => {}
        }
        for (ack_receiver, sequence, events) in ack_receivers {
            let outcome = tokio::select! {
                biased;
                outcome = ack_receiver => outcome,
                () = down.went_down() => break,
            };
            assert_eq!(outcome, AckOutcome::Delivered);
            // Another sink may not have this chunk yet.
            if all_commit || !self.random.next_u64().is_multiple_of(3) {
                self.store.commit(&origin(run, sequence));
                self.committed.extend(events.iter().map(|event| event.number));
            }
        }
        if down.is_down() {
            sink.kill().await;
            return false;
        }
        sink.finish().await;
        true
    }
}

fn event(number: u64) -> TestEvent {
    TestEvent { number, day: i64::from(number / 7 % 2 == 1), organization: ["a", "b", "c"][(number % 3) as usize] }
}

async fn crash_and_recover(seed: u64, first_crash: u64) -> bool {
    let mut world = World::new(seed);
    world.disk.go_down_at(first_crash);
    let reached = !world.live(false).await;
    world.crash();
    // More crashes, in the repair too.
    for _ in 0..world.random.next_u64() % 4 {
        world.disk.go_down_at(world.random.next_u64() % 20);
        world.live(false).await;
        world.crash();
    }
    assert!(world.live(true).await);
    assert_eq!(world.committed.len() as u64, EVENTS);
    world.check("at the end");
    world.disk.crash(world.random.next_u64());
    assert!(world.live(true).await);
    world.check("after a last crash");
    let others = world.disk.paths().into_iter().filter(|path| !path.starts_with("archive"));
    let known = ["archive.log", "archive.log.new", "archive.journal", "archive.journal.new"];
    let known = known.map(|name| format!("data/sinks/{name}")).map(PathBuf::from);
    assert!(others.clone().all(|path| known.contains(&path)), "{:?}", others.collect::<Vec<_>>());
    reached
}

/// For each seed the first crash comes at the first operation, the second, … until the run ends before it comes.
#[tokio::test(start_paused = true)]
async fn each_committed_record_is_there_once_after_a_crash_at_any_operation() {
    let seeds = 10;
    let mut crashes = 0;
    for seed in 0..seeds {
        for first_crash in 0.. {
            let result = AssertUnwindSafe(crash_and_recover(seed, first_crash)).catch_unwind().await;
            match result {
                Ok(true) => crashes += 1,
                Ok(false) => break,
                Err(panic) => panic!("{panic:?}: seed {seed}, crash at operation {first_crash}: see above"),
            }
            assert!(first_crash < 2_000, "it never ends");
        }
    }
    assert!(crashes > seeds * 20, "only {crashes} crashes");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_for() {
    let disk = MemoryDisk::new();
    let store = Arc::new(Committed::default());
    let settings = Settings::for_path("archive/{organization}.ndjson");
    let sink = Running::start(Arc::new(disk.clone()), store, settings).await.unwrap();
    sink.send(origin(1, 0), &[event(6)]).await.await;
    let used: usize = disk.paths().into_iter().map(|path| disk.content(path).unwrap().len()).sum();
    disk.set_capacity(Some(used as u64 + 60));
    let mut ack_receiver = sink.send(origin(1, 1), &[event(0), event(3)]).await;
    let later = sink.send(origin(1, 2), &[event(1)]).await;
    assert!(
        tokio::time::timeout(Duration::from_secs(600), &mut ack_receiver).await.is_err(),
        "nothing is acknowledged"
    );
    let health = format!("{:?}", sink.telemetry.health());
    assert!(health.contains("Waiting") && health.contains("free some space"), "{health}");
    let metrics = sink.telemetry.render();
    assert!(metrics.contains(r#"kind="disk full""#), "{metrics}");
    disk.set_capacity(None);
    assert_eq!((ack_receiver.await, later.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    assert!(format!("{:?}", sink.telemetry.health()).contains("Working"));
    sink.finish().await;
    let files = disk.paths().into_iter().filter(|path| path.starts_with("archive"));
    let counts = count(files.map(|path| (path.clone(), disk.content(path).unwrap())));
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(0, 1), (1, 1), (3, 1), (6, 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_uncommitted_chunk_before_a_committed_one_is_taken_out() {
    let disk = MemoryDisk::new();
    let store = Arc::new(Committed::default());
    let settings = Settings::for_path("archive/{organization}.ndjson.gz");
    let start = |disk: &MemoryDisk| Running::start(Arc::new(disk.clone()), store.clone(), settings.clone());
    let sink = start(&disk).await.unwrap();
    for (sequence, number) in [(0, 0), (1, 3), (2, 6)] {
        sink.send(origin(1, sequence), &[event(number)]).await.await;
    }
    sink.kill().await;
    store.commit(&origin(1, 0));
    store.commit(&origin(1, 2));
    start(&disk).await.unwrap().finish().await;
    let counts = count([(PathBuf::from("archive/a.ndjson.gz"), disk.content("archive/a.ndjson.gz").unwrap())]);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(0, 1), (6, 1)]);

    // What a repair that a crash has interrupted left behind, and that is no longer needed.
    let disk = MemoryDisk::new();
    let sink = start(&disk).await.unwrap();
    sink.send(origin(1, 0), &[event(0)]).await.await;
    sink.kill().await;
    disk.put("archive/a.ndjson.gz.rewrite", b"half".to_vec());
    start(&disk).await.unwrap().finish().await;
    assert_eq!(disk.content("archive/a.ndjson.gz.rewrite"), None);
}
