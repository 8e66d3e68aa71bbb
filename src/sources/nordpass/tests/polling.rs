//! What is asked when, and what a restart keeps.

use std::time::Duration;

use super::rig::{NOW, Rig};

const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

#[tokio::test(start_paused = true)]
async fn the_first_connection_asks_for_seven_days_and_later_polls_for_the_new_slice_plus_overlap() {
    let rig = Rig::new();
    for hour in 1..24 * 9 {
        rig.api.event(NOW - hour * HOUR, &format!("u-{hour}"));
    }
    rig.run_for(Duration::from_secs(30)).await;
    let asked = rig.asked();
    let oldest = asked.iter().map(|asked| asked.from).min().expect("requests");
    let newest = asked.iter().filter(|asked| asked.at == NOW).map(|asked| asked.to).max().expect("requests");
    // One second wider on both sides, five seconds behind the clock.
    assert_eq!((oldest, newest), (NOW - 5 - 7 * DAY - 1, NOW - 5));
    assert_eq!(rig.names().len(), 24 * 7 - 1 + 1, "every event of seven days, none older");

    let first = asked.len();
    rig.run_for(Duration::from_secs(185)).await;
    let later = &rig.asked()[first..];
    assert!(later.len() <= 5, "{later:?}");
    for asked in later {
        assert!(asked.from >= asked.at - 5 - 600 - 60 - 31, "only the new slice plus overlap: {asked:?}");
        assert_eq!(asked.to, asked.at - 5);
    }
    assert_eq!(rig.names().len(), 24 * 7, "nothing twice, nothing new");
}

#[tokio::test(start_paused = true)]
async fn polls_come_every_sixty_seconds() {
    let rig = Rig::new();
    rig.run_for(Duration::from_secs(605)).await;
    let mut polls: Vec<i64> =
        rig.asked().iter().filter(|asked| asked.to == asked.at - 5).map(|asked| asked.at).collect();
    polls.dedup();
    // The second one comes early, at a time that each source has for itself.
    let own = polls[1];
    assert!((NOW + 1..=NOW + 60).contains(&own), "{polls:?}");
    assert_eq!(polls[0], NOW);
    assert_eq!(
        polls[1..],
        (0..i64::try_from(polls.len()).unwrap() - 1).map(|minute| own + minute * 60).collect::<Vec<_>>()
    );
    assert!(polls.len() >= 11, "{polls:?}");
}

#[tokio::test(start_paused = true)]
async fn live_events_come_while_a_long_history_is_read() {
    let mut rig = Rig::new();
    rig.settings.requests_per_second = 1;
    for number in 0..30_000 {
        rig.api.event(NOW - 6 * DAY + number * 15, &format!("u-{number}"));
    }
    rig.api.event(NOW + 30, "live-1");
    let running = rig.start(false, |_| true);
    // The second poll may come before the event is there.
    tokio::time::sleep(Duration::from_secs(100)).await;
    let names = rig.names();
    assert!(names.contains_key("live-1") && names.len() < 10_000, "{}", names.len());
    running.kill().await;
}

#[tokio::test(start_paused = true)]
async fn history_is_read_with_all_places_and_no_more() {
    for concurrency in [1, 4, 16] {
        let mut rig = Rig::new();
        (rig.settings.concurrency, rig.settings.requests_per_second) = (concurrency, 1000);
        for number in 0..30_000 {
            rig.api.event(NOW - 6 * DAY + number * 15, &format!("u-{number}"));
        }
        rig.once().await;
        let most = rig.api.most_under_way.load(std::sync::atomic::Ordering::Relaxed);
        // Live polls need no place, and ask with as many pages side by side at most.
        let (least, bound) = (concurrency as u64, 2 * concurrency as u64);
        assert!((least..=bound).contains(&most), "{most} under way with {concurrency} places");
        assert_eq!(rig.names().len(), 30_000);
    }
}

#[tokio::test(start_paused = true)]
async fn once_ends_when_everything_up_to_the_start_is_delivered() {
    let rig = Rig::new();
    for number in 0..1000 {
        rig.api.event(NOW - 5 * DAY + number * 400, &format!("u-{number}"));
    }
    rig.once().await;
    rig.assert_arrived((0..1000).map(|number| format!("u-{number}")));
    rig.once().await;
    assert_eq!(rig.names().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_kill_in_the_middle_of_a_backfill_loses_nothing_and_doubles_nothing_that_was_committed() {
    let rig = Rig::new();
    for number in 0..20_000 {
        rig.api.event(NOW - 6 * DAY + number * 20, &format!("u{}-{number}", number % 50));
    }
    for seconds in [3, 5] {
        let running = rig.start(false, |_| true);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        running.kill().await;
    }
    let before = rig.names().len();
    assert!((100..20_000).contains(&before), "killed in the middle: {before}");
    rig.once().await;
    let names = rig.names();
    assert_eq!(names.len(), 20_000);
    let mut ids: Vec<_> = rig.arrived.lock().unwrap().iter().map(|(id, name)| (*id, name.clone())).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20_000, "a copy has the id of its original");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_days_is_worked_off_beside_the_live_polls() {
    let rig = Rig::new();
    rig.once().await;
    for hour in 0..72 {
        rig.api.event(NOW + hour * HOUR, &format!("u-{hour}"));
    }
    tokio::time::sleep(Duration::from_secs(72 * 3600)).await;
    let before = rig.asked().len();
    rig.once().await;
    rig.assert_arrived((0..72).map(|hour| format!("u-{hour}")));
    let first = &rig.asked()[before];
    assert!(first.from >= NOW + 72 * HOUR - 1300, "the present comes first: {first:?}");
}

#[tokio::test(start_paused = true)]
async fn late_events_are_found_by_overlap_sweeps_and_audit() {
    let mut rig = Rig::new();
    rig.settings.poll_interval = Duration::from_secs(300);
    rig.api.late(NOW + 100, NOW + 500, "overlap-1");
    rig.api.late(NOW + 200, NOW + 5 * HOUR, "hourly-1");
    rig.api.late(NOW + 300, NOW + 3 * DAY, "daily-1");
    rig.api.late(NOW + 400, NOW + 12 * DAY, "audit-1");
    let running = rig.start(false, |_| true);
    let mut seen = Vec::new();
    for seconds in [1000, 6 * HOUR, 4 * DAY, 10 * DAY] {
        tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap())).await;
        seen.push(rig.names().len());
    }
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    assert_eq!(seen, [1, 2, 3, 4], "{:?}", rig.names());
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_clock_is_behind_decides_how_far_a_poll_may_go() {
    let rig = Rig::new();
    rig.api.behaviour.lock().unwrap().behind = 120;
    // The server writes this one two minutes "late", by our clock.
    rig.api.late(NOW - 60, NOW + 61, "u-1");
    rig.run_for(Duration::from_secs(5)).await;
    let document = rig.store.document.lock().unwrap().clone().expect("a state");
    let state = super::super::state::State::decode(&document).expect("a state");
    assert!(state.covered.end().expect("covered") <= NOW - 120);
}

#[tokio::test(start_paused = true)]
async fn an_organization_never_seen_makes_the_look_back_be_read_again() {
    let rig = Rig::new();
    rig.api.event(NOW - HOUR, "a-1");
    rig.once().await;
    // The token now belongs to another organization, with a history of its own.
    let mut old = super::rig::event(NOW - 3 * DAY, "b-1");
    old["organization_uuid"] = "other".into();
    rig.api.show(NOW - 3 * DAY, NOW, old.clone());
    old["timestamp"] = (NOW + 10).into();
    old["metadata"]["name"] = "b-2".into();
    rig.api.show(NOW + 10, NOW + 10, old);
    tokio::time::sleep(Duration::from_secs(60)).await;
    rig.once().await;
    rig.assert_arrived(["a-1", "b-1", "b-2"].map(str::to_owned));
}

#[tokio::test(start_paused = true)]
async fn idle_polling_asks_for_no_more_than_polls_and_sweeps() {
    let rig = Rig::new();
    rig.run_for(Duration::from_secs(3600 * 24)).await;
    let asked = rig.asked().len();
    // 1,440 polls, 23 hourly sweeps and one daily sweep of some slices each, one audit of eight days.
    assert!((1440..1440 + 24 * 8 + 40).contains(&asked), "{asked}");
    let document = rig.store.document.lock().unwrap().clone().expect("a state");
    assert!(document.len() < 600, "{}", String::from_utf8_lossy(&document));
}

/// Runs that follow each other, each with `once`, as an Azure Function's: none of them lives long enough for a sweep, so
/// what is due is made by the run whose turn it is. An event that shows an hour late is behind every overlap.
#[tokio::test(start_paused = true)]
async fn runs_that_follow_each_other_sweep_when_it_is_due() {
    for again in [false, true] {
        let mut rig = Rig::new();
        rig.settings.again_with_once = again;
        rig.once().await;
        rig.api.late(NOW - 2 * HOUR, NOW + 60, "by-the-hourly-sweep");
        rig.api.late(NOW - 5 * DAY, NOW + 60, "by-the-daily-sweep");
        let mut oldest = Vec::new();
        for wait in [HOUR + 120, 60, DAY, 60] {
            tokio::time::sleep(Duration::from_secs(wait.unsigned_abs())).await;
            let before = rig.asked().len();
            rig.once().await;
            let asked = rig.asked().split_off(before);
            let (now, from) = (asked.iter().map(|asked| asked.at).max(), asked.iter().map(|asked| asked.from).min());
            oldest.push(now.expect("requests") - from.expect("requests"));
        }
        let names = rig.names();
        assert_eq!(names.contains_key("by-the-hourly-sweep"), again);
        assert_eq!(names.contains_key("by-the-daily-sweep"), again);
        assert!(oldest[1] < HOUR && oldest[3] < HOUR, "nothing is due so soon again: {oldest:?}");
    }
}

/// A week may be more than one call of a function has time for. Each call goes on where the one before was cut off.
#[tokio::test(start_paused = true)]
async fn a_weeks_sweep_goes_on_from_run_to_run() {
    let mut rig = Rig::new();
    (rig.settings.again_with_once, rig.settings.requests_per_second) = (true, 10);
    for number in 0..60_000 {
        rig.api.event(NOW - 6 * DAY + number * 8, &format!("u-{number}"));
    }
    rig.once().await;
    tokio::time::sleep(Duration::from_secs(DAY.unsigned_abs() + 120)).await;
    let state = || -> serde_json::Value {
        serde_json::from_slice(&rig.store.document.lock().unwrap().clone().expect("a state")).expect("JSON")
    };
    let mut calls = 0;
    while state()["swept_week"].as_i64() < Some(NOW + DAY) {
        // The day's sweep alone takes nine of these seconds.
        let running = rig.start(true, |_| true);
        tokio::time::sleep(Duration::from_secs(35)).await;
        running.signal.cancel();
        running.ended().await.expect("the source ends well");
        calls += 1;
        assert!(calls < 10, "{}", state());
        assert!(state()["swept_day"].as_i64() > Some(NOW + DAY - 60), "the day's comes first");
    }
    assert!(calls > 1, "the week is too much for one call");
    assert_eq!(rig.names().len(), 60_000);
}
