//! Commits, and what becomes of them when answers are lost or the process dies.

use std::collections::BTreeMap;

use http::StatusCode;

use super::*;
use crate::component::{Cursor, Found};
use nordpass_simulator::faults::{Effect, Fault, When};

#[tokio::test(start_paused = true)]
async fn a_state_goes_from_one_process_to_the_next() {
    let world = World::new();
    let first = world.process(1).await;
    let source = first.open().await;
    assert_eq!((source.document(), all(&source).await), (None, Vec::new()));
    for number in 0..3 {
        source.commit(commit(number)).await.expect("commits");
    }
    let run = source.run();
    assert_eq!(all(&source).await, expected(3));
    assert!(first.store.is_committed(&origin(run, 2)).await.expect("readable"));
    assert!(!first.store.is_committed(&origin(run, 3)).await.expect("readable"));
    drop(source);
    first.store.close().await;

    let second = world.process(2).await;
    let committed = async |run, sequence| second.store.is_committed(&origin(run, sequence)).await.expect("readable");
    assert!(committed(run, 2).await && !committed(run, 3).await && committed(99, 5).await);
    let source = second.open().await;
    assert_eq!(source.document().as_deref(), Some(&b"document 2"[..]));
    assert_ne!(source.run(), run);
    assert!(committed(run, 2).await && !committed(run, 3).await && !committed(source.run(), 0).await);
    assert_eq!(all(&source).await, expected(3));
    assert_eq!(source.known(NOW..NOW + 60).await.expect("readable").len(), 3, "only its range");
    source.commit(commit(3)).await.expect("commits");
    assert_eq!(all(&source).await, expected(4));
}

/// A process that crashed comes back after others had the source many times: what it had committed and what not is still
/// known. When the run is forgotten at last, all of it counts as committed: a copy is better than a loss.
#[tokio::test(start_paused = true)]
async fn what_a_crashed_process_committed_is_known_after_many_runs_of_others() {
    let world = World::new();
    let crashed = world.process(1).await;
    let source = crashed.open().await;
    source.commit(commit(0)).await.expect("commits");
    let run = source.run();
    drop((source, crashed));
    pass(60).await;
    let other = world.process(2).await;
    let mut number = 1;
    for (runs, forgotten) in [(100, false), (200, true)] {
        for _ in 0..runs {
            let source = other.open().await;
            source.commit(commit(number)).await.expect("commits");
            number += 1;
            drop(source);
            other.store.close().await;
        }
        let back = world.process(1).await;
        let committed = async |sequence| back.store.is_committed(&origin(run, sequence)).await.expect("readable");
        assert!(committed(0).await);
        assert_eq!(committed(1).await, forgotten, "after {number} runs");
    }
}

/// A fault at each request of a life in turn, of every kind: whatever happens, each commit counts once in the end.
#[tokio::test(start_paused = true)]
async fn each_request_may_fail_in_each_way() {
    let status = |status: u16| Effect::Status {
        status: StatusCode::from_u16(status).expect("a status"),
        body: String::new(),
        headers: BTreeMap::new(),
        retry_after: None,
    };
    let slow = Fault { delay: Duration::from_secs(60), ..Fault::new(When::default(), Effect::None) };
    let mut faults = vec![slow];
    for effect in [
        Effect::ResetBefore,
        Effect::ResetAfter,
        Effect::Html(StatusCode::OK),
        Effect::Html(StatusCode::NOT_FOUND),
        Effect::ExpireTokens,
        status(500),
        status(503),
        status(429),
        status(403),
        status(401),
        status(404),
        status(201),
    ] {
        faults.push(Fault::new(When::default(), effect));
    }
    let mut happened = 0;
    for fault in faults {
        for nth in 1..=24 {
            let world = World::new();
            let when = When { endpoint: Some(Endpoint::Blob), nth: vec![nth], ..When::default() };
            world.simulation.faults.add(Fault { when, ..fault.clone() });
            let process = world.process(1).await;
            let what = format!("{:?}, request {nth}", fault.effect);
            let mut source = process.open().await;
            for number in 0..3 {
                let done = retry_until_ready(|| source.commit(commit(number))).await;
                assert!(done.is_ok(), "{what}: {done:?}");
            }
            assert_eq!(all(&source).await, expected(3), "{what}");
            let run = source.run();
            drop(source);
            process.store.close().await;
            happened += world.simulation.faults.happened()[0];
            let second = world.process(2).await;
            source = second.open().await;
            assert_eq!(source.document().as_deref(), Some(&b"document 2"[..]), "{what}");
            assert_eq!(all(&source).await, expected(3), "{what}");
            for sequence in 0..4 {
                let is = second.store.is_committed(&origin(run, sequence)).await.expect("readable");
                assert_eq!(is, sequence < 3, "{what}: chunk {sequence}");
            }
        }
    }
    assert!(happened > 200, "{happened} faults happened");
}

/// The process dies at each request in turn, which has counted or hasn't: the next one finds all of a commit or nothing.
#[tokio::test(start_paused = true)]
async fn a_commit_is_whole_wherever_the_process_dies() {
    let mut halves = 0;
    for (nth, counted) in (4..=22).flat_map(|nth| [(nth, false), (nth, true)]) {
        let world = World::new();
        let process = world.process(1).await;
        let at = |nth: Vec<u64>, effect| {
            let when = When { endpoint: Some(Endpoint::Blob), nth, ..When::default() };
            world.simulation.faults.add(Fault::new(when, effect));
        };
        if counted {
            at(vec![nth], Effect::ResetAfter);
        }
        at((nth..nth + 1_000).collect(), Effect::ResetBefore);
        let mut done = 0;
        let source = process.open().await;
        for number in 0..3 {
            match source.commit(commit(number)).await {
                Ok(()) => done += 1,
                Err(_) => break,
            }
        }
        let run = source.run();
        // Dead: nothing is given back.
        drop(source);
        drop(process);
        world.simulation.faults.clear();
        let second = world.process(2).await;
        let source = second.open().await;
        let ids = all(&source).await;
        let count = ids.len() as u64 / 3;
        assert!(count == done || count == done + 1, "request {nth}, {counted}: {count} of {done}");
        assert_eq!(ids, expected(count), "request {nth}, {counted}");
        let document = count.checked_sub(1).map(|last| format!("document {last}").into_bytes());
        assert_eq!(source.document(), document, "request {nth}, {counted}");
        for sequence in 0..3 {
            let is = second.store.is_committed(&origin(run, sequence)).await.expect("readable");
            assert_eq!(is, sequence < count, "request {nth}, {counted}: chunk {sequence}");
        }
        halves += u64::from(count == done + 1);
        // And it goes on from there, over what the dead one left behind.
        for number in count..4 {
            source.commit(commit(number)).await.expect("commits");
        }
        assert_eq!(all(&source).await, expected(4), "request {nth}, {counted}");
    }
    assert!(halves > 0, "some answers were lost after the fact");
}

/// Ids of a commit that didn't happen lie behind the committed ones: the next run's ids don't mix with them.
#[tokio::test(start_paused = true)]
async fn what_a_failed_commit_left_behind_counts_for_nobody() {
    let world = World::new();
    let process = world.process(1).await;
    let source = process.open().await;
    source.commit(commit(0)).await.expect("commits");
    // The ids arrive, the state doesn't.
    let when = When { endpoint: Some(Endpoint::Blob), path: Some(World::state_blob()), ..When::default() };
    world.simulation.faults.add(Fault::new(when, Effect::ResetBefore));
    assert!(source.commit(commit(1)).await.is_err());
    world.simulation.faults.clear();
    // Another commit instead, as after a restart.
    source.commit(commit(2)).await.expect("commits");
    let expected: Vec<u128> = vec![0, 2];
    let ids: Vec<u128> =
        all(&source).await.into_iter().filter(|(time, _)| *time == NOW - DAY + 5).map(|(_, id)| id).collect();
    assert_eq!(ids, expected);
    let names = world.simulation.blobs.names(CONTAINER);
    assert_eq!(
        names.iter().filter(|name| name.contains("/ids/2026-01-10.")).count(),
        2,
        "a part of its own: {names:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_too_long_is_refused() {
    let world = World::new();
    let source = world.process(1).await.open().await;
    let commit = Commit { document: Some(vec![0; 3_501]), ..Commit::default() };
    assert!(matches!(source.commit(commit).await, Err(CheckpointError::Disk { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_official_cursor_is_read_and_never_written() {
    let world = World::new();
    let store = world.process(1).await.store;
    let found = async || store.predecessor("nordpass").await.expect("readable").expect("set").found;
    assert_eq!(found().await, Found::Nothing);
    let cursor = NOW.to_be_bytes();
    for (bytes, expected) in [
        (&b""[..], Found::Empty),
        (&b"1234567"[..], Found::Other(7)),
        (&cursor[..], Found::Cursor(Cursor { seconds: NOW, written: Some(NOW) })),
    ] {
        world.simulation.blobs.put("official", "cursor", bytes, Timestamp::from_second(NOW).expect("a time"));
        assert_eq!(found().await, expected);
    }
    assert_eq!(store.predecessor("another").await.expect("readable"), None);
    world.simulation.blobs.set_forbidden(true);
    let error = store.predecessor("nordpass").await.expect_err("nothing is guessed");
    assert!(error.cure().is_some() && error.to_string().contains("Storage Blob Data Contributor"), "{error}");
    let methods: Vec<_> = world.requests().into_iter().map(|request| request.method).collect();
    assert!(methods.iter().all(|method| *method == http::Method::GET), "{methods:?}");
}
