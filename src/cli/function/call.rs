//! What the host sends with a call, and what it wants back.
//!
//! A call means "catch up", so little of the request matters and any JSON is accepted. Only a body that isn't JSON is
//! refused: then the caller isn't the host.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// What a call says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Whether the timer fires later than it should have.
    pub past_due: bool,
}

impl Call {
    /// Reads a body. Keys are found in any case: documentation and hosts differ. The error is a sentence.
    pub fn parse(body: &[u8]) -> Result<Self, &'static str> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let body: Value =
            serde_json::from_slice(body).map_err(|_| "the body isn't JSON, which the Functions host sends")?;
        let data = body.as_object().and_then(|body| get(body, "Data")).and_then(Value::as_object);
        let past_due = data.into_iter().flat_map(Map::values).any(|binding| match binding {
            Value::Object(timer) => is_past_due(timer),
            // A value that the host can't make an object of travels as a string.
            Value::String(text) => serde_json::from_str(text).is_ok_and(|timer| is_past_due(&timer)),
            _ => false,
        });
        Ok(Self { past_due })
    }
}

fn is_past_due(timer: &Map<String, Value>) -> bool {
    get(timer, "IsPastDue").and_then(Value::as_bool).unwrap_or(false)
}

fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The outcome of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lines for the invocation's log. No payload, no secret.
    pub logs: Vec<String>,
    /// Why it couldn't work; then the invocation shows as failed.
    pub failures: Vec<String>,
}

impl Outcome {
    /// A failure for one reason.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { logs: Vec::new(), failures: vec![reason.into()] }
    }

    /// In the host's format. The host reads no body of a failed call, so the reasons are logged as well.
    pub fn into_response(self) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            outputs: Map<String, Value>,
            logs: Vec<String>,
            return_value: Option<Value>,
        }
        let status = if self.failures.is_empty() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        response(status, &Body { outputs: Map::new(), logs: [self.failures, self.logs].concat(), return_value: None })
    }
}

/// A refusal of a call that isn't the host's.
pub fn refused(status: StatusCode, reason: &str) -> Response {
    response(status, &serde_json::json!({ "Outputs": {}, "Logs": [reason], "ReturnValue": null }))
}

fn response(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_string(body).unwrap_or_else(|_| "{}".to_owned());
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
