//! Times that the API no longer has.

use std::time::Duration;

use super::rig::{NOW, Rig};
use crate::telemetry::Telemetry;

const DAY: i64 = 86_400;

#[tokio::test(start_paused = true)]
async fn an_outage_of_more_than_90_days_is_one_gap_with_its_bounds() {
    let mut rig = Rig::new();
    rig.api.event(NOW - 3600, "before-1");
    rig.once().await;
    let now = NOW + 100 * DAY;
    rig.api.event(now - 91 * DAY, "gone-1");
    // So many, so slowly, that the beginning of what is left passes out of the 90 days meanwhile.
    for number in 0..30_000 {
        rig.api.event(now - 90 * DAY + 200 + number / 30, &format!("edge{}-{number}", number % 50));
    }
    rig.api.event(now - 60, "after-1");
    tokio::time::sleep(Duration::from_secs(100 * 86_400)).await;
    rig.settings.requests_per_second = 1;
    rig.settings.page_size = 20;
    rig.once().await;

    let component = rig.component();
    assert_eq!(component.numbers().totals().gaps, 1, "however often its end moves");
    let gap = component.numbers().lately().gap.expect("its bounds");
    assert!(gap.start <= NOW && gap.start > NOW - 3 * 3600, "from the last time that was covered: {gap:?}");
    assert!(gap.end > now - 90 * DAY + 300, "its end moved on while the rest was read: {gap:?}");
    assert!(rig.telemetry.render().contains("sentinel_gap_from_timestamp_seconds"));
    let names = rig.names();
    assert!(!names.contains_key("gone-1") && names.contains_key("after-1"));
    // What is neither lost in the gap nor delivered doesn't exist.
    for number in 0..30_000 {
        let time = now - 90 * DAY + 200 + number / 30;
        let name = format!("edge{}-{number}", number % 50);
        assert!(gap.contains(&time) || names.contains_key(&name), "{name}: not delivered, and not in {gap:?}");
    }

    // The next start still knows it.
    rig.telemetry = Telemetry::new();
    rig.once().await;
    assert_eq!((rig.component().numbers().totals().gaps, rig.component().numbers().lately().gap), (0, Some(gap)));
}
