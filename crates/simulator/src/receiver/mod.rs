//! Receivers of records in HTTP requests: Splunk's HTTP Event Collector, Elastic's `_bulk`, an OTLP receiver, and a plain one that
//! takes NDJSON or JSON arrays.
//!
//! One server has all four; the path says which is meant. Each answers as its documentation says. Where that leaves something open,
//! the simulator does what is worse for a sender.
//!
//! | path | receiver | source of its answers |
//! |---|---|---|
//! | `/services/collector/…` | `splunk` | Splunk, "Troubleshoot HTTP Event Collector: Possible error codes" |
//! | `/…/_bulk` | `elastic` | Elasticsearch, "Bulk API" |
//! | `/v1/logs` | `otlp` | OpenTelemetry, "OTLP/HTTP Response" |
//! | anything else | `plain` | |

mod body;
mod elastic;
mod otlp;
mod plain;
mod splunk;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::entra::Tokens;
use super::judge::Received;
use super::reply::{Busy, CONTROL_PATH, Endpoint, Reply, Service, header_text};
use nordpass_env::Mutex;
use store::State;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The token of Splunk's HTTP Event Collector.
    pub splunk_token: String,
    /// The key of Elastic.
    pub elastic_api_key: String,
    /// What a bearer token must be for at the OTLP and the plain receiver; `None`: they take everybody's records.
    pub audience: Option<String>,
    /// The most bytes of a request as received; a longer one is answered with 413. 20 MiB, as the OpenTelemetry collector has it.
    pub max_body: usize,
    /// Keep the records as NDJSON until they are taken ([`Receivers::take_ndjson`]).
    pub ndjson: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            splunk_token: "00000000-0000-4000-8000-00000000c011".into(),
            elastic_api_key: "simulated-elastic-api-key".into(),
            audience: None,
            max_body: 20 << 20,
            ndjson: false,
        }
    }
}

/// A record that a receiver has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The document's id, where the protocol has one.
    pub id: Option<String>,
    /// The record's JSON text, without what the protocol puts around it.
    pub text: String,
}

/// What a request comes to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer.
    pub reply: Reply,
    /// The records that were accepted by it.
    pub taken: Vec<Taken>,
    /// How many records it had, as far as they could be read.
    pub records: usize,
    /// A record was refused by name.
    pub by_name: bool,
}

impl Outcome {
    /// An answer that accepts nothing, and is about no record.
    fn nothing(reply: Reply) -> Self {
        Self { reply, taken: Vec::new(), records: 0, by_name: false }
    }
}

/// The simulated receivers.
#[derive(Debug)]
pub struct Receivers {
    /// Their settings.
    pub settings: Settings,
    tokens: Tokens,
    state: Mutex<State>,
}

/// What the protocols need to know of a request.
struct Call<'a> {
    request: &'a Request<Bytes>,
    /// Its body, decompressed.
    body: Bytes,
    settings: &'a Settings,
    /// A record with this text is refused by name.
    poison: Option<String>,
    /// There is no room for each so-manieth record, or for any.
    busy: Option<Busy>,
}

impl Call<'_> {
    /// Whether a record is refused by name.
    fn is_poisoned(&self, text: &str) -> bool {
        self.poison.as_deref().is_some_and(|poison| text.contains(poison))
    }
}

impl Receivers {
    /// Receivers that accept these tokens.
    pub fn new(settings: Settings, tokens: Tokens) -> Self {
        Self { settings, tokens, state: Mutex::default() }
    }

    /// Refuses each record whose JSON text contains this, as its protocol does it; `None` ends it.
    pub fn set_poison(&self, text: Option<&str>) {
        self.state.lock().poison = text.map(str::to_owned);
    }

    /// What arrived at one receiver.
    pub fn received(&self, endpoint: Endpoint) -> Received {
        self.state.lock().store(endpoint).map(|store| store.received.clone()).unwrap_or_default()
    }

    /// What arrived, for each receiver that has records, by its name in a faults file.
    pub fn all_received(&self) -> BTreeMap<&'static str, Received> {
        let state = self.state.lock();
        let stores = state.stores.iter().filter(|(_, store)| store.records() > 0);
        stores.map(|(name, store)| (*name, store.received.clone())).collect()
    }

    /// Requests that named a body which had been accepted before, by their header `Idempotency-Key`.
    pub fn repeated_keys(&self) -> u64 {
        self.state.lock().stores.values().map(|store| store.repeated_keys).sum()
    }

    /// The new records of each receiver as NDJSON; they are forgotten here.
    pub fn take_ndjson(&self) -> Vec<(String, Vec<u8>)> {
        let mut state = self.state.lock();
        let stores = state.stores.iter_mut().filter(|(_, store)| !store.pending.is_empty());
        stores.map(|(name, store)| ((*name).to_owned(), std::mem::take(&mut store.pending))).collect()
    }

    /// Handles a request, and says what came of its records.
    pub fn receive(&self, request: &Request<Bytes>, now: Timestamp) -> Outcome {
        let endpoint = self.endpoint(request.uri().path());
        let outcome = self.answer(endpoint, request, now);
        self.state.lock().note(endpoint, request, &outcome, self.settings.ndjson);
        outcome
    }

    fn answer(&self, endpoint: Endpoint, request: &Request<Bytes>, now: Timestamp) -> Outcome {
        if request.body().len() > self.settings.max_body {
            return Outcome::nothing(Reply::json(StatusCode::PAYLOAD_TOO_LARGE, "{}"));
        }
        let body = match body::decompress(request) {
            Ok(body) => body,
            Err(status) => return Outcome::nothing(Reply::json(status, "{}")),
        };
        let poison = self.state.lock().poison.clone();
        let busy = request.extensions().get::<Busy>().copied();
        let call = Call { request, body, settings: &self.settings, poison, busy };
        match endpoint {
            Endpoint::Splunk => splunk::answer(&call, &mut self.state.lock()),
            Endpoint::Elastic => elastic::answer(&call, &mut self.state.lock()),
            _ if !self.lets_in(request, now) => {
                Outcome::nothing(Reply::json(StatusCode::UNAUTHORIZED, r#"{"message":"Unauthorized"}"#))
            }
            Endpoint::Otlp => otlp::answer(&call),
            _ => plain::answer(&call),
        }
    }

    fn lets_in(&self, request: &Request<Bytes>, now: Timestamp) -> bool {
        let Some(audience) = &self.settings.audience else { return true };
        let token = header_text(request, "authorization").strip_prefix("Bearer ").unwrap_or_default();
        self.tokens.check(token, audience, now).is_ok()
    }

    fn control(&self) -> Reply {
        let state = self.state.lock();
        let stores = state.stores.iter().map(|(name, store)| ((*name).to_owned(), json!(store)));
        Reply::ok(&Value::Object(stores.collect::<Map<_, _>>()))
    }
}

impl Service for Receivers {
    fn endpoint(&self, path: &str) -> Endpoint {
        if path.starts_with("/services/collector") {
            Endpoint::Splunk
        } else if path == "/_bulk" || path.ends_with("/_bulk") {
            Endpoint::Elastic
        } else if path.ends_with("/v1/logs") {
            Endpoint::Otlp
        } else {
            Endpoint::Http
        }
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        if request.uri().path() == CONTROL_PATH { self.control() } else { self.receive(request, now).reply }
    }
}
