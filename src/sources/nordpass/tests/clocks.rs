//! Clocks that are wrong for a while.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::super::state::State;
use super::rig::{NOW, Rig};

const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

/// What a node says that has lost its clock.
fn lost(date: &str) -> http::Response<Bytes> {
    let page = r#"{"data":[],"metadata":{"total":0,"per_page":100}}"#;
    http::Response::builder().header("Date", date).body(Bytes::from_static(page.as_bytes())).expect("a response")
}

fn state(rig: &Rig) -> State {
    State::decode(&rig.store.document.lock().unwrap().clone().expect("a state")).expect("a state")
}

/// Nothing was asked while the time seemed to lie before what had been read, so no answer could ever put it right.
#[tokio::test(start_paused = true)]
async fn one_answer_with_a_date_of_long_ago_does_not_end_the_polls() {
    for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "Sun, 15 Nov 2026 20:00:00 GMT"] {
        let rig = Rig::new();
        let mut said = false;
        *rig.api.fault.lock().unwrap() = Some(Box::new(move |_, asked| {
            (asked.at > NOW + 300 && !std::mem::replace(&mut said, asked.at > NOW + 300)).then(|| lost(date))
        }));
        let running = rig.start(false, |_| true);
        for minute in 1..=30 {
            rig.api.event(NOW + minute * 60, &format!("live-{minute}"));
        }
        tokio::time::sleep(Duration::from_secs(31 * 60)).await;
        running.signal.cancel();
        running.ended().await.expect("the source didn't end by itself");
        rig.assert_arrived((1..=30).map(|minute| format!("live-{minute}")));
    }
}

#[tokio::test(start_paused = true)]
async fn polls_that_wait_for_a_clock_say_so_and_are_not_ready() {
    let rig = Rig::new();
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(300)).await;
    rig.api.behaviour.lock().unwrap().behind = 2 * HOUR;
    rig.api.event(NOW + 400, "live-1");
    tokio::time::sleep(Duration::from_secs(300)).await;
    let waits = rig.component().status().get();
    assert!(waits.reason().is_some_and(|reason| reason.contains("clock")), "{waits:?}");
    let asked = rig.asked().len();
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!((rig.asked().len() - asked) <= 35, "no more questions than polls: {}", rig.asked().len() - asked);
    rig.api.behaviour.lock().unwrap().behind = 0;
    tokio::time::sleep(Duration::from_secs(180)).await;
    assert_eq!(rig.component().status().get().reason(), None);
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    rig.assert_arrived(["live-1".to_owned()]);
}

/// The beginning of the history is decided once and for all: with a clock of 1970, or of last year, all the time since then
/// would be a gap.
#[tokio::test(start_paused = true)]
async fn a_first_connection_begins_with_no_clock_that_is_wrong_by_months() {
    for behind in [NOW, 200 * DAY] {
        let rig = Rig::new();
        rig.api.event(NOW - 3 * DAY, "history-1");
        rig.api.event(NOW - 60, "live-1");
        rig.api.behaviour.lock().unwrap().behind = behind;
        let running = rig.start(false, |_| true);
        tokio::time::sleep(Duration::from_secs(900)).await;
        assert!(rig.store.document.lock().unwrap().is_none(), "nothing is decided");
        let waits = rig.component().status().get();
        assert!(waits.reason().is_some_and(|reason| reason.contains("clock")), "{waits:?}");
        rig.api.behaviour.lock().unwrap().behind = 0;
        tokio::time::sleep(Duration::from_secs(900)).await;
        assert_eq!(rig.component().status().get().reason(), None);
        running.signal.cancel();
        running.ended().await.expect("the source didn't end by itself");
        rig.assert_arrived(["history-1", "live-1"].map(str::to_owned));
        let state = state(&rig);
        assert!(state.gaps.is_empty(), "{:?}", state.gaps);
        assert!((NOW - 7 * DAY - 60..NOW - 7 * DAY + 1800).contains(&state.origin), "{}", state.origin - NOW);
    }
}

/// The day's new count was kept although an answer that had lost its clock had cut the reading short: the count was the same at
/// every later audit, and the late event never read.
#[tokio::test(start_paused = true)]
async fn an_audited_day_that_was_not_read_to_its_end_is_read_again() {
    let mut rig = Rig::new();
    rig.settings.poll_interval = Duration::from_secs(300);
    rig.api.event(NOW + 300, "audit-1");
    rig.api.late(NOW + 400, NOW + 12 * DAY, "audit-2");
    let mut cut = 0;
    *rig.api.fault.lock().unwrap() = Some(Box::new(move |_, asked| {
        let is_day = asked.per_page > 1 && asked.to < asked.at - 8 * DAY && asked.at > NOW + 12 * DAY;
        cut += u32::from(is_day);
        (is_day && cut == 1).then(|| lost("Thu, 01 Jan 1970 00:00:00 GMT"))
    }));
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(15 * 86_400)).await;
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    rig.assert_arrived(["audit-1", "audit-2"].map(str::to_owned));
}

/// A machine of the API's had lost its clock and showed nothing. Where the first page was another one's, its counts of 0 were
/// believed for the parts of the time: what they hid waited for the daily sweep.
#[tokio::test(start_paused = true)]
async fn an_answer_that_has_lost_its_clock_proves_nothing() {
    let mut rig = Rig::new();
    rig.settings.page_size = 10;
    for number in 0..35 {
        rig.api.event(NOW - HOUR + 60 * number, &format!("history-{number}"));
    }
    let mut lost_ones = HashMap::<_, u32>::new();
    *rig.api.fault.lock().unwrap() = Some(Box::new(move |_, asked| {
        let number = lost_ones.entry((asked.from, asked.to, asked.page, asked.per_page)).or_default();
        *number += 1;
        let is_first = asked.page == 1 && asked.per_page == 10;
        (!is_first && *number <= 3).then(|| lost("Thu, 01 Jan 1970 00:00:03 GMT"))
    }));
    rig.run_for(Duration::from_secs(20 * 60)).await;
    rig.assert_arrived((0..35).map(|number| format!("history-{number}")));
}
