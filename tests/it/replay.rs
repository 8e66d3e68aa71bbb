//! `replay`: a recording through the real pipeline to the simulated Azure, and what the report says of it.

use std::fmt::Write as _;

use nordpass_simulator::SimulationOptions;
use serde_json::Value;

use crate::support::{World, history, output, said};

/// A world whose NordPass has these events, and a recording of them.
async fn world(events: usize) -> World {
    let world = World::new(SimulationOptions { events: history(9, events), ..SimulationOptions::default() }).await;
    let mut recording = String::new();
    for event in history(9, events) {
        let _ = writeln!(recording, "{}", event.json());
    }
    std::fs::write(world.folder.path().join("recording.ndjson"), recording).expect("writes");
    world
}

fn report(world: &World, out: &std::process::Output) -> Value {
    assert!(out.status.success(), "{}", said(out));
    let report: Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    let rows: u64 = report["tables"].as_array().expect("tables").iter().filter_map(|part| part["rows"].as_u64()).sum();
    let accepted: u64 = world.simulation.ingestion.rows().values().sum();
    assert!(accepted > 0 && rows > accepted, "the tables' rows, and the archive's beside them");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_takes_the_place_of_the_source_and_leaves_the_state_alone() {
    let world = world(3_000).await;
    let pipeline = world.both();
    let arguments = ["replay", "recording.ndjson", "--pipeline", pipeline.to_str().expect("a path"), "--json"];
    let out = output(world.command(&arguments)).await;
    let report = report(&world, &out);
    assert_eq!((&report["events_read"], &report["events_acknowledged"]), (&3_000.into(), &3_000.into()));
    assert_eq!(report["requests"], world.simulation.ingestion.totals().requests);
    assert_eq!(report["dead_letters"], 0);
    assert!(report["gb_json_per_month_to_azure"].as_f64().is_some_and(|gb| gb > 0.0), "{report}");
    assert!(report["latency_milliseconds"]["p99"].as_f64().is_some_and(|milliseconds| milliseconds > 0.0), "{report}");
    let verdict = world.simulation.verdict();
    assert_eq!((verdict.events_lost, verdict.events_duplicated), (0, 0), "{verdict:?}");
    assert!(!world.folder.path().join("state").exists(), "the pipeline's own state isn't touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_repeated() {
    let world = world(500).await;
    let pipeline = world.both();
    let pipeline = pipeline.to_str().expect("a path");
    let out =
        output(world.command(&["replay", "recording.ndjson", "--pipeline", pipeline, "--repeat", "3", "--json"])).await;
    assert_eq!(report(&world, &out)["events_acknowledged"], 1_500);
    assert_eq!(world.simulation.ingestion.rows().values().sum::<u64>(), 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_is_said_before_anything_is_sent() {
    let world = world(10).await;
    let two = "data_dir = \"state\"\n[sources.a]\ntype = \"stdin\"\n[sources.b]\ntype = \"generate\"\n\
               [sinks.out]\ntype = \"console\"\ninputs = [\"a\", \"b\"]\n";
    let two = world.pipeline("two.toml", two);
    let two = two.to_str().expect("a path");
    for (arguments, expected) in [
        (vec!["recording.ndjson", "--pipeline", two], "--source: a, b"),
        (vec!["recording.ndjson", "--pipeline", two, "--source", "c"], "available: a, b"),
        (vec!["nowhere.ndjson", "--pipeline", two, "--source", "a"], "no file matches nowhere.ndjson"),
    ] {
        let out = output(world.command(&[&["replay"], arguments.as_slice()].concat())).await;
        assert!(!out.status.success() && out.stdout.is_empty(), "{}", said(&out));
        assert!(said(&out).contains(expected), "{}", said(&out));
    }
}

/// Without a terminal there was no report at all, and "a load test, with a report" wrote nothing into its log.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_there_without_a_terminal() {
    let world = world(200).await;
    let pipeline = world.both();
    let arguments = ["replay", "recording.ndjson", "--pipeline", pipeline.to_str().expect("a path")];
    let out = output(world.command(&arguments)).await;
    assert!(out.status.success() && out.stdout.is_empty(), "{}", said(&out));
    assert!(
        said(&out).contains("200 events in ") && said(&out).contains("Custom-NordPassAuditEvent"),
        "{}",
        said(&out)
    );
}
