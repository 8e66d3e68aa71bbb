//! Entra ID as far as a daemon meets it: the token endpoint with client credentials, the discovery documents that the
//! official clients ask for first, and the two managed-identity endpoints, of App Service and of a virtual machine.
//!
//! Bodies of errors have Azure's shape and numbers, so that clients take the same branches as in real life.

mod assertion;
mod discovery;
mod identity;
mod keys;
mod token;
mod tokens;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;

pub use keys::{ApplicationCertificate, Issuer, Keys};
pub use tokens::{Refusal, Tokens};

use super::reply::{Endpoint, Reply, Service};
use nordpass_env::Mutex;

/// The path of the App Service endpoint.
pub const IDENTITY_PATH: &str = "/msi/token";
/// The path of a virtual machine's endpoint.
pub const IMDS_PATH: &str = "/metadata/identity/oauth2/token";

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The one tenant.
    pub tenant: String,
    /// The one application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The resources that tokens are issued for.
    pub audiences: Vec<String>,
    /// How long a token lives.
    pub lifetime: Duration,
    /// What `X-IDENTITY-HEADER` must say.
    pub identity_header: String,
    /// The client id of the user-assigned identity; requests that name another one are refused.
    pub user_identity: Option<String>,
    /// Whether there is a system-assigned identity: what requests without a name get.
    pub system_identity: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant: "11111111-2222-4333-8444-555555555555".into(),
            client_id: "66666666-7777-4888-9999-000000000000".into(),
            client_secret: "simulated-client-secret".into(),
            audiences: ["monitor.azure.com", "monitor.azure.us", "monitor.azure.cn", "storage.azure.com"]
                .map(|host| format!("https://{host}"))
                .into(),
            lifetime: Duration::from_secs(3599),
            identity_header: "simulated-identity-header".into(),
            user_identity: Some("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".into()),
            system_identity: true,
        }
    }
}

/// The simulated directory.
#[derive(Debug)]
pub struct Entra {
    /// Its settings.
    pub settings: Settings,
    secrets: Mutex<Secrets>,
    /// What client assertions are checked against.
    pub keys: Keys,
    /// The tokens it has issued.
    pub tokens: Tokens,
}

#[derive(Debug)]
struct Secrets {
    /// The one that counts now: it can be renewed.
    current: String,
    /// One that was right until it expired.
    expired: Option<String>,
}

impl Entra {
    /// A directory that issues into `tokens`.
    pub fn new(settings: Settings, tokens: Tokens) -> Self {
        let secrets = Mutex::new(Secrets { current: settings.client_secret.clone(), expired: None });
        Self { settings, secrets, keys: Keys::default(), tokens }
    }

    /// Renews the application's secret: the one before is refused from now on.
    pub fn set_secret(&self, secret: &str) {
        secret.clone_into(&mut self.secrets.lock().current);
    }

    /// Lets the application's secret expire: it is refused as such from now on.
    pub fn expire_secret(&self) {
        let mut secrets = self.secrets.lock();
        secrets.expired = Some(std::mem::take(&mut secrets.current));
    }

    fn issue(&self, audience: &str, now: Timestamp) -> String {
        self.tokens.issue(audience, self.settings.lifetime, now)
    }

    /// When a token issued now expires, in Unix seconds.
    fn expiry(&self, now: Timestamp) -> i64 {
        now.checked_add(self.settings.lifetime).unwrap_or(Timestamp::MAX).as_second()
    }

    fn knows(&self, audience: &str) -> bool {
        self.settings.audiences.iter().any(|known| tokens::bare(known) == tokens::bare(audience))
    }
}

impl Service for Entra {
    fn endpoint(&self, path: &str) -> Endpoint {
        if path == IDENTITY_PATH || path == IMDS_PATH { Endpoint::Identity } else { Endpoint::Entra }
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let path = request.uri().path();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match (request.method(), segments.as_slice()) {
            (&Method::POST, [tenant, "oauth2", "v2.0", "token"]) => token::answer(self, tenant, request, now),
            (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
                discovery::openid(self, tenant, request, now)
            }
            (&Method::GET, ["common", "discovery", "instance"]) => discovery::instance(self, request),
            (&Method::GET, ["msi", "token"]) => identity::app_service(self, request, now),
            (&Method::GET, ["metadata", "identity", "oauth2", "token"]) => {
                identity::virtual_machine(self, request, now)
            }
            _ => Reply::json(StatusCode::NOT_FOUND, r#"{"error":"not_found"}"#),
        }
    }
}

/// An error with Azure's shape. `code` is the number after `AADSTS`.
fn aad_error(status: StatusCode, error: &str, code: u32, text: &str, now: Timestamp) -> Reply {
    let trace = format!("00000000-0000-4000-8000-{:012x}", now.as_millisecond());
    let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let body = serde_json::json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {trace} Timestamp: {time}"),
        "error_codes": [code],
        "timestamp": time,
        "trace_id": trace,
        "correlation_id": trace,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    Reply::json(status, body.to_string())
}

#[cfg(test)]
mod tests;
