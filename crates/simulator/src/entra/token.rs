//! `POST /{tenant}/oauth2/v2.0/token` with client credentials.

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;

use super::{Entra, aad_error, discovery};
use crate::form;
use crate::reply::{Reply, header_text};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The answer to a token request.
pub fn answer(entra: &Entra, tenant: &str, request: &Request<Bytes>, now: Timestamp) -> Reply {
    let bad = |error: &str, code: u32, text: &str| aad_error(StatusCode::BAD_REQUEST, error, code, text, now);
    if !header_text(request, "content-type").starts_with("application/x-www-form-urlencoded") {
        return bad("invalid_request", 900_144, "The request body must be form-encoded.");
    }
    let body = String::from_utf8_lossy(request.body()).into_owned();
    let form = form::pairs(&body);
    let field = |name: &str| form::value(&form, name).unwrap_or_default();
    let missing = |name: &str| {
        bad("invalid_request", 900_144, &format!("The request body must contain the following parameter: '{name}'."))
    };
    let settings = &entra.settings;
    if tenant != settings.tenant {
        return bad("invalid_request", 90_002, &format!("Tenant '{tenant}' not found."));
    }
    match field("grant_type") {
        "" => return missing("grant_type"),
        "client_credentials" => {}
        _ => return bad("unsupported_grant_type", 70_003, "The app requested an unsupported grant type."),
    }
    match field("client_id") {
        "" => return missing("client_id"),
        id if id == settings.client_id => {}
        id => {
            let text = format!("Application with identifier '{id}' was not found in the directory '{tenant}'.");
            return bad("unauthorized_client", 700_016, &text);
        }
    }
    let scope = field("scope");
    if scope.is_empty() {
        return missing("scope");
    }
    // One resource only, named by its audience with `/.default` behind it.
    let Some(audience) = scope.strip_suffix("/.default").filter(|audience| !audience.contains(' ')) else {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
        );
        return bad("invalid_scope", 1_002_012, &text);
    };
    if !entra.knows(audience) {
        let text = format!("The resource principal named {audience} was not found in the tenant named {tenant}.");
        return bad("invalid_resource", 500_011, &text);
    }
    let unauthorized = |code: u32, text: &str| aad_error(StatusCode::UNAUTHORIZED, "invalid_client", code, text, now);
    let (secret, assertion, secrets) = (field("client_secret"), field("client_assertion"), entra.secrets.lock());
    if secret.is_empty() && assertion.is_empty() {
        return unauthorized(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        );
    }
    if !assertion.is_empty() {
        if field("client_assertion_type") != JWT_BEARER {
            return unauthorized(700_027, "Client assertion failed signature validation.");
        }
        let endpoint = format!("{}/{tenant}/oauth2/v2.0/token", discovery::own_address(request));
        if let Err((code, text)) = entra.keys.check(assertion, &settings.client_id, &endpoint, now) {
            return unauthorized(code, &text);
        }
    } else if secrets.expired.as_deref() == Some(secret) {
        let text = format!("The provided client secret keys for app '{}' are expired.", settings.client_id);
        return unauthorized(7_000_222, &text);
    } else if secrets.current != secret {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
            settings.client_id
        );
        return unauthorized(7_000_215, &text);
    }
    let seconds = settings.lifetime.as_secs();
    Reply::ok(&serde_json::json!({
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": entra.issue(audience, now),
    }))
    .with_header("cache-control", "no-store, no-cache")
    .with_header("pragma", "no-cache")
}
