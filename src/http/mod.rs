//! HTTP for every network component: one client trait, its settings, and the real client behind it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

mod backoff;
mod client;
mod retry_after;

pub use backoff::Backoff;
pub use client::SystemNetwork;
pub use retry_after::retry_after;

/// What every network component can set: `[….tls] ca_file, cert_file, key_file`, `proxy`, `request_timeout`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// A PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<std::path::PathBuf>,
    /// A PEM file with this client's certificate chain.
    pub cert_file: Option<std::path::PathBuf>,
    /// A PEM file with the key of `cert_file`.
    pub key_file: Option<std::path::PathBuf>,
    /// The proxy's URL; without it `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count.
    pub proxy: Option<String>,
    /// How long one request may take, its answer's body included.
    pub request_timeout: Duration,
    /// The longest answer body that is read, in bytes.
    pub max_body_bytes: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            ca_file: None,
            cert_file: None,
            key_file: None,
            proxy: None,
            request_timeout: Duration::from_secs(30),
            max_body_bytes: 64 << 20,
        }
    }
}

/// Why there is no answer. None of the texts holds a header, a body or a query string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection: name resolution, refusal, a reset before the answer.
    #[error("no connection to {host}: {reason}")]
    Connect {
        /// The host that was asked.
        host: String,
        /// The operating system's words.
        reason: String,
    },
    /// The other side's certificate isn't trusted, or TLS failed otherwise.
    #[error("TLS with {host} failed: {reason}")]
    Tls {
        /// The host that was asked.
        host: String,
        /// The library's words.
        reason: String,
    },
    /// No complete answer in time.
    #[error("{host} didn't answer within {}s", .after.as_secs())]
    Timeout {
        /// The host that was asked.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// The connection ended inside the answer.
    #[error("the answer of {host} ended early: {reason}")]
    Body {
        /// The host that was asked.
        host: String,
        /// The library's words.
        reason: String,
    },
    /// The answer is longer than [`HttpSettings::max_body_bytes`].
    #[error("the answer of {host} is longer than {limit} bytes")]
    TooLarge {
        /// The host that was asked.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Sends one request and reads the whole answer. Any status is an answer, not an error; redirects aren't followed.
pub trait HttpClient: Send + Sync {
    /// One attempt; retrying is the caller's.
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>>;
}

/// Makes clients.
pub trait Network: Send + Sync {
    /// A client with these settings, or a sentence that says which file or value is wrong.
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String>;
}
