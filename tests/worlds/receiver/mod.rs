//! Worlds with an `http` sink beside the others: which receiver it sends to, and what goes wrong there.
//!
//! | file | what it is |
//! |---|---|
//! | [`books`] | the receivers, with the ledger's books about what they accept |
//! | [`faults`] | what can happen to a request |
//! | [`lie`] | a sink that acknowledges before the answer comes: the oracle has to find that |

pub mod books;
mod faults;
pub mod lie;

use std::fmt::Write as _;

use nordpass_simulator::receiver::Settings;
use nordpass_simulator::{Endpoint, entra};

use crate::pipeline::{READY_TOKEN, host};
use crate::plan::{Action, Drawer, Host, Plan, Tuning};

/// What tokens for the plain and the OTLP receiver are for.
pub const AUDIENCE: &str = "api://receiver.example";

/// How the sink sends.
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    pub format: &'static str,
    compression: &'static str,
    /// Whether a 400 is said to be about a record.
    names_records: bool,
    max_records: u64,
    /// Each organization's day has an address of its own.
    by_day: bool,
}

impl Receiver {
    /// Draws one. With a poisoned record, the file has to say how that is refused.
    pub fn drawn(draw: &mut Drawer, poison: bool) -> Self {
        Self {
            format: draw.of(&["ndjson", "json_array", "splunk_hec", "elastic_bulk", "otlp_json"]),
            compression: draw.of(&["gzip", "zstd", "none"]),
            names_records: poison || draw.chance(0.5),
            max_records: draw.of(&[1, 7, 100, 5000]),
            by_day: draw.chance(0.3),
        }
    }

    /// What the faults name.
    pub fn endpoint(self) -> Endpoint {
        match self.format {
            "splunk_hec" => Endpoint::Splunk,
            "elastic_bulk" => Endpoint::Elastic,
            "otlp_json" => Endpoint::Otlp,
            _ => Endpoint::Http,
        }
    }

    /// For the report.
    pub fn kind(self) -> &'static str {
        match self.format {
            "splunk_hec" => "an http sink: splunk_hec",
            "elastic_bulk" => "an http sink: elastic_bulk",
            "otlp_json" => "an http sink: otlp_json",
            "json_array" => "an http sink: json_array",
            _ => "an http sink: ndjson",
        }
    }

    /// Whether it sends events, whose ids are the documents'. Elsewhere it sends rows, which show theirs.
    pub fn sends_events(self) -> bool {
        self.format == "elastic_bulk"
    }

    fn path(self) -> &'static str {
        match self.format {
            "splunk_hec" => "/services/collector/event",
            "elastic_bulk" if self.by_day => "/nordpass-{date}/_bulk",
            "elastic_bulk" => "/nordpass/_bulk",
            "otlp_json" => "/v1/logs",
            _ if self.by_day => "/records/{organization}/{date}",
            _ => "/records",
        }
    }

    /// Its part of the pipeline file.
    pub fn text(self, plan: &Plan, tuning: &Tuning, inputs: &[&str]) -> String {
        let Self { format, compression, max_records, .. } = self;
        let Tuning { timeout, batch_bytes, batch_seconds, gzip, deliveries, .. } = tuning;
        let mut text = format!(
            r#"
[sinks.receiver]
type = "http"
inputs = {inputs:?}
endpoint = "https://{host}{path}"
format = "{format}"
compression = "{compression}"
concurrency = {deliveries}
request_timeout = "{timeout}s"
"#,
            host = host(Host::Receiver),
            path = self.path(),
        );
        if self.names_records {
            text.push_str("final_status = [400]\n");
        }
        if self.by_day {
            text.push_str("headers = { \"X-Day\" = \"{date}\" }\n");
        }
        let _ = write!(
            text,
            "[sinks.receiver.batch]\nmax_bytes = {batch_bytes}\nmax_records = {max_records}\ntimeout = \"{batch_seconds}s\"\n\
             gzip_level = {gzip}\n[sinks.receiver.auth]\n"
        );
        text.push_str(&self.auth(plan));
        text
    }

    fn auth(self, plan: &Plan) -> String {
        let (settings, entra) = (Settings::default(), entra::Settings::default());
        let header = |value: String| format!("kind = \"header\"\nname = \"Authorization\"\nvalue = \"{value}\"\n");
        match self.format {
            "splunk_hec" => header(format!("Splunk {}", settings.splunk_token)),
            "elastic_bulk" => header(format!("ApiKey {}", settings.elastic_api_key)),
            _ if plan.ready_token => format!("kind = \"bearer\"\ntoken = \"{READY_TOKEN}\"\n"),
            _ => format!(
                "kind = \"azure\"\nscope = \"{AUDIENCE}/.default\"\n[sinks.receiver.auth.credential]\nkind = \"client_secret\"\n\
                 tenant_id = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\n",
                entra.tenant, entra.client_id, entra.client_secret
            ),
        }
    }
}

impl Plan {
    /// A receiver, and what goes wrong there.
    pub fn plan_receiver(&mut self, draw: &mut Drawer) {
        let receiver = Receiver::drawn(draw, self.poison);
        self.receiver = Some(receiver);
        self.faults.extend(faults::drawn(draw, receiver, self.chaos));
        if draw.chance(0.3) {
            let from = draw.between(0, self.chaos);
            let until = from + draw.between(1, self.chaos - from + 1);
            self.actions.push((from, Action::Cut(Host::Receiver)));
            self.actions.push((until, Action::Restore(Host::Receiver)));
        }
    }
}
