//! The real client, on reqwest.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, Proxy};

use super::{HttpClient, HttpError, HttpSettings, Network};

/// A connection that isn't there after this never comes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Clients that use the machine's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        let mut builder = reqwest::Client::builder()
            // A redirect would carry the token to another place.
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(settings.request_timeout))
            .timeout(settings.request_timeout)
            .user_agent(concat!("nordpass-sentinel/", env!("CARGO_PKG_VERSION")));
        let read = |what: &str, path: &std::path::Path| {
            std::fs::read(path).map_err(|error| format!("can't read the {what} {}: {error}", path.display()))
        };
        if let Some(path) = &settings.ca_file {
            let pem = read("ca_file", path)?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|_| no_pem("ca_file", path))?;
            if authorities.is_empty() {
                return Err(no_pem("ca_file", path));
            }
            builder = builder.tls_certs_merge(authorities);
        }
        if let (Some(cert), Some(key)) = (&settings.cert_file, &settings.key_file) {
            let mut pem = read("cert_file", cert)?;
            pem.push(b'\n');
            pem.extend(read("key_file", key)?);
            builder = builder.identity(Identity::from_pem(&pem).map_err(|_| no_pem("cert_file or key_file", cert))?);
        }
        match settings.proxy.as_deref() {
            Some("none") => builder = builder.no_proxy(),
            Some(url) => builder = builder.proxy(Proxy::all(url).map_err(|_| "`proxy` is no proxy's URL".to_owned())?),
            None => {}
        }
        let client = builder.build().map_err(|error| format!("no HTTP client can be made: {}", causes(&error)))?;
        let (limit, timeout) = (settings.max_body_bytes, settings.request_timeout);
        Ok(Arc::new(SystemClient { client, limit, timeout }))
    }
}

fn no_pem(what: &str, path: &std::path::Path) -> String {
    format!("{what} {} holds no certificate in PEM form", path.display())
}

struct SystemClient {
    client: reqwest::Client,
    limit: usize,
    timeout: Duration,
}

impl HttpClient for SystemClient {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        Box::pin(async move {
            let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            let failed = |error: reqwest::Error| self.error(host.clone(), error);
            let request = reqwest::Request::try_from(request).map_err(failed)?;
            let mut answer = self.client.execute(request).await.map_err(failed)?;
            let too_large = || HttpError::TooLarge { host: host.clone(), limit: self.limit };
            if answer.content_length().is_some_and(|length| length > self.limit as u64) {
                return Err(too_large());
            }
            let mut body = BytesMut::new();
            while let Some(part) = answer.chunk().await.map_err(failed)? {
                if body.len() + part.len() > self.limit {
                    return Err(too_large());
                }
                body.extend_from_slice(&part);
            }
            let mut response = http::Response::new(body.freeze());
            *response.status_mut() = answer.status();
            *response.headers_mut() = std::mem::take(answer.headers_mut());
            Ok(response)
        })
    }
}

impl SystemClient {
    /// Sorts reqwest's errors. Its text may hold the URL, so only its causes are quoted.
    fn error(&self, host: String, error: reqwest::Error) -> HttpError {
        let error = error.without_url();
        let reason = causes(&error);
        if error.is_timeout() {
            return HttpError::Timeout { host, after: self.timeout };
        }
        if error.is_body() || error.is_decode() {
            return HttpError::Body { host, reason };
        }
        let tls = ["certificate", "tls", "handshake"].iter().any(|word| reason.to_ascii_lowercase().contains(word));
        if tls { HttpError::Tls { host, reason } } else { HttpError::Connect { host, reason } }
    }
}

/// The innermost cause says what the operating system or the TLS library said.
fn causes(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
