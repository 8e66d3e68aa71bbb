//! `backfill` and `reconcile` from end to end.

use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::{SimulatedEvent, SimulationOptions};
use serde_json::Value;

use crate::support::{Process, World, history, now, output, said, until};

const DAY: i64 = 86_400;

/// What a command has to say on standard output, and that it ended with this exit code.
async fn run(world: &World, arguments: &[&str], code: i32) -> (String, String) {
    let end = output(world.command(arguments)).await;
    assert_eq!(end.status.code(), Some(code), "{arguments:?}: {}", said(&end));
    (String::from_utf8(end.stdout).expect("UTF-8"), String::from_utf8(end.stderr).expect("UTF-8"))
}

/// A world of which the last seven days are delivered.
async fn delivered() -> (World, String) {
    let world = World::new(SimulationOptions { events: history(31, 2_000), ..SimulationOptions::default() }).await;
    let pipeline = world.both().display().to_string();
    run(&world, &["run", &pipeline, "--once", "--timeout", "600s"], 0).await;
    (world, pipeline)
}

fn events(seed: u64, from: i64, to: i64, count: usize) -> Vec<SimulatedEvent> {
    Generator::new(seed, Options::default()).history(from, to, count)
}

fn counts(world: &World) -> (u64, u64, u64) {
    let verdict = world.simulation.verdict();
    (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated)
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_what_is_missing_and_fetches_just_that() {
    let (world, pipeline) = delivered().await;
    // Five days late: nothing but the daily sweep would have found them.
    let late = events(32, now() - 5 * DAY, now() - 4 * DAY, 150);
    world.simulation.nordpass.extend(late);
    let from = jiff::Timestamp::from_second(now() - 6 * DAY).expect("a time").to_string();
    let range = ["reconcile", &pipeline, "--from", &from, "--json"];

    let (found, _) = run(&world, &[&range[..], &["--dry-run"]].concat(), 1).await;
    let found: Value = serde_json::from_str(&found).expect("one object");
    assert_eq!((&found["source"], &found["still_missing"]), (&"nordpass".into(), &150.into()), "{found}");
    assert_eq!(found["missing"].as_array().expect("a list").len(), 150);
    assert_eq!((found.get("fetched"), &found["proven"]), (None, &true.into()));
    assert_eq!(counts(&world).0, 2_000, "a dry run delivers nothing");

    let (found, _) = run(&world, &range, 0).await;
    let found: Value = serde_json::from_str(&found).expect("one object");
    assert_eq!((&found["fetched"], &found["still_missing"]), (&150.into(), &0.into()), "{found}");
    assert_eq!(counts(&world), (2_150, 0, 0));

    let people = ["reconcile", &pipeline, "--from", &from];
    let (text, _) = run(&world, &people, 0).await;
    assert!(text.contains("0  missing"), "{text}");
    run(&world, &["run", &pipeline, "--once", "--timeout", "600s"], 0).await;
    assert_eq!(counts(&world), (2_150, 0, 0), "and the service finds nothing new");
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_delivers_an_older_time_and_leaves_the_live_position() {
    let (world, pipeline) = delivered().await;
    world.simulation.nordpass.extend(events(33, now() - 60 * DAY, now() - 40 * DAY, 1_000));
    let time = |days: i64| jiff::Timestamp::from_second(now() - days * DAY).expect("a time").to_string();
    let (from, to) = (time(61), time(39));
    let backfill = ["backfill", &pipeline, "--from", &from, "--to", &to, "--timeout", "600s"];

    let (said, _) = run(&world, &backfill, 0).await;
    assert!(said.contains("1000 new events delivered"), "{said}");
    assert_eq!(counts(&world), (3_000, 0, 0));
    let (said, _) = run(&world, &backfill, 0).await;
    assert!(said.contains(" 0 new events delivered"), "{said}");

    world.simulation.nordpass.extend(events(34, now() - 20, now() - 10, 10));
    run(&world, &["run", &pipeline, "--once", "--timeout", "600s"], 0).await;
    assert_eq!(counts(&world), (3_010, 0, 0), "the service goes on where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_cannot_be_asked_and_a_running_service_are_refused() {
    let (world, pipeline) = delivered().await;
    let (_, said) = run(&world, &["backfill", &pipeline, "--from", "2020-01-01"], 2).await;
    assert!(said.contains("NordPass keeps 90 days") && said.contains("\nhint: "), "as people read it: {said}");
    let (_, said) = run(&world, &["reconcile", &pipeline, "--from", "2020-01-01", "--source", "two"], 2).await;
    assert!(said.contains("NordPass keeps 90 days"), "{said}");
    let tomorrow = jiff::Timestamp::from_second(now() + DAY).expect("a time").to_string();
    let (_, said) = run(&world, &["backfill", &pipeline, "--from", &tomorrow], 2).await;
    assert!(said.contains("`--from`") && said.contains("is in the future"), "{said}");
    run(&world, &["backfill", &pipeline, "--from", "the day before"], 2).await;

    let service = Process::start(world.command(&["run", &pipeline]));
    let before = world.simulation.log().count();
    until("the service to poll", || world.simulation.log().count() > before).await;
    let today = jiff::Timestamp::from_second(now() - DAY).expect("a time").to_string();
    let (_, said) = run(&world, &["reconcile", &pipeline, "--from", &today], 1).await;
    assert!(said.contains("stop the other process"), "{said}");
    drop(service);
}
