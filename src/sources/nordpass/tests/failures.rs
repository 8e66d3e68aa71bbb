//! Outages, refusals, nonsense, and sinks that don't deliver.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;

use super::rig::{NOW, Rig};
use crate::telemetry::ComponentState;

fn status(status: u16, body: &str) -> http::Response<Bytes> {
    http::Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).expect("a response")
}

fn thousand(rig: &Rig) {
    for number in 0..1000 {
        rig.api.event(NOW - 50_000 + number * 40, &format!("u-{number}"));
    }
}

fn all() -> impl Iterator<Item = String> {
    (0..1000).map(|number| format!("u-{number}"))
}

#[tokio::test(start_paused = true)]
async fn every_third_request_failing_in_every_way_delays_only() {
    let rig = Rig::new();
    thousand(&rig);
    let answers = [
        (401, ""),
        (403, "{}"),
        (429, ""),
        (500, "oops"),
        (503, ""),
        (599, ""),
        (200, "<html>busy</html>"),
        (200, r#"{"data":[{"type":"x""#),
        (200, ""),
        (200, r#"{"data":{}}"#),
        (404, ""),
        (408, ""),
    ];
    *rig.api.fault.lock().unwrap() = Some(Box::new(move |count, _| {
        (count % 3 == 0).then(|| {
            let (code, body) = answers[usize::try_from(count / 3).unwrap() % answers.len()];
            status(code, body)
        })
    }));
    rig.once().await;
    rig.assert_arrived(all());
}

#[tokio::test(start_paused = true)]
async fn a_page_without_data_among_others_is_asked_again() {
    let rig = Rig::new();
    thousand(&rig);
    *rig.api.fault.lock().unwrap() =
        Some(Box::new(|count, _| (count % 5 == 2).then(|| status(200, r#"{"data":null}"#))));
    rig.once().await;
    rig.assert_arrived(all());
}

/// Neither a page nor its count: an answer about something else is no empty page, or the state would pass over the time.
#[tokio::test(start_paused = true)]
async fn json_that_is_no_page_is_waited_out_and_covers_nothing() {
    for answer in [r#"{"message":"We'll be back soon"}"#, "{}", r#"{"data":null,"errors":["unavailable"]}"#] {
        let rig = Rig::new();
        thousand(&rig);
        *rig.api.fault.lock().unwrap() =
            Some(Box::new(move |_, asked| (asked.at < NOW + 3600).then(|| status(200, answer))));
        let running = rig.start(true, |_| true);
        tokio::time::sleep(Duration::from_secs(1800)).await;
        let state = rig.component().status().get();
        assert!(state.reason().is_some_and(|reason| reason.contains("isn't a page")), "{answer}: {state:?}");
        running.ended().await.expect("well");
        rig.assert_arrived(all());
    }
}

#[tokio::test(start_paused = true)]
async fn a_total_as_large_as_numbers_go_panics_nowhere() {
    let rig = Rig::new();
    thousand(&rig);
    {
        let mut behaviour = rig.api.behaviour.lock().unwrap();
        behaviour.total = Some(|_| serde_json::json!(u64::MAX));
        behaviour.largest_page = 1;
    }
    rig.once().await;
    rig.assert_arrived(all());
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_waits_says_so_and_goes_on() {
    let rig = Rig::new();
    thousand(&rig);
    let until = NOW + 600;
    *rig.api.fault.lock().unwrap() = Some(Box::new(move |_, asked| (asked.at < until).then(|| status(401, ""))));
    let running = rig.start(true, |_| true);
    tokio::time::sleep(Duration::from_secs(300)).await;
    let ComponentState::Waiting { reason, .. } = rig.component().status().get() else { panic!("it waits") };
    assert!(reason.contains("Admin Panel") && !reason.contains("token\""), "{reason}");
    assert!(rig.asked().len() < 60, "it doesn't hammer: {}", rig.asked().len());
    running.ended().await.expect("well");
    rig.assert_arrived(all());
}

#[tokio::test(start_paused = true)]
async fn one_second_that_can_never_be_read_delays_nothing_else() {
    // Half a page, and an API that stumbles over an event of its own.
    for poisoned in [|| status(200, r#"{"data":[{"type":"#), || status(500, "")] {
        one_second_can_never_be_read(poisoned).await;
    }
}

async fn one_second_can_never_be_read(poisoned: fn() -> http::Response<Bytes>) {
    let rig = Rig::new();
    thousand(&rig);
    rig.api.event(NOW + 100, "live-1");
    let poison = NOW - 50_000 + 500 * 40;
    *rig.api.fault.lock().unwrap() =
        Some(Box::new(move |_, asked| (asked.from <= poison && poison <= asked.to).then(poisoned)));
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let names = rig.names();
    assert!(names.contains_key("live-1"));
    assert!(names.len() >= 1000, "all but the poisoned second: {}", names.len());
    assert!(!names.contains_key("u-500"));
    *rig.api.fault.lock().unwrap() = None;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.names().contains_key("u-500"), "read as soon as it can be");
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_answers_html_is_waited_out() {
    let rig = Rig::new();
    thousand(&rig);
    *rig.api.fault.lock().unwrap() =
        Some(Box::new(|_, asked| (asked.at < NOW + 7200).then(|| status(200, "<html>maintenance</html>"))));
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(7200)).await;
    let during = rig.asked().len();
    assert!(during < 3000, "{during}");
    tokio::time::sleep(Duration::from_secs(300)).await;
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    rig.assert_arrived(all());
}

#[tokio::test(start_paused = true)]
async fn a_page_too_large_to_read_is_asked_for_in_smaller_ones() {
    let rig = Rig::new();
    thousand(&rig);
    *rig.api.fault.lock().unwrap() = Some(Box::new(|_, asked| (asked.per_page > 20).then(|| status(413, ""))));
    rig.once().await;
    rig.assert_arrived(all());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_always_takes_too_long_is_asked_for_in_smaller_ones() {
    let rig = Rig::new();
    thousand(&rig);
    *rig.api.fault.lock().unwrap() = Some(Box::new(|_, asked| (asked.per_page > 20).then(|| status(598, ""))));
    rig.once().await;
    rig.assert_arrived(all());
}

#[tokio::test(start_paused = true)]
async fn what_the_pipeline_drops_is_not_committed_and_stops_the_source_loudly() {
    let rig = Rig::new();
    thousand(&rig);
    let error = rig.start(true, |number| number != 3).ended().await.expect_err("events were dropped");
    assert!(error.to_string().contains("dropped"), "{error}");
    rig.once().await;
    let names = rig.names();
    assert_eq!(names.len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_written_is_waited_for() {
    let rig = Rig::new();
    thousand(&rig);
    rig.store.broken.store(true, Ordering::Relaxed);
    let running = rig.start(true, |_| true);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(matches!(rig.component().status().get(), ComponentState::Waiting { .. } | ComponentState::Working));
    rig.store.broken.store(false, Ordering::Relaxed);
    running.ended().await.expect("well");
    rig.assert_arrived(all());
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_opened_or_read_is_waited_for() {
    for opens in [false, true] {
        let rig = Rig::new();
        thousand(&rig);
        rig.store.unreadable.store(true, Ordering::Relaxed);
        rig.store.closed.store(!opens, Ordering::Relaxed);
        let running = rig.start(true, |_| true);
        tokio::time::sleep(Duration::from_secs(600)).await;
        let state = rig.component().status().get();
        let expected = if opens { "can't read" } else { "can't open" };
        assert!(state.reason().is_some_and(|reason| reason.contains(expected)), "{state:?}");
        rig.store.unreadable.store(false, Ordering::Relaxed);
        rig.store.closed.store(false, Ordering::Relaxed);
        running.ended().await.expect("well");
        rig.assert_arrived(all());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stands_still_stops_the_reading() {
    let rig = Rig::new();
    for number in 0..59_900 {
        rig.api.event(NOW - 500_000 + number * 9, &format!("u-{number}"));
    }
    let running = rig.start_stalled();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let asked = rig.asked().len();
    tokio::time::sleep(Duration::from_secs(36_000)).await;
    // A sweep may still ask its first question before it waits, too.
    assert!(rig.asked().len() <= asked + 3, "it stopped polling, and waits");
    assert!(asked < 200, "{asked} pages for a channel of eight chunks");
    running.abort();
    rig.once().await;
    assert_eq!(rig.names().len(), 59_900);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_kept_holds_up_no_live_poll() {
    let rig = Rig::new();
    for number in 0..1000 {
        rig.api.event(NOW - 50_000 + number, &format!("u-{number}"));
    }
    // On the second page of a slice of several, whose further pages are being asked for when it comes.
    rig.api.show(NOW - 49_870, NOW - 49_870, serde_json::json!("no event"));
    for minute in 1..=60 {
        rig.api.event(NOW + minute * 60, &format!("live-{minute}"));
    }
    // From the first question on a file stands where the folder should be.
    let folder = rig.dead_letters();
    *rig.api.fault.lock().unwrap() = Some(Box::new(move |count, _| {
        if count == 0 {
            std::fs::write(&folder, "in the way").expect("a file");
        }
        None
    }));
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(3700)).await;
    let names = rig.names();
    let live = names.keys().filter(|name| name.starts_with("live-")).count();
    assert!(live >= 58, "live events go on: {live} of 60");
    assert!(names.len() - live < 1000, "the history waits for the disk");
    std::fs::remove_file(rig.dead_letters()).expect("it was there");
    tokio::time::sleep(Duration::from_secs(600)).await;
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    rig.assert_arrived(all().chain((1..=60).map(|minute| format!("live-{minute}"))));
}
