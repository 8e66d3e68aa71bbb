//! The `http` sink of the real program against the simulated receivers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use nordpass_simulator::faults::{Effect, Fault, Plan, When};
use nordpass_simulator::judge::{Verdict, judge};
use nordpass_simulator::{Endpoint, SimulationOptions};
use serde_json::Value;

use crate::support::{Process, World, history, output, said, until};

const EVENTS: usize = 600;

/// Each format, what the faults call its receiver, its path, and the lines of `auth`.
const FORMATS: [(&str, Endpoint, &str, &str); 5] = [
    ("ndjson", Endpoint::Http, "/records", ""),
    ("json_array", Endpoint::Http, "/records", ""),
    ("splunk_hec", Endpoint::Splunk, "/services/collector/event", "Splunk 00000000-0000-4000-8000-00000000c011"),
    ("elastic_bulk", Endpoint::Elastic, "/nordpass/_bulk", "ApiKey simulated-elastic-api-key"),
    ("otlp_json", Endpoint::Otlp, "/v1/logs", ""),
];

/// Words that no answer's reader may repeat.
const PRIVATE: &str = "someone@example.com";

fn refusal(endpoint: Endpoint, nth: u64, status: u16) -> Fault {
    let status = http::StatusCode::from_u16(status).expect("a status");
    let when = When { endpoint: Some(endpoint), nth: vec![nth], ..When::default() };
    Fault::new(when, Effect::Status { status, body: PRIVATE.to_owned(), headers: BTreeMap::new(), retry_after: None })
}

async fn world(faults: Vec<Fault>) -> World {
    let faults = Plan { seed: 1, faults };
    World::new(SimulationOptions { events: history(11, EVENTS), faults, ..SimulationOptions::default() }).await
}

/// A pipeline from a recording of the world's events to a receiver.
fn pipeline(world: &World, (format, _, path, auth): (&str, Endpoint, &str, &str), more: &str) -> PathBuf {
    let events: Vec<String> = history(11, EVENTS).iter().map(|event| event.json().to_string()).collect();
    std::fs::write(world.folder.path().join("recording.ndjson"), events.join("\n") + "\n").expect("writes");
    let auth = match auth {
        "" => String::new(),
        value => format!("auth = {{ kind = \"header\", name = \"Authorization\", value = \"{value}\" }}\n"),
    };
    let text = format!(
        "data_dir = \"state\"\n\
         [sources.recorded]\ntype = \"file\"\npaths = [\"recording.ndjson\"]\n\
         [sinks.out]\ntype = \"http\"\ninputs = [\"recorded\"]\nendpoint = \"{}{path}\"\nformat = \"{format}\"\n\
         batch = {{ max_records = 50, timeout = \"100ms\" }}\n{auth}{more}",
        world.servers.receivers.url()
    );
    world.pipeline("http.toml", &text)
}

/// What arrived at a receiver, compared with all events.
fn verdict(world: &World, endpoint: Endpoint) -> Verdict {
    let all = world.simulation.nordpass.world();
    judge(&all, &all, &all, &world.simulation.receivers.received(endpoint))
}

/// Delivered, lost, doubled, unknown.
fn counts(verdict: &Verdict) -> (u64, u64, u64, u64) {
    (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated, verdict.events_unknown)
}

const WHOLE: (u64, u64, u64, u64) = (EVENTS as u64, 0, 0, 0);

#[tokio::test(flavor = "multi_thread")]
async fn each_format_arrives_whole_and_once_though_the_receiver_refuses_at_first() {
    for format in FORMATS {
        let refusals = [(1, 503), (2, 400), (3, 500), (4, 429)];
        let world = world(refusals.map(|(nth, status)| refusal(format.1, nth, status)).into()).await;
        let file = pipeline(&world, format, "");
        let out = output(world.command(&["run", "--once", file.to_str().expect("a path")])).await;
        assert!(out.status.success(), "{}: {}", format.0, said(&out));
        assert!(!said(&out).contains(PRIVATE), "{}", said(&out));
        assert_eq!(counts(&verdict(&world, format.1)), WHOLE, "{}", format.0);
        assert!(!world.folder.path().join("state/dead-letters/out.ndjson").exists(), "{}", format.0);
        assert_eq!(world.simulation.receivers.repeated_keys(), 0, "{}: no accepted request was sent again", format.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_when_the_program_was_killed_is_sent_by_the_next_one() {
    // It takes nothing, and its answer never comes.
    let mut hangs = Fault::new(When { endpoint: Some(Endpoint::Http), ..When::default() }, Effect::ResetBefore);
    hangs.delay = Duration::from_secs(3600);
    let world = world(vec![hangs]).await;
    let file = pipeline(&world, FORMATS[0], "");
    let file = file.to_str().expect("a path");
    let first = Process::start(world.command(&["run", file]));
    until("a request that gets no answer", || !world.simulation.log().at(Endpoint::Http).is_empty()).await;
    first.kill();
    assert_eq!(verdict(&world, Endpoint::Http).events_delivered, 0);
    world.simulation.faults.clear();
    let out = output(world.command(&["run", "--once", file])).await;
    assert!(out.status.success(), "{}", said(&out));
    assert_eq!(counts(&verdict(&world, Endpoint::Http)), WHOLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_becomes_a_dead_letter_and_is_sent_again_once() {
    for format in FORMATS {
        let world = world(Vec::new()).await;
        let events = history(11, EVENTS);
        // In one event only: not a twin's, and not the beginning of another one. There would be several letters.
        let texts: Vec<String> = events.iter().map(|event| event.json().to_string()).collect();
        let is_alone = |probe: &&str| texts.iter().filter(|text| text.contains(*probe)).count() == 1;
        let probe =
            events.iter().filter_map(|event| event.probe().map(|probe| &**probe)).find(is_alone).expect("a probe");
        world.simulation.receivers.set_poison(Some(probe));
        let file = pipeline(&world, format, "final_status = [400]\nconcurrency = 1\n");
        let file = file.to_str().expect("a path");
        let run = output(world.command(&["run", "--once", "--timeout", "600s", file])).await;
        assert!(run.status.success(), "{}: {}", format.0, said(&run));
        let letters = std::fs::read_to_string(world.folder.path().join("state/dead-letters/out.ndjson"));
        let letters = letters.unwrap_or_else(|error| panic!("{}: {error}", format.0));
        let letter: Value = serde_json::from_str(letters.trim_end()).expect("one letter");
        assert_eq!(letter["record"]["metadata"]["probe"], probe, "{}", format.0);
        let lost = |world: &World| verdict(world, format.1).events_lost;
        assert_eq!(lost(&world), 1, "{}", format.0);

        let resend = async |code: i32| {
            let out = output(world.command(&["dead-letters", "resend", file, "--all"])).await;
            assert_eq!(out.status.code(), Some(code), "{}: {}", format.0, said(&out));
        };
        resend(1).await;
        assert_eq!(lost(&world), 1, "{}: it is refused again", format.0);
        world.simulation.receivers.set_poison(None);
        resend(0).await;
        assert_eq!(lost(&world), 0, "{}", format.0);
        let before = world.simulation.log().at(format.1).len();
        resend(0).await;
        assert_eq!(world.simulation.log().at(format.1).len(), before, "{}: once is once", format.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_connect_says_whether_somebody_answers_and_lets_the_sender_in() {
    let forbidden = refusal(Endpoint::Http, 2, 403);
    let world = world(vec![forbidden]).await;
    let file = pipeline(&world, FORMATS[0], "");
    let validate =
        async |file: &PathBuf| output(world.command(&["validate", "--connect", file.to_str().expect("a path")])).await;
    let good = validate(&file).await;
    assert!(good.status.success() && said(&good).contains("something answers at its address"), "{}", said(&good));
    let refused = validate(&file).await;
    assert!(!refused.status.success() && said(&refused).contains("check `auth`"), "{}", said(&refused));
    assert!(!said(&refused).contains(PRIVATE), "{}", said(&refused));
    let text =
        std::fs::read_to_string(&file).expect("a file").replace(&world.servers.receivers.url(), "http://127.0.0.1:9");
    let nobody = validate(&world.pipeline("nobody.toml", &text)).await;
    assert!(!nobody.status.success(), "{}", said(&nobody));
    assert_eq!(verdict(&world, Endpoint::Http).events_delivered, 0, "nothing was sent");
}
