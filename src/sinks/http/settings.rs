//! The sink's fields in the pipeline file.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::auth::{self, AuthSettings};
use super::format::{Compression, Format};
use super::template::Template;
use crate::component::{ComponentType, Outputs, ReadSettings, Records};
use crate::http::{HttpSettings, hidden};
use crate::settings::{Field, Kind, Section, http_fields, read_http};
use crate::sinks::delivery::run::Limits;

/// The `http` type.
pub static TYPE: ComponentType = ComponentType {
    name: "http",
    doc: "Sends records in requests to whatever takes them: Vector, Fluent Bit, Cribl, Logstash, an OpenTelemetry collector, Splunk, \
      Elastic. Acknowledged by the destination's answer. Dead-letters a record only if `final_status` lists the refusal's status and the \
      destination accepts other records; waits for everything else.",
    fields: FIELDS,
    outputs: Outputs::NONE,
    records: Records::Events,
    read: ReadSettings::Sink(|section, inputs| Arc::new(Settings::read(section, inputs))),
};

/// Headers that the sink sets itself.
const OWN_HEADERS: &[&str] = &[
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "transfer-encoding",
];

static FIELDS: &[Field] = &[
    Field::required("endpoint", Kind::Text).doc(
        "The address that takes the records: https, or http to a loopback host. In its path, `{organization}` and `{date}` (the event's day \
         in UTC, as `YYYY-MM-DD`) are filled in; a request then has records of one organization or day. Values are percent-encoded.",
    ),
    Field::with_default("method", Kind::Choice(&["POST", "PUT"]), "POST").doc("The request's method."),
    Field::with_default("format", Kind::Choice(Format::NAMES), "ndjson").doc(
        "What a body looks like. `ndjson`: a record on each line. `json_array`: one array. `splunk_hec`: for Splunk's HTTP Event \
         Collector. `elastic_bulk`: for `_bulk` of Elasticsearch and OpenSearch; the event's id becomes `_id`, so that nothing is there \
         twice. `otlp_json`: OTLP/HTTP logs.",
    ),
    Field::with_default("compression", Kind::Choice(&["gzip", "zstd", "none"]), "gzip").doc("How a body is compressed."),
    Field::optional("headers", Kind::Map).doc("Further headers of each request. `{organization}` and `{date}` are filled in as in `endpoint`."),
    Field::optional("final_status", Kind::Integers { min: 400, max: 499 }).doc(
        "The statuses by which the destination says that a record is bad. Such a batch is sent in halves until the record is alone; it \
         becomes a dead letter once others are accepted and it isn't. With any other status the batch waits.",
    ),
    Field::optional("auth", Kind::Table(auth::FIELDS)).doc("Who sends. Without it, nobody in particular."),
    Field::optional("batch", Kind::Table(BATCH)).doc("When to send a batch."),
    Field::with_default("concurrency", Kind::Integer { min: 1, max: 64 }, "4")
        .doc("Number of batches to send in parallel. A 429 pauses all of them."),
    http_fields::REQUEST_TIMEOUT,
    http_fields::PROXY,
    http_fields::TLS,
];

static BATCH: &[Field] = &[
    Field::with_default("max_bytes", Kind::Size { min: 1_000, max: 50_000_000 }, "1000000")
        .doc("Bytes of a body before compression."),
    Field::with_default("max_records", Kind::Integer { min: 1, max: 100_000 }, "5000").doc("Records of a batch."),
    Field::with_default("timeout", Kind::Duration { min: "100ms", max: "5m" }, "1s")
        .doc("How long an open batch waits for more records."),
    Field::with_default("gzip_level", Kind::Integer { min: 0, max: 9 }, "2")
        .doc("0 to 9. For `compression = \"gzip\"`."),
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address.
    pub endpoint: Template,
    /// The method.
    pub method: Method,
    /// What a body looks like.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
    /// Further headers; none is shown.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers that depend on the organization or the day.
    pub templates: Vec<(HeaderName, Template)>,
    /// The statuses that are about the records.
    pub final_status: Vec<u16>,
    /// Who sends.
    pub auth: AuthSettings,
    /// Number of inputs.
    pub inputs: usize,
    /// When a batch is closed, and how many are sent at once.
    pub limits: Limits,
    /// TLS, proxy, time-out.
    pub http: HttpSettings,
}

impl Settings {
    /// Reads the component's table, given the names in its `inputs`.
    pub fn read(section: &mut Section, inputs: &[String]) -> Self {
        let number = |value: i64| usize::try_from(value).unwrap_or(1);
        let endpoint = endpoint(section);
        if names_a_secret(&endpoint) {
            let hint = "addresses show up in logs of proxies and receivers: send it in a header, with `auth`";
            section.error("endpoint", "this address seems to hold a secret in its query", hint);
        }
        let format = Format::named(&section.text("format"));
        let method = if section.text("method") == "PUT" { Method::PUT } else { Method::POST };
        let compression = section.text("compression");
        let endpoint = template(section, "endpoint", &endpoint);
        let (headers, templates) = headers(section);
        let auth = AuthSettings::read(section);
        let mut batch = section.table("batch");
        Self {
            endpoint,
            method,
            format,
            compression: match compression.as_str() {
                "zstd" => Compression::Zstd,
                "none" => Compression::None,
                _ => Compression::Gzip(u32::try_from(batch.integer("gzip_level")).unwrap_or(2)),
            },
            headers,
            templates,
            final_status: section
                .integers("final_status")
                .into_iter()
                .filter_map(|status| u16::try_from(status).ok())
                .collect(),
            auth,
            inputs: inputs.len(),
            limits: Limits {
                max_bytes: number(batch.integer("max_bytes")),
                max_records: number(batch.integer("max_records")),
                timeout: batch.duration("timeout"),
                concurrency: number(section.integer("concurrency")),
            },
            // A bulk request's answer has some hundred bytes for each record.
            http: HttpSettings { max_body_bytes: 4 << 20, ..read_http(section, Duration::from_secs(30)) },
        }
    }
}

/// The address. Its host is the same for all records: who could choose it could send them elsewhere.
fn endpoint(section: &mut Section) -> String {
    let text = section.text("endpoint");
    let host = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if host.contains(['{', '}']) {
        section.error("endpoint", "the host can't depend on the records", "write placeholders behind the host only");
        return String::new();
    }
    section.url("endpoint")
}

/// A text with placeholders.
fn template(section: &mut Section, key: &str, text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|word| {
        let (message, hint) = if word == "organization.…" {
            let hint =
                "use {organization}, its UUID; or write the name or label into the records, with a `modify` transform";
            ("what the organizations file says can't be part of an address or a header".to_owned(), hint)
        } else {
            (format!("`{{{word}}}` is no placeholder"), "use {organization} or {date}")
        };
        section.error(key, message, hint);
        Template::default()
    })
}

/// What parameters with secrets are called, in their parts.
const SECRET_WORDS: &[&str] =
    &["apikey", "auth", "code", "key", "pass", "password", "pwd", "secret", "sig", "signature", "token"];

/// Whether a parameter of the address is called like a secret.
fn names_a_secret(endpoint: &str) -> bool {
    let query = endpoint.split_once('?').map(|(_, query)| query.to_ascii_lowercase()).unwrap_or_default();
    let mut names = query.split('&').filter_map(|parameter| parameter.split('=').next());
    names.any(|name| name.split(['_', '-', '.']).any(|part| SECRET_WORDS.contains(&part)))
}

/// Headers, and those with placeholders.
type Headers = (Vec<(HeaderName, HeaderValue)>, Vec<(HeaderName, Template)>);

/// Reads `headers`.
fn headers(section: &mut Section) -> Headers {
    let (mut headers, mut templates) = Headers::default();
    for (name, value) in section.map("headers") {
        let key = format!("headers.{name}");
        match (HeaderName::try_from(&name), hidden(&value)) {
            (Ok(name), _) if OWN_HEADERS.contains(&name.as_str()) => {
                let hint = "a secret belongs into `auth`; the rest follows from `format` and `compression`";
                section.error(&key, "the sink sets this header itself", hint);
            }
            (Ok(name), Ok(header)) => {
                let template = template(section, &key, &value);
                if template.has_organization() || template.has_date() {
                    templates.push((name, template));
                } else {
                    headers.push((name, header));
                }
            }
            (Err(_), _) => section.error(&key, "this isn't the name of a header", "write letters, digits and hyphens"),
            (_, Err(_)) => section.error(&key, "this can't be a header's value", "write visible ASCII characters"),
        }
    }
    (headers, templates)
}
