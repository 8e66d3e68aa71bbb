//! What a simulator answers, and how the answer travels.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// The endpoints that a fault or a log entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// The Activity Logs API.
    Nordpass,
    /// The token endpoint and the discovery documents.
    Entra,
    /// The managed-identity endpoints.
    Identity,
    /// The Logs Ingestion API.
    Ingestion,
    /// Azure Blob Storage.
    Blob,
    /// Splunk's HTTP Event Collector.
    Splunk,
    /// Elastic's `_bulk`.
    Elastic,
    /// OTLP/HTTP logs.
    Otlp,
    /// A plain receiver of records.
    Http,
}

/// Asks a simulator about itself. No fault and no log entry: it isn't part of what is simulated.
pub const CONTROL_PATH: &str = "/_simulator";

/// An answer and its way to the client.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The answer.
    pub response: http::Response<Bytes>,
    /// How long the client waits for it.
    pub delay: Duration,
    /// How it ends.
    pub ending: Ending,
}

/// Tells a receiver, by a request's extensions, that it has no room for each so-manieth record. Those that know no part of a request
/// have no room for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy(pub u64);

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Whole.
    Whole,
    /// The connection ends after this many bytes of the body.
    Cut(usize),
    /// The connection is reset before any of it is sent.
    Reset,
}

/// One end of the pipeline: a plain function of a request and the time.
pub trait Service: Send + Sync {
    /// Which endpoint a path belongs to.
    fn endpoint(&self, path: &str) -> Endpoint;
    /// The answer. The request's URI is absolute, so that answers can name their own address.
    fn handle(&self, request: &http::Request<Bytes>, now: Timestamp) -> Reply;
}

impl Reply {
    /// A status with a body of a media type; an empty media type leaves the header out.
    pub fn new(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut response = http::Response::new(body.into());
        *response.status_mut() = status;
        if !media_type.is_empty() {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        Self { response, delay: Duration::ZERO, ending: Ending::Whole }
    }

    /// A JSON answer.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json; charset=utf-8", body)
    }

    /// A JSON answer with the status 200.
    pub fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body.to_string())
    }

    /// The same with a header; a value that can't be one is left out.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.response.headers_mut().insert(name, value);
        }
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }
}

/// A header's text; empty where there is none.
pub fn header_text<'a>(request: &'a http::Request<Bytes>, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A time as an HTTP date.
pub fn http_date(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + since)
}
