//! The command line as a person or a script meets it.

use std::io::Read as _;
use std::process::{Output, Stdio};

use jiff::Timestamp;
use nordpass_simulator::SimulationOptions;
use serde_json::Value;

use crate::support::{Process, World, found, free_port, history, http_client, now, output, program, said, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_loses_and_doubles_nothing() {
    let end = output(program(&["demo", "--once", "--json", "--events", "3000", "--seed", "7"])).await;
    assert!(end.status.success(), "{}", said(&end));
    let summary: Value = serde_json::from_slice(&end.stdout).expect("one JSON object");
    for (key, expected) in [
        ("events_read", 3000),
        ("events_delivered", 3000),
        ("events_lost", 0),
        ("events_duplicated", 0),
        ("dead_lettered", 0),
    ] {
        assert_eq!(summary[key], expected, "{key} in {summary}");
    }
    let rows: u64 = summary["rows"].as_object().expect("tables").values().filter_map(Value::as_u64).sum();
    assert_eq!(rows, 3000);
    for key in ["requests", "bytes_json", "bytes_sent", "elapsed_seconds", "peak_rss_bytes"] {
        assert!(summary[key].as_f64().expect(key) > 0.0, "{key} in {summary}");
    }
}

/// What a newcomer wants to see: one event at both ends, where to look, and what to do next.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_an_event_with_its_row_the_status_page_and_what_is_next() {
    let end = output(program(&["demo", "--once", "--events", "50", "--log-format", "human"])).await;
    assert!(end.status.success(), "{}", said(&end));
    let log = said(&end);
    for part in
        ["An event of NordPass:\n  {", "its row in ASim", "a status page, /health", "What next?", "validate --connect"]
    {
        assert!(log.contains(part), "{part}: {log}");
    }
    let object = |after: &str| {
        let line = log.lines().skip_while(|line| !line.starts_with(after)).nth(1).expect("a line");
        serde_json::from_str::<Value>(line).expect("an object")
    };
    let (event, row) = (object("An event of NordPass"), object("its row in "));
    assert_eq!(
        row["EventOriginalType"],
        format!("{}.{}", event["type"].as_str().unwrap(), event["action"].as_str().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_shows_all_its_errors_before_any_request() {
    let world = World::new(SimulationOptions::default()).await;
    let good = std::fs::read_to_string(world.both()).expect("a file");
    let wrong = good
        .replace("poll_interval = \"1s\"", "poll_interval = \"-1s\"")
        .replace("lag = \"1s\"", "lagg = \"1s\"")
        .replace("inputs = [\"nordpass\"]\npath", "inputs = [\"nordpas\"]\npath")
        .replace("${DCR_IMMUTABLE_ID}", "${DCR_IMMUTABEL_ID}");
    let path = world.pipeline("wrong.toml", &wrong);
    let path = path.to_str().expect("a path");
    for command in ["run", "validate"] {
        let end = output(world.command(&[command, path])).await;
        assert_eq!(end.status.code(), Some(2), "{}", said(&end));
        let said = String::from_utf8_lossy(&end.stderr).into_owned();
        for part in ["poll_interval", "did you mean `lag`", "nordpas", "DCR_IMMUTABEL_ID", "wrong.toml:", "hint:"] {
            assert!(said.contains(part), "{part} in\n{said}");
        }
    }
    assert_eq!(world.simulation.log().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_data_dir_is_told_so() {
    let world = World::new(SimulationOptions { events: history(1, 100), ..SimulationOptions::default() }).await;
    let pipeline = world.both();
    let pipeline = pipeline.to_str().expect("a path");
    let _first = Process::start(world.command(&["run", pipeline]));
    until("the first process to deliver", || world.simulation.verdict().events_delivered == 100).await;
    let end = output(world.command(&["run", pipeline, "--once"])).await;
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    assert!(String::from_utf8_lossy(&end.stderr).contains("in use by another process"), "{}", said(&end));
}

/// `… | head -100` counted 198 as delivered, and ended with 0: 98 never arrived, not after the restart either. It is told by
/// the sink alone: many such runs had an error about lost events as well, because the source heard of what the sink had not
/// written before it heard of the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_before_the_end_is_told() {
    let world = World::new(SimulationOptions { events: history(3, 5_000), ..SimulationOptions::default() }).await;
    let text = "data_dir = \"state\"\n[sources.nordpass]\ntype = \"nordpass\"\nendpoint = \"${NORDPASS_ENDPOINT_URL}\"\n\
                token = \"${NORDPASS_TOKEN}\"\n[sinks.out]\ntype = \"console\"\n\
                inputs = [\"nordpass\"]\n";
    let pipeline = world.pipeline("console.toml", text);
    for _ in 0..6 {
        let mut command = world.command(&["run", pipeline.to_str().expect("a path"), "--once"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut first = [0; 100];
        let mut reader = child.stdout.take().expect("a pipe");
        let end = tokio::task::spawn_blocking(move || {
            reader.read_exact(&mut first).expect("a line's beginning");
            drop(reader);
            child.wait_with_output().expect("ends")
        });
        let end = end.await.expect("no panic");
        assert_eq!(end.status.code(), Some(1), "{}", said(&end));
        let failures = said(&end).matches(" failed: ").count();
        assert!(
            failures == 1 && said(&end).contains("sink out failed: the reader of standard output"),
            "{}",
            said(&end)
        );
    }
    // Every other command has given its reader what it wanted.
    let mut child = program(&["schema"]).stdout(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    let end = tokio::task::spawn_blocking(move || child.wait().expect("ends")).await.expect("no panic");
    assert!(end.success(), "{end}");
}

/// A terminal that goes killed it without a drain. What is started with `nohup` goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_drains_as_sigterm_does() {
    if nordpass_env::hangup_is_ignored() {
        return;
    }
    let world = World::new(SimulationOptions { events: history(6, 20_000), ..SimulationOptions::default() }).await;
    let pipeline = slow(&world);
    // A service without a terminal reloads instead.
    let end = signalled(&world, &["run", &pipeline, "--once"], 300, &["-HUP", "-HUP"]).await;
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    assert!(said(&end).contains("draining for up to") && said(&end).contains("ended: "), "{}", said(&end));
    assert_eq!(world.simulation.verdict().events_duplicated, 0);
}

/// `run --once` that a signal cut short said nothing and ended with exit code 0, as if it had been done.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_before_once_is_done_is_told() {
    let world = World::new(SimulationOptions { events: history(4, 20_000), ..SimulationOptions::default() }).await;
    let pipeline = slow(&world);
    let end = terminated(&world, &["run", &pipeline, "--once"], 300).await;
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    let last: Value = serde_json::from_str(said(&end).lines().last().expect("a line")).expect("a JSON line");
    assert_eq!((&last["level"], &last["message"]), (&"ERROR".into(), &"stopped by a signal before it finished".into()));
    assert!(last["timestamp"].is_string() && last["hint"].is_string(), "of the same shape as the log: {last}");
    let log = said(&end);
    let state = world.folder.path().join("state").display().to_string();
    assert!(log.contains("\"starting\"") && log.contains(&state) && log.contains("ended: "), "{log}");
}

/// It reported all of the time as delivered, with exit code 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_before_a_backfill_is_done_is_told() {
    let world = World::new(SimulationOptions { events: history(5, 20_000), ..SimulationOptions::default() }).await;
    let pipeline = slow(&world);
    let from = Timestamp::from_second(now() - 6 * 86_400).expect("a time").to_string();
    let end = terminated(&world, &["backfill", &pipeline, "--from", &from], 300).await;
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    let result = String::from_utf8_lossy(&end.stdout).into_owned();
    assert!(result.contains(": not finished; ") && !result.contains("delivered"), "{result}");
    assert!(said(&end).contains("stopped by a signal before it finished"), "{}", said(&end));
}

/// A pipeline that needs many seconds for its history.
fn slow(world: &World) -> String {
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let text = text.replace("requests_per_second = 1000", "requests_per_second = 10");
    world.pipeline("slow.toml", &text).display().to_string()
}

/// Runs a command, and SIGTERMs it when so many events have arrived.
async fn terminated(world: &World, arguments: &[&str], events: u64) -> Output {
    signalled(world, arguments, events, &["-TERM"]).await
}

async fn signalled(world: &World, arguments: &[&str], events: u64, signals: &[&str]) -> Output {
    let mut command = world.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    until("some events to arrive", || world.simulation.verdict().events_delivered > events).await;
    let pid = child.id().to_string();
    for signal in signals {
        // It may have ended after the first.
        let sent = std::process::Command::new("kill").args([signal, pid.as_str()]).status().expect("kill runs");
        assert!(sent.success(), "{signal}");
    }
    tokio::task::spawn_blocking(move || child.wait_with_output().expect("ends")).await.expect("no panic")
}

/// The hints were to check permissions and the disk's room.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_place_of_a_folder_is_told_so() {
    let world = World::new(SimulationOptions::default()).await;
    let pipeline = world.both();
    for name in ["state", "archive"] {
        let path = world.folder.path().join(name);
        std::fs::write(&path, "a file").expect("writes");
        let end = output(world.command(&["run", pipeline.to_str().expect("a path"), "--once"])).await;
        assert_eq!(end.status.code(), Some(1), "{}", said(&end));
        assert!(said(&end).contains("a file is where "), "{}", said(&end));
        std::fs::remove_file(&path).expect("removes");
    }
}

/// The second demo in a folder counted the first one's archive as doubled events.
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_in_the_folder_of_an_earlier_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().display().to_string();
    let demo = ["demo", "--once", "--events", "50", "--dir", &dir];
    let first = output(program(&demo)).await;
    assert!(first.status.success() && !said(&first).contains(" 0   rows in"), "{}", said(&first));
    let second = output(program(&demo)).await;
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains("earlier demo"), "{}", said(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_a_restart_adds_nothing() {
    let world = World::new(SimulationOptions { events: history(2, 5_000), ..SimulationOptions::default() }).await;
    let pipeline = world.both();
    let pipeline = pipeline.to_str().expect("a path");
    let mut process = Process::start(world.command(&["run", pipeline]));
    until("some events to arrive", || world.simulation.verdict().events_delivered > 1_000).await;
    let pid = process.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let status = tokio::task::spawn_blocking(move || process.0.wait().expect("ends")).await.expect("no panic");
    assert_eq!(status.code(), Some(0));
    let end = output(world.command(&["run", pipeline, "--once", "--timeout", "600s"])).await;
    assert!(end.status.success(), "{}", said(&end));
    let verdict = world.simulation.verdict();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(counts, (5_000, 0, 0), "a drained shutdown doubles nothing: {verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_connect_tries_tokens_and_endpoints() {
    let world = World::with_tls(SimulationOptions::default()).await;
    let pipeline = world.both();
    let arguments = ["validate", "--connect", pipeline.to_str().expect("a path")];
    let end = output(world.command(&arguments)).await;
    assert!(end.status.success(), "{}", said(&end));
    assert_eq!(world.simulation.verdict().rows.values().sum::<u64>(), 0, "nothing was delivered");

    let mut command = world.command(&arguments);
    command.env("NORDPASS_TOKEN", "revoked").env("AZURE_CLIENT_SECRET", "wrong");
    let end = output(command).await;
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    let said_both = said(&end);
    assert!(said_both.contains("refuses the token") && said_both.contains("AADSTS7000215"), "{said_both}");
    assert!(!said_both.contains("wrong\""), "no secret is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_tells_health_readiness_and_metrics() {
    let world = World::new(SimulationOptions { events: history(3, 500), ..SimulationOptions::default() }).await;
    let port = free_port();
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let path = world.pipeline("api.toml", &format!("{text}\n[api]\nlisten = \"127.0.0.1:{port}\"\n"));
    let _process = Process::start(world.command(&["run", path.to_str().expect("a path")]));
    until("all to arrive", || world.simulation.verdict().events_delivered == 500).await;
    let get = |path: &'static str| async move {
        let answer = http_client().get(format!("http://127.0.0.1:{port}{path}")).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    };
    assert_eq!(get("/health").await.0, 200);
    let (status, words) = get("/ready").await;
    assert_eq!(status, 200, "{words}");
    let (_, metrics) = get("/metrics").await;
    for name in ["sentinel_received_records_total", "sentinel_cursor_timestamp_seconds", "sentinel_batch_rows"] {
        assert!(metrics.contains(name), "{name} in\n{metrics}");
    }
    // The token is revoked: ready no more, and in words why.
    world.simulation.nordpass.set_token(None);
    let refused = async || Some(get("/ready").await).filter(|(status, _)| *status == 503);
    let (_, words) = found(refused).await.expect("not ready, with a revoked token");
    assert!(words.contains("Admin Panel"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_printed_and_usage_errors_are_2() {
    let end = output(program(&["schema"])).await;
    let schema: Value = serde_json::from_slice(&end.stdout).expect("JSON");
    assert!(schema["$schema"].is_string());
    assert_eq!(output(program(&["run"])).await.status.code(), Some(2));
}
