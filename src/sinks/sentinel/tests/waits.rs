//! Everything that says nothing about the rows is waited for.

use std::time::Duration;

use super::support::{holds, rig, rows};
use crate::event::AckOutcome;

#[tokio::test(start_paused = true)]
async fn a_429_pauses_the_whole_sink_for_its_retry_after() {
    let mut rig = rig(|number, _| if number == 0 { 429 } else { 204 }).await;
    rig.azure.headers.lock().unwrap().insert("Retry-After", "70".into());
    let first = rig.send(0, &rows(0..10)).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let second = rig.send(1, &rows(10..20)).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(rig.requests(), 1, "nothing is sent meanwhile, to no stream");
    assert_eq!((first.await, second.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    rig.end().await;
    let requests = rig.azure.requests.lock().unwrap();
    assert!(requests[1].0.duration_since(requests[0].0) >= Duration::from_secs(70));
}

#[tokio::test(start_paused = true)]
async fn every_other_failure_is_waited_out_and_never_dead_lettered() {
    let failures = [401, 403, 404, 408, 429, 500, 502, 503, 504, 599, 302, 200];
    let mut rig = rig(move |number, _| {
        // 200 without a body is a gateway's success; here it stands for the end of the row.
        if number < failures.len() - 1 { failures[number] } else { 204 }
    })
    .await;
    let ack_receiver = rig.send(0, &rows(0..10)).await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    assert_eq!((rig.accepted().len(), rig.dead().len(), rig.requests()), (10, 0, 12));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_is_waited_for_in_words() {
    let mut rig = rig(|number, _| if number < 20 { 403 } else { 204 }).await;
    let ack_receiver = rig.send(0, &rows(0..10)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(rig.reason().contains("Monitoring Metrics Publisher"), "{}", rig.reason());
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_takes_no_more_than_its_bound() {
    let mut rig = rig(|_, _| 503).await;
    let mut sent = 0;
    for chunk in 0..200u64 {
        let rows = rows(chunk * 1000..(chunk + 1) * 1000);
        let send = rig.send(0, &rows);
        if tokio::time::timeout(Duration::from_secs(120), send).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 80, "back-pressure after {sent} chunks of 130 kB");
    rig.task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_works_does_not_hide_one_that_waits() {
    let mut rig = rig(|_, rows| if holds(rows, 0) { 404 } else { 204 }).await;
    let _waits = rig.send(0, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let works = rig.send(1, &rows(1..50)).await;
    assert_eq!(works.await, AckOutcome::Delivered);
    assert!(rig.reason().contains("404"), "{}", rig.reason());
    rig.task.abort();
}
