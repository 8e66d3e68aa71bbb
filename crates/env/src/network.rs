//! HTTP as the program sees it: a client trait, its settings, its errors. The real client is the program's own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::kafka::Broker;

/// What every network component can set: `[….tls] ca_file, cert_file, key_file`, `proxy`, `request_timeout`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// A PEM file of certificate authorities to trust in addition to the system's.
    pub ca_file: Option<std::path::PathBuf>,
    /// A PEM file with this client's certificate chain.
    pub cert_file: Option<std::path::PathBuf>,
    /// A PEM file with the key of `cert_file`.
    pub key_file: Option<std::path::PathBuf>,
    /// The proxy's URL; without it `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count (loopback hosts aside).
    pub proxy: Option<String>,
    /// Never through a proxy, whatever `proxy` and the environment say: for a machine's own metadata service.
    pub direct: bool,
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
            direct: false,
            request_timeout: Duration::from_secs(30),
            max_body_bytes: 32 << 20,
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
    #[error("{host} didn't respond within {} s", .after.as_secs())]
    Timeout {
        /// The host that was asked.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// The connection ended inside the answer.
    #[error("the response of {host} ended early: {reason}")]
    Body {
        /// The host that was asked.
        host: String,
        /// The library's words.
        reason: String,
    },
    /// The answer is longer than [`HttpSettings::max_body_bytes`].
    #[error("the response of {host} is longer than {limit} bytes")]
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

    /// The Kafka cluster with one of these bootstrap servers, where it is simulated. `None`: they have to be connected to.
    fn broker(&self, bootstrap_servers: &[String]) -> Option<Arc<dyn Broker>> {
        let _ = bootstrap_servers;
        None
    }
}

/// Whether a URL's host is meant to be this machine: `localhost`, 127.0.0.0/8 or `[::1]`. Which address a name has is seen when
/// it is connected to; a name below `localhost` can have any.
pub fn is_loopback(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn loopback_hosts() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.localhost",
            "localhost.example.com",
            "notlocalhost",
            "10.0.0.1",
            "127.0.0.1.example.com",
            "[::2]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
