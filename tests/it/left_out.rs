//! What the pipeline leaves out on purpose, and what Azure leaves out: both are shown, and neither is missing.

use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::{SimulatedEvent, SimulationOptions, ingestion};
use serde_json::Value;

use crate::support::{Process, World, found, free_port, history, http_client, now, output, said};

const DAY: i64 = 86_400;
/// All that a filter of these tests leaves out.
const LEFT_OUT: &str = "item_access.*";

fn is_left_out(event: &SimulatedEvent) -> bool {
    event.json().contains(r#""type":"item_access""#)
}

/// The world's pipeline with a filter in front of Sentinel, and with or without the archive of everything.
fn filtered(world: &World, archive: bool) -> String {
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let (sentinel, _) = text.split_once("[sinks.archive]").expect("an archive");
    let text = if archive { &*text } else { sentinel };
    let filter =
        format!("[transforms.quiet]\ntype = \"filter\"\ninputs = [\"nordpass\"]\nexclude = [\"{LEFT_OUT}\"]\n");
    let text = text.replace("type = \"asim\"\ninputs = [\"nordpass\"]", "type = \"asim\"\ninputs = [\"quiet\"]");
    world.pipeline("filtered.toml", &(text + "\n" + &filter)).display().to_string()
}

async fn run(world: &World, arguments: &[&str], code: i32) -> String {
    let end = output(world.command(arguments)).await;
    assert_eq!(end.status.code(), Some(code), "{arguments:?}: {}", said(&end));
    String::from_utf8(end.stdout).expect("UTF-8")
}

async fn reconciled(world: &World, pipeline: &str, code: i32) -> Value {
    let from = jiff::Timestamp::from_second(now() - 6 * DAY).expect("a time").to_string();
    let text = run(world, &["reconcile", pipeline, "--from", &from, "--dry-run", "--json"], code).await;
    serde_json::from_str(&text).expect("one object")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_leaves_out_is_counted_and_never_missing() {
    let events = history(71, 1_000);
    let since = now() - 6 * DAY;
    let world = World::new(SimulationOptions { events: events.clone(), ..SimulationOptions::default() }).await;
    let pipeline = filtered(&world, false);
    run(&world, &["run", &pipeline, "--once", "--timeout", "600s"], 0).await;

    let in_range: Vec<_> = events.iter().filter(|event| event.timestamp >= since + 600).collect();
    let left_out = in_range.iter().filter(|event| is_left_out(event)).count();
    assert!(left_out > 50, "the traffic has them: {left_out}");
    let found = reconciled(&world, &pipeline, 0).await;
    let number = |name: &str| found[name].as_u64().expect("a number");
    let sum = number("acknowledged") + number("filtered");
    assert_eq!((sum, number("still_missing")), (number("at_nordpass"), 0), "{found}");
    // The first minutes of the range pass while the test runs.
    assert!(number("filtered") >= left_out as u64 && number("acknowledged") > 0, "{found}");
    assert_eq!(found["filtered_by"].as_array().expect("a list").len(), 1);
    assert_eq!(found["filtered_by"][0]["component"], "quiet");
    assert_eq!(found["filtered_by"][0]["reason"], format!("exclude {LEFT_OUT}"));
    assert_eq!(found["filtered_by"][0]["events"], number("filtered"));

    // Late ones: what no sink is to get isn't missing, though nobody has read it yet.
    let late = Generator::new(72, Options::default()).history(now() - 5 * DAY, now() - 4 * DAY, 100);
    let wanted = late.iter().filter(|event| !is_left_out(event)).count() as u64;
    world.simulation.nordpass.extend(late);
    let before = (number("filtered"), number("acknowledged"));
    let found = reconciled(&world, &pipeline, 1).await;
    assert_eq!(found["missing"].as_array().expect("a list").len() as u64, wanted, "{found}");
    assert_eq!(found["filtered"], before.0 + 100 - wanted, "{found}");
    assert_eq!(found["acknowledged"], before.1, "{found}");

    // With an archive of everything, they are to get there.
    let found = reconciled(&world, &filtered(&world, true), 1).await;
    assert_eq!((&found["still_missing"], &found["filtered"]), (&100.into(), &before.0.into()), "{found}");

    let from = jiff::Timestamp::from_second(since).expect("a time").to_string();
    let people = run(&world, &["reconcile", &filtered(&world, false), "--from", &from], 0).await;
    assert!(people.contains("  filtered on purpose\n") && people.contains("quiet: exclude item_access.*"), "{people}");
}

/// Runs the service until its page says so, and returns what it says of itself.
async fn served(world: &World, pipeline: &str, port: u16, until: &str) -> (String, Value, String) {
    let _running = Process::start(world.command(&["run", pipeline]));
    let client = http_client();
    let get = async |path: &str| {
        let answer = client.get(format!("http://127.0.0.1:{port}{path}")).send().await.ok()?;
        answer.text().await.ok()
    };
    let metrics =
        found(async || get("/metrics").await.filter(|text| text.contains(until))).await.expect("it gets there");
    let ready = serde_json::from_str(&get("/ready").await.expect("it answers")).expect("JSON");
    (metrics, ready, get("/").await.expect("a page"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_leaves_out_is_shown_by_the_service() {
    let world = World::new(SimulationOptions { events: history(73, 500), ..SimulationOptions::default() }).await;
    let (pipeline, port) = (filtered(&world, false), free_port());
    let text = std::fs::read_to_string(&pipeline).expect("a file");
    let path = world.pipeline("served.toml", &format!("{text}\n[api]\nlisten = \"127.0.0.1:{port}\"\n"));
    let pattern = format!("reason=\"filtered: exclude {LEFT_OUT}\"");
    let (_, ready, page) = served(&world, path.to_str().expect("a path"), port, &pattern).await;
    let components = ready["components"].as_array().expect("a list");
    let quiet = components.iter().find(|component| component["name"] == "quiet").expect("the filter");
    assert!(quiet["filtered"][format!("exclude {LEFT_OUT}")].as_u64().is_some_and(|count| count > 0), "{ready}");
    assert!(page.contains("filtered on purpose: ") && page.contains("exclude item_access.*"), "{page}");
}

/// Azure takes a row with a column that the stream doesn't declare, and drops the column without a word.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_azure_drops_are_counted_and_said_once() {
    let settings = ingestion::Settings { strict: false, ..ingestion::Settings::default() };
    let options = SimulationOptions { events: history(74, 300), ingestion: settings, ..SimulationOptions::default() };
    let world = World::new(options).await;
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let tenant = "\n[transforms.tenant]\ntype = \"modify\"\n\
                  inputs = [\"asim.audit_event\", \"asim.authentication\", \"asim.user_management\"]\n\
                  set = { Tenant = \"acme\", \"AdditionalFields.Site\" = \"x\" }\n";
    let (transforms, sinks) = text.split_once("[sinks.sentinel]").expect("a sink");
    let changed = format!("{transforms}{tenant}\n[sinks.sentinel]{}", sinks.replace("asim.", "tenant."));
    let path = world.pipeline("tenant.toml", &changed);
    let arguments = ["run", path.to_str().expect("a path"), "--once", "--timeout", "600s"];
    let end = output(world.command(&arguments)).await;
    assert!(end.status.success(), "{}", said(&end));
    let log = String::from_utf8_lossy(&end.stderr).into_owned();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("doesn't declare this column")).collect();
    assert!((1..=3).contains(&lines.len()), "once for each stream: {log}");
    assert!(lines.iter().all(|line| line.contains("Tenant") && line.contains("Custom-NordPass")), "{log}");
    assert!(!log.contains("Site"), "what is within a declared column is nobody's business: {log}");

    // Whoever has declared it says so.
    let declared = changed.replace("[sinks.sentinel]\n", "[sinks.sentinel]\nadded_columns = [\"Tenant\"]\n");
    world.pipeline("tenant.toml", &declared.replace("\"state\"", "\"other-state\""));
    let end = output(world.command(&arguments)).await;
    assert!(end.status.success() && !said(&end).contains("declare this column"), "{}", said(&end));

    let port = free_port();
    let served_text =
        changed.replace("\"state\"", "\"third-state\"") + &format!("\n[api]\nlisten = \"127.0.0.1:{port}\"\n");
    let path = world.pipeline("served.toml", &served_text);
    let name = "sentinel_undeclared_columns_total{";
    let (metrics, _, _) = served(&world, path.to_str().expect("a path"), port, name).await;
    let line = metrics.lines().find(|line| line.starts_with(name)).expect("a metric");
    assert!(line.contains("column=\"Tenant\"") && line.contains("component=\"sentinel\""), "{line}");
}
