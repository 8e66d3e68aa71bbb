//! Splunk's HTTP Event Collector: `/services/collector`, `/services/collector/event`, `…/ack` and `…/health`.
//!
//! One event that can't be read refuses the request and names itself. Whether the events before it are indexed isn't documented: here
//! they are, so that whoever sends the request again has copies to explain.

use http::{Method, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::store::State;
use super::{Call, Outcome, Taken};
use crate::form;
use crate::reply::{Reply, header_text};

/// An event, as it is sent.
#[derive(serde::Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

fn say(status: StatusCode, code: u32, text: &str) -> Reply {
    Reply::json(status, json!({ "text": text, "code": code }).to_string())
}

/// Handles a request.
pub fn answer(call: &Call<'_>, state: &mut State) -> Outcome {
    let path = call.request.uri().path().trim_end_matches('/');
    match (call.request.method(), path.trim_start_matches("/services/collector")) {
        (&Method::GET, "/health" | "/health/1.0") => Outcome::nothing(say(StatusCode::OK, 17, "HEC is healthy")),
        (&Method::OPTIONS, _) => Outcome::nothing(Reply::new(StatusCode::OK, "", "")),
        (&Method::POST, "" | "/event" | "/event/1.0") => match refusal(call) {
            Some(reply) => Outcome::nothing(reply),
            None => events(call, state),
        },
        (&Method::POST, "/ack") => Outcome::nothing(refusal(call).unwrap_or_else(|| acknowledged(call, state))),
        (_, "" | "/event" | "/event/1.0" | "/ack") => {
            Outcome::nothing(Reply::new(StatusCode::METHOD_NOT_ALLOWED, "", ""))
        }
        _ => Outcome::nothing(say(StatusCode::NOT_FOUND, 404, "The requested URL was not found on this server.")),
    }
}

/// Who isn't let in, and what a busy server says.
fn refusal(call: &Call<'_>) -> Option<Reply> {
    let header = header_text(call.request, "authorization");
    match header.strip_prefix("Splunk ") {
        None if header.is_empty() => Some(say(StatusCode::UNAUTHORIZED, 2, "Token is required")),
        None => Some(say(StatusCode::UNAUTHORIZED, 3, "Invalid authorization")),
        Some(token) if token != call.settings.splunk_token => Some(say(StatusCode::FORBIDDEN, 4, "Invalid token")),
        Some(_) => call.busy.map(|_| say(StatusCode::SERVICE_UNAVAILABLE, 9, "Server is busy")),
    }
}

fn events(call: &Call<'_>, state: &mut State) -> Outcome {
    let mut taken = Vec::new();
    let all = || serde_json::Deserializer::from_slice(&call.body).into_iter::<&RawValue>();
    let records = all().count();
    for sent in all() {
        let checked = match &sent {
            Ok(sent) => check(call, sent.get()),
            Err(_) => Err((6, "Invalid data format")),
        };
        match checked {
            Ok(text) => taken.push(Taken { id: None, text }),
            Err((code, text)) => {
                let body = json!({ "text": text, "code": code, "invalid-event-number": taken.len() });
                let reply = Reply::json(StatusCode::BAD_REQUEST, body.to_string());
                return Outcome { reply, taken, records, by_name: true };
            }
        }
    }
    if taken.is_empty() {
        return Outcome::nothing(say(StatusCode::BAD_REQUEST, 5, "No data"));
    }
    let mut body = json!({ "text": "Success", "code": 0 });
    if let Some(channel) = channel(call) {
        let number = state.channels.entry(channel).or_default();
        body["ackId"] = (*number).into();
        *number += 1;
    }
    Outcome { reply: Reply::ok(&body), taken, records, by_name: false }
}

/// The event's text, or the code and the words of the refusal.
fn check(call: &Call<'_>, sent: &str) -> Result<String, (u32, &'static str)> {
    // An array would be read as the fields of an object.
    let object = if sent.starts_with('{') { serde_json::from_str(sent).ok() } else { None };
    let Some(Sent { event }) = object else { return Err((6, "Invalid data format")) };
    match event.map(RawValue::get) {
        None => Err((12, "Event field is required")),
        Some("\"\"") => Err((13, "Event field cannot be blank")),
        Some(text) if call.is_poisoned(text) => Err((6, "Invalid data format")),
        Some(text) => Ok(text.to_owned()),
    }
}

/// A client that sends a channel asks for acknowledgements.
fn channel(call: &Call<'_>) -> Option<String> {
    let header = header_text(call.request, "x-splunk-request-channel");
    let pairs = form::pairs(call.request.uri().query().unwrap_or_default());
    let channel = if header.is_empty() { form::value(&pairs, "channel").unwrap_or_default() } else { header };
    (!channel.is_empty()).then(|| channel.to_owned())
}

/// Which requests of a channel are indexed: here all that were accepted.
fn acknowledged(call: &Call<'_>, state: &State) -> Reply {
    let Some(channel) = channel(call) else {
        return say(StatusCode::BAD_REQUEST, 10, "Data channel is missing");
    };
    let asked: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let Some(asked) = asked["acks"].as_array() else {
        return say(StatusCode::BAD_REQUEST, 6, "Invalid data format");
    };
    let count = state.channels.get(&channel).copied().unwrap_or(0);
    let acks = asked.iter().filter_map(Value::as_u64).map(|id| (id.to_string(), Value::from(id < count)));
    Reply::ok(&json!({ "acks": acks.collect::<serde_json::Map<_, _>>() }))
}
