//! A receiver without a protocol of its own: NDJSON or a JSON array by POST or PUT, all of a request or nothing.

use http::{Method, StatusCode};
use serde_json::value::RawValue;

use super::{Call, Outcome, Taken, body};
use crate::reply::Reply;

fn say(status: StatusCode) -> Outcome {
    Outcome::nothing(Reply::new(status, "", ""))
}

/// Handles a request.
pub fn answer(call: &Call<'_>) -> Outcome {
    match *call.request.method() {
        Method::POST | Method::PUT => {}
        Method::OPTIONS => return say(StatusCode::NO_CONTENT),
        _ => return say(StatusCode::METHOD_NOT_ALLOWED),
    }
    if call.busy.is_some() {
        return say(StatusCode::TOO_MANY_REQUESTS);
    }
    let Ok(text) = std::str::from_utf8(&call.body) else { return say(StatusCode::BAD_REQUEST) };
    let records = match &*body::media_type(call.request) {
        "application/x-ndjson" => lines(text),
        "application/json" => serde_json::from_str::<Vec<&RawValue>>(text).ok(),
        _ => return say(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    };
    let Some(records) = records else { return say(StatusCode::BAD_REQUEST) };
    if records.iter().any(|record| call.is_poisoned(record.get())) {
        return Outcome { records: records.len(), by_name: true, ..say(StatusCode::BAD_REQUEST) };
    }
    let taken = records.iter().map(|record| Taken { id: None, text: record.get().to_owned() }).collect();
    Outcome { reply: Reply::new(StatusCode::OK, "", ""), taken, records: records.len(), by_name: false }
}

/// The records of NDJSON; `None` if a line isn't JSON.
fn lines(text: &str) -> Option<Vec<&RawValue>> {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).ok()).collect()
}
