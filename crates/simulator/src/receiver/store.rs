//! What the receivers have.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::Request;
use serde::Serialize;

use super::{Outcome, Taken};
use crate::judge::Received;
use crate::probe::probe_of;
use crate::reply::{Endpoint, header_text};

/// How many keys a receiver remembers.
const MOST_KEYS: usize = 100_000;

/// All receivers.
#[derive(Debug, Default)]
pub struct State {
    /// Each by its name in a faults file.
    pub stores: BTreeMap<&'static str, Store>,
    /// A record with this text is refused by name.
    pub poison: Option<String>,
    /// The ids of Elastic's documents, by their index.
    pub documents: BTreeSet<(String, String)>,
    /// How many requests each of Splunk's channels has had.
    pub channels: BTreeMap<String, u64>,
}

/// One receiver.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Store {
    /// Requests, accepted or not.
    pub requests: u64,
    /// Requests by which records were accepted.
    pub accepted: u64,
    /// Of these, those whose idempotency key had come with an accepted request before.
    pub repeated_keys: u64,
    /// The records.
    #[serde(serialize_with = "numbers")]
    pub received: Received,
    /// Those that nobody has taken yet, as NDJSON.
    #[serde(skip)]
    pub pending: Vec<u8>,
    #[serde(skip)]
    keys: BTreeSet<String>,
}

/// The numbers of a receiver's records, for other people's tests.
fn numbers<S: serde::Serializer>(received: &Received, serializer: S) -> Result<S::Ok, S::Error> {
    let Received { rows, without_probe, .. } = received;
    (rows.values().sum::<u64>(), without_probe).serialize(serializer)
}

impl Store {
    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.received.rows.values().sum()
    }
}

/// A receiver's name in a faults file.
pub fn name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Splunk => "splunk",
        Endpoint::Elastic => "elastic",
        Endpoint::Otlp => "otlp",
        _ => "http",
    }
}

impl State {
    /// A receiver, if it has had a request.
    pub fn store(&self, endpoint: Endpoint) -> Option<&Store> {
        self.stores.get(name(endpoint))
    }

    /// Notes a request and what came of it.
    pub fn note(&mut self, at: Endpoint, request: &Request<Bytes>, outcome: &Outcome, ndjson: bool) {
        let Outcome { reply, taken, .. } = outcome;
        let name = name(at);
        let store = self.stores.entry(name).or_default();
        store.requests += 1;
        let key = header_text(request, "idempotency-key");
        if reply.status().is_success() && !key.is_empty() {
            if store.keys.contains(key) {
                store.repeated_keys += 1;
            } else if store.keys.len() < MOST_KEYS {
                store.keys.insert(key.to_owned());
            }
        }
        store.accepted += u64::from(!taken.is_empty());
        for Taken { text, .. } in taken {
            match probe_of(text) {
                Some(probe) => store.received.probes.add(probe),
                None => store.received.without_probe += 1,
            }
            if ndjson {
                store.pending.extend(text.bytes().map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }));
                store.pending.push(b'\n');
            }
        }
        *store.received.rows.entry(name.to_owned()).or_default() += taken.len() as u64;
    }
}
