//! The real client, on reqwest with rustls.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use reqwest::{Certificate, Identity, Proxy, redirect::Policy};
use tokio::task::JoinSet;
use tokio_rustls::rustls::crypto::ring;

use super::memory::NoMemory;
use super::{
    HttpClient, HttpError, HttpSettings, LONGEST_PEM_FILE, Network, body::Body, failure, is_loopback, loopback,
};
use nordpass_env::{Mutex, read_bounded};

/// How long a connection may take to be made, TLS included. Far below the usual request time-out, so that a black
/// hole is noticed while a slow response is still waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Over HTTP/2 all requests to a host share a connection, and a request's time-out doesn't end that. So its other end is asked
/// for a sign of life while something is waited for, and the connection is given up without one: in time for a request
/// of the usual length to fail for that reason.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// Longer than the usual minute between two polls, so that the next one finds its connection open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Clients that use the machine's network. Equal settings share a client, so that hundreds of sources of
/// one API share its connections and one copy of the certificate authorities. Cloning shares the clients.
#[derive(Clone, Default)]
pub struct SystemNetwork {
    clients: Arc<Mutex<Vec<Arc<SystemClient>>>>,
}

impl Network for SystemNetwork {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        let mut clients = self.clients.lock();
        if let Some(known) = clients.iter().find(|client| client.0.settings == *settings) {
            return Ok(known.clone());
        }
        let client = build(settings, if settings.direct { Way::Direct } else { Way::Proxied })?;
        let shared = Shared { client, loopback: OnceLock::new(), settings: settings.clone() };
        let client = Arc::new(SystemClient(Arc::new(shared)));
        clients.push(client.clone());
        Ok(client)
    }
}

struct SystemClient(Arc<Shared>);

struct Shared {
    client: reqwest::Client,
    /// For loopback hosts: connects to loopback addresses only, and through no proxy, which would have a loopback of its own.
    /// Made when first used.
    loopback: OnceLock<reqwest::Client>,
    settings: HttpSettings,
}

impl HttpClient for SystemClient {
    /// On a task of its own: a response that is polled slowly must not use up the window of a shared connection. Dropping this ends the task.
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        let shared = self.0.clone();
        let asked = shared.asked(request.uri());
        Box::pin(async move {
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { shared.exchange(request).await });
            match tasks.join_next().await {
                Some(Ok(answer)) => answer,
                // What a peer sends can at most fail its own request.
                Some(Err(error)) if error.is_panic() => {
                    Err(HttpError::Body { host: asked, reason: "a library failed on it".to_owned() })
                }
                // Only the end of the runtime cancels it, and that ends this, too.
                _ => std::future::pending().await,
            }
        })
    }
}

impl Shared {
    async fn exchange(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let client = self.client_for(request.uri())?;
        let host = self.asked(request.uri());
        let request = reqwest::Request::try_from(request)
            .map_err(|_| HttpError::Connect { host: host.clone(), reason: "the URL is incomplete".to_owned() })?;
        let after = self.settings.request_timeout;
        let mut answer = client.execute(request).await.map_err(|error| failure::sending(&error, &host, after))?;

        let limit = self.settings.max_body_bytes;
        let too_large = || HttpError::TooLarge { host: host.clone(), limit };
        let announced = answer.content_length();
        if announced.is_some_and(|announced| announced > limit as u64) {
            return Err(too_large());
        }
        let mut body = Body::announced(announced, limit);
        while let Some(part) = answer.chunk().await.map_err(|error| failure::reading(&error, &host, after))? {
            if body.len() + part.len() > limit {
                return Err(too_large());
            }
            body.push(&part, after).await.map_err(|NoMemory| too_large())?;
        }
        let (body, memory) = body.finish();
        let mut response = http::Response::new(body);
        if !memory.is_empty() {
            response.extensions_mut().insert(Arc::new(memory));
        }
        *response.status_mut() = answer.status();
        *response.version_mut() = answer.version();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// Who is asked, for errors: the host, with a port that isn't the scheme's, and the proxy that the settings name. In an
    /// outage it must be clear which of the two is meant.
    fn asked(&self, url: &http::Uri) -> String {
        let asked = host_and_port(url);
        let proxy = self.settings.proxy.as_deref().and_then(|proxy| proxy.parse::<http::Uri>().ok());
        match proxy {
            Some(proxy) if !self.settings.direct && url.scheme() != Some(&http::uri::Scheme::HTTP) => {
                format!("{asked} through the proxy {}", host_and_port(&proxy))
            }
            _ => asked,
        }
    }

    /// Plain http would show the token on its way, so it stays on this machine, whatever a name resolves to and a proxy is set.
    fn client_for(&self, url: &http::Uri) -> Result<&reqwest::Client, HttpError> {
        let host = url.host().unwrap_or_default();
        let is_plain = url.scheme() == Some(&http::uri::Scheme::HTTP);
        let no_client = |reason: String| HttpError::Connect { host: host_and_port(url), reason };
        if self.settings.direct {
            return Ok(&self.client);
        }
        if !is_loopback(host) {
            return if is_plain { Err(no_client(loopback::NotLoopback.to_string())) } else { Ok(&self.client) };
        }
        if self.settings.proxy.is_some() && !is_plain {
            return Ok(&self.client);
        }
        if let Some(client) = self.loopback.get() {
            return Ok(client);
        }
        let client = build(&self.settings, Way::Loopback).map_err(no_client)?;
        Ok(self.loopback.get_or_init(|| client))
    }
}

/// A URL's host, and its port where it names one. Its authority may hold a password besides.
fn host_and_port(url: &http::Uri) -> String {
    let host = url.host().unwrap_or_default();
    url.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// How a client reaches its hosts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through the proxy that the settings or the environment name, if any.
    Proxied,
    /// Through no proxy.
    Direct,
    /// Through no proxy, and to loopback addresses only.
    Loopback,
}

fn build(settings: &HttpSettings, way: Way) -> Result<reqwest::Client, String> {
    // One provider for the process. An error says that there is one already.
    let _ = ring::default_provider().install_default();
    let (authorities, identity) = (authorities(settings)?, identity(settings)?);
    let proxy = match &settings.proxy {
        Some(url) if way == Way::Proxied => {
            // Not the library's words: a proxy's URL may hold a password.
            Some(Proxy::all(url.as_str()).map_err(|_| "`proxy` isn't the URL of a proxy".to_owned())?)
        }
        _ => None,
    };
    let builder = || {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("nordpass-sentinel/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT.min(settings.request_timeout))
            .timeout(settings.request_timeout)
            .http2_keep_alive_interval(SIGN_OF_LIFE.min(settings.request_timeout / 3))
            .http2_keep_alive_timeout(SIGN_OF_LIFE.min(settings.request_timeout / 3))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_keepalive(Duration::from_secs(30));
        if way != Way::Proxied {
            builder = builder.no_proxy();
        }
        if way == Way::Loopback {
            builder = builder.dns_resolver(Arc::new(loopback::Resolver));
        }
        if let Some(proxy) = &proxy {
            builder = builder.proxy(proxy.clone());
        }
        if let Some(identity) = &identity {
            builder = builder.identity(identity.clone());
        }
        builder
    };
    let client = builder().tls_certs_merge(authorities.iter().cloned()).build();
    client.or_else(|error| {
        if !authorities.is_empty() {
            return Err(failure::settings(&error));
        }
        // A minimal container has no certificate authorities at all. Plain http to loopback works without them, and
        // everything else gets a clear TLS error, which is waited for like any other.
        let client = builder().tls_certs_only(std::iter::empty()).build().map_err(|error| failure::settings(&error))?;
        tracing::warn!(
            "this system has no certificate authorities, so it trusts no https server: install the `ca-certificates` \
             package or set `tls.ca_file`"
        );
        Ok(client)
    })
}

fn read(path: &Path, name: &str) -> Result<Vec<u8>, String> {
    read_bounded(path, LONGEST_PEM_FILE).map_err(|error| format!("can't read `{name}` {}: {error}", path.display()))
}

fn authorities(settings: &HttpSettings) -> Result<Vec<Certificate>, String> {
    let Some(path) = &settings.ca_file else { return Ok(Vec::new()) };
    let wrong = || format!("`ca_file` {} contains no PEM certificate", path.display());
    let certificates = Certificate::from_pem_bundle(&read(path, "ca_file")?).map_err(|_| wrong())?;
    if certificates.is_empty() { Err(wrong()) } else { Ok(certificates) }
}

fn identity(settings: &HttpSettings) -> Result<Option<Identity>, String> {
    match (&settings.cert_file, &settings.key_file) {
        (Some(cert), Some(key)) => {
            let mut pem = read(cert, "cert_file")?;
            pem.push(b'\n');
            pem.extend(read(key, "key_file")?);
            let identity = Identity::from_pem(&pem).map_err(|_| {
                format!(
                    "`cert_file` {} and `key_file` {} don't contain a PEM certificate and its key",
                    cert.display(),
                    key.display()
                )
            })?;
            Ok(Some(identity))
        }
        (None, None) => Ok(None),
        _ => Err("set both `cert_file` and `key_file`".to_owned()),
    }
}

#[cfg(test)]
mod tests;
