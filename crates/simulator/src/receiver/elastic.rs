//! Elastic's `_bulk`, with the actions `create` and `index`: an answer for each document, in their order.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::store::State;
use super::{Call, Outcome, Taken, body};
use crate::reply::{Busy, Reply, header_text};

/// What one document comes to.
struct Item {
    action: &'static str,
    index: String,
    id: String,
    status: u16,
    /// Type and words.
    error: Option<(&'static str, &'static str)>,
}

fn say(status: StatusCode, kind: &str, reason: &str) -> Outcome {
    let error = json!({ "type": kind, "reason": reason });
    let body = json!({ "error": { "root_cause": [error], "type": kind, "reason": reason }, "status": status.as_u16() });
    Outcome::nothing(Reply::json(status, body.to_string()))
}

/// Handles a request.
pub fn answer(call: &Call<'_>, state: &mut State) -> Outcome {
    if !matches!(*call.request.method(), Method::POST | Method::PUT) {
        let reply = Reply::new(StatusCode::METHOD_NOT_ALLOWED, "", "").with_header("allow", "POST,PUT");
        return Outcome::nothing(reply);
    }
    if header_text(call.request, "authorization").strip_prefix("ApiKey ") != Some(&call.settings.elastic_api_key) {
        return say(StatusCode::UNAUTHORIZED, "security_exception", "unable to authenticate with this API key");
    }
    if !matches!(&*body::media_type(call.request), "application/x-ndjson" | "application/json") {
        return say(StatusCode::NOT_ACCEPTABLE, "media_type_header_exception", "Content-Type header is not supported");
    }
    let Ok(text) = std::str::from_utf8(&call.body) else {
        return say(StatusCode::BAD_REQUEST, "illegal_argument_exception", "the body isn't UTF-8");
    };
    if !text.ends_with('\n') {
        let reason = "The bulk request must be terminated by a newline [\\n]";
        return say(StatusCode::BAD_REQUEST, "illegal_argument_exception", reason);
    }
    documents(call, text, state)
}

fn documents(call: &Call<'_>, text: &str, state: &mut State) -> Outcome {
    let path = call.request.uri().path().trim_end_matches("_bulk").trim_matches('/').to_owned();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let (mut items, mut taken) = (Vec::new(), Vec::new());
    while let Some(action) = lines.next() {
        let action: Value = serde_json::from_str(action).unwrap_or_default();
        let named = ["create", "index"].into_iter().find_map(|name| Some((name, action.get(name)?)));
        let (Some((name, meta)), Some(document)) = (named, lines.next()) else {
            let reason = "Malformed action/metadata line, expected field [create], [delete], [index] or [update]";
            return say(StatusCode::BAD_REQUEST, "illegal_argument_exception", reason);
        };
        let index = meta["_index"].as_str().unwrap_or(&path).to_owned();
        if index.is_empty() {
            let reason = "Validation Failed: 1: index is missing;";
            return say(StatusCode::BAD_REQUEST, "action_request_validation_exception", reason);
        }
        let id = meta["_id"].as_str().map_or_else(|| format!("auto-{}", state.documents.len()), str::to_owned);
        let mut item = Item { action: name, index, id, status: 201, error: None };
        (item.status, item.error) = outcome(call, &item, document, items.len() as u64 + 1, state);
        if item.status < 300 {
            state.documents.insert((item.index.clone(), item.id.clone()));
            taken.push(Taken { id: Some(item.id.clone()), text: document.to_owned() });
        }
        items.push(item);
    }
    if items.is_empty() {
        let reason = "Validation Failed: 1: no requests added;";
        return say(StatusCode::BAD_REQUEST, "action_request_validation_exception", reason);
    }
    let errors = items.iter().any(|item| item.error.is_some());
    let (records, by_name) = (items.len(), items.iter().any(|item| item.status == 400));
    let items: Vec<_> = items.iter().map(Item::json).collect();
    let reply = Reply::ok(&json!({ "took": 1, "errors": errors, "items": items }));
    Outcome { reply, taken, records, by_name }
}

/// A document's status and error.
fn outcome(
    call: &Call<'_>,
    item: &Item,
    document: &str,
    number: u64,
    state: &State,
) -> (u16, Option<(&'static str, &'static str)>) {
    let Item { action, index, id, .. } = item;
    if call.busy.is_some_and(|Busy(every)| number.is_multiple_of(every.max(1))) {
        return (429, Some(("es_rejected_execution_exception", "rejected execution of primary operation")));
    }
    let is_there = state.documents.contains(&(index.clone(), id.clone()));
    match action {
        &"create" if is_there => {
            (409, Some(("version_conflict_engine_exception", "version conflict, document already exists")))
        }
        _ if call.is_poisoned(document) || !serde_json::from_str::<Value>(document).is_ok_and(|it| it.is_object()) => {
            (400, Some(("document_parsing_exception", "failed to parse")))
        }
        _ => (if is_there { 200 } else { 201 }, None),
    }
}

impl Item {
    fn json(&self) -> Value {
        let Self { action, index, id, status, error } = self;
        let mut answer = json!({ "_index": index, "_id": id, "status": status });
        match error {
            Some((kind, reason)) => answer["error"] = json!({ "type": kind, "reason": reason }),
            None => answer["result"] = if *status == 201 { "created" } else { "updated" }.into(),
        }
        json!({ *action: answer })
    }
}
