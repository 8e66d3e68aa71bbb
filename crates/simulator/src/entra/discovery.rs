//! The documents that the official clients ask for before their first token request.

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;

use super::{Entra, aad_error};
use crate::reply::{Reply, header_text};

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub fn openid(entra: &Entra, tenant: &str, request: &Request<Bytes>, now: Timestamp) -> Reply {
    if tenant != entra.settings.tenant {
        let text = format!("Tenant '{tenant}' not found.");
        return aad_error(StatusCode::BAD_REQUEST, "invalid_tenant", 90_002, &text, now);
    }
    let base = format!("{}/{tenant}", own_address(request));
    Reply::ok(&serde_json::json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "tenant_region_scope": null,
        "cloud_instance_name": "microsoftonline.com",
    }))
}

/// `GET /common/discovery/instance`, for clients whose instance discovery isn't switched off.
pub fn instance(entra: &Entra, request: &Request<Bytes>) -> Reply {
    let address = own_address(request);
    let host = address.split_once("://").map_or(address.as_str(), |(_, host)| host);
    Reply::ok(&serde_json::json!({
        "tenant_discovery_endpoint":
            format!("{address}/{}/v2.0/.well-known/openid-configuration", entra.settings.tenant),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    }))
}

/// The address under which the client asked.
pub fn own_address(request: &Request<Bytes>) -> String {
    let scheme = request.uri().scheme_str().unwrap_or("https");
    let host = request.uri().authority().map_or_else(|| header_text(request, "host"), |authority| authority.as_str());
    format!("{scheme}://{host}")
}
