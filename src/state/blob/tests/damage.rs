//! State is never guessed: what can't be read as this source's own is an error that changes nothing.

use http::StatusCode;

use super::super::super::format::frame::frame;
use super::super::super::format::state::BlobState;
use super::*;
use nordpass_simulator::faults::{Effect, Fault, When};

/// A state with one commit, given back.
async fn committed() -> World {
    let world = World::new();
    let process = world.process(1).await;
    let source = process.open().await;
    source.commit(commit(0)).await.expect("commits");
    process.store.close().await;
    world
}

async fn refusal(world: &World) -> String {
    let process = world.process(2).await;
    match process.store.open(key()).await {
        Err(CheckpointError::Unusable { path, reason }) => format!("{}: {reason}", path.display()),
        other => panic!("{:?}", other.err()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_not_one_is_refused_and_left_alone() {
    let whole = committed().await.simulation.blobs.content(CONTAINER, &World::state_blob()).expect("there");
    let other = SourceKey { name: "other".into(), endpoint: "https://other.example".into() };
    let mut newer = BlobState::new(key()).encode_blob();
    newer[1] = 7;
    let cases = [
        (Vec::new(), "damaged"),
        (b"{}".to_vec(), "damaged"),
        (whole[..whole.len() - 1].to_vec(), "damaged"),
        ([&whole[..], b"x"].concat(), "damaged"),
        (frame(b"nothing of ours"), "its content isn't a state"),
        (frame(&BlobState::new(other).encode_blob()), "the source `other` at https://other.example"),
        (frame(&newer), "a newer version of nordpass-sentinel wrote this (format 7"),
    ];
    for (bytes, words) in cases {
        let world = committed().await;
        world.simulation.blobs.put(CONTAINER, &World::state_blob(), &bytes, world.clock.now());
        let text = refusal(&world).await;
        assert!(text.contains(words) && text.contains("hint:"), "{text}");
        assert_eq!(world.simulation.blobs.content(CONTAINER, &World::state_blob()), Some(bytes));
        // The lease isn't kept in vain: another process reports the same at once.
        assert!(refusal(&world).await.contains(words));
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_gone_are_an_error_not_a_first_run() {
    for remove in [true, false] {
        let world = committed().await;
        let names = world.simulation.blobs.names(CONTAINER);
        let part = names.iter().find(|name| name.contains("/ids/2026-01-10.")).expect("a part").clone();
        if remove {
            world.simulation.blobs.remove(CONTAINER, &part);
        } else {
            let bytes = world.simulation.blobs.content(CONTAINER, &part).expect("there");
            world.simulation.blobs.put(CONTAINER, &part, &bytes[..bytes.len() - 1], world.clock.now());
        }
        let source = world.process(2).await.open().await;
        let error = source.known(NOW..NOW + 60).await.expect_err("unreadable");
        assert!(matches!(error, CheckpointError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains(&part), "{error}");
        // Other days are readable.
        assert_eq!(source.known(NOW - DAY..NOW - DAY + 60).await.expect("readable").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_deleted_while_it_is_used_is_no_first_run() {
    let world = World::new();
    let process = world.process(1).await;
    let source = process.open().await;
    source.commit(commit(0)).await.expect("commits");
    let bytes = world.simulation.blobs.content(CONTAINER, &World::state_blob()).expect("there");
    world.simulation.blobs.remove(CONTAINER, &World::state_blob());
    let error = source.commit(commit(1)).await.expect_err("nothing to replace");
    assert!(error.cure().is_some() && error.to_string().contains("deleted"), "{error}");
    pass(120).await;
    assert!(
        !source.lease_guard().is_held() && source.lease_guard().reason().contains("was deleted while in use"),
        "{}",
        source.lease_guard().reason()
    );
    assert_eq!(world.simulation.blobs.content(CONTAINER, &World::state_blob()), None, "nothing is made up");
    // Restored, it continues.
    world.simulation.blobs.put(CONTAINER, &World::state_blob(), &bytes, world.clock.now());
    tokio::time::timeout(Duration::from_secs(30), source.lease_guard().held()).await.expect("it has it back");
    retry_until_ready(|| source.commit(commit(1))).await.expect("commits");
    assert_eq!(all(&source).await, expected(2));
    assert!(world.now() > NOW);
}

/// Another process waits for it meanwhile, and has seen it.
#[tokio::test(start_paused = true)]
async fn a_state_that_is_deleted_while_another_waits_for_it_is_no_first_run() {
    let world = World::new();
    let (first, second) = (world.process(1).await, world.process(2).await);
    let source = first.open().await;
    source.commit(commit(0)).await.expect("commits");
    assert!(matches!(second.store.open(key()).await, Err(CheckpointError::Held { .. })));
    world.simulation.blobs.remove(CONTAINER, &World::state_blob());
    let Err(error) = second.store.open(key()).await else { panic!("a first run") };
    assert!(error.cure().is_some() && error.to_string().contains("deleted"), "{error}");
    assert_eq!(world.simulation.blobs.content(CONTAINER, &World::state_blob()), None, "nothing is made up");
}

/// The container is deleted while a source is read. The program waits, reports it, and doesn't create it again: Azure
/// couldn't restore it then. Whatever happens to the container, a missing state isn't a first run.
#[tokio::test(start_paused = true)]
async fn a_container_that_is_deleted_while_it_is_used_is_waited_for() {
    for restored in [true, false] {
        let world = committed().await;
        let blobs = &world.simulation.blobs;
        let process = world.process(2).await;
        let source = process.open().await;
        blobs.delete_container(CONTAINER);
        let words = "container no longer exists: restore it";
        // With the same days, whose blobs are appended to, and with a new one.
        let new_day = Commit { ids: vec![known(NOW + 3 * DAY, 7)], ..Commit::default() };
        for commit in [commit(1), new_day, Commit { chunks: vec![1], ..Commit::default() }] {
            let error = source.commit(commit).await.expect_err("nothing to write to");
            assert!(error.cure().is_some() && error.to_string().contains(words), "{error}");
        }
        let error = source.known(NOW..NOW + 60).await.expect_err("nothing to read");
        assert!(error.cure().is_some() && error.to_string().contains(words), "{error}");
        let other = SourceKey { name: "other".into(), ..key() };
        let Err(error) = process.store.open(other).await else { panic!("the container is made again") };
        assert!(error.cure().is_some() && error.to_string().contains(words), "{error}");
        pass(120).await;
        assert!(!source.lease_guard().is_held() && !source.lease_guard().is_lost());
        assert!(source.lease_guard().reason().contains(words), "{}", source.lease_guard().reason());
        assert!(!blobs.has_container(CONTAINER), "nothing is made up");
        if restored {
            assert!(blobs.restore_container(CONTAINER));
        } else {
            // Without the state it waits for that.
            blobs.create_container(CONTAINER);
            pass(120).await;
            assert!(
                source.lease_guard().reason().contains("state's blob was deleted"),
                "{}",
                source.lease_guard().reason()
            );
            assert!(source.commit(commit(1)).await.expect_err("no state").cure().is_some());
            assert_eq!(blobs.names(CONTAINER), Vec::<String>::new(), "nothing is made up");
            blobs.delete_container(CONTAINER);
            // A process that starts now has seen nothing: there it is a first run, as with a deleted state.
            let next = world.process(3).await.open().await;
            assert_eq!((next.document(), all(&next).await), (None, Vec::new()));
            continue;
        }
        tokio::time::timeout(Duration::from_secs(30), source.lease_guard().held()).await.expect("it has it back");
        retry_until_ready(|| source.commit(commit(1))).await.expect("commits");
        assert_eq!(all(&source).await, expected(2));
    }
}

/// All blobs are deleted, one by one: the ids are missed first, and that isn't a damaged state.
#[tokio::test(start_paused = true)]
async fn a_state_that_is_deleted_with_its_ids_is_waited_for() {
    let world = committed().await;
    let blobs = &world.simulation.blobs;
    let process = world.process(2).await;
    let source = process.open().await;
    let kept: Vec<_> = blobs.names(CONTAINER).into_iter().map(|name| (blobs.content(CONTAINER, &name), name)).collect();
    for (_, name) in &kept {
        blobs.remove(CONTAINER, name);
    }
    for error in [
        source.commit(commit(1)).await.expect_err("nothing to append to"),
        source.known(NOW..NOW + 60).await.expect_err("nothing to read"),
    ] {
        assert!(error.cure().is_some() && error.to_string().contains("state's blob was deleted"), "{error}");
    }
    assert_eq!(blobs.names(CONTAINER), Vec::<String>::new(), "nothing is made up");
    pass(60).await;
    // Restored as block blobs, which can't be appended to: the next ids go to others.
    for (bytes, name) in kept {
        blobs.put(CONTAINER, &name, &bytes.expect("content"), world.clock.now());
    }
    retry_until_ready(|| source.commit(commit(1))).await.expect("commits");
    assert_eq!(all(&source).await, expected(2));
}

/// The same while a source is being taken: at each of its requests.
#[tokio::test(start_paused = true)]
async fn a_state_that_is_deleted_while_it_is_taken_is_waited_for() {
    for code in ["BlobNotFound", "ContainerNotFound"] {
        let mut happened = 0;
        // Taking the lease, reading the state, writing it.
        for nth in 2..=4 {
            let world = committed().await;
            let effect = Effect::Status {
                status: StatusCode::NOT_FOUND,
                body: String::new(),
                headers: [("x-ms-error-code".to_owned(), code.to_owned())].into(),
                retry_after: None,
            };
            let when = When { endpoint: Some(Endpoint::Blob), nth: vec![nth], times: Some(1), ..When::default() };
            world.simulation.faults.add(Fault::new(when, effect));
            let process = world.process(2).await;
            let Err(error) = process.store.open(key()).await else { panic!("{code} at {nth}: it was there") };
            assert!(error.cure().is_some(), "{code} at {nth}: {error}");
            let source = process.open().await;
            assert_eq!(all(&source).await, expected(1), "{code} at {nth}");
            happened += world.simulation.faults.happened()[0];
        }
        assert_eq!(happened, 3);
    }
}

/// The state's blob belongs to this process, but another program writes into it.
#[tokio::test(start_paused = true)]
async fn a_state_that_another_wrote_is_never_overwritten() {
    let world = World::new();
    let source = world.process(1).await.open().await;
    source.commit(commit(0)).await.expect("commits");
    let foreign = frame(&BlobState::new(key()).next_run(5).encode_blob());
    world.simulation.blobs.put(CONTAINER, &World::state_blob(), &foreign, world.clock.now());
    assert!(matches!(source.commit(commit(1)).await, Err(CheckpointError::Lost)));
    assert!(source.lease_guard().is_lost());
    assert_eq!(world.simulation.blobs.content(CONTAINER, &World::state_blob()), Some(foreign));
}
