//! The `health` source from end to end: what an operator reads while Azure refuses another sink.

use nordpass_simulator::{SimulationOptions, ingestion};
use serde_json::Value;

use crate::support::{Process, World, history, output, said, until};

/// The pipeline with health into a file, and faster than a minute.
fn pipeline(world: &World) -> String {
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let health = "\n[sources.health]\ntype = \"health\"\ninterval = \"1s\"\ninstance = \"one\"\n\
                  [sinks.health_rows]\ntype = \"file\"\ninputs = [\"health\"]\npath = \"health.ndjson\"\n";
    world.pipeline("health.toml", &(text + health)).display().to_string()
}

fn rows(world: &World) -> Vec<Value> {
    let text = std::fs::read_to_string(world.folder.path().join("health.ndjson")).unwrap_or_default();
    // The last line may be under way.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn of<'a>(rows: &'a [Value], component: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["Component"] == component).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sink_is_seen_with_its_reason_and_no_row_holds_a_secret() {
    let world = World::new(SimulationOptions { events: history(31, 200), ..SimulationOptions::default() }).await;
    world.simulation.ingestion.set_forbidden(true);
    let pipeline = pipeline(&world);
    let running = Process::start(world.command(&["run", &pipeline]));
    let last = |component: &str| of(&rows(&world), component).last().map(|row| (*row).clone()).unwrap_or_default();
    until("the refusal to show", || last("sentinel")["State"] == "waiting").await;
    let refused = last("sentinel");
    assert!(refused["Reason"].as_str().expect("words").contains("Monitoring Metrics Publisher"), "{refused}");
    assert_eq!((&refused["TokenState"], &refused["LastErrorKind"]), (&"valid".into(), &"forbidden".into()));
    assert_eq!((&refused["Instance"], &refused["ComponentType"]), (&"one".into(), &"sentinel".into()));
    let seen = rows(&world).len();
    until("the file sink's rows to go on", || rows(&world).len() > seen + 4).await;

    world.simulation.nordpass.set_token(None);
    until("the revoked token to show", || last("nordpass")["TokenState"] == "refused").await;
    assert!(last("nordpass")["Reason"].as_str().expect("words").contains("Admin Panel"));

    world.simulation.ingestion.set_forbidden(false);
    until("the sink to work", || last("sentinel")["State"] == "working" && last("sentinel")["Rows"] == 200).await;
    assert!(last("sentinel")["LastSuccess"].is_string());
    running.kill();

    let text = std::fs::read_to_string(world.folder.path().join("health.ndjson")).expect("rows");
    let secrets = world.variables().into_iter().filter(|(name, _)| name.contains("TOKEN") || name.contains("SECRET"));
    for (name, secret) in secrets {
        assert!(!text.contains(&secret), "{name} in a row");
    }
    assert!(!text.contains('@') && !text.contains("probe"), "no event in a row");
}

/// The pipeline file is ahead of the rule: that must not cost a single event.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_without_the_health_stream_holds_no_events_up() {
    let mut settings = ingestion::Settings::default();
    settings.dcr.streams.remove("Custom-NordPassConnectorHealth_CL").expect("it is there otherwise");
    let options = SimulationOptions { events: history(32, 2_000), ingestion: settings, ..SimulationOptions::default() };
    let world = World::new(options).await;
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let wired = text.replace("\"asim.user_management\"]", "\"asim.user_management\", \"health\"]").replace(
        "[sinks.sentinel.streams]\n",
        "[sinks.sentinel.streams]\nhealth = \"Custom-NordPassConnectorHealth_CL\"\n",
    );
    let health = "\n[sources.health]\ntype = \"health\"\ninterval = \"1s\"\n";
    let path = world.pipeline("ahead.toml", &(wired + health));
    let _running = Process::start(world.command(&["run", path.to_str().expect("a path")]));
    until("all events to arrive", || world.simulation.verdict().events_delivered == 2_000).await;
    let verdict = world.simulation.verdict();
    assert_eq!((verdict.events_lost, verdict.events_duplicated), (0, 0), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_alone_goes_to_standard_output() {
    let world = World::new(SimulationOptions::default()).await;
    let text = "data_dir = \"state\"\n[sources.health]\ntype = \"health\"\n\
                [sinks.out]\ntype = \"console\"\ninputs = [\"health\"]\n";
    let path = world.pipeline("alone.toml", text);
    let end = output(world.command(&["run", path.to_str().expect("a path"), "--once", "--timeout", "600s"])).await;
    assert!(end.status.success(), "{}", said(&end));
    let rows: Vec<Value> =
        end.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let names: Vec<_> = rows.iter().map(|row| row["Component"].as_str().expect("a name")).collect();
    assert_eq!(names, ["health", "out"]);
    assert!(rows[0]["Instance"].as_str().expect("a name").len() >= 8);

    // It gives rows, and a transform reads events.
    let wrong = text.replace("[sinks.out]", "[transforms.asim]\ntype = \"asim\"\ninputs = [\"health\"]\n[sinks.out]");
    let path = world.pipeline("wrong.toml", &wrong);
    let end = output(world.command(&["validate", path.to_str().expect("a path")])).await;
    assert_eq!(end.status.code(), Some(2));
    assert!(said(&end).contains("a transform reads events"), "{}", said(&end));
}
