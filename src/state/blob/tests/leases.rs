//! Who has the source, when it goes to another, and that it is never two.

use bytes::Bytes;
use tokio::time::Instant;

use super::*;
use crate::azure::blob::{BlobError, Container, Demand};
use nordpass_simulator::faults::{Effect, Fault, When};

#[tokio::test(start_paused = true)]
async fn a_second_process_waits_and_takes_over_in_time_after_a_crash() {
    let world = World::new();
    let first = world.process(1).await;
    let source = first.open().await;
    source.commit(commit(0)).await.expect("commits");
    let second = world.process(2).await;
    let error = second.store.open(key()).await.err().expect("held");
    assert!(error.to_string().contains("held by another process"), "{error}");
    // However long: it is renewed.
    let opening = tokio::spawn(async move { (second.open().await, second) });
    pass(3_600).await;
    assert!(!opening.is_finished() && source.lease_guard().is_held());
    let crashed = Instant::now();
    drop((source, first));
    let (source, _second) = opening.await.expect("opens");
    assert!(crashed.elapsed() <= Duration::from_secs(60), "{:?}", crashed.elapsed());
    assert!(crashed.elapsed() > Duration::from_secs(20), "not before the lease ends: {:?}", crashed.elapsed());
    assert!(source.lease_guard().is_held());
    assert_eq!(all(&source).await, expected(1));
}

#[tokio::test(start_paused = true)]
async fn another_source_is_nobodys_business() {
    let world = World::new();
    let (first, second) = (world.process(1).await, world.process(2).await);
    let _source = first.open().await;
    let other = SourceKey { name: "other".into(), ..key() };
    let other = second.store.open(other).await.expect("free");
    other.commit(commit(0)).await.expect("commits");
    assert_eq!(all(&other).await, expected(1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_is_taken_at_once() {
    let world = World::new();
    let (first, second) = (world.process(1).await, world.process(2).await);
    let source = first.open().await;
    first.store.close().await;
    assert!(source.lease_guard().is_lost());
    assert!(source.commit(commit(0)).await.is_err(), "nothing is written any more");
    assert!(second.store.open(key()).await.is_ok());
}

/// A holder that is cut off gives up before another process can have the source, and learns that it is lost.
#[tokio::test(start_paused = true)]
async fn a_holder_that_is_cut_off_stops_before_another_can_begin() {
    for cut_after in [0, 7, 14, 15, 16, 29] {
        let world = World::new();
        let (first, second) = (world.process(1).await, world.process(2).await);
        let source = first.open().await;
        pass(cut_after).await;
        first.network.cut(HOST);
        let lease_guard = source.lease_guard();
        let ended = tokio::spawn(async move {
            lease_guard.ended().await;
            Instant::now()
        });
        let taken = tokio::spawn(async move { (second.open().await, Instant::now(), second) });
        let (other, taken, _second) = taken.await.expect("opens");
        let ended = ended.await.expect("ends");
        assert!(ended + Duration::from_secs(5) <= taken, "cut after {cut_after}: {ended:?}, {taken:?}");
        assert!(source.commit(commit(1)).await.is_err());
        other.commit(commit(0)).await.expect("commits");
        first.network.restore(HOST);
        tokio::time::timeout(Duration::from_secs(20), source.lease_guard().lost()).await.expect("it finds out");
        assert!(matches!(source.commit(commit(1)).await, Err(CheckpointError::Storage { .. } | CheckpointError::Lost)));
        assert_eq!(all(&other).await, expected(1));
        assert!(other.lease_guard().is_held());
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_cut_off_goes_on_if_nobody_took_over() {
    let world = World::new();
    let first = world.process(1).await;
    let source = first.open().await;
    source.commit(commit(0)).await.expect("commits");
    first.network.cut(HOST);
    source.lease_guard().ended().await;
    assert!(source.commit(commit(1)).await.is_err());
    pass(600).await;
    assert!(!source.lease_guard().is_held() && !source.lease_guard().is_lost());
    assert!(source.lease_guard().reason().contains("can't be renewed"), "{}", source.lease_guard().reason());
    first.network.restore(HOST);
    tokio::time::timeout(Duration::from_secs(20), source.lease_guard().held()).await.expect("it has it back");
    source.commit(commit(1)).await.expect("commits");
    assert_eq!(all(&source).await, expected(2));
}

/// A lease can be broken from outside. Its former holder doesn't know for a while, and the next one must wait for that
/// long. But the former can't commit anything from the start.
#[tokio::test(start_paused = true)]
async fn after_a_broken_lease_the_next_holder_waits_until_the_last_one_must_have_noticed() {
    let world = World::new();
    let (first, second) = (world.process(1).await, world.process(2).await);
    let source = first.open().await;
    source.commit(commit(0)).await.expect("commits");
    world.simulation.blobs.break_lease(CONTAINER, &World::state_blob());
    let other = second.store.open(key()).await.expect("nobody has it");
    assert!(!other.lease_guard().is_held() && source.lease_guard().is_held(), "both would ask otherwise");
    assert!(matches!(source.commit(commit(1)).await, Err(CheckpointError::Lost)));
    let (ended, begun) = (source.lease_guard(), other.lease_guard());
    let ended = tokio::spawn(async move {
        ended.ended().await;
        Instant::now()
    });
    begun.held().await;
    assert!(ended.is_finished(), "the former has stopped");
    other.commit(commit(1)).await.expect("commits");
    assert_eq!(all(&other).await, expected(2));
    assert_eq!(other.document().as_deref(), Some(&b"document 1"[..]));
}

/// The same with a lost response in between: the next attempt sees its own lease or a free one, while the former holder
/// still relies on the broken one.
#[tokio::test(start_paused = true)]
async fn a_broken_lease_is_not_forgotten_when_an_attempt_fails() {
    let mut happened = 0;
    for effect in [Effect::ResetBefore, Effect::ResetAfter] {
        // The attempt's requests: reading the lease's state, taking it, reading the state, writing it.
        for nth in 1..=4 {
            let world = World::new();
            let (first, second) = (world.process(1).await, world.process(2).await);
            let source = first.open().await;
            world.simulation.blobs.break_lease(CONTAINER, &World::state_blob());
            let when = When { endpoint: Some(Endpoint::Blob), nth: vec![nth], ..When::default() };
            world.simulation.faults.add(Fault::new(when, effect.clone()));
            let other = retry_until_ready(|| second.store.open(key())).await.expect("nobody has it");
            let (ended, begun) = (source.lease_guard(), other.lease_guard());
            let ended = tokio::spawn(async move { ended.ended().await });
            begun.held().await;
            assert!(ended.is_finished(), "{effect:?} at request {nth}: both would ask");
            happened += world.simulation.faults.happened()[0];
        }
    }
    assert_eq!(happened, 8);
}

/// And a third process: the lease must not look free to it, as if it hadn't been broken.
#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_after_a_broken_one_is_not_given_back_early() {
    let world = World::new();
    let (first, second, third) = (world.process(1).await, world.process(2).await, world.process(3).await);
    let source = first.open().await;
    world.simulation.blobs.break_lease(CONTAINER, &World::state_blob());
    // The lease is taken, but the state can't be read.
    let when = When { endpoint: Some(Endpoint::Blob), nth: vec![3], ..When::default() };
    world.simulation.faults.add(Fault::new(when, Effect::ResetBefore));
    assert!(matches!(second.store.open(key()).await, Err(CheckpointError::Storage { .. })));
    assert!(matches!(third.store.open(key()).await, Err(CheckpointError::Held { .. })));
    assert!(source.lease_guard().is_held(), "it may still believe so");
}

/// The same without a commit that would tell: the former holder notices at its next renewal.
#[tokio::test(start_paused = true)]
async fn two_never_hold_at_once_whatever_breaks() {
    let world = World::new();
    let (first, second) = (world.process(1).await, world.process(2).await);
    let source = first.open().await;
    let mut held = (source, None::<Arc<dyn SourceState>>);
    let mut moments = (0, 0);
    for second_number in 0..1_000_u64 {
        pass(1).await;
        match second_number % 194 {
            40 => world.simulation.blobs.break_lease(CONTAINER, &World::state_blob()),
            137 => {
                let (after, now) = (Duration::from_secs(second_number % 31), world.clock.now());
                world.simulation.blobs.break_lease_after(CONTAINER, &World::state_blob(), after, now);
            }
            _ => {}
        }
        if held.1.as_ref().is_none_or(|source| source.lease_guard().is_lost()) {
            held.1 = None;
            held.1 = second.store.open(key()).await.ok();
        }
        if held.0.lease_guard().is_lost()
            && let Ok(source) = first.store.open(key()).await
        {
            held.0 = source;
        }
        let (a, b) =
            (held.0.lease_guard().is_held(), held.1.as_ref().is_some_and(|source| source.lease_guard().is_held()));
        assert!(!(a && b), "both at second {second_number}");
        moments = (moments.0 + u32::from(a), moments.1 + u32::from(b));
    }
    assert!(moments.0 > 30 && moments.1 > 100, "both had it: {moments:?}");
}

/// A broken lease that no other process took continues.
#[tokio::test(start_paused = true)]
async fn a_broken_lease_that_nobody_took_is_taken_back() {
    let world = World::new();
    let first = world.process(1).await;
    let source = first.open().await;
    world.simulation.blobs.break_lease(CONTAINER, &World::state_blob());
    pass(30).await;
    assert!(source.lease_guard().is_held());
    source.commit(commit(0)).await.expect("commits");
    assert_eq!(all(&source).await, expected(1));
}

/// A lease can be broken slowly. While it is "breaking", it can't be renewed, and no process can take it. That isn't
/// another's lease: after that time it is taken back like any broken one.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_being_broken_is_not_lost() {
    for period in [2, 20, 40] {
        let world = World::new();
        let (first, second) = (world.process(1).await, world.process(2).await);
        let source = first.open().await;
        source.commit(commit(0)).await.expect("commits");
        let now = world.clock.now();
        let period = Duration::from_secs(period);
        world.simulation.blobs.break_lease_after(CONTAINER, &World::state_blob(), period, now);
        assert!(matches!(second.store.open(key()).await, Err(CheckpointError::Held { .. })), "it still is somebody's");
        // The first renewal notices.
        pass(16).await;
        assert!(!source.lease_guard().is_lost(), "{period:?}");
        if period.as_secs() > 16 {
            assert!(
                source.lease_guard().reason().contains("LeaseIsBreakingAndCannotBeAcquired"),
                "{}",
                source.lease_guard().reason()
            );
            assert!(source.commit(commit(1)).await.expect_err("not held").cure().is_some());
            assert!(matches!(second.store.open(key()).await, Err(CheckpointError::Held { .. })));
        }
        pass(34).await;
        assert!(source.lease_guard().is_held(), "{period:?}: {}", source.lease_guard().reason());
        source.commit(commit(1)).await.expect("commits");
        assert_eq!(all(&source).await, expected(2));
    }
}

/// The request of a process that has lost its lease arrives late: Azure refuses it, by version and by lease.
#[tokio::test(start_paused = true)]
async fn a_write_that_arrives_late_changes_nothing() {
    let world = World::new();
    let (first, second) = (world.process(1).await, world.process(2).await);
    let source = first.open().await;
    let stale = container(&world);
    let before = stale.get(&World::state_blob()).await.expect("there");
    first.network.cut(HOST);
    let other = second.open().await;
    other.commit(commit(0)).await.expect("commits");
    let lease = "00000000-0000-4000-8000-000000000000";
    let demand = Demand::Same { etag: &before.etag, lease };
    let late = stale.put(&World::state_blob(), before.bytes, demand).await;
    assert!(matches!(late, Err(BlobError::Conflict { .. })), "{late:?}");
    // With the right version, but without the lease.
    let now = stale.get(&World::state_blob()).await.expect("there");
    let demand = Demand::Same { etag: &now.etag, lease };
    let late = stale.put(&World::state_blob(), Bytes::from_static(b"x"), demand).await;
    assert!(matches!(late, Err(BlobError::Conflict { ref code, .. }) if code.starts_with("Lease")), "{late:?}");
    assert_eq!(all(&other).await, expected(1));
    drop(source);
}

/// What the operator sees while the role is missing, and that it works once it is given.
#[tokio::test(start_paused = true)]
async fn a_missing_role_is_named_and_waited_for() {
    let world = World::new();
    world.simulation.blobs.set_forbidden(true);
    let process = world.process(1).await;
    let error = process.store.open(key()).await.err().expect("forbidden");
    assert!(error.to_string().contains("Storage Blob Data Contributor"), "{error}");
    assert!(error.cure().is_some());
    world.simulation.blobs.set_forbidden(false);
    process.open().await;
}

fn container(world: &World) -> Container {
    let env = Env {
        clock: Arc::new(world.clock.clone()),
        random: Arc::new(SeededRandom::new(77)),
        disk: Arc::new(MemoryDisk::new()),
        network: Arc::new(world.simulation.network(Arc::new(world.clock.clone()), 77)),
    };
    let credential = CredentialSettings::from(CredentialKind::Token(Secret::literal("ready")));
    let http = HttpSettings::default();
    Container::new(Simulation::BLOB_URL, CONTAINER, credential, &http, &env).expect("a container")
}
