//! Nothing lost, nothing doubled, whatever the order, the bounds, the pages and the `total`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::rig::{Behaviour, NOW, ROUND_TRIP, Rig, event};

/// 300 events in six seconds, some of them identical in threes.
fn burst(rig: &Rig) -> HashMap<String, usize> {
    let mut expected = HashMap::new();
    for number in 0..300 {
        let time = NOW - 3000 + number / 50;
        let name = if number % 10 < 3 {
            format!("u{}-twin{}", number / 10 % 7, number / 10)
        } else {
            format!("u{}-{number}", number % 17)
        };
        rig.api.event(time, &name);
        *expected.entry(name).or_default() += 1;
    }
    expected
}

#[tokio::test(start_paused = true)]
async fn a_burst_wider_than_a_page_in_unstable_order_with_twins() {
    for inclusive in [true, false] {
        for largest in [20, 1000] {
            let mut rig = Rig::new();
            rig.settings.page_size = 20;
            let expected = burst(&rig);
            *rig.api.behaviour.lock().unwrap() =
                Behaviour { largest_page: largest, inclusive, unstable: true, ..Default::default() };
            rig.once().await;
            assert_eq!(rig.names(), expected, "inclusive {inclusive}, largest page {largest}");
            let mut ids: Vec<_> = rig.arrived.lock().unwrap().iter().map(|(id, _)| *id).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 300, "each copy has an id of its own");
            // And again: everything is known, twins included.
            rig.run_for(Duration::from_secs(2 * 86_400)).await;
            assert_eq!(rig.arrived.lock().unwrap().len(), 300);
        }
    }
}

/// They were asked for one after the other: the end of a backfill took a round trip for each.
#[tokio::test(start_paused = true)]
async fn seconds_at_page_ends_are_asked_for_side_by_side() {
    let mut rig = Rig::new();
    (rig.settings.page_size, rig.settings.concurrency, rig.settings.requests_per_second) = (20, 8, 1000);
    rig.api.behaviour.lock().unwrap().unstable = true;
    // Most pages end between the events of a second.
    for number in 0..1500 {
        rig.api.event(NOW - 3000 + number / 3, &format!("u-{number}"));
    }
    let moments: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = moments.clone();
    *rig.api.fault.lock().unwrap() = Some(Box::new(move |_, asked| {
        if asked.to - asked.from == 2 && asked.per_page == 20 {
            noted.lock().unwrap().push(Instant::now());
        }
        None
    }));
    rig.once().await;
    rig.assert_arrived((0..1500).map(|number| format!("u-{number}")));
    let moments = moments.lock().unwrap();
    assert!(moments.len() > 16, "{} questions", moments.len());
    // The API takes 20 ms for each.
    let most =
        moments.iter().map(|first| moments.iter().filter(|at| *at >= first && **at - *first < ROUND_TRIP).count());
    assert_eq!(most.max(), Some(8));
}

#[tokio::test(start_paused = true)]
async fn events_at_slice_ends_come_once_with_either_bounds() {
    for inclusive in [true, false] {
        let rig = Rig::new();
        rig.api.behaviour.lock().unwrap().inclusive = inclusive;
        for number in 0..3000 {
            rig.api.event(NOW - 3000 + number, &format!("u-{number}"));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        rig.once().await;
        rig.assert_arrived((0..3000).map(|number| format!("u-{number}")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_grows_while_it_is_paged_loses_and_doubles_nothing() {
    let mut rig = Rig::new();
    rig.settings.page_size = 50;
    for number in 0..1000 {
        rig.api.event(NOW - 5000 + number, &format!("u-{number}"));
    }
    // Old events that become visible one by one, each shifting the pages behind it.
    for number in 0..200 {
        rig.api.late(NOW - 5000 + number * 3, NOW + number / 40, &format!("late-{number}"));
    }
    rig.once().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    rig.run_for(Duration::from_secs(2 * 3600)).await;
    let expected = (0..1000).map(|number| format!("u-{number}")).chain((0..200).map(|number| format!("late-{number}")));
    rig.assert_arrived(expected);
}

#[tokio::test(start_paused = true)]
async fn twins_are_not_sent_before_their_number_is_proven_and_are_never_invented() {
    let rig = Rig::new();
    rig.api.behaviour.lock().unwrap().total = None;
    for number in 0..150 {
        rig.api.event(NOW - 1000, &format!("u-{number}"));
    }
    rig.api.event(NOW - 1000, "twin-1");
    rig.api.event(NOW - 1000, "twin-1");
    rig.once().await;
    assert_eq!(rig.names().len(), 151, "without a total: one of each");
    assert_eq!(rig.names()["twin-1"], 1);
    rig.api.behaviour.lock().unwrap().total = Some(|total| json!(total));
    rig.run_for(Duration::from_secs(2 * 3600)).await;
    assert_eq!(rig.names()["twin-1"], 2, "the sweep proved the second");
    assert_eq!(rig.arrived.lock().unwrap().len(), 152);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_total_costs_few_requests_and_no_event() {
    let wrong: [fn(u64) -> serde_json::Value; 6] = [
        |total| json!(total + 5),
        |total| json!(total.saturating_sub(2)),
        |_| json!(1_000_000_000_000u64),
        |_| json!("many"),
        |_| json!(-1),
        |_| json!(0),
    ];
    for (case, total) in wrong.into_iter().enumerate() {
        let rig = Rig::new();
        rig.api.behaviour.lock().unwrap().total = Some(total);
        for number in 0..400 {
            rig.api.event(NOW - 100_000 + number * 200, &format!("u-{number}"));
        }
        rig.once().await;
        assert!(rig.asked().len() < 3000, "case {case}: {} requests", rig.asked().len());
        if total(400) != json!(0) && total(400) != json!(398) {
            rig.assert_arrived((0..400).map(|number| format!("u-{number}")));
        }
    }
}

/// Simulated world 1315: eight events of a first connection came a day late, with the daily sweep.
#[tokio::test(start_paused = true)]
async fn a_slice_whose_order_uses_up_its_questions_is_proven_in_halves() {
    for once in [true, false] {
        let rig = Rig::new();
        *rig.api.behaviour.lock().unwrap() = Behaviour { largest_page: 5, shuffled: true, ..Behaviour::default() };
        let bursts = [(NOW - 9000, 60), (NOW - 4000, 60), (NOW - 3000, 60)];
        let spread = (0..200).map(|number| (NOW - 20_000 + number * 80, format!("s{number}")));
        let burst = bursts
            .into_iter()
            .flat_map(|(at, count)| (0..count).map(move |number| (at + number % 3, format!("u{number}-{at}"))));
        let events: Vec<_> = spread.chain(burst).collect();
        for (at, name) in &events {
            rig.api.event(*at, name);
        }
        if once {
            rig.once().await;
        } else {
            rig.run_for(Duration::from_secs(1800)).await;
        }
        rig.assert_arrived(events.into_iter().map(|(_, name)| name));
    }
}

/// Simulated worlds 2904 and 8482: each sweep used up its questions at the same busy moment.
#[tokio::test(start_paused = true)]
async fn a_late_event_behind_a_busy_moment_is_found_though_no_sweep_gets_so_far() {
    let rig = Rig::new();
    *rig.api.behaviour.lock().unwrap() = Behaviour { largest_page: 5, shuffled: true, ..Behaviour::default() };
    let spread = (0..150).map(|number| (NOW - 20_000 + number * 80, format!("s{number}")));
    let busy = (0..80).map(|number| (NOW - 19_000 + number % 4, format!("b{number}")));
    let mut names = Vec::new();
    for (at, name) in spread.chain(busy) {
        rig.api.event(at, &name);
        names.push(name);
    }
    // After everything in doubt has been proven or given up.
    for number in 0..20 {
        let name = format!("l{number}");
        rig.api.late(NOW - 11_000 + number * 300, NOW + 6 * 3600, &name);
        names.push(name);
    }
    rig.run_for(Duration::from_secs(8 * 3600)).await;
    rig.assert_arrived(names);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_page_than_asked_for_is_understood() {
    let rig = Rig::new();
    rig.api.behaviour.lock().unwrap().largest_page = 7;
    for number in 0..500 {
        rig.api.event(NOW - 5000 + number * 3, &format!("u-{number}"));
    }
    rig.once().await;
    rig.assert_arrived((0..500).map(|number| format!("u-{number}")));
}

#[tokio::test(start_paused = true)]
async fn odd_events_are_kept_and_come_once() {
    let rig = Rig::new();
    let odd = [
        json!({"timestamp": 0}),
        json!({"timestamp": -5}),
        json!({"timestamp": 4_000_000_000i64}),
        json!({"timestamp": (NOW - 100) * 1000}),
        json!({"timestamp": (NOW - 100).to_string()}),
        json!({"timestamp": null, "user": null, "initiator": {"a": 1}, "type": 5}),
    ];
    for (number, change) in odd.iter().enumerate() {
        let mut body = event(NOW - 100, &format!("u-{number}"));
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        rig.api.show(NOW - 100, NOW - 100, body);
    }
    rig.api.show(NOW - 100, NOW - 100, json!("no event"));
    rig.run_for(Duration::from_secs(3 * 3600)).await;
    rig.assert_arrived((0..odd.len()).map(|number| format!("u-{number}")));
}

#[tokio::test(start_paused = true)]
async fn a_day_that_was_denied_when_it_was_read_is_found_by_its_first_audit() {
    let rig = Rig::new();
    // Beyond what any sweep reads again.
    rig.api.event(NOW - 6 * 86_400 - 80_000, "u-1");
    *rig.api.fault.lock().unwrap() = Some(Box::new(|_, asked| {
        let nothing = r#"{"data":[],"metadata":{"total":0,"per_page":100,"current_page":1,"total_pages":0}}"#;
        (asked.at < NOW + 60).then(|| http::Response::new(bytes::Bytes::from_static(nothing.as_bytes())))
    }));
    rig.run_for(Duration::from_secs(25 * 3600)).await;
    rig.assert_arrived(["u-1".to_owned()]);
}
