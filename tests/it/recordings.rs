//! Odd input from end to end: whatever is a JSON object becomes a row, once; whatever isn't becomes a dead letter.

use nordpass_env::{Disk, SystemDisk};
use nordpass_simulator::{SimulatedEvent, SimulationOptions, recording};
use serde_json::{Value, json};

use crate::support::{World, now, output, repository, said};

async fn deliver(events: Vec<SimulatedEvent>) -> World {
    let world = World::new(SimulationOptions { events, ..SimulationOptions::default() }).await;
    let pipeline = world.both();
    for _ in 0..2 {
        let end =
            output(world.command(&["run", pipeline.to_str().expect("a path"), "--once", "--timeout", "600s"])).await;
        assert!(end.status.success(), "{}", said(&end));
        let log = String::from_utf8_lossy(&end.stderr);
        assert!(!log.contains("panicked") && !log.contains("example.com"), "no payload in the log:\n{log}");
    }
    world
}

fn dead_letters(world: &World, component: &str) -> Vec<Value> {
    let path = world.folder.path().join(format!("state/dead-letters/{component}.ndjson"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The API shows each event for one of the last hours, whatever time the event itself says.
fn filed_now(events: Vec<SimulatedEvent>) -> Vec<SimulatedEvent> {
    let file = |(number, mut event): (usize, SimulatedEvent)| {
        event.timestamp = now() - 7200 + i64::try_from(number).expect("few");
        event.visible_at = event.timestamp;
        event
    };
    events.into_iter().enumerate().map(file).collect()
}

fn rows(world: &World) -> u64 {
    world.simulation.ingestion.rows().values().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recording_arrives_once_and_whole() {
    let folder = repository("tests/fixtures/recorded");
    for file in SystemDisk.list(&folder).await.expect("a folder") {
        // Pages are the file source's; here events are served by the API's own paging.
        if !file.name.ends_with(".ndjson") || file.name.contains("pages") {
            continue;
        }
        let events = recording::read(&SystemDisk, &folder.join(&file.name), now()).await.expect("a recording");
        let events = if file.name == "odd-timestamps.ndjson" {
            filed_now(events)
        } else {
            recording::ending_at(&events, now() - 60)
        };
        let (objects, others): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.json().starts_with('{'));
        let (objects, others) = (objects.len() as u64, others.len());
        let world = deliver(events).await;
        let verdict = world.simulation.verdict();
        assert_eq!((verdict.events_lost, verdict.events_duplicated), (0, 0), "{}: {verdict:?}", file.name);
        assert_eq!(rows(&world), objects, "{}: a row for each object", file.name);
        assert_eq!(dead_letters(&world, "sentinel").len(), 0, "{}", file.name);
        // The same element twice is one dead letter: nothing tells them apart.
        let dead = dead_letters(&world, "nordpass").len();
        assert!(dead <= others && (dead > 0) == (others > 0), "{}: {dead} of {others}", file.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_20_mb_arrives_with_its_keys() {
    let time = now() - 3600;
    let big = json!({
        "type": "item_access", "action": "items_imported", "timestamp": time, "organization_uuid": "o",
        "user": {"uuid": "u", "email": "someone@example.org"}, "initiator": "",
        "metadata": {"note": "x".repeat(20_000_000), "platform": "macOS", "probe": "big"},
    });
    let small = json!({
        "type": "login", "action": "user_login_failed", "timestamp": time, "organization_uuid": "o",
        "user": {"uuid": "u", "email": "someone@example.org"}, "initiator": "",
        "metadata": {"ip_address": "192.0.2.7", "probe": "small"},
    });
    let events = [big, small].map(|event| SimulatedEvent::from_json(&event.to_string(), time));
    let world = deliver(events.to_vec()).await;
    let verdict = world.simulation.verdict();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(counts, (2, 0, 0), "{verdict:?}");
    assert_eq!(dead_letters(&world, "sentinel").len(), 0);
}
