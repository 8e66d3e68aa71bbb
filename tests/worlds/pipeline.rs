//! The pipeline file of a world.

use std::fmt::Write as _;

use nordpass_simulator::entra;
use nordpass_simulator::ingestion::IMMUTABLE_ID;

use crate::blobs::Blobs;
use crate::plan::{Host, Plan, Tuning};
use crate::reload::Layout;
use crate::shape::{Destination, Shape};

pub const DATA_DIR: &str = "data";
pub const READY_TOKEN: &str = "ready-token";
/// The archive's.
pub const CONTAINER: &str = "archive";
pub const ENDPOINT: &str = "https://api-activities.example/activities/query";

/// The tables of a destination, and their streams.
const TABLES: [(&str, &str); 3] = [
    ("audit_event", "Custom-NordPassAuditEvent"),
    ("authentication", "Custom-NordPassAuthentication"),
    ("user_management", "Custom-NordPassUserManagement"),
];

/// The way of a source's events to the first destination: the transform and the sink, with a token that is always there.
pub fn to_sentinel(source: &str) -> String {
    let streams: String =
        TABLES.iter().fold(String::new(), |text, (table, stream)| format!("{text}\"asim.{table}\" = \"{stream}\"\n"));
    let inputs: Vec<_> = TABLES.iter().map(|(table, _)| format!("asim.{table}")).collect();
    format!(
        r#"
[transforms.asim]
type = "asim"
inputs = ["{source}"]
[sinks.sentinel]
type = "sentinel"
inputs = {inputs:?}
endpoint = "https://{endpoint}"
dcr_immutable_id = "{IMMUTABLE_ID}"
request_timeout = "10s"
[sinks.sentinel.streams]
{streams}
[sinks.sentinel.batch]
timeout = "1s"
[sinks.sentinel.credential]
kind = "token"
token = "{READY_TOKEN}"
"#,
        endpoint = host(Host::Ingestion),
    )
}

/// The host names of the world.
pub fn host(host: Host) -> &'static str {
    match host {
        Host::Nordpass => "api-activities.example",
        Host::Entra => "login.microsoftonline.com",
        Host::Ingestion => "first.ingest.example",
        Host::Second => "second.ingest.example",
        Host::Receiver => "receivers.example",
        Host::Blobs => "archive.blob.example",
    }
}

/// The text of the file.
pub fn text(plan: &Plan, layout: &Layout) -> String {
    let tuning = layout.tuning(plan, "nordpass");
    let Tuning { poll_interval, overlap, lag, page_size, concurrency, .. } = tuning;
    let Tuning { requests_per_second, in_flight, timeout, .. } = tuning;
    let mut text = format!(
        r#"
data_dir = "{DATA_DIR}"

[sources.nordpass]
type = "nordpass"
endpoint = "{ENDPOINT}"
token = "{token}"
poll_interval = "{poll_interval}s"
initial_lookback = "{lookback}s"
overlap = "{overlap}s"
lag = "{lag}s"
page_size = {page_size}
concurrency = {concurrency}
requests_per_second = {requests_per_second}
max_in_flight_bytes = {in_flight}
request_timeout = "{timeout}s"
"#,
        token = plan.api.token,
        lookback = plan.lookback,
    );
    let mut plain = Shape::plain(plan.second, plan.archive.is_some());
    plan.receiver.into_iter().for_each(|receiver| plain.add_receiver(receiver));
    let shape = plan.shape.as_ref().unwrap_or(&plain);
    text.push_str(&shape.text());
    for destination in plan.destinations() {
        let host = match destination {
            Destination::Sentinel => Host::Ingestion,
            Destination::Official | Destination::Urgent => Host::Second,
            Destination::Archive | Destination::Receiver => continue,
        };
        let streams: Vec<_> = shape.read_by(destination).into_iter().map(|input| (input, stream_of(input))).collect();
        let tuning = layout.tuning(plan, destination.sink());
        sentinel(&mut text, plan, tuning, destination.sink(), host, &streams);
    }
    if let Some(receiver) = plan.receiver {
        let tuning = layout.tuning(plan, "receiver");
        text.push_str(&receiver.text(plan, tuning, &shape.read_by(Destination::Receiver)));
    }
    if let Some(path) = plan.archive {
        let inputs = shape.read_by(Destination::Archive);
        let _ = write!(text, "\n[sinks.archive]\ntype = \"file\"\ninputs = {inputs:?}\npath = \"{path}\"\n");
    }
    if let Some(blobs) = &plan.blobs {
        azure_blob(&mut text, plan, layout.tuning(plan, "blobs"), blobs);
    }
    if plan.optional && !layout.lacks_optional {
        // Nobody waits for it, and it fills up: the others must not notice.
        let _ = write!(
            text,
            "\n[sinks.extra]\ntype = \"file\"\nrequired = false\ninputs = [\"nordpass\"]\npath = \"extra/all.ndjson\"\n"
        );
    }
    text
}

/// The stream of an output, by its table.
fn stream_of(output: &str) -> &'static str {
    match output.rsplit('.').next() {
        Some("audit_event") => "Custom-NordPassAuditEvent",
        Some("authentication") => "Custom-NordPassAuthentication",
        Some("user_management") => "Custom-NordPassUserManagement",
        _ => "Custom-NordPassEventLogs_CL",
    }
}

fn azure_blob(text: &mut String, plan: &Plan, tuning: &Tuning, blobs: &Blobs) {
    let Blobs { path, max_bytes, seconds, required } = blobs;
    let _ = write!(
        text,
        r#"
[sinks.blobs]
type = "azure_blob"
required = {required}
inputs = ["nordpass"]
account = "https://{host}"
container = "{CONTAINER}"
path = "{path}"
request_timeout = "{timeout}s"
[sinks.blobs.batch]
max_bytes = {max_bytes}
timeout = "{seconds}s"
[sinks.blobs.credential]
{credential}
"#,
        host = host(Host::Blobs),
        timeout = tuning.timeout,
        credential = credential(plan),
    );
}

/// The lines of a `credential` table.
fn credential(plan: &Plan) -> String {
    if plan.ready_token {
        return format!("kind = \"token\"\ntoken = \"{READY_TOKEN}\"");
    }
    let entra = entra::Settings::default();
    format!(
        "kind = \"client_secret\"\ntenant_id = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"",
        entra.tenant, entra.client_id, entra.client_secret
    )
}

fn sentinel(text: &mut String, plan: &Plan, tuning: &Tuning, name: &str, at: Host, streams: &[(&str, &str)]) {
    let Tuning { timeout, batch_bytes, batch_seconds, gzip, deliveries, .. } = tuning;
    let inputs: Vec<String> = streams.iter().map(|(input, _)| format!("\"{input}\"")).collect();
    let streams: Vec<String> = streams.iter().map(|(input, stream)| format!("\"{input}\" = \"{stream}\"")).collect();
    let credential = credential(plan);
    let _ = write!(
        text,
        r#"
[sinks.{name}]
type = "sentinel"
inputs = [{inputs}]
endpoint = "https://{host}"
dcr_immutable_id = "{IMMUTABLE_ID}"
concurrency = {deliveries}
request_timeout = "{timeout}s"
[sinks.{name}.streams]
{streams}
[sinks.{name}.batch]
max_bytes = {batch_bytes}
timeout = "{batch_seconds}s"
gzip_level = {gzip}
[sinks.{name}.credential]
{credential}
"#,
        inputs = inputs.join(", "),
        host = host(at),
        streams = streams.join("\n"),
    );
}
