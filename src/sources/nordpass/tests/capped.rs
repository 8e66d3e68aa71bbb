//! A `total` that stops at some number, and pages that stop there too.

use std::time::Duration;

use super::rig::{Behaviour, NOW, Rig};

fn capped(cap: usize, inclusive: bool) -> Rig {
    let rig = Rig::new();
    *rig.api.behaviour.lock().unwrap() = Behaviour { cap, inclusive, largest_page: 1000, ..Default::default() };
    rig
}

#[tokio::test(start_paused = true)]
async fn a_capped_total_that_adds_up_hides_nothing() {
    for (cap, page_size, inclusive) in
        [(500, 100, true), (500, 100, false), (500, 300, true), (512, 100, false), (100, 20, true)]
    {
        let mut rig = capped(cap, inclusive);
        (rig.settings.page_size, rig.settings.requests_per_second) = (page_size, 1_000);
        let names: Vec<String> = (0..2_000).map(|number| format!("u{}-{number}", number % 7)).collect();
        for (time, name) in (NOW - 90_000..).zip(&names) {
            rig.api.event(time, name);
        }
        rig.once().await;
        rig.assert_arrived(names);
    }
}

#[tokio::test(start_paused = true)]
async fn a_capped_moment_is_read_by_its_users() {
    let mut rig = capped(100, true);
    rig.settings.page_size = 20;
    let names: Vec<String> = (0..300).map(|number| format!("u{}-{number}", number % 40)).collect();
    for name in &names {
        rig.api.event(NOW - 3_000, name);
    }
    rig.once().await;
    rig.assert_arrived(names);
}

/// Full pages are no suspicion of a cap for ever: what adds up by its parts is proven, with few requests.
#[tokio::test(start_paused = true)]
async fn a_full_last_page_that_hides_nothing_is_proven() {
    for (seconds, inclusive) in [(1, true), (1, false), (2, true), (50, false), (50, true), (1_000, false)] {
        let rig = capped(usize::MAX, inclusive);
        let names: Vec<String> = (0..200).map(|number| format!("u{}-{number}", number % 9)).collect();
        for (number, name) in (0..).zip(&names) {
            rig.api.event(NOW - 3_000 + number % seconds, name);
        }
        rig.once().await;
        rig.assert_arrived(names);
        let metrics = rig.telemetry.render();
        let mut unproven = metrics.lines().filter(|line| line.starts_with("sentinel_unproven_slices_total"));
        assert!(unproven.all(|line| line.ends_with(" 0")), "{seconds} s, inclusive {inclusive}");
    }
}

/// Sweeps don't reach it, and yesterday's count is today's.
#[tokio::test(start_paused = true)]
async fn the_audit_sees_a_late_event_behind_a_capped_total() {
    let mut rig = capped(1_000, true);
    (rig.settings.requests_per_second, rig.settings.initial_lookback) = (1_000, Duration::from_secs(30 * 86_400));
    let mut names: Vec<String> = (0..1_500).map(|number| format!("u{}-{number}", number % 7)).collect();
    for (number, name) in (0..).zip(&names) {
        rig.api.event(NOW - 20 * 86_400 + number * 50, name);
    }
    rig.api.late(NOW - 20 * 86_400 + 40_000, NOW + 2 * 86_400, "u-late");
    names.push("u-late".to_owned());
    rig.run_for(Duration::from_secs(4 * 86_400)).await;
    rig.assert_arrived(names);
}
