//! 400 and 413: what becomes a dead letter, and what is waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::{holds, large, rig, rig_of, rows, settings};
use crate::event::{AckOutcome, EventId};
use crate::sinks::sentinel::Settings;

#[tokio::test(start_paused = true)]
async fn a_413_on_a_multi_row_batch_halves_until_accepted_and_an_oversize_row_becomes_a_dead_letter() {
    let mut rig = rig(|_, rows| if rows.len() > 10 || holds(rows, 33) { 413 } else { 204 }).await;
    let mut sent = rows(0..100);
    sent[33] = large(33);
    let ack_receiver = rig.send(0, &sent).await;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..100).filter(|id| *id != 33).collect::<Vec<_>>());
    assert_eq!(rig.dead().len(), 1);
    assert_eq!(rig.dead()[0]["status"], 413);
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_400_is_bisected_to_the_record_which_is_dead_lettered() {
    let mut rig = rig(|_, rows| if holds(rows, 7) || holds(rows, 64) { 400 } else { 204 }).await;
    let ack_receiver = rig.send(0, &rows(0..100)).await;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..100).filter(|id| ![7, 64].contains(id)).collect::<Vec<_>>());
    let mut dead: Vec<_> = rig.dead().iter().map(|letter| letter["id"].as_str().expect("an id").to_owned()).collect();
    dead.sort();
    assert_eq!(dead, [EventId(7).to_string(), EventId(64).to_string()]);
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_everything_with_400_is_waited_for_and_nothing_is_dead_lettered() {
    let open = Arc::new(Mutex::new(false));
    let gate = open.clone();
    let mut rig = rig(move |_, _| if *gate.lock().unwrap() { 204 } else { 400 }).await;
    let mut ack_receiver = rig.send(0, &rows(0..1000)).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(rig.dead().is_empty() && rig.accepted().is_empty());
    assert!(futures::poll!(&mut ack_receiver).is_pending());
    assert!(rig.requests() < 2500, "it doesn't hammer: {}", rig.requests());
    assert!(rig.reason().contains("every record"), "{}", rig.reason());
    *open.lock().unwrap() = true;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..1000).collect::<Vec<_>>());
    assert!(rig.dead().is_empty());
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_lone_refused_record_waits_for_a_later_acceptance_and_holds_nothing_up() {
    let mut rig = rig(|_, rows| if holds(rows, 0) { 400 } else { 204 }).await;
    let mut bad = rig.send(0, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.dead().is_empty(), "no proof yet");
    let good = rig.send(0, &rows(1..50)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(good.await, AckOutcome::Delivered, "the later batch isn't held up");
    assert_eq!(rig.dead().len(), 1);
    assert!(futures::poll!(&mut bad).is_ready());
    rig.end().await;
}

/// Two routes can end in one stream. What came by the one proves something about the other, and their rows share a request.
#[tokio::test(start_paused = true)]
async fn inputs_of_one_stream_share_its_requests_and_its_proof() {
    let one_stream = Settings { streams: vec!["Custom-A".into(), "Custom-A".into()], ..settings() };
    let mut rig = rig_of(&one_stream, |_, rows| if holds(rows, 0) { 400 } else { 204 }).await;
    let bad = rig.send(0, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.dead().is_empty(), "no proof yet");
    let good = rig.send(1, &rows(1..50)).await;
    assert_eq!((good.await, bad.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    assert_eq!((rig.dead().len(), rig.accepted().len()), (1, 49));
    let before = rig.requests();
    let (left, right) = (rig.send(0, &rows(50..60)).await, rig.send(1, &rows(60..70)).await);
    assert_eq!((left.await, right.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    assert_eq!(rig.requests(), before + 1);
    rig.end().await;
}

/// The suspect was settled, and the sink went on saying that it kept and tried it, until the stream's next row: days later.
#[tokio::test(start_paused = true)]
async fn a_record_that_became_a_dead_letter_is_waited_for_no_more() {
    let mut rig = rig(|_, rows| if holds(rows, 3) { 400 } else { 204 }).await;
    for round in 0..8 {
        let ack_receiver = rig.send(0, &rows(0..5 + round)).await;
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(rig.reason(), "Working", "round {round}");
    }
    assert_eq!(rig.dead().len(), 1);
    rig.end().await;
}

/// A process that ended between the dead letter and the acknowledgement waited for a new proof after its restart: on a quiet
/// stream for good, and with it all events that had come in the same chunk.
#[tokio::test(start_paused = true)]
async fn a_record_that_is_a_dead_letter_already_needs_no_second_proof() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let is_refused = move |rows: &[_]| rows.is_empty() || holds(rows, 0);
    let mut rig = rig(move |_, rows| if is_refused(rows) && !gate.load(Ordering::Relaxed) { 400 } else { 204 }).await;
    for round in 0..4 {
        let _sent = rig.send(0, &rows(0..5 + round)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(rig.dead().len(), 1);
    let mut again = rig.send(0, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(futures::poll!(&mut again).is_ready(), "{}", rig.reason());
    // In another stream it is another record.
    let mut elsewhere = rig.send(1, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(futures::poll!(&mut elsewhere).is_pending());
    assert_eq!(rig.dead().len(), 1);
    open.store(true, Ordering::Relaxed);
    rig.end().await;
}

/// What was waited for before a record turned out too large was still said after it was put aside.
#[tokio::test(start_paused = true)]
async fn an_outage_before_a_record_that_is_too_large_is_over_with_it() {
    let mut rig = rig(|number, _| match number {
        0 => 204,
        1..5 => 503,
        _ => 413,
    })
    .await;
    assert_eq!(rig.send(0, &rows(0..1)).await.await, AckOutcome::Delivered);
    let ack_receiver = rig.send(0, &[large(1)]).await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((rig.dead().len(), rig.reason().as_str()), (1, "Working"));
    rig.end().await;
}

/// In Azure's own words, but for records that any server takes: each became a dead letter without a proof.
#[tokio::test(start_paused = true)]
async fn an_azure_that_finds_the_smallest_record_too_large_is_waited_for() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let mut rig = rig(move |_, _| if gate.load(Ordering::Relaxed) { 204 } else { 413 }).await;
    let ack_receiver = rig.send(0, &rows(0..20)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.dead().len(), 0);
    open.store(true, Ordering::Relaxed);
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    rig.end().await;
    assert_eq!((rig.accepted().len(), rig.dead().len()), (20, 0));
}

/// Simulated world 230: everything was refused, then for a moment nothing, then everything again; a record that was
/// caught by both outages became a dead letter.
#[tokio::test(start_paused = true)]
async fn an_outage_of_400_that_comes_again_proves_nothing() {
    let outage = Arc::new(AtomicBool::new(true));
    let again = outage.clone();
    let mut rig = rig(move |_, rows| {
        if holds(rows, 1) {
            again.store(true, Ordering::Relaxed);
            return 204;
        }
        if again.load(Ordering::Relaxed) { 400 } else { 204 }
    })
    .await;
    let caught = rig.send(0, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let moment = rig.send(0, &rows(1..2)).await;
    assert_eq!(moment.await, AckOutcome::Delivered);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.dead().is_empty(), "refused, another accepted, refused again, and so was everything");
    outage.store(false, Ordering::Relaxed);
    assert_eq!(caught.await, AckOutcome::Delivered);
    assert_eq!((rig.accepted().len(), rig.dead().len()), (2, 0));
    rig.end().await;
}

/// An edited stream declaration reaches Azure's nodes one by one: an old one takes a half, then all rows are refused, and
/// an empty array is accepted all the while. One acceptance must not dead-letter the rest of the batch.
#[tokio::test(start_paused = true)]
async fn rows_that_are_all_refused_while_an_empty_array_is_accepted_are_waited_for() {
    let edited = Arc::new(AtomicBool::new(true));
    let gate = edited.clone();
    let mut rig = rig(move |number, rows| match number {
        0 => 400,
        1 => 204,
        _ if rows.is_empty() || !gate.load(Ordering::Relaxed) => 204,
        _ => 400,
    })
    .await;
    let ack_receiver = rig.send(0, &rows(0..100)).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(rig.dead().len(), 0);
    edited.store(false, Ordering::Relaxed);
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    assert_eq!((rig.accepted().len(), rig.dead().len()), (100, 0));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn where_an_empty_array_is_refused_the_next_accepted_request_is_the_proof() {
    let mut rig = rig(|_, rows| if rows.is_empty() || holds(rows, 0) { 400 } else { 204 }).await;
    let bad = rig.send(0, &rows(0..1)).await;
    for (number, dead) in [(1, 0), (2, 1)] {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let good = rig.send(0, &rows(number..number + 1)).await;
        assert_eq!(good.await, AckOutcome::Delivered);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(rig.dead().len(), dead, "after {number}");
    }
    assert_eq!(bad.await, AckOutcome::Delivered);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_finds_everything_too_large_is_waited_for() {
    let open = Arc::new(Mutex::new(false));
    let gate = open.clone();
    let mut rig = rig(move |_, _| if *gate.lock().unwrap() { 204 } else { 414 }).await;
    let _receipt = rig.send(0, &rows(0..20)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.dead().is_empty(), "nothing is dead-lettered on a proxy's word");
    *open.lock().unwrap() = true;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..20).collect::<Vec<_>>());
    assert!(rig.dead().is_empty());
}
