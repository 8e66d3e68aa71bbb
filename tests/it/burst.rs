//! A burst that is wider than a page, in an unstable order, with twins.

use nordpass_simulator::{SimulatedEvent, SimulationOptions, nordpass};
use serde_json::json;

use crate::support::{World, now, output, said};

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_events_in_six_seconds_on_pages_of_twenty_in_unstable_order_with_twins() {
    let start = now() - 3600;
    let events = (0..300).map(|number| {
        let time = start + number / 50;
        // Every tenth group of three says exactly the same.
        let name = if number % 10 < 3 { format!("twin-{}", number / 10) } else { format!("single-{number}") };
        let event = json!({
            "type": "item_access", "action": "item_copied", "timestamp": time, "organization_uuid": "00000000-0000-4000-8000-000000000001",
            "user": {"uuid": format!("00000000-0000-4000-8000-{:012}", number / 10 % 9), "email": "someone@example.com"},
            "metadata": {"platform": "Windows", "probe": name}, "initiator": "",
        });
        SimulatedEvent::from_json(&event.to_string(), time)
    });
    for order in [nordpass::Order::UnstableWithinSecond, nordpass::Order::Unstable] {
        let options = SimulationOptions {
            events: events.clone().collect(),
            nordpass: nordpass::Settings { order, max_page_size: 20, ..nordpass::Settings::default() },
            ..SimulationOptions::default()
        };
        let world = World::new(options).await;
        let pipeline = world.both();
        let end =
            output(world.command(&["run", pipeline.to_str().expect("a path"), "--once", "--timeout", "600s"])).await;
        assert!(end.status.success(), "{}", said(&end));
        let verdict = world.simulation.verdict();
        let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
        assert_eq!(counts, (300, 0, 0), "{order:?}: {verdict:?}");
    }
}
