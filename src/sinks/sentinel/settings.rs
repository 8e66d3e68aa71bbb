//! The sink's fields in the pipeline file.

use std::sync::Arc;
use std::time::Duration;

use crate::azure::{self, Cloud, CredentialSettings};
use crate::component::{ComponentType, Outputs, ReadSettings, Records};
use crate::http::HttpSettings;
use crate::settings::{Field, Kind, Section, http_fields, read_http};
use crate::sinks::delivery::run::Limits;

/// The `sentinel` type.
pub static TYPE: ComponentType = ComponentType {
    name: "sentinel",
    doc: "Delivers rows to Microsoft Sentinel through the Azure Logs Ingestion API, in gzip batches per stream. \
      Dead-letters a record only if Azure rejects that record; waits for everything else.",
    fields: FIELDS,
    outputs: Outputs::NONE,
    records: Records::Events,
    read: ReadSettings::Sink(|section, inputs| Arc::new(Settings::read(section, inputs))),
};

static FIELDS: &[Field] = &[
    Field::per_organization("endpoint", Kind::Text)
        .doc("The logs ingestion endpoint of the data collection rule (or of its data collection endpoint)."),
    Field::per_organization("dcr_immutable_id", Kind::Text)
        .doc("The data collection rule's immutable id, `dcr-` and 32 hexadecimal digits: not its resource id."),
    Field::required("streams", Kind::Map)
        .doc("Maps each input to a stream of the rule; several inputs may feed one. Stream names begin with `Custom-`."),
    Field::optional("added_columns", Kind::List).doc(
        "Columns that the rule's streams declare beside this program's own, such as `Tenant`. Azure drops what a stream doesn't \
         declare without an error, so the sink counts and logs such columns of rows that a transform has changed. A stream with \
         a name of its own isn't known here: check it with `validate --dcr FILE`.",
    ),
    Field::required("credential", Kind::Table(azure::FIELDS))
        .doc("The identity to use. It needs the role Monitoring Metrics Publisher on the data collection rule."),
    Field::optional("batch", Kind::Table(BATCH)).doc("When to send a batch."),
    Field::with_default("concurrency", Kind::Integer { min: 1, max: 64 }, "4")
        .doc("Number of batches to send in parallel. A 429 pauses all of them."),
    http_fields::REQUEST_TIMEOUT,
    http_fields::PROXY,
    http_fields::TLS,
];

static BATCH: &[Field] = &[
    Field::with_default("max_bytes", Kind::Size { min: 1_000, max: 50_000_000 }, "1000000").doc(
        "JSON bytes of a batch before gzip. The default stays within Azure's 1 MB limit under every reading of \
         its documentation. The compressed body never exceeds 1 MiB.",
    ),
    Field::with_default("timeout", Kind::Duration { min: "100ms", max: "5m" }, "5s")
        .doc("How long an open batch waits for more rows."),
    Field::with_default("gzip_level", Kind::Integer { min: 0, max: 9 }, "2")
        .doc("0 to 9. 1 costs the least CPU. 2 sends a quarter less. Above, little is saved: 6 sends a seventh less than 2, in three times the time."),
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The endpoint without a slash at its end.
    pub endpoint: String,
    /// The rule's immutable id.
    pub dcr_immutable_id: String,
    /// The stream of each input, in the order of `inputs`.
    pub streams: Vec<String>,
    /// Columns that the streams declare beside this program's own.
    pub added_columns: Vec<String>,
    /// The identity that sends.
    pub credential: CredentialSettings,
    /// When a batch is closed, and how many are sent at once.
    pub limits: Limits,
    /// 0 to 9.
    pub gzip_level: u32,
    /// TLS, proxy, time-out.
    pub http: HttpSettings,
}

/// Azure returns 404 for any other, but only once there is something to send.
fn is_immutable_id(text: &str) -> bool {
    text.strip_prefix("dcr-").is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Settings {
    /// The rule's streams, each once, by their first inputs. Inputs that feed the same stream share its requests, and what is known of it.
    pub fn distinct_streams(&self) -> Vec<String> {
        let is_first = |(number, name): &(usize, &String)| !self.streams[..*number].contains(name);
        self.streams.iter().enumerate().filter(is_first).map(|(_, name)| name.clone()).collect()
    }

    /// Reads the component's table, given the names in its `inputs`.
    pub fn read(section: &mut Section, inputs: &[String]) -> Self {
        let number = |value: i64| usize::try_from(value).unwrap_or(1);
        section.keys_are_inputs("streams", inputs);
        let named = section.map("streams");
        for (input, stream) in &named {
            if !stream.starts_with("Custom-") {
                let hint = "use the rule's input stream, such as `Custom-NordPassAuditEvent`, not the table";
                let message = format!("the stream of `{}` doesn't begin with `Custom-`", input.escape_debug());
                section.error(&format!("streams.{input}"), message, hint);
            }
        }
        let stream_of = |input: &String| named.iter().find(|(name, _)| name == input).map(|(_, stream)| stream.clone());
        let streams = inputs.iter().map(|input| stream_of(input).unwrap_or_default()).collect();
        let dcr_immutable_id = immutable_id(section);
        let endpoint = endpoint(section);
        let credential = CredentialSettings::read(&mut section.table("credential"));
        let mut batch = section.table("batch");
        let settings = Self {
            endpoint,
            dcr_immutable_id,
            streams,
            added_columns: section.list("added_columns"),
            credential,
            limits: Limits {
                max_bytes: number(batch.integer("max_bytes")),
                max_records: usize::MAX,
                timeout: batch.duration("timeout"),
                concurrency: number(section.integer("concurrency")),
            },
            gzip_level: u32::try_from(batch.integer("gzip_level")).unwrap_or(2),
            // Responses of Azure and Entra are short.
            http: HttpSettings { max_body_bytes: 1 << 20, ..read_http(section, Duration::from_secs(30)) },
        };
        check_clouds(section, &settings);
        settings
    }
}

/// Reads the endpoint, without a slash at its end.
pub(super) fn endpoint(section: &mut Section) -> String {
    section.url("endpoint").trim_end_matches('/').to_owned()
}

/// Reads the rule's immutable id.
pub(super) fn immutable_id(section: &mut Section) -> String {
    let id = section.text("dcr_immutable_id");
    if id.contains('/') {
        let hint = "copy `immutableId` from the rule's JSON view; it begins with `dcr-`";
        section.error("dcr_immutable_id", "this is a resource id, not the immutable id", hint);
    } else if !id.is_empty() && !is_immutable_id(&id) {
        let hint = "copy `immutableId` from the rule's JSON view: `dcr-` and 32 digits from 0 to 9 and a to f";
        section.error("dcr_immutable_id", "this isn't the immutable id of a data collection rule", hint);
    }
    id
}

/// The endpoint and the credential have to be of one cloud.
pub(super) fn check_clouds(section: &mut Section, settings: &Settings) {
    if let (Some(asked), Some(own)) = (settings.credential.named_cloud(), Cloud::of_endpoint(&settings.endpoint))
        && asked != own
    {
        let hint = "a cloud refuses another cloud's tokens: use the same cloud for both";
        section.error("endpoint", "this endpoint and the credential belong to different clouds", hint);
    }
}
