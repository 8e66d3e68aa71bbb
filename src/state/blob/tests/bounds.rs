//! What a commit and a query cost, however long the history is.

use http::Method;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_commit_costs_what_is_new_however_long_the_history() {
    let world = World::new();
    let process = world.process(1).await;
    let source = process.open().await;
    // 90 days with 20,000 ids each: 36 MB of them.
    let mut number = 0;
    for day in (0..90).rev() {
        let ids = (0..20_000)
            .map(|at| known(NOW - day * DAY - at * 4, u128::from(number) * 100_000 + u128::from(at.unsigned_abs())));
        let ids: Vec<_> = ids.collect();
        source.commit(Commit { ids, chunks: vec![number], ..Commit::default() }).await.expect("commits");
        number += 1;
    }
    let stored: usize = world
        .simulation
        .blobs
        .names(CONTAINER)
        .iter()
        .map(|name| world.simulation.blobs.content(CONTAINER, name).unwrap_or_default().len())
        .sum();
    assert!(stored > 30_000_000, "{stored} bytes of history");
    let before = world.requests().len();
    for small in 0..10 {
        let ids = vec![known(NOW + small, u128::MAX - u128::from(small.unsigned_abs()))];
        let document = Some(vec![b'x'; 3_000]);
        source.commit(Commit { ids, chunks: vec![number], document, ..Commit::default() }).await.expect("commits");
        number += 1;
    }
    let requests = &world.requests()[before..];
    let bytes: usize = requests.iter().map(|request| request.body_length).sum();
    // One part is begun, and then each commit is an append and a put. A renewal may come in between.
    assert!(requests.len() <= 2 * 10 + 2, "{} requests for 10 commits", requests.len());
    assert!(bytes <= 10 * 8_192, "{bytes} bytes for 10 commits");
}

#[tokio::test(start_paused = true)]
async fn a_query_reads_its_own_days_only() {
    let world = World::new();
    let first = world.process(1).await;
    let source = first.open().await;
    for day in 0..20 {
        let ids = (0..100).map(|at| known(NOW - day * DAY - at, at.unsigned_abs().into())).collect();
        source.commit(Commit { ids, ..Commit::default() }).await.expect("commits");
    }
    drop(source);
    first.store.close().await;
    let second = world.process(2).await;
    let source = second.open().await;
    let before = world.requests().len();
    assert_eq!(source.known(NOW - 5 * DAY - 50..NOW - 5 * DAY + 1).await.expect("readable").len(), 51);
    let read: Vec<String> = world.requests()[before..]
        .iter()
        .filter(|request| request.method == Method::GET)
        .map(|request| request.path.clone())
        .collect();
    // The 10th of January at midnight, less five days: the two days that the range touches.
    assert!(read.len() <= 2 && read.iter().all(|path| path.contains("2026-01-0")), "{read:?}");
    // The latest moments stay in memory.
    source.known(NOW - 60..NOW + 60).await.expect("readable");
    let before = world.requests().len();
    for _ in 0..5 {
        assert_eq!(source.known(NOW - 60..NOW + 60).await.expect("readable").len(), 61);
    }
    let read = world.requests()[before..].iter().filter(|request| request.method == Method::GET).count();
    assert_eq!(read, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_removed() {
    let world = World::new();
    let process = world.process(1).await;
    let source = process.open().await;
    for day in 0..10 {
        let ids = vec![known(NOW - day * DAY, 1), known(0, u128::from(day.unsigned_abs()))];
        source.commit(Commit { ids, ..Commit::default() }).await.expect("commits");
    }
    let days = || {
        world
            .simulation
            .blobs
            .names(CONTAINER)
            .iter()
            .filter(|name| name.contains("/ids/2026") || name.contains("/ids/2025"))
            .count()
    };
    assert_eq!(days(), 10);
    source.commit(Commit { forget_before: Some(NOW - 3 * DAY), ..Commit::default() }).await.expect("commits");
    assert_eq!(days(), 4);
    drop(source);
    process.store.close().await;
    let source = world.process(2).await.open().await;
    assert_eq!(all(&source).await.len(), 4 + 10, "ids without a time are never forgotten");
}

/// A file takes 50,000 appends; the next one goes to another.
#[tokio::test(start_paused = true)]
async fn a_part_that_is_full_is_followed_by_another() {
    let world = World::new();
    let source = world.process(1).await.open().await;
    for number in 0..50_003_u32 {
        source.commit(Commit { ids: vec![known(NOW, number.into())], ..Commit::default() }).await.expect("commits");
    }
    let names = world.simulation.blobs.names(CONTAINER);
    assert_eq!(names.iter().filter(|name| name.contains("/ids/")).count(), 2);
    assert_eq!(source.known(NOW..NOW + 1).await.expect("readable").len(), 50_003);
}
