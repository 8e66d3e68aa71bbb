//! What can happen to a request of an `http` sink.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use nordpass_simulator::faults::{Effect, Fault, RetryAfter, When};

use super::Receiver;
use crate::plan::Drawer;

/// Refusals of everything: two turns of them are one by design, so there is no third spell.
const MOST_REFUSALS: usize = 2;

/// A fault with its name in the report.
type Named = (&'static str, Fault);

/// Draws some for the time in which things go wrong, in seconds. The first that fits a request happens to it: refusals of everything
/// come first, so that nothing slips through one.
pub fn drawn(draw: &mut Drawer, receiver: Receiver, chaos: u64) -> Vec<Named> {
    let mut faults: Vec<Named> = Vec::new();
    for _ in 0..draw.size(1, 6) {
        let (name, effect, refuses_all) = effect(draw, receiver);
        if refuses_all && faults.iter().filter(|(name, _)| is_refusal(name)).count() >= MOST_REFUSALS {
            continue;
        }
        let from = draw.between(0, chaos);
        let until = from + draw.between(1, chaos - from + 1);
        let mut when = When {
            endpoint: Some(receiver.endpoint()),
            after: Some(Duration::from_secs(from)),
            before: Some(Duration::from_secs(until)),
            ..When::default()
        };
        match draw.between(0, 3) {
            // A refusal of a record now and again would be one by name: only the poisoned record is refused so.
            _ if refuses_all => {}
            0 => when.probability = Some(0.5),
            1 => when.probability = Some(0.1),
            2 => when.times = Some(draw.between(1, 4)),
            _ => {}
        }
        let slow = if name == "http: slow" { draw.between(1, 40) } else { 0 };
        faults.push((name, Fault { when, effect, delay: Duration::from_secs(slow) }));
    }
    faults.sort_by_key(|(name, _)| !is_refusal(name));
    faults
}

/// Whether a fault says that what was sent is unacceptable.
fn is_refusal(name: &str) -> bool {
    matches!(name, "http: 400 for all" | "http: a partial success without a record")
}

fn status(code: u16, body: &str, retry_after: Option<RetryAfter>) -> Effect {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    Effect::Status { status, body: body.to_owned(), headers: BTreeMap::new(), retry_after }
}

/// One thing that can happen, its name in the report, and whether it refuses everything.
fn effect(draw: &mut Drawer, receiver: Receiver) -> (&'static str, Effect, bool) {
    let shapes = [
        ("http: 429", None),
        ("http: 429, Retry-After in seconds", Some(RetryAfter::Seconds(7))),
        ("http: 429, Retry-After a date", Some(RetryAfter::Date(Duration::from_secs(20)))),
        ("http: 429, Retry-After a date that has passed", Some(RetryAfter::Past)),
        ("http: 429, Retry-After of years", Some(RetryAfter::Huge)),
        ("http: 429, Retry-After that is junk", Some(RetryAfter::Junk)),
    ];
    let (throttled, shape) = shapes[draw.size(0, shapes.len() - 1)].clone();
    let other = draw.of(&[401, 403, 404, 408, 409, 422, 500, 502, 504]);
    let (name, effect) = match draw.between(0, 14) {
        0 | 1 => (throttled, status(429, "", shape)),
        2 => ("http: 503", status(503, "", shape)),
        3 => ("http: 413", status(413, "", None)),
        4 => return ("http: 400 for all", status(400, "", None), true),
        5 => ("http: another status", status(other, "", None)),
        6 => ("http: HTML", Effect::Html(draw.of(&[StatusCode::OK, StatusCode::BAD_GATEWAY]))),
        7 => ("http: a redirect", status(302, "", None)),
        8 => ("http: reset before", Effect::ResetBefore),
        9 | 10 => ("http: answer lost", Effect::ResetAfter),
        11 => ("http: truncated", Effect::Truncate(draw.size(0, 400))),
        12 => ("http: void tokens", Effect::ExpireTokens),
        13 => ("http: slow", Effect::None),
        _ => return error_inside(draw, receiver),
    };
    (name, effect, false)
}

/// A 200 with an error inside, where the protocol has such a thing.
fn error_inside(draw: &mut Drawer, receiver: Receiver) -> (&'static str, Effect, bool) {
    let inside = "http: an error inside a 200";
    match receiver.format {
        "splunk_hec" => (inside, status(200, r#"{"text":"Server is busy","code":9}"#, None), false),
        "elastic_bulk" if draw.chance(0.5) => (inside, status(200, r#"{"errors":true,"items":[]}"#, None), false),
        "elastic_bulk" => ("http: 429 for a part", Effect::Busy(draw.between(1, 3)), false),
        "otlp_json" => {
            let body = r#"{"partialSuccess":{"rejectedLogRecords":"7","errorMessage":"none of them"}}"#;
            ("http: a partial success without a record", status(200, body, None), true)
        }
        _ => ("http: no room", Effect::Busy(1), false),
    }
}
