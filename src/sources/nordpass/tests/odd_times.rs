//! Events that the API shows for another time than they say: it may go by when it received them.

use std::time::Duration;

use super::super::state::State;
use super::rig::{NOW, Rig, event};
use crate::state::TimeRanges;

const DAY: i64 = 86_400;

fn slow() -> Rig {
    let mut rig = Rig::new();
    rig.settings.poll_interval = Duration::from_secs(600);
    rig
}

/// Its id was filed apart while its time was days ahead, and looked for under its own time once that had come.
#[tokio::test(start_paused = true)]
async fn an_event_of_the_future_is_sent_once_also_when_its_time_has_come() {
    let rig = slow();
    rig.api.show(NOW + 100, NOW + 100, event(NOW + 100 + 3 * DAY, "future-1"));
    rig.run_for(Duration::from_secs(9 * 86_400)).await;
    rig.assert_arrived(["future-1".to_owned()]);
}

/// Its id was filed under its own time and forgotten with that day, while the sweeps still saw it.
#[tokio::test(start_paused = true)]
async fn an_event_of_nearly_90_days_ago_is_sent_once_also_when_its_day_is_forgotten() {
    let rig = slow();
    for (number, hours) in [(1, 89 * 24), (2, 90 * 24 + 12), (3, 84 * 24), (4, 81 * 24)] {
        rig.api.show(NOW + 100, NOW + 100, event(NOW - hours * 3600, &format!("old-{number}")));
    }
    rig.run_for(Duration::from_secs(9 * 86_400)).await;
    rig.assert_arrived((1..=4).map(|number| format!("old-{number}")));
}

/// What an event without a usable place was filed under is also looked at where a slice has its time.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_shown_for_its_own_time_after_all_is_sent_once() {
    let rig = slow();
    let future = NOW + 100 + 2 * DAY;
    rig.api.show(NOW + 100, NOW + 100, event(future, "moved-1"));
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    rig.api.forget(NOW + 100);
    rig.api.show(future, future, event(future, "moved-1"));
    tokio::time::sleep(Duration::from_secs(2 * 86_400)).await;
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    rig.assert_arrived(["moved-1".to_owned()]);
}

/// The second that it says counted as not covered from then on: the state's lag grew for days, and nothing was behind.
#[tokio::test(start_paused = true)]
async fn an_event_that_says_another_time_leaves_no_hole_there() {
    let rig = slow();
    rig.api.show(NOW + 100, NOW + 100, event(NOW - 3 * DAY, "late-1"));
    rig.run_for(Duration::from_secs(3000)).await;
    rig.assert_arrived(["late-1".to_owned()]);
    let state = State::decode(&rig.store.document.lock().unwrap().clone().expect("a state")).expect("a state");
    let cursor = state.cursor(&TimeRanges::default());
    assert!(cursor > NOW, "covered up to {} s before the beginning", NOW - cursor);
}

/// Two that say the same and no time are two events where one answer shows both, as two with a time are.
#[tokio::test(start_paused = true)]
async fn two_equal_events_without_a_time_of_their_own_both_arrive() {
    for time in [serde_json::Value::Null, (NOW - 3 * DAY).into(), (NOW + 40 * DAY).into()] {
        let rig = slow();
        let mut body = event(0, "twin-1");
        body["timestamp"] = time;
        for _ in 0..2 {
            rig.api.show(NOW + 100, NOW + 100, body.clone());
        }
        rig.run_for(Duration::from_secs(2 * 86_400)).await;
        let arrived = rig.arrived.lock().unwrap().clone();
        assert_eq!(arrived.len(), 2, "{arrived:?}");
        assert_ne!(arrived[0].0, arrived[1].0, "each has an id of its own");
    }
}

/// The further copies of an event were made of the first one's text: what only they said, in a field that is new, was lost.
#[tokio::test(start_paused = true)]
async fn equal_events_that_differ_in_a_field_that_is_new_each_keep_theirs() {
    let rig = slow();
    for time in [NOW - 3 * DAY, NOW + 100] {
        for new in ["a", "b", "c"] {
            let mut body = event(time, &format!("twin-{time}"));
            body["new"] = new.into();
            rig.api.show(time, time, body);
        }
    }
    rig.run_for(Duration::from_secs(3000)).await;
    let times = [NOW - 3 * DAY, NOW + 100].into_iter();
    rig.assert_arrived(times.flat_map(|time| ["a", "b", "c"].map(|new| format!("twin-{time}/{new}"))));
}
