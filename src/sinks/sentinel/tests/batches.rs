//! What goes into a batch, and when it is sent.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::{rig, rows};
use crate::event::AckOutcome;

/// A source whose room was used up by pages with a few rows of a rare table waited for that table's batch to grow old:
/// five seconds for each 8 MiB of a recording.
#[tokio::test(start_paused = true)]
async fn a_batch_that_a_source_waits_for_is_sent_at_once() {
    let mut rig = rig(|_, _| 204).await;
    let began = Instant::now();
    let (rare, frequent) = (rig.send(1, &[json!({"id": 1})]).await, rig.send(0, &[json!({"id": 2})]).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.requests(), 0, "both are still collected");
    let room = rig.room.clone();
    let waiting = room.backpressure().wait();
    assert_eq!((rare.await, frequent.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    drop(waiting);
    let late = rig.send(0, &[json!({"id": 3})]).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(late.await, AckOutcome::Delivered);
    assert!(began.elapsed() >= Duration::from_secs(6), "nobody waits any more: {:?}", began.elapsed());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn rows_are_batched_by_stream_and_acknowledged_after_204() {
    let mut rig = rig(|_, _| 204).await;
    let mut ack_receiver = rig.send(0, &rows(0..100)).await;
    let other = rig.send(1, &rows(100..150)).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(rig.requests(), 0, "the batch is still open");
    assert!(futures::poll!(&mut ack_receiver).is_pending());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.requests(), 2);
    assert_eq!((ack_receiver.await, other.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    rig.end().await;
    assert_eq!(rig.accepted(), (0..150).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn batches_never_exceed_the_limit_and_hold_every_row_once() {
    let mut rig = rig(|_, _| 204).await;
    let mut ack_receivers = Vec::new();
    for chunk in 0..40u64 {
        let rows: Vec<Value> = (0..50)
            .map(|n| json!({"id": chunk * 50 + n, "text": "y".repeat(((chunk * 977 + n * 131) % 4000) as usize)}))
            .collect();
        ack_receivers.push(rig.send(0, &rows).await);
    }
    rig.end().await;
    assert_eq!(rig.accepted(), (0..2000).collect::<Vec<_>>());
    for ack_receiver in ack_receivers {
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }
    assert!(rig.requests() <= 6, "{} requests for 4 MB", rig.requests());
}

#[tokio::test(start_paused = true)]
async fn a_row_of_20_mb_is_cut_and_delivered() {
    let mut rig = rig(|_, _| 204).await;
    let row = json!({"id": 1, "AdditionalFields": {"note": "z".repeat(20_000_000), "platform": "iOS"}});
    let ack_receiver = rig.send(0, &[row]).await;
    rig.end().await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    let accepted = rig.azure.accepted.lock().unwrap();
    assert_eq!(accepted[0]["AdditionalFields"]["platform"], "iOS");
}

#[tokio::test(start_paused = true)]
async fn rows_for_an_auxiliary_table_are_split_by_time() {
    let mut rig = rig(|_, rows| {
        let times = || rows.iter().map(|row| row["time"].as_i64().expect("a time"));
        if times().max().unwrap() - times().min().unwrap() > 1800 { 430 } else { 204 }
    })
    .await;
    let rows: Vec<Value> = (0..200).map(|id| json!({"id": id, "time": (id * 7919) % 20_000})).collect();
    let ack_receiver = rig.send(0, &rows).await;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..200).collect::<Vec<_>>());
    assert_eq!((ack_receiver.await, rig.dead().len()), (AckOutcome::Delivered, 0));
    assert!(rig.requests() < 20, "by time, not by bisecting: {}", rig.requests());
}
