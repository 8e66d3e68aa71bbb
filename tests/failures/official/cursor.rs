//! D1 to D7: the official connector keeps one number, its cursor, in a file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::nordpass::{Bound, Settings};
use nordpass_simulator::{Endpoint, Reply, SimulationOptions};
use serde_json::{Value, json};

use crate::peers::state::go_down_after_the_answer;
use crate::rig::{DAY, HOUR, MINUTE, Rig, START, event, history, keeping, pass, question};

/// D1: after a run the cursor becomes the clock's time, so an event that the API shows later than it happened, or that
/// happened while the run went on, is never fetched. Here what counts as read never reaches beyond the earlier of both
/// clocks minus `lag`, each poll reads ten minutes again, and such events arrive.
#[tokio::test(start_paused = true)]
async fn d01_the_cursor_is_never_set_to_a_later_clock() {
    let late = Options { late: 0.5, late_by: 400, ..Options::default() };
    let events = Generator::new(1, late).live(START - 90, START + HOUR, 0.1);
    // NordPass's clock is a minute and a half behind this machine's.
    let nordpass = Settings { clock_ahead: -90, ..Settings::default() };
    let mut rig = Rig::new(SimulationOptions { events, nordpass, ..SimulationOptions::default() });
    let life = rig.start();
    for _ in 0..180 {
        pass(20).await;
        let document = rig.state().await.document.unwrap_or_default();
        let covered = document["covered"].as_array().cloned().unwrap_or_default();
        let end = covered.iter().filter_map(|range| range[1].as_i64()).max().unwrap_or(0);
        assert!(end <= rig.now() - 90 - 5, "{end} counts as read at {}", rig.now());
    }
    pass(20 * MINUTE).await;
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}

/// D2: questions have no end, so that the set grows while it is paged: newest first, each new event pushes another onto a
/// page that is already read, or shows one twice. Here each question ends in the past, and 600 events that happen
/// meanwhile change nothing.
#[tokio::test(start_paused = true)]
async fn d02_every_question_has_an_end_in_the_past() {
    let events = Generator::new(7, Options::default()).history(START - 6 * HOUR, START - MINUTE, 3_000);
    let options = SimulationOptions { events, ..SimulationOptions::default() };
    let mut rig = Rig::new(options).with("[transforms.asim]", "requests_per_second = 1\n[transforms.asim]");
    let generator = Generator::new(2, Options::default());
    let trickle = rig.simulation.clone().trickle(generator, 2.0, Arc::new(rig.clock.clone()));
    let trickle = tokio::spawn(trickle);
    let life = rig.start();
    pass(5 * MINUTE).await;
    trickle.abort();
    pass(5 * MINUTE).await;
    assert_eq!(rig.simulation.nordpass.count() / 100, 35, "they happened meanwhile");
    rig.stop(life).await;
    rig.assert_exactly_once().await;
    let questions = rig.questions();
    assert!(questions.iter().any(|(_, asked)| asked["page"].as_u64() > Some(20)), "it was a long reading");
    for (at, asked) in questions {
        assert!(asked["timestamp_to"].as_i64().is_some_and(|to| to <= at - 5), "{asked} at {at}");
    }
}

/// D3: pages are uploaded one by one, but the cursor is stored at the end, so a page that fails makes all pages before it
/// arrive again every minute, without a bound. Here what was delivered is known, page by page: with one page failing for
/// hours, and a restart every hour, nothing arrives twice.
#[tokio::test(start_paused = true)]
async fn d03_a_page_that_keeps_failing_doubles_nothing() {
    let mut rig = Rig::new(SimulationOptions { events: history(1_500), ..SimulationOptions::default() });
    let broken_until = START + 5 * HOUR;
    rig.twist_nordpass(move |request, now, nordpass| {
        let asked = question(request.body());
        let three_days_ago = asked["timestamp_from"].as_i64() < Some(START - 3 * DAY)
            && asked["timestamp_to"].as_i64() > Some(START - 3 * DAY);
        if three_days_ago && asked["page"] == 2 && now.as_second() < broken_until {
            return Reply::json(StatusCode::INTERNAL_SERVER_ERROR, "{}");
        }
        nordpass.handle(request, now)
    });
    for _ in 0..5 {
        let life = rig.start();
        pass(HOUR).await;
        let verdict = rig.asim();
        assert!(verdict.events_delivered >= 700, "what isn't behind that page: {verdict:?}");
        assert_eq!(verdict.events_duplicated, 0, "{verdict:?}");
        rig.kill(life).await;
    }
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
}

/// D4: an error while the cursor is read counts as "no cursor": the last seven days arrive a second time, and a longer gap
/// is lost. Here it is an error, or is waited for, wherever in the start it happens; nothing is read again.
#[tokio::test(start_paused = true)]
async fn d04_an_error_while_the_state_is_read_is_no_first_run() {
    let mut rig = Rig::new(SimulationOptions { events: history(300), ..SimulationOptions::default() });
    assert!(rig.once().await.failures.is_empty());
    let asked = rig.questions().len();
    let (mut failed, mut waited) = (0, 0);
    for turn in 0..60 {
        let life = rig.start();
        // Each turn lets the process come a step further.
        for _ in 0..turn {
            tokio::task::yield_now().await;
        }
        rig.disk.fail_next_reads(3, ErrorKind::Other);
        pass(MINUTE).await;
        if life.is_running() {
            waited += 1;
            rig.kill(life).await;
        } else {
            failed += 1;
            assert!(!life.ended().await.failures.is_empty(), "it ends with an error");
        }
        rig.disk.restart();
    }
    assert!(failed > 0 && waited > 0, "{failed} ended with an error, {waited} waited");
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
    for (at, asked) in &rig.questions()[asked..] {
        assert!(asked["timestamp_from"].as_i64() > Some(START - HOUR), "the history again: {asked} at {at}");
    }
}

/// D5: the cursor is used as it is, however old: after 90 days of standstill every question is refused, for ever. Here no
/// question spans more than the API allows, what it still has arrives, and what it no longer has is written down as a gap.
#[tokio::test(start_paused = true)]
async fn d05_after_a_hundred_days_the_rest_arrives_and_the_gap_is_written_down() {
    let mut rig = Rig::new(SimulationOptions { events: history(100), ..SimulationOptions::default() });
    assert!(rig.once().await.failures.is_empty());
    pass(100 * DAY).await;
    let now = rig.now();
    let events = (0..100).map(|day| event(now - day * DAY - HOUR, &format!("day-{day}"), &json!({})));
    rig.simulation.nordpass.extend(events.collect());
    let life = rig.start();
    pass(HOUR).await;
    let arrived = rig.simulation.ingestion.received().probes;
    for day in 0..89 {
        assert_eq!(arrived.count(&format!("day-{day}")), 1, "day {day}");
    }
    for day in 91..100 {
        assert_eq!(arrived.count(&format!("day-{day}")), 0, "the API no longer has day {day}");
    }
    rig.stop(life).await;
    assert!(rig.requests(Endpoint::Nordpass).iter().all(|request| request.status == Some(StatusCode::OK)));
    let document = rig.state().await.document.expect("a state");
    let gaps: Vec<(i64, i64)> = serde_json::from_value(document["gaps"].clone()).expect("ranges");
    let (first, last) = (gaps[0].0, gaps[gaps.len() - 1].1);
    assert!(first < START && (now - 90 * DAY..now - 90 * DAY + HOUR).contains(&last), "{gaps:?}");
}

/// D6: the cursor knows whole seconds, and nobody says whether the API's bounds count: an event in the cursor's second
/// arrives twice or never. Here questions are a second wider on both sides and events are kept by their own time: right
/// for each of the four kinds of bounds.
#[tokio::test(start_paused = true)]
async fn d06_the_second_at_a_bound_arrives_once_whatever_the_bounds_mean() {
    for (from, to) in [
        (Bound::Inclusive, Bound::Inclusive),
        (Bound::Inclusive, Bound::Exclusive),
        (Bound::Exclusive, Bound::Inclusive),
        (Bound::Exclusive, Bound::Exclusive),
    ] {
        // One in each second: some lie at every bound there is.
        let events = (0..20 * MINUTE).map(|second| event(START + second, &format!("at-{second}"), &json!({})));
        let nordpass = Settings { from, to, ..Settings::default() };
        let options = SimulationOptions { events: events.collect(), nordpass, ..SimulationOptions::default() };
        let mut rig = Rig::new(options).with("[transforms.asim]", "overlap = \"0s\"\n[transforms.asim]");
        let life = rig.start();
        pass(22 * MINUTE).await;
        rig.stop(life).await;
        rig.assert_exactly_once().await;
    }
}

/// D7: an event has no identity, and each copy of it another `TimeGenerated`: nobody can tell copies from events. Here
/// where a crash does make a copy, it has its original's `EventOriginalUid`, and no two events share one.
#[tokio::test(start_paused = true)]
async fn d07_every_copy_has_the_id_of_its_original() {
    let mut rig = Rig::new(keeping(history(1_000)));
    let armed = go_down_after_the_answer(&rig);
    for _ in 0..2 {
        armed.store(true, Ordering::Relaxed);
        let life = rig.start();
        rig.disk.went_down().await;
        rig.kill(life).await;
    }
    assert!(rig.once().await.failures.is_empty());
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut copies: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in rig.rows() {
        let what = (text(&row["AdditionalFields"]["probe"]), text(&row["AdditionalFields"]["OriginalTime"]));
        copies.entry(text(&row["EventOriginalUid"])).or_default().push(what);
    }
    assert_eq!(copies.len(), 1_000, "as many ids as events");
    assert!(copies.values().all(|copies| copies.iter().all(|copy| *copy == copies[0])), "one id, one event");
    assert!(copies.values().any(|copies| copies.len() > 1), "there are copies");
}
