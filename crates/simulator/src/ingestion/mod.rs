//! The Logs Ingestion API, as strict as Azure.
//!
//! Everything that Azure refuses is refused with Azure's status and the shape of its errors; what Azure does silently
//! (undeclared columns dropped, long values cut, `TimeGenerated` replaced) is done and counted, so that a test can ask
//! for zero. Transformations aren't run: the rules that it stands for say `source`.

mod budget;
mod dcr;
mod request;
mod row;
mod table;

use std::collections::BTreeMap;
use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

pub use budget::Limits;
pub use dcr::{Dcr, IMMUTABLE_ID, Stream};
pub use row::FIELD_BYTES;
pub use table::Table;

use super::entra::{Refusal, Tokens};
use super::judge::Received;
use super::reply::{CONTROL_PATH, Endpoint, Reply, Service, header_text};
use budget::Budget;
use nordpass_env::{Mutex, catalogue::HEALTH_TABLE};
use request::{Refused, bad, error, route, version};
use row::{Checked, Rules};

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The rule.
    pub dcr: Dcr,
    /// The audience that tokens must be for.
    pub audience: String,
    /// The most bytes of a request as received: 1 MiB.
    pub max_body: usize,
    /// The most bytes after decompression. A longer request is answered with 204 and then lost, as in Azure, where
    /// only what comes behind the gateway finds out.
    pub max_decompressed: usize,
    /// Refuse columns that the stream doesn't declare, instead of ignoring them.
    pub strict: bool,
    /// The budgets of the rule.
    pub limits: Limits,
    /// Keep the rows in memory ([`Table::kept`]).
    pub keep_rows: bool,
    /// Keep the rows as NDJSON until they are taken ([`Ingestion::take_ndjson`]).
    pub ndjson: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dcr: Dcr::default(),
            audience: "https://monitor.azure.com".into(),
            max_body: 1 << 20,
            max_decompressed: 50 << 20,
            strict: false,
            limits: Limits::default(),
            keep_rows: false,
            ndjson: false,
        }
    }
}

/// What an endpoint says of a rule that isn't its own: Azure documents the first, and both have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// 403: the rule isn't bound to this endpoint.
    NotBound,
    /// 404: no such rule here.
    Unknown,
}

/// What arrived, all tables together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Requests, accepted or not.
    pub requests: u64,
    /// Requests answered with 204.
    pub accepted: u64,
    /// Bytes of accepted requests as received.
    pub bytes_received: u64,
    /// Bytes of accepted requests after decompression.
    pub bytes_json: u64,
    /// Requests that were answered with 204 and then lost, because they were too long after decompression.
    pub lost_oversize: u64,
}

/// The simulated endpoint.
#[derive(Debug)]
pub struct Ingestion {
    /// Its settings.
    pub settings: Settings,
    tokens: Tokens,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tables: BTreeMap<String, Table>,
    totals: Totals,
    budget: Budget,
    forbidden: bool,
    elsewhere: Option<Elsewhere>,
    /// Requests with a row that contains this text are refused.
    poison: Option<String>,
}

impl Ingestion {
    /// An endpoint that accepts these tokens.
    pub fn new(settings: Settings, tokens: Tokens) -> Self {
        let tables = settings.dcr.streams.values().map(|stream| (stream.table.clone(), Table::default()));
        let state = State { tables: tables.collect(), ..State::default() };
        Self { settings, tokens, state: Mutex::new(state) }
    }

    /// Takes the caller's role on the rule away (403), or gives it back.
    pub fn set_forbidden(&self, forbidden: bool) {
        self.state.lock().forbidden = forbidden;
    }

    /// Makes this the endpoint of another region or rule, or (`None`) the rule's own again.
    pub fn set_elsewhere(&self, elsewhere: Option<Elsewhere>) {
        self.state.lock().elsewhere = elsewhere;
    }

    /// Refuses (400) every request with a row whose JSON text contains this; `None` ends it.
    pub fn set_poison(&self, text: Option<&str>) {
        self.state.lock().poison = text.map(str::to_owned);
    }

    /// A copy of what a table has.
    pub fn table(&self, name: &str) -> Table {
        self.state.lock().tables.get(name).cloned().unwrap_or_default()
    }

    /// The first row of each table that has one, as it came.
    pub fn first_rows(&self) -> BTreeMap<String, Box<str>> {
        let state = self.state.lock();
        let rows = state.tables.iter().filter_map(|(name, table)| Some((name.clone(), table.first.clone()?)));
        rows.collect()
    }

    /// Rows per table; tables without rows are there as well.
    pub fn rows(&self) -> BTreeMap<String, u64> {
        self.state.lock().tables.iter().map(|(name, table)| (name.clone(), table.rows)).collect()
    }

    /// What arrived in all tables. Rows of the connector's own health are no events: they need no probe.
    pub fn received(&self) -> Received {
        let mut received = Received { rows: self.rows(), ..Received::default() };
        for (name, table) in &self.state.lock().tables {
            received.probes.add_all(&table.probes);
            received.without_probe += if name == HEALTH_TABLE { 0 } else { table.without_probe };
        }
        received
    }

    /// The totals.
    pub fn totals(&self) -> Totals {
        self.state.lock().totals.clone()
    }

    /// The new rows of each table as NDJSON; they are forgotten here.
    pub fn take_ndjson(&self) -> Vec<(String, Vec<u8>)> {
        let mut state = self.state.lock();
        let tables = state.tables.iter_mut().filter(|(_, table)| !table.pending.is_empty());
        tables.map(|(name, table)| (name.clone(), std::mem::take(&mut table.pending))).collect()
    }

    /// What has arrived, as JSON, for other people's tests.
    fn control(&self) -> Reply {
        let state = self.state.lock();
        let mut body = serde_json::json!(state.totals);
        body["tables"] = serde_json::json!(state.tables);
        Reply::ok(&body)
    }

    fn accept(&self, request: &Request<Bytes>, now: Timestamp) -> Result<(), Refused> {
        let (dcr, stream) = route(request)?;
        version(request)?;
        self.authorize(request, now)?;
        let length = request.body().len();
        if length > self.settings.max_body {
            let limit = self.settings.max_body;
            let text = format!(
                "Maximum allowed content length: {limit} bytes ({} MB). Provided content length: {length} bytes.",
                limit >> 20
            );
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "ContentLengthLimitExceeded", text));
        }
        let elsewhere = self.state.lock().elsewhere;
        if dcr != self.settings.dcr.immutable_id || elsewhere == Some(Elsewhere::Unknown) {
            let text = format!("Data collection rule with immutable Id '{dcr}' not found.");
            return Err((StatusCode::NOT_FOUND, "NotFound", text));
        }
        let Some(stream) = self.settings.dcr.streams.get(&stream) else {
            let text = format!("Stream '{stream}' was not found in data collection rule '{dcr}'.");
            return Err((StatusCode::NOT_FOUND, "InvalidStream", text));
        };
        if !header_text(request, "content-type").to_ascii_lowercase().starts_with("application/json") {
            let text = "The Content-Type must be application/json.".to_owned();
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text));
        }
        let body = self.decompress(request)?;
        let taken = self.state.lock().budget.take(self.settings.limits, body.len() as u64, now.as_second());
        // The wait travels in the message; `handle` makes the header of it.
        taken.map_err(|seconds| (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", seconds.to_string()))?;
        let oversize = body.len() > self.settings.max_decompressed;
        let rows = if oversize { Vec::new() } else { self.check(&body, stream, now)? };
        let mut state = self.state.lock();
        state.totals.accepted += 1;
        if oversize {
            state.totals.lost_oversize += 1;
            return Ok(());
        }
        state.totals.bytes_received += length as u64;
        state.totals.bytes_json += body.len() as u64;
        let table = state.tables.entry(stream.table.clone()).or_default();
        if table.first.is_none() {
            let rows: Vec<&RawValue> = serde_json::from_slice(&body).unwrap_or_default();
            table.first = rows.first().map(|row| row.get().into());
        }
        for row in rows {
            table.add(row, self.settings.keep_rows, self.settings.ndjson);
        }
        Ok(())
    }

    fn authorize(&self, request: &Request<Bytes>, now: Timestamp) -> Result<(), Refused> {
        let unauthorized = |text: &str| Err((StatusCode::UNAUTHORIZED, "InvalidToken", text.to_owned()));
        let Some(token) = header_text(request, "authorization").strip_prefix("Bearer ") else {
            return unauthorized("Authentication token not provided.");
        };
        if let Err(refusal) = self.tokens.check(token, &self.settings.audience, now) {
            return unauthorized(match refusal {
                Refusal::Unknown => "The authentication token is invalid.",
                Refusal::Expired => "The authentication token is expired.",
                Refusal::Audience => "The authentication token has an invalid audience.",
            });
        }
        let found = match &*self.state.lock() {
            State { forbidden: true, .. } => "IsRbacPresent: False, IsDcrDceBindingValid: ",
            State { elsewhere: Some(Elsewhere::NotBound), .. } => "IsRbacPresent: True, IsDcrDceBindingValid: False",
            _ => return Ok(()),
        };
        let text = format!(
            "The authentication token provided does not have access to ingest data for the data collection rule with immutable Id '{}' PipelineAccessResult: AccessGranted: False, {found}, DcrArmId: .",
            self.settings.dcr.immutable_id
        );
        Err((StatusCode::FORBIDDEN, "OperationFailed", text))
    }

    fn decompress(&self, request: &Request<Bytes>) -> Result<Bytes, Refused> {
        match header_text(request, "content-encoding").to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(request.body().clone()),
            "gzip" => {
                let mut body = Vec::with_capacity(request.body().len() * 8);
                let limit = self.settings.max_decompressed as u64 + 1;
                match MultiGzDecoder::new(&request.body()[..]).take(limit).read_to_end(&mut body) {
                    Ok(_) => Ok(body.into()),
                    Err(_) => Err(bad("InvalidContentEncoding", "The body is not valid gzip.")),
                }
            }
            other => {
                let text = format!("The content encoding '{other}' is not supported.");
                Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedContentEncoding", text))
            }
        }
    }

    /// All rows or none: one wrong row refuses the request.
    fn check(&self, body: &[u8], stream: &Stream, now: Timestamp) -> Result<Vec<Checked>, Refused> {
        let text = std::str::from_utf8(body).map_err(|_| bad("InvalidRequestBody", "The body is not valid UTF-8."))?;
        let rows: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|_| bad("InvalidRequestBody", "The body is not a JSON array of records."))?;
        let poison = self.state.lock().poison.clone();
        let store = self.settings.keep_rows || self.settings.ndjson;
        let rules = Rules { stream, strict: self.settings.strict, store, now };
        let mut checked = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            if poison.as_deref().is_some_and(|poison| row.get().contains(poison)) {
                return Err(bad("InvalidRequestBody", &format!("Record {number} can't be processed.")));
            }
            let row = row::check(row.get(), rules);
            checked.push(row.map_err(|why| bad("InvalidRequestBody", &format!("Record {number} {why}.")))?);
        }
        Ok(checked)
    }
}

impl Service for Ingestion {
    fn endpoint(&self, _path: &str) -> Endpoint {
        Endpoint::Ingestion
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        if request.uri().path() == CONTROL_PATH {
            return self.control();
        }
        let number = {
            let mut state = self.state.lock();
            state.totals.requests += 1;
            state.totals.requests
        };
        let reply = match self.accept(request, now) {
            Ok(()) => Reply::new(StatusCode::NO_CONTENT, "", Bytes::new()),
            Err((StatusCode::TOO_MANY_REQUESTS, code, seconds)) => {
                let text = "The data collection rule has exceeded its limit of requests or data per minute.";
                error(StatusCode::TOO_MANY_REQUESTS, code, text).with_header("retry-after", &seconds)
            }
            Err((status, code, text)) => error(status, code, &text),
        };
        let reply = reply.with_header("x-ms-request-id", &format!("00000000-0000-4000-8000-{number:012x}"));
        match header_text(request, "x-ms-client-request-id") {
            "" => reply,
            id => reply.with_header("x-ms-client-request-id", id),
        }
    }
}

#[cfg(test)]
mod tests;
