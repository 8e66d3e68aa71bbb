//! Managed identities: the endpoint of App Service (also Functions and Container Apps) and that of a virtual machine.

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;

use super::Entra;
use crate::form;
use crate::reply::{Reply, header_text};

/// `GET /msi/token`. Numbers in the answer are strings, and there is no `expires_in`.
pub fn app_service(entra: &Entra, request: &Request<Bytes>, now: Timestamp) -> Reply {
    let refusal = |status: StatusCode, message: &str| {
        let body = serde_json::json!({
            "statusCode": status.as_u16(),
            "message": message,
            "correlationId": "00000000-0000-4000-8000-000000000000",
        });
        Reply::json(status, body.to_string())
    };
    if header_text(request, "x-identity-header") != entra.settings.identity_header {
        return refusal(StatusCode::UNAUTHORIZED, "The X-IDENTITY-HEADER is missing or wrong.");
    }
    let query = form::pairs(request.uri().query().unwrap_or_default());
    if form::value(&query, "api-version") != Some("2019-08-01") {
        return refusal(StatusCode::BAD_REQUEST, "Unsupported API version.");
    }
    match resource(entra, &query) {
        Err(message) => refusal(StatusCode::BAD_REQUEST, message),
        Ok((resource, client_id)) => Reply::ok(&serde_json::json!({
            "access_token": entra.issue(resource, now),
            "expires_on": entra.expiry(now).to_string(),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": client_id,
        })),
    }
}

/// `GET /metadata/identity/oauth2/token`
pub fn virtual_machine(entra: &Entra, request: &Request<Bytes>, now: Timestamp) -> Reply {
    let refusal = |error: &str, text: &str| {
        let body = serde_json::json!({ "error": error, "error_description": text });
        Reply::json(StatusCode::BAD_REQUEST, body.to_string())
    };
    if header_text(request, "metadata") != "true" {
        return refusal("bad_request_102", "Required metadata header not specified");
    }
    if !header_text(request, "x-forwarded-for").is_empty() {
        return refusal("bad_request_102", "Requests through a proxy are not accepted");
    }
    let query = form::pairs(request.uri().query().unwrap_or_default());
    if !matches!(form::value(&query, "api-version"), Some("2018-02-01" | "2019-08-01" | "2019-11-01")) {
        return refusal("bad_request", "The requested API version is not supported");
    }
    match resource(entra, &query) {
        Err(message) => refusal("invalid_request", message),
        Ok((resource, client_id)) => Reply::ok(&serde_json::json!({
            "access_token": entra.issue(resource, now),
            "client_id": client_id,
            "refresh_token": "",
            "expires_in": entra.settings.lifetime.as_secs().to_string(),
            "expires_on": entra.expiry(now).to_string(),
            "not_before": now.as_second().to_string(),
            "resource": resource,
            "token_type": "Bearer",
        })),
    }
}

/// The resource that is asked for, and the client id of the identity that it is for.
fn resource<'a>(entra: &'a Entra, query: &'a [(String, String)]) -> Result<(&'a str, &'a str), &'static str> {
    let settings = &entra.settings;
    let resource = form::value(query, "resource").unwrap_or_default();
    if resource.is_empty() {
        return Err("The resource parameter is missing");
    }
    if resource.ends_with("/.default") || !entra.knows(resource) {
        return Err("The resource principal was not found in the tenant");
    }
    let selectors = ["client_id", "object_id", "principal_id", "mi_res_id", "msi_res_id"];
    let selected = selectors.iter().find_map(|name| form::value(query, name));
    match (selected, &settings.user_identity) {
        (None, _) if settings.system_identity => Ok((resource, &settings.client_id)),
        (Some(selected), Some(identity)) if selected == identity => Ok((resource, identity)),
        _ => Err("Identity not found"),
    }
}
