//! State is never guessed: what can't be read as this source's own is an error that changes nothing.

use super::super::super::format::frame::frame;
use super::super::super::format::shared::Shared;
use super::*;

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
    let whole = committed().await.simulation.blobs().content(CONTAINER, &World::state_blob()).expect("there");
    let other = SourceKey { name: "other".into(), endpoint: "https://other.example".into() };
    let mut newer = Shared::new(key()).encode();
    newer[1] = 7;
    let cases = [
        (Vec::new(), "damaged"),
        (b"{}".to_vec(), "damaged"),
        (whole[..whole.len() - 1].to_vec(), "damaged"),
        ([&whole[..], b"x"].concat(), "damaged"),
        (frame(b"nothing of ours"), "doesn't say what a state says"),
        (frame(&Shared::new(other).encode()), "the source `other` at https://other.example"),
        (frame(&newer), "a newer version of nordpass-sentinel wrote this (format 7"),
    ];
    for (bytes, words) in cases {
        let world = committed().await;
        world.simulation.blobs().put(CONTAINER, &World::state_blob(), &bytes, world.clock.now());
        let text = refusal(&world).await;
        assert!(text.contains(words) && text.contains("hint:"), "{text}");
        assert_eq!(world.simulation.blobs().content(CONTAINER, &World::state_blob()), Some(bytes));
        // The lease isn't kept for nothing: another process says the same at once.
        assert!(refusal(&world).await.contains(words));
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_gone_are_an_error_not_a_first_run() {
    for remove in [true, false] {
        let world = committed().await;
        let names = world.simulation.blobs().names(CONTAINER);
        let part = names.iter().find(|name| name.contains("/ids/2026-01-10.")).expect("a part").clone();
        if remove {
            world.simulation.blobs().remove(CONTAINER, &part);
        } else {
            let bytes = world.simulation.blobs().content(CONTAINER, &part).expect("there");
            world.simulation.blobs().put(CONTAINER, &part, &bytes[..bytes.len() - 1], world.clock.now());
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
    let bytes = world.simulation.blobs().content(CONTAINER, &World::state_blob()).expect("there");
    world.simulation.blobs().remove(CONTAINER, &World::state_blob());
    let error = source.commit(commit(1)).await.expect_err("nothing to replace");
    assert!(error.cure().is_some() && error.to_string().contains("deleted"), "{error}");
    pass(120).await;
    assert!(
        !source.hold().is_held() && source.hold().reason().contains("has been deleted"),
        "{}",
        source.hold().reason()
    );
    assert_eq!(world.simulation.blobs().content(CONTAINER, &World::state_blob()), None, "nothing is made up");
    // Restored, it goes on.
    world.simulation.blobs().put(CONTAINER, &World::state_blob(), &bytes, world.clock.now());
    tokio::time::timeout(Duration::from_secs(30), source.hold().held()).await.expect("it has it back");
    patiently(|| source.commit(commit(1))).await.expect("commits");
    assert_eq!(all(&source).await, expected(2));
    assert!(world.now() > NOW);
}

/// Somebody else waits for it meanwhile, and has seen it.
#[tokio::test(start_paused = true)]
async fn a_state_that_is_deleted_while_another_waits_for_it_is_no_first_run() {
    let world = World::new();
    let (first, second) = (world.process(1).await, world.process(2).await);
    let source = first.open().await;
    source.commit(commit(0)).await.expect("commits");
    assert!(matches!(second.store.open(key()).await, Err(CheckpointError::Held { .. })));
    world.simulation.blobs().remove(CONTAINER, &World::state_blob());
    let Err(error) = second.store.open(key()).await else { panic!("a first run") };
    assert!(error.cure().is_some() && error.to_string().contains("deleted"), "{error}");
    assert_eq!(world.simulation.blobs().content(CONTAINER, &World::state_blob()), None, "nothing is made up");
}

/// The state's blob belongs to this process, and somebody writes into it all the same.
#[tokio::test(start_paused = true)]
async fn a_state_that_another_wrote_is_never_overwritten() {
    let world = World::new();
    let source = world.process(1).await.open().await;
    source.commit(commit(0)).await.expect("commits");
    let foreign = frame(&Shared::new(key()).next_run(5).encode());
    world.simulation.blobs().put(CONTAINER, &World::state_blob(), &foreign, world.clock.now());
    assert!(matches!(source.commit(commit(1)).await, Err(CheckpointError::Lost)));
    assert!(source.hold().is_lost());
    assert_eq!(world.simulation.blobs().content(CONTAINER, &World::state_blob()), Some(foreign));
}
