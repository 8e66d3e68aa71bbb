//! The `http` sink of the real program against a receiver on a socket.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use nordpass_env::Mutex;
use nordpass_simulator::SimulationOptions;
use serde_json::{Value, json};

use crate::support::{Process, World, history, output, said, until};

/// What it has, and what it does.
#[derive(Default)]
struct Receiver {
    format: &'static str,
    /// How often it has acknowledged each record, by its timestamp, user and action.
    acknowledged: Mutex<BTreeMap<String, u64>>,
    requests: Mutex<u64>,
    /// The answers to the first requests.
    refusals: Vec<u16>,
    /// Whether it takes a request and never answers.
    hangs: Mutex<bool>,
}

async fn take(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["x-tenant"], "acme");
    let number = {
        let mut requests = receiver.requests.lock();
        *requests += 1;
        *requests - 1
    };
    if *receiver.hangs.lock() {
        return std::future::pending().await;
    }
    if let Some(status) = usize::try_from(number).ok().and_then(|number| receiver.refusals.get(number)) {
        return (StatusCode::from_u16(*status).expect("a status"), "someone@example.com").into_response();
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).expect("gzip");
    let events = events(receiver.format, &text);
    let mut acknowledged = receiver.acknowledged.lock();
    for event in &events {
        *acknowledged.entry(event.to_string()).or_default() += 1;
    }
    match receiver.format {
        "splunk_hec" => json!({ "text": "Success", "code": 0 }).to_string().into_response(),
        "elastic_bulk" => {
            let items: Vec<_> = events.iter().map(|_| json!({ "create": { "status": 201 } })).collect();
            json!({ "errors": false, "items": items }).to_string().into_response()
        }
        "otlp_json" => json!({ "partialSuccess": {} }).to_string().into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

/// The events of a body.
fn events(format: &str, text: &str) -> Vec<Value> {
    let lines = || text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let whole = || serde_json::from_str::<Value>(text).expect("JSON");
    match format {
        "ndjson" => lines().collect(),
        "json_array" => whole().as_array().expect("an array").clone(),
        "splunk_hec" => lines().map(|mut line| line["event"].take()).collect(),
        "elastic_bulk" => lines().filter(|line| line.get("create").is_none()).collect(),
        _ => {
            let records = whole()["resourceLogs"][0]["scopeLogs"][0]["logRecords"].take();
            let text = |record: &Value| record["body"]["stringValue"].as_str().expect("a text").to_owned();
            let records = records.as_array().expect("records").iter().map(text).collect::<Vec<_>>();
            records.iter().map(|text| serde_json::from_str(text).expect("an event")).collect()
        }
    }
}

impl Receiver {
    /// Serves it. Returns its address.
    async fn serve(self: &Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/in", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/in")
    }

    fn delivered(&self) -> usize {
        self.acknowledged.lock().len()
    }
}

/// A pipeline from a recording of these events to the receiver, and the number of different events.
async fn pipeline(world: &World, receiver: &Arc<Receiver>, events: usize) -> (PathBuf, usize) {
    let recording: Vec<String> = history(11, events).iter().map(|event| event.json().to_string()).collect();
    let different = recording.iter().collect::<std::collections::BTreeSet<_>>().len();
    std::fs::write(world.folder.path().join("recording.ndjson"), recording.join("\n") + "\n").expect("writes");
    let (address, format) = (receiver.serve().await, receiver.format);
    let text = format!(
        "data_dir = \"state\"\n\
         [sources.recorded]\ntype = \"file\"\npaths = [\"recording.ndjson\"]\n\
         [sinks.out]\ntype = \"http\"\ninputs = [\"recorded\"]\nendpoint = \"{address}\"\nformat = \"{format}\"\n\
         headers = {{ \"X-Tenant\" = \"acme\" }}\nbatch = {{ max_records = 50, timeout = \"100ms\" }}\n"
    );
    (world.pipeline("http.toml", &text), different)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_format_arrives_whole_and_once_though_the_receiver_refuses_at_first() {
    for format in ["ndjson", "json_array", "splunk_hec", "elastic_bulk", "otlp_json"] {
        let world = World::new(SimulationOptions::default()).await;
        let refusals = vec![503, 400, 500, 429];
        let receiver = Arc::new(Receiver { format, refusals, ..Receiver::default() });
        let (file, different) = pipeline(&world, &receiver, 600).await;
        let out = output(world.command(&["run", "--once", file.to_str().expect("a path")])).await;
        assert!(out.status.success(), "{format}: {}", said(&out));
        assert!(!said(&out).contains("someone@example.com"), "{}", said(&out));
        let acknowledged = receiver.acknowledged.lock();
        assert_eq!(acknowledged.len(), different, "{format}");
        assert_eq!(acknowledged.values().sum::<u64>(), 600, "{format}");
        assert!(!world.folder.path().join("state/dead-letters/out.ndjson").exists(), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_when_the_program_was_killed_is_sent_by_the_next_one() {
    let world = World::new(SimulationOptions::default()).await;
    let receiver = Arc::new(Receiver { format: "ndjson", ..Receiver::default() });
    let (file, different) = pipeline(&world, &receiver, 600).await;
    let file = file.to_str().expect("a path");
    *receiver.hangs.lock() = true;
    let first = Process::start(world.command(&["run", file]));
    until("a request that gets no answer", || *receiver.requests.lock() > 0).await;
    first.kill();
    assert_eq!(receiver.delivered(), 0);
    *receiver.hangs.lock() = false;
    let out = output(world.command(&["run", "--once", file])).await;
    assert!(out.status.success(), "{}", said(&out));
    assert_eq!(receiver.delivered(), different);
}
