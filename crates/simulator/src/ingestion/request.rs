//! What a request's head says, and how requests are refused.

use bytes::Bytes;
use http::{Method, Request, StatusCode};

use crate::form;
use crate::reply::Reply;

/// A refusal: status, code, message.
pub type Refused = (StatusCode, &'static str, String);

/// `/dataCollectionRules/{id}/streams/{stream}`: the two names.
pub fn route(request: &Request<Bytes>) -> Result<(String, String), Refused> {
    let segments: Vec<&str> = request.uri().path().split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        [rules, dcr, streams, stream]
            if rules.eq_ignore_ascii_case("dataCollectionRules") && streams.eq_ignore_ascii_case("streams") =>
        {
            if request.method() == Method::POST {
                Ok((form::decode(dcr), form::decode(stream)))
            } else {
                let text = "The requested resource does not support this HTTP method.".to_owned();
                Err((StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text))
            }
        }
        _ => Err((StatusCode::NOT_FOUND, "NotFound", "The requested resource was not found.".to_owned())),
    }
}

/// Only the versions that are in use.
pub fn version(request: &Request<Bytes>) -> Result<(), Refused> {
    let query = form::pairs(request.uri().query().unwrap_or_default());
    match form::value(&query, "api-version") {
        Some("2023-01-01" | "2021-11-01-preview") => Ok(()),
        Some(other) => Err(bad("UnsupportedApiVersion", &format!("The api-version '{other}' is not supported."))),
        None => Err(bad(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )),
    }
}

/// A refusal with 400.
pub fn bad(code: &'static str, text: &str) -> Refused {
    (StatusCode::BAD_REQUEST, code, text.to_owned())
}

/// A refusal in the shape of Azure's errors.
pub fn error(status: StatusCode, code: &str, message: &str) -> Reply {
    let body = serde_json::json!({ "error": { "code": code, "message": message } });
    Reply::json(status, body.to_string()).with_header("x-ms-error-code", code)
}
