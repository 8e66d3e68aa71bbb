//! SIGKILL in the middle of a backfill.

use std::collections::HashMap;

use nordpass_sentinel::handles::SystemDisk;
use nordpass_sentinel::simulator::judge::received_in_files;
use nordpass_sentinel::simulator::{SimulationOptions, ingestion};
use serde_json::Value;

use crate::support::{Process, World, history, output, said, until};

#[tokio::test(flavor = "multi_thread")]
async fn two_kills_in_a_backfill_lose_nothing_and_double_only_with_equal_ids() {
    let options = SimulationOptions {
        events: history(11, 30_000),
        ingestion: ingestion::Settings { keep_rows: true, ..ingestion::Settings::default() },
        ..SimulationOptions::default()
    };
    let world = World::new(options).await;
    let pipeline = world.both();
    let pipeline = pipeline.to_str().expect("a path");
    for kill in 1..=2u64 {
        let process = Process::start(world.command(&["run", pipeline, "--once"]));
        until("some events to arrive", || world.simulation.ingestion().received().total() > kill * 6_000).await;
        process.kill();
    }
    let arrived = world.simulation.ingestion().received().total();
    assert!(arrived < 30_000, "it was killed in the middle, after {arrived}");

    let end = output(world.command(&["run", pipeline, "--once", "--timeout", "60s"])).await;
    assert!(end.status.success(), "{}", said(&end));
    let verdict = world.simulation.verdict();
    assert_eq!(verdict.events_lost, 0, "{verdict:?}");
    assert_eq!(verdict.events_delivered, 30_000, "{verdict:?}");

    // Each copy beyond the first says by its EventOriginalUid that it is one.
    let mut probes_of: HashMap<String, Vec<String>> = HashMap::new();
    let mut rows = 0;
    for table in ["ASimAuditEventLogs", "ASimAuthenticationEventLogs", "ASimUserManagementActivityLogs"] {
        for row in world.simulation.ingestion().table(table).kept {
            let row: Value = serde_json::from_str(&row).expect("JSON");
            let uid = row["EventOriginalUid"].as_str().expect("an id").to_owned();
            let probe = row["AdditionalFields"]["probe"].as_str().expect("a probe").to_owned();
            probes_of.entry(uid).or_default().push(probe);
            rows += 1;
        }
    }
    assert_eq!(rows - 30_000, verdict.events_duplicated, "every row is accounted for");
    assert_eq!(probes_of.len(), 30_000, "as many ids as events");
    assert!(probes_of.values().all(|probes| probes.iter().all(|probe| *probe == probes[0])), "one id, one event");

    // Files are exactly once, kills or not.
    let received = received_in_files(&SystemDisk, &world.files("archive")).await.expect("reads");
    let files = world.simulation.verdict_on(&received);
    assert_eq!((files.events_lost, files.events_duplicated), (0, 0), "{files:?}");
}
