//! OTLP/HTTP logs as JSON. A record that is refused by name is counted in `partialSuccess`, and the others are taken.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Call, Outcome, Taken, body};
use crate::reply::Reply;

/// gRPC's code for an argument that isn't valid.
const INVALID_ARGUMENT: u32 = 3;
/// gRPC's code for a server that can't take anything now.
const UNAVAILABLE: u32 = 14;

fn say(status: StatusCode, code: u32, message: &str) -> Outcome {
    Outcome::nothing(Reply::json(status, json!({ "code": code, "message": message }).to_string()))
}

/// Handles a request.
pub fn answer(call: &Call<'_>) -> Outcome {
    if *call.request.method() != Method::POST {
        return say(StatusCode::METHOD_NOT_ALLOWED, INVALID_ARGUMENT, "405 method not allowed, supported: [POST]");
    }
    if body::media_type(call.request) != "application/json" {
        let supported = "415 unsupported media type, supported: [application/json]";
        return say(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_ARGUMENT, supported);
    }
    if call.busy.is_some() {
        return say(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, "sending queue is full");
    }
    let Some(records) = records(&call.body) else {
        return say(StatusCode::BAD_REQUEST, INVALID_ARGUMENT, "the body is no ExportLogsServiceRequest");
    };
    let all = records.len();
    let taken: Vec<_> = records.into_iter().filter(|taken| !call.is_poisoned(&taken.text)).collect();
    let by_name = taken.len() < all;
    let partial = match all - taken.len() {
        0 => json!({}),
        rejected => json!({ "rejectedLogRecords": rejected.to_string(), "errorMessage": "some records aren't valid" }),
    };
    Outcome { reply: Reply::ok(&json!({ "partialSuccess": partial })), taken, records: all, by_name }
}

/// The log records of a request; `None` if it is something else.
fn records(body: &[u8]) -> Option<Vec<Taken>> {
    let request: Value = serde_json::from_slice(body).ok()?;
    let mut taken = Vec::new();
    for resource in request.get("resourceLogs")?.as_array()? {
        for scope in resource.get("scopeLogs")?.as_array()? {
            for record in scope.get("logRecords")?.as_array()? {
                // Numbers of 64 bits are strings in this JSON, and so are times.
                if let Some(time) = record.get("timeUnixNano") {
                    time.as_str()?.parse::<u64>().ok()?;
                }
                let body = record.get("body")?;
                let text = body.get("stringValue").and_then(Value::as_str);
                let text = text.map_or_else(|| body.to_string(), str::to_owned);
                taken.push(Taken { id: None, text });
            }
        }
    }
    Some(taken)
}
