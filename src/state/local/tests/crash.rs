//! Every disk operation fails or is the last one before a crash, in every way; each step then either counts or doesn't.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::disk::{FAULTS, KEPT, Kept, TestDisk};
use super::{DAY, NOW, all, env, key, known, origin, store};
use crate::component::Commit;
use crate::state::LocalStore;
use nordpass_env::{Env, MemoryDisk};

/// The commits of a story that opens the source anew before each index in `REOPENED`.
const COMMITS: usize = 7;
const REOPENED: [usize; 2] = [0, 4];

fn commit(number: usize, document_len: usize) -> Commit {
    let n = i64::try_from(number).unwrap();
    let id = |time, part| known(time, (number * 10 + part) as u128);
    Commit {
        // Two days in turn, now and then the file of the others, and a day of its own.
        ids: vec![
            id(NOW + n, 0),
            id(NOW + n, 1),
            id(NOW - DAY * (n % 3), 2),
            id(if n % 2 == 0 { 0 } else { NOW + n }, 3),
        ],
        chunks: vec![2 * number as u64],
        document: Some(vec![u8::try_from(number).unwrap(); document_len]),
        ..Commit::default()
    }
}

/// What a caller knows of a story on a disk that may crash.
#[derive(Default)]
struct Story {
    /// Commits that succeeded.
    done: usize,
    /// The run of each commit that succeeded or was tried.
    runs: Vec<u64>,
    document_len: usize,
}

impl Story {
    /// Tells the story from where it is, each failed step again, until its end or the crash.
    async fn go_on(&mut self, disk: &TestDisk, commits: usize) {
        let mut reopen = true;
        let mut tries = 0;
        while self.done < commits && !disk.is_dead() {
            tries += 1;
            assert!(tries < 10, "the store doesn't open any more");
            let Ok(store) = store(disk).await else { continue };
            let Ok(source) = store.open(key()).await else { continue };
            while self.done < commits && !disk.is_dead() && (reopen || !REOPENED.contains(&self.done)) {
                self.runs.truncate(self.done);
                self.runs.push(source.run());
                if source.commit(commit(self.done, self.document_len)).await.is_ok() {
                    self.done += 1;
                    reopen = false;
                } else {
                    tries += 1;
                    assert!(tries < 10, "commits don't succeed any more");
                }
            }
            reopen = true;
        }
    }

    /// Looks at the disk after a restart: exactly the commits that succeeded count, or one more, and that one whole.
    async fn check(&mut self, disk: &TestDisk, what: &str) {
        let store = store(disk).await.expect(what);
        let mut committed = Vec::new();
        for (number, &run) in self.runs.iter().enumerate() {
            committed.push(store.is_committed(&origin(run, 2 * number as u64)).await.expect(what));
            assert!(!store.is_committed(&origin(run, 2 * number as u64 + 1)).await.expect(what), "{what}: a gap");
        }
        let source = store.open(key()).await.expect(what);
        let found = source.document().map_or(0, |document| usize::from(document[0]) + 1);
        assert!(found == self.done || found == self.done + 1, "{what}: {found} of {} commits", self.done);
        let expected: Vec<bool> = (0..self.runs.len()).map(|number| number < found).collect();
        assert_eq!(committed, expected, "{what}: chunks");
        let mut ids: Vec<_> =
            (0..found).flat_map(|number| commit(number, 1).ids).map(|known| (known.time, known.id.0)).collect();
        ids.sort_unstable();
        assert_eq!(all(&source).await.expect(what), ids, "{what}: ids");
        self.done = found;
    }
}

async fn crashes_everywhere(document_len: usize, calm: usize, commits: usize) {
    for fault in FAULTS {
        for kept in KEPT {
            for after in 0.. {
                let what = format!("{fault:?} at operation {after}, {kept:?} kept");
                let disk = TestDisk::default();
                let mut story = Story { document_len, ..Story::default() };
                story.go_on(&disk, calm).await;
                disk.fault_after(after, fault, true);
                story.go_on(&disk, commits).await;
                let finished = disk.is_armed();
                disk.restart(kept);
                story.check(&disk, &what).await;
                disk.restart(Kept::Synced);
                story.go_on(&disk, commits).await;
                disk.restart(Kept::Synced);
                story.check(&disk, &what).await;
                assert_eq!(story.done, commits, "{what}");
                if finished {
                    assert!(after > 10, "the story has operations");
                    break;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_operation_leaves_each_commit_whole_or_undone() {
    crashes_everywhere(30, 0, COMMITS).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_the_log_is_written_anew_is_no_different() {
    // 74 frames of 3,5xx bytes fill the log.
    crashes_everywhere(3_500, 70, 77).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_operation_can_be_tried_again_and_counts_once() {
    for fault in FAULTS {
        for after in 0.. {
            let what = format!("{fault:?} at operation {after}");
            let disk = TestDisk::default();
            let mut story = Story { document_len: 30, ..Story::default() };
            disk.fault_after(after, fault, false);
            story.go_on(&disk, COMMITS).await;
            let finished = disk.is_armed();
            disk.restart(Kept::Synced);
            story.check(&disk, &what).await;
            assert_eq!(story.done, COMMITS, "{what}");
            if finished {
                break;
            }
        }
    }
}

/// The hardest case: what failed may be on the disk all the same, the retry cuts it, and the crash comes in between.
#[tokio::test(start_paused = true)]
async fn a_crash_soon_after_a_failed_operation_loses_nothing_either() {
    for fault in FAULTS {
        for later in FAULTS {
            for kept in KEPT {
                for after in 0..45 {
                    for gap in 0..6 {
                        let what = format!("{fault:?} at {after}, then {later:?} {gap} later, {kept:?} kept");
                        let disk = TestDisk::default();
                        let mut story = Story { document_len: 30, ..Story::default() };
                        disk.fault_after(after, fault, false);
                        let mut tries = 0;
                        while disk.is_armed() && story.done < COMMITS {
                            tries += 1;
                            assert!(tries < 30, "{what}: no way on");
                            let next = story.done + 1;
                            story.step(&disk, next, later, gap).await;
                        }
                        disk.restart(kept);
                        story.check(&disk, &what).await;
                    }
                }
            }
        }
    }
}

impl Story {
    /// One commit in a run of its own; arms the second fault as soon as the first has struck.
    async fn step(&mut self, disk: &TestDisk, commits: usize, later: super::disk::Fault, gap: u64) {
        let Ok(store) = store(disk).await else { return };
        let Ok(source) = store.open(key()).await else { return };
        for _ in 0..10 {
            if self.done >= commits || disk.is_dead() {
                return;
            }
            self.runs.truncate(self.done);
            self.runs.push(source.run());
            if source.commit(commit(self.done, self.document_len)).await.is_ok() {
                self.done += 1;
            } else if !disk.is_dead() {
                disk.fault_after(gap, later, true);
            }
        }
    }
}

/// The same on the shared disk in memory, whose power cuts also leave holes of zeros and lose names one by one.
#[tokio::test(start_paused = true)]
async fn a_power_cut_of_the_shared_disk_at_any_operation() {
    for number in 0.. {
        let mut finished = false;
        for seed in 0..12 {
            let what = format!("operation {number}, seed {seed}");
            let disk = MemoryDisk::new();
            let open = async || {
                let env = Env { disk: Arc::new(disk.clone()), ..env(&TestDisk::default()) };
                let store = LocalStore::open(env, Path::new("data")).await?;
                store.open(key()).await
            };
            let done = AtomicUsize::new(0);
            let story = async {
                while done.load(Ordering::Relaxed) < COMMITS {
                    let source = open().await.expect("a calm disk");
                    for _ in 0..3 {
                        let commit = commit(done.load(Ordering::Relaxed), 30);
                        source.commit(commit).await.expect("a calm disk");
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            };
            disk.go_down_at(number);
            tokio::select! {
                () = story => finished = true,
                () = disk.went_down() => {}
            }
            // The writes that were under way end with the program.
            tokio::task::yield_now().await;
            disk.crash(seed);
            let source = open().await.unwrap_or_else(|error| panic!("{what}: {error}"));
            let done = done.load(Ordering::Relaxed);
            let found = source.document().map_or(0, |document| usize::from(document[0]) + 1);
            assert!(found == done || found == done + 1, "{what}: {found} of {done} commits");
            assert_eq!(all(&source).await.expect(&what).len(), found * 4, "{what}");
            source.commit(commit(found, 30)).await.expect(&what);
            assert_eq!(all(&source).await.expect(&what).len(), found * 4 + 4, "{what}");
        }
        if finished {
            assert!(number > 30);
            return;
        }
    }
}

/// What others make durable below it, such as dead letters, must not hang on a folder that a power cut removes.
#[tokio::test(start_paused = true)]
async fn a_power_cut_keeps_the_folder_once_its_lock_is_taken() {
    for seed in 0..12 {
        let disk = MemoryDisk::new();
        let env = Env { disk: Arc::new(disk.clone()), ..env(&TestDisk::default()) };
        LocalStore::open(env.clone(), Path::new("data")).await.expect("a calm disk");
        env.disk.append_synced(Path::new("data/others"), b"durable").await.expect("a calm disk");
        env.disk.sync_dir(Path::new("data")).await.expect("a calm disk");
        disk.crash(seed);
        assert_eq!(disk.content("data/others").as_deref(), Some(&b"durable"[..]), "seed {seed}");
    }
}
