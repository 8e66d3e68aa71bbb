//! What callers rely on.

use std::path::Path;

use super::disk::{Kept, TestDisk};
use super::{DAY, NOW, all, day_before, env, key, known, open, origin, path, store};
use crate::component::{CheckpointError, Commit, SourceKey};
use crate::state::LocalStore;

fn ids(ids: Vec<crate::component::KnownId>) -> Commit {
    Commit { ids, ..Commit::default() }
}

#[tokio::test(start_paused = true)]
async fn a_first_run_has_nothing_and_a_second_run_has_what_was_committed() {
    let disk = TestDisk::default();
    let first = open(&disk).await.unwrap();
    assert_eq!((first.document(), all(&first).await.unwrap()), (None, vec![]));
    assert_eq!(&*first.key_id(), key().id());
    first.commit(Commit { document: Some(b"{}".to_vec()), ..ids(vec![known(NOW, 7)]) }).await.unwrap();
    first.commit(ids(vec![known(NOW, 8)])).await.unwrap();
    assert_eq!(first.document().unwrap(), b"{}", "no document leaves the one before");
    let run = first.run();
    drop(first);
    let second = open(&disk).await.unwrap();
    assert_ne!(second.run(), run);
    assert_eq!(second.document().unwrap(), b"{}");
    assert_eq!(all(&second).await.unwrap(), [(NOW, 7), (NOW, 8)]);
}

#[tokio::test(start_paused = true)]
async fn any_time_and_any_range() {
    let disk = TestDisk::default();
    let times = [i64::MIN, -DAY, -1, 0, 1, DAY - 1, DAY, NOW, NOW + 1, i64::from(u32::MAX) * 9, i64::MAX - 1];
    let source = open(&disk).await.unwrap();
    let number = |time: i64| u128::from(time.cast_unsigned()) << 64 | 5;
    source.commit(ids(times.iter().map(|&time| known(time, number(time))).collect())).await.unwrap();
    drop(source);
    // Once from disk, once from memory.
    let source = open(&disk).await.unwrap();
    for _ in 0..2 {
        for &from in &times {
            for &to in &times {
                let mut found: Vec<_> =
                    source.known(from..to).await.unwrap().iter().map(|k| (k.time, k.id.0)).collect();
                found.sort_unstable();
                let expected = times.iter().filter(|&&time| from <= time && time < to);
                assert_eq!(found, expected.map(|&time| (time, number(time))).collect::<Vec<_>>(), "{from}..{to}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_days_than_a_state_lists() {
    let disk = TestDisk::default();
    let source = open(&disk).await.unwrap();
    let many: Vec<_> = (0..400).map(|day| known(day_before(day), day.unsigned_abs().into())).collect();
    for part in many.chunks(90) {
        source.commit(ids(part.to_vec())).await.unwrap();
    }
    drop(source);
    let source = open(&disk).await.unwrap();
    assert_eq!(all(&source).await.unwrap().len(), 400);
    assert_eq!(source.known(day_before(399)..day_before(398)).await.unwrap().len(), 1);
    assert!(disk.contents().len() < 140, "{} files", disk.contents().len());
}

#[tokio::test(start_paused = true)]
async fn forgetting_removes_whole_days_and_never_time_0() {
    let disk = TestDisk::default();
    let source = open(&disk).await.unwrap();
    source.commit(ids((0..10).map(|day| known(day_before(day), 1)).chain([known(0, 2)]).collect())).await.unwrap();
    let forget = |time| Commit { forget_before: Some(time), ..Commit::default() };
    source.commit(forget(day_before(5))).await.unwrap();
    source.commit(forget(day_before(5) + 100)).await.unwrap();
    assert_eq!(disk.contents().keys().filter(|path| path.ends_with("other.ids")).count(), 1);
    let left: Vec<_> = disk.contents().into_keys().filter(|path| path.parent().unwrap().ends_with("ids")).collect();
    assert_eq!(left.len(), 7, "{left:?}");
    drop(source);
    let source = open(&disk).await.unwrap();
    assert_eq!(all(&source).await.unwrap().len(), 7);
    // A forgotten day that comes back begins empty.
    source.commit(ids(vec![known(day_before(9), 3)])).await.unwrap();
    drop(source);
    assert_eq!(all(&open(&disk).await.unwrap()).await.unwrap().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn files_that_no_commit_lists_are_removed_and_never_read() {
    let disk = TestDisk::default();
    open(&disk).await.unwrap().commit(ids(vec![known(NOW, 1)])).await.unwrap();
    disk.put(&path("ids/2025-01-01.ids"), b"left behind");
    disk.put(&path("ids/other.ids"), b"left behind");
    assert_eq!(all(&open(&disk).await.unwrap()).await.unwrap().len(), 1);
    assert_eq!(disk.contents().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn committed_chunks_by_source_run_and_number() {
    let disk = TestDisk::default();
    let mut runs = Vec::new();
    for start in 0..18u64 {
        let source = open(&disk).await.unwrap();
        source.commit(Commit { chunks: vec![0, 1, start + 10], ..Commit::default() }).await.unwrap();
        runs.push(source.run());
    }
    let store = store(&disk).await.unwrap();
    for opened in [false, true] {
        let _source = if opened { Some(store.open(key()).await.unwrap()) } else { None };
        let committed = async |run, sequence| store.is_committed(&origin(run, sequence)).await.unwrap();
        for (start, &run) in runs.iter().enumerate().skip(2) {
            let start = start as u64;
            assert!(committed(run, 0).await && committed(run, start + 10).await, "run {start}");
            assert!(!committed(run, 2).await && !committed(run, start + 11).await, "run {start}");
        }
        assert!(committed(runs[0], 2).await, "a run that is forgotten");
        assert!(committed(1, 2).await, "a run that never was");
        let elsewhere = |source: &str| crate::event::Origin { source: source.into(), run: 1, sequence: 2 };
        assert!(store.is_committed(&elsewhere("stdin")).await.unwrap());
        assert!(store.is_committed(&elsewhere("../../etc")).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn the_current_run_is_known_before_its_first_commit() {
    let disk = TestDisk::default();
    let run = open(&disk).await.unwrap().run();
    disk.restart(Kept::Synced);
    assert!(!store(&disk).await.unwrap().is_committed(&origin(run, 0)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_too_long_is_refused_and_changes_nothing() {
    let disk = TestDisk::default();
    let source = open(&disk).await.unwrap();
    let commit = |len| Commit { document: Some(vec![1; len]), ..Commit::default() };
    let error = source.commit(commit(3_501)).await.err().unwrap().to_string();
    assert!(error.contains("the document has 3501 bytes; a state allows at most 3500"), "{error}");
    assert_eq!(source.document(), None);
    source.commit(commit(3_500)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_store_for_a_folder_and_one_user_for_a_source() {
    let disk = TestDisk::default();
    let first = store(&disk).await.unwrap();
    let error = store(&disk).await.err().unwrap();
    assert!(matches!(&error, CheckpointError::Locked { dir } if dir == Path::new("data")), "{error:?}");
    let source = first.open(key()).await.unwrap();
    assert!(first.open(key()).await.err().unwrap().to_string().contains("already open"));
    first.open(SourceKey { name: "another".into(), ..key() }).await.unwrap();
    drop(first);
    assert!(store(&disk).await.is_err(), "a source that may still write holds the folder");
    drop(source);
    let again = store(&disk).await.unwrap();
    drop(again.open(key()).await.unwrap());
    again.open(key()).await.expect("its user is gone");
}

#[tokio::test]
async fn the_machine_keeps_a_second_store_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new").join("data");
    let disk =
        || nordpass_env::Env { disk: std::sync::Arc::new(nordpass_env::SystemDisk), ..env(&TestDisk::default()) };
    let store = LocalStore::open(disk(), &data).await.unwrap();
    let text = LocalStore::open(disk(), &data).await.err().unwrap().to_string();
    assert!(text.ends_with("data is in use by another process"), "{text}");
    let source = store.open(key()).await.unwrap();
    source.commit(ids(vec![known(NOW, 1), known(0, 2)])).await.unwrap();
    drop((source, store));
    let store = LocalStore::open(disk(), &data).await.unwrap();
    assert_eq!(all(&store.open(key()).await.unwrap()).await.unwrap(), [(0, 2), (NOW, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_tear_its_commit() {
    let disk = nordpass_env::MemoryDisk::new();
    let env = || nordpass_env::Env { disk: std::sync::Arc::new(disk.clone()), ..env(&TestDisk::default()) };
    let store = LocalStore::open(env(), Path::new("data")).await.unwrap();
    let source = store.open(key()).await.unwrap();
    for number in 0..20 {
        let mut commit = source.commit(ids(vec![known(NOW, number)]));
        // Every disk operation yields, so that the commit is left at another one each time.
        for _ in 0..=number {
            if futures::poll!(&mut commit).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    source.commit(ids(vec![known(NOW, 99)])).await.unwrap();
    assert_eq!(all(&source).await.unwrap().len(), 21);
    // The program ends in the middle of a commit: nothing of it writes on, and the folder is free.
    let mut commit = source.commit(ids(vec![known(NOW, 100)]));
    assert!(futures::poll!(&mut commit).is_pending());
    tokio::task::yield_now().await;
    drop(commit);
    drop((source, store));
    tokio::task::yield_now().await;
    let operations = disk.operations();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(disk.operations(), operations);
    let store = LocalStore::open(env(), Path::new("data")).await.unwrap();
    assert_eq!(all(&store.open(key()).await.unwrap()).await.unwrap().len(), 21);
}
