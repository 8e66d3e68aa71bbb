//! Late events, and what is said and kept meanwhile.

use std::{sync::atomic::Ordering, time::Duration};

use super::rig::{NOW, Rig};

const DAY: i64 = 86_400;

/// The second of a late event counted as not covered until all of its sweep was read: for minutes the source seemed days
/// behind.
#[tokio::test(start_paused = true)]
async fn a_late_event_that_a_long_sweep_finds_is_no_lag() {
    let mut rig = Rig::new();
    rig.settings.requests_per_second = 1;
    for number in 0..40_000 {
        rig.api.event(NOW - 68_000 + number * 17 / 10, &format!("u-{number}"));
    }
    rig.api.late(NOW - 70_000, NOW + 600, "late-1");
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(3000)).await;
    let (mut behind, mut asked) = (0, 0);
    while !rig.names().contains_key("late-1") || asked + 300 > rig.asked().len() {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let cursor = rig.component().numbers().cursor().expect("a cursor");
        let now = nordpass_env::Clock::now_seconds(&rig.clock);
        if now as f64 - cursor > 3600.0 {
            behind += 1;
        }
        if asked == 0 && rig.names().contains_key("late-1") {
            asked = rig.asked().len();
        }
        assert!(now < NOW + DAY, "the hourly sweep finds it");
    }
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    assert!(behind <= 1, "for {behind} times ten seconds it seemed behind");
    assert_eq!(rig.names().len(), 40_001);
}

/// Each poll left a word for the committer, which waited for the disk: memory grew with the polls.
#[tokio::test(start_paused = true)]
async fn while_the_checkpoint_cannot_be_written_polls_do_not_go_on_for_ever() {
    let mut rig = Rig::new();
    rig.settings.poll_interval = Duration::from_secs(10);
    rig.run_for(Duration::from_secs(60)).await;
    rig.api.event(NOW + 100, "before-1");
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    rig.store.broken.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    let asked = rig.asked().len();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert!(rig.asked().len() <= asked + 10, "{} more questions", rig.asked().len() - asked);
    rig.store.broken.store(false, Ordering::Relaxed);
    rig.api.event(NOW + 3 * DAY, "after-1");
    tokio::time::sleep(Duration::from_secs(86_400 + 600)).await;
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    rig.assert_arrived(["before-1", "after-1"].map(str::to_owned));
}
