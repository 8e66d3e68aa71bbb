//! One given time: `backfill` and `reconcile`.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::super::state::State;
use super::super::{Comparison, Examine, ReadMode, compare};
use super::rig::{NOW, Rig};
use crate::event::{Chunk, Takeover};

const DAY: i64 = 86_400;
const RANGE: Range<i64> = NOW - 40 * DAY..NOW - 20 * DAY;

impl Rig {
    async fn fetch(&mut self, range: Range<i64>) {
        self.settings.mode = ReadMode::Fetch(range);
        self.once().await;
        self.settings.mode = ReadMode::Follow;
    }

    async fn compare(&self, range: Range<i64>) -> Comparison {
        let shutdown = CancellationToken::new();
        let examined = Arc::new(Examined::default());
        let context = self.context(shutdown, true);
        let comparison = compare(self.settings.clone(), context, range, examined.clone()).await.expect("is compared");
        assert_eq!(examined.acknowledged.load(Ordering::Relaxed), comparison.acknowledged, "each is shown once");
        comparison
    }
}

/// Counts what a comparison shows.
#[derive(Default)]
struct Examined {
    acknowledged: AtomicU64,
}

impl Examine for Examined {
    fn acknowledged(&self, event: &Chunk, copies: u64) {
        assert_eq!(event.events().count(), 1);
        self.acknowledged.fetch_add(copies, Ordering::Relaxed);
    }

    fn is_unwanted(&self, event: &Chunk) -> bool {
        assert_eq!(event.events().count(), 1);
        false
    }
}

/// A rig that has followed seven days, with older events that it never asked for.
async fn with_an_older_time() -> (Rig, Vec<String>) {
    let rig = Rig::new();
    for number in 0..500 {
        rig.api.event(NOW - 7 * DAY + 60 + number * 1000, &format!("live-{number}"));
    }
    let names: Vec<_> = (0..300).map(|number| format!("old-{number}")).collect();
    for (number, name) in (0..).zip(&names) {
        rig.api.event(RANGE.start + 100 + number * 5000, name);
    }
    rig.once().await;
    assert!(!rig.names().contains_key("old-0"));
    (rig, names)
}

#[tokio::test(start_paused = true)]
async fn a_fetch_delivers_what_is_new_once_and_leaves_the_live_cursor() {
    let (mut rig, old) = with_an_older_time().await;
    let document = rig.store.document.lock().unwrap().clone();
    rig.fetch(RANGE).await;
    let live = (0..500).map(|number| format!("live-{number}"));
    rig.assert_arrived(live.clone().chain(old.clone()));
    assert_eq!(*rig.store.document.lock().unwrap(), document, "covered times, sweeps and cursor are as before");

    rig.fetch(RANGE).await;
    rig.once().await;
    rig.assert_arrived(live.chain(old));
}

/// After a takeover the rows of a `backfill` are marked like all others: what the official connector may have delivered
/// reaches as far back as its table.
#[tokio::test(start_paused = true)]
async fn a_fetch_after_a_takeover_marks_what_may_have_been_delivered_before() {
    let (mut rig, old) = with_an_older_time().await;
    assert!(rig.marks.lock().unwrap().values().all(Option::is_none), "no takeover, no mark");
    let mut state = State::decode(rig.store.document.lock().unwrap().as_deref().expect("a state")).expect("readable");
    let time = |number: i64| RANGE.start + 100 + number * 5000;
    state.takeover = Some(Takeover { cursor: time(100), until: time(150) });
    *rig.store.document.lock().unwrap() = Some(state.encode());
    rig.fetch(RANGE).await;
    let marks = rig.marks.lock().unwrap();
    for (number, name) in old.iter().enumerate() {
        let expected = match number {
            0..=100 => Some("likely"),
            101..150 => Some("possible"),
            _ => None,
        };
        assert_eq!(marks.get(name), Some(&expected), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_before_the_first_run_leaves_the_first_connection_to_it() {
    let mut rig = Rig::new();
    rig.api.event(NOW - 30 * DAY, "old-1");
    rig.api.event(NOW - 3 * DAY, "live-1");
    rig.fetch(RANGE).await;
    rig.assert_arrived(["old-1".to_owned()]);
    rig.once().await;
    rig.assert_arrived(["old-1".to_owned(), "live-1".to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn a_comparison_lists_what_is_missing_and_changes_nothing() {
    let (mut rig, old) = with_an_older_time().await;
    let middle = RANGE.start + 100 + 150 * 5000;
    rig.fetch(RANGE.start..middle).await;
    let (document, ids) = (rig.store.document.lock().unwrap().clone(), rig.store.ids.lock().unwrap().clone());
    let arrived = rig.names();

    let comparison = rig.compare(RANGE).await;
    assert_eq!((comparison.acknowledged, comparison.missing.len()), (150, 150));
    assert_eq!((comparison.gone, comparison.unproven), (0, false));
    assert_eq!((comparison.missing[0].time, comparison.missing[0].kind.as_str()), (middle, "item_access.item_viewed"));
    assert!(comparison.missing.is_sorted_by_key(|missing| missing.time));
    assert_eq!((rig.names(), &*rig.store.ids.lock().unwrap()), (arrived, &ids), "nothing is sent, nothing is filed");
    assert_eq!(*rig.store.document.lock().unwrap(), document);

    // The difference alone is fetched, and then there is none.
    let (first, last) = (comparison.missing[0].time, comparison.missing[149].time);
    let before = rig.asked().len();
    rig.fetch(first..last + 1).await;
    // The first question is for the server's time.
    assert!(rig.asked()[before + 1..].iter().all(|asked| asked.to <= last + 1 && asked.from >= first - 1));
    let live = (0..500).map(|number| format!("live-{number}"));
    rig.assert_arrived(live.chain(old));
    let comparison = rig.compare(RANGE).await;
    assert_eq!((comparison.acknowledged, comparison.missing.len()), (300, 0));
}

#[tokio::test(start_paused = true)]
async fn what_nordpass_shows_no_more_is_counted() {
    let (mut rig, _) = with_an_older_time().await;
    rig.fetch(RANGE).await;
    rig.api.forget(RANGE.start + 100);
    let comparison = rig.compare(RANGE).await;
    assert_eq!((comparison.acknowledged, comparison.gone, comparison.missing.len()), (299, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_count_that_does_not_add_up_is_no_proof() {
    let (rig, _) = with_an_older_time().await;
    rig.api.behaviour.lock().unwrap().total = Some(|total| serde_json::json!(total + 3));
    assert!(rig.compare(RANGE).await.unproven);
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle_is_waited_for() {
    let (mut rig, old) = with_an_older_time().await;
    let first = rig.api.count.load(std::sync::atomic::Ordering::Relaxed);
    *rig.api.fault.lock().unwrap() = Some(Box::new(move |count, _| {
        let answer = http::Response::builder().status(503).body(Bytes::new()).expect("a response");
        (first + 3..first + 12).contains(&count).then_some(answer)
    }));
    rig.fetch(RANGE).await;
    let live = (0..500).map(|number| format!("live-{number}"));
    rig.assert_arrived(live.chain(old));
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle_of_a_day_counts_nothing_twice() {
    let (mut rig, _) = with_an_older_time().await;
    rig.fetch(RANGE).await;
    let first = rig.api.count.load(std::sync::atomic::Ordering::Relaxed);
    // After the time and the first slice of a day: all tries of its second slice.
    *rig.api.fault.lock().unwrap() = Some(Box::new(move |count, _| {
        let answer = http::Response::builder().status(200).body(Bytes::from_static(b"<html>")).expect("a response");
        (first + 2..first + 6).contains(&count).then_some(answer)
    }));
    let comparison = rig.compare(RANGE).await;
    assert_eq!((comparison.acknowledged, comparison.gone, comparison.missing.len()), (300, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_is_cut_short_says_so() {
    let (rig, _) = with_an_older_time().await;
    let signal = CancellationToken::new();
    let shutdown = signal.clone();
    signal.cancel();
    let examined = Arc::new(Examined::default());
    let error =
        compare(rig.settings.clone(), rig.context(shutdown, true), RANGE, examined).await.expect_err("is cut short");
    assert!(error.message.contains("before everything was compared"), "{error}");
}
