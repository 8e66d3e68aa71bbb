//! The receivers of the `http` sink, with the ledger's books about what they accept.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;
use nordpass_simulator::receiver::{Outcome, Receivers, Taken};
use nordpass_simulator::{Endpoint, Reply, Service};
use serde_json::Value;

use crate::ledger::{Destination, Ledger, number_of};

/// Receivers whose records are written down.
pub struct ReceiverLedger {
    pub ledger: Arc<Ledger>,
    pub receivers: Arc<Receivers>,
}

impl Service for ReceiverLedger {
    fn endpoint(&self, path: &str) -> Endpoint {
        self.receivers.endpoint(path)
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let Outcome { reply, taken, records, by_name } = self.receivers.receive(request, now);
        let to = Destination::Receiver;
        // Elastic names each document. Elsewhere an answer about a part is no word about the rest.
        let is_of_a_part = by_name && self.endpoint(request.uri().path()) != Endpoint::Elastic;
        self.write(request, &taken, is_of_a_part);
        // Where the address has the day, or a header has, each day is a stream of its own.
        let day = request.headers().get("x-day").and_then(|day| day.to_str().ok()).unwrap_or_default();
        let (stream, epoch, at) = (stream_of(request.uri().path(), day), self.ledger.epoch(), now.as_second());
        let mut books = self.ledger.books();
        let stream = books.stream(to, &stream, epoch);
        if by_name && records == 1 {
            stream.refused.get_or_insert(at);
        } else if reply.status() == StatusCode::OK && !taken.is_empty() && !is_of_a_part {
            stream.accept(at);
        }
        reply
    }
}

impl ReceiverLedger {
    fn write(&self, request: &Request<Bytes>, taken: &[Taken], is_of_a_part: bool) {
        if taken.is_empty() {
            return;
        }
        let records: Vec<(u128, Value)> = taken.iter().map(|taken| (id(taken), value(taken))).collect();
        self.ledger.write_rows(Destination::Receiver, number_of(request), &records);
        if is_of_a_part {
            self.ledger.books().of_a_part.insert(number_of(request));
        }
    }
}

/// The name of a stream: the path, and behind a question mark the day.
fn stream_of(path: &str, day: &str) -> String {
    format!("{path}?{day}")
}

fn value(taken: &Taken) -> Value {
    serde_json::from_str(&taken.text).unwrap_or_default()
}

/// The id that a record shows: the document's, or the row's. Where both are there, they must be the same.
fn id(taken: &Taken) -> u128 {
    let read = |id: &str| u128::from_str_radix(id, 16).unwrap_or(0);
    let own = value(taken)["event_id"].as_str().map(read);
    match (taken.id.as_deref().map(read), own) {
        (Some(document), Some(own)) if document != own => 0,
        (document, own) => document.or(own).unwrap_or(0),
    }
}
