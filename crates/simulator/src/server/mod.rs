//! The simulators on loopback sockets, plain or with TLS, for real clients.
//!
//! HTTP/1.1 with kept connections, like the real endpoints behind their gateways. A reset is a real one: the socket is
//! closed with its linger time at zero, so that the client's kernel sees RST and not an orderly end.

mod tls;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, DATE, HOST};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub use tls::Authority;

use super::gate::Gate;
use super::reply::{Ending, Reply, http_date};
use nordpass_env::Clock;

/// The longest request body that is read; every simulated endpoint refuses far shorter ones.
const MAX_BODY: usize = 64 << 20;

/// Bodies that travel in chunks are cut into pieces of this size.
const CHUNK: usize = 4096;

/// How a server listens.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// The port; 0 for a free one.
    pub port: u16,
    /// TLS with a certificate of this authority.
    pub tls: Option<Authority>,
    /// Bodies travel in chunks, without a length.
    pub chunked: bool,
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    url: String,
    accepted: Arc<AtomicU64>,
    _task: Background,
}

impl Server {
    /// Begins to listen on loopback.
    pub async fn start(gate: Gate, clock: Arc<dyn Clock>, options: ServerOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let tls = options.tls.as_ref().map(|authority| TlsAcceptor::from(authority.config.clone()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let host = if tls.is_some() { "localhost".to_owned() } else { address.ip().to_string() };
        let url = format!("{scheme}://{host}:{}", address.port());
        let shared = Arc::new(Shared { gate, clock, scheme, chunked: options.chunked });
        let accepted = Arc::new(AtomicU64::new(0));
        let task = Background::spawn(accept(listener, tls, shared, accepted.clone()));
        Ok(Self { address, url, accepted, _task: task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Its URL without a path. With TLS the host is `localhost`: some clients refuse addresses in certificates.
    pub fn url(&self) -> String {
        self.url.clone()
    }
}

struct Shared {
    gate: Gate,
    clock: Arc<dyn Clock>,
    scheme: &'static str,
    chunked: bool,
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>, accepted: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                accepted.fetch_add(1, Ordering::Relaxed);
                drop(connections.spawn(connection(stream, tls.clone(), shared.clone())));
            }
            // Out of file descriptors, or the peer has gone: the next one may work.
            Err(error) => {
                tracing::warn!("simulator can't accept a connection: {error}");
                tokio::task::yield_now().await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // An answer is one small write: waiting for more would only slow the client down.
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(stream, |stream| stream, shared).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => serve(stream, |stream| stream.get_ref().0, shared).await,
            Err(error) => tracing::debug!("simulator: TLS handshake failed: {error}"),
        },
    }
}

async fn serve<S>(stream: S, socket: impl FnOnce(&S) -> &TcpStream, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(|request| answer(request, &shared));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error here is a client that went away or a fault of ours. After a reset, no orderly end is sent.
    let Err(error) = (&mut connection).await else { return };
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
    if source.is_some_and(|source| source.kind() == io::ErrorKind::ConnectionReset) {
        let _ = socket(connection.into_parts().io.inner()).set_zero_linger();
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn answer(request: Request<Incoming>, shared: &Shared) -> io::Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    parts.uri = absolute(&parts.uri, parts.headers.get(HOST), shared.scheme);
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let reply = Reply::new(StatusCode::PAYLOAD_TOO_LARGE, "", Bytes::new());
            return Ok(reply.response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()));
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    let now = shared.clock.now();
    let Reply { mut response, delay, ending } = shared.gate.handle(&Request::from_parts(parts, body), now);
    // The server below would put the machine's time there: what is said is what the simulator believes.
    if let Ok(date) = HeaderValue::try_from(http_date(now.as_second())) {
        response.headers_mut().entry(DATE).or_insert(date);
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match ending {
        Ending::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        Ending::Cut(bytes) => Ok(cut(response, bytes)),
        Ending::Whole if shared.chunked && !response.body().is_empty() => Ok(in_chunks(response)),
        Ending::Whole => Ok(response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync())),
    }
}

/// The request's URI as the client meant it: simulators name their own address in answers.
fn absolute(uri: &Uri, host: Option<&HeaderValue>, scheme: &str) -> Uri {
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let built = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build();
    built.unwrap_or_else(|_| uri.clone())
}

fn in_chunks(response: Response<Bytes>) -> Response<Body> {
    response.map(|body| {
        let pieces = (0..body.len()).step_by(CHUNK).map(|at| body.slice(at..(at + CHUNK).min(body.len())));
        let frames: Vec<_> = pieces.map(|piece| Ok(Frame::data(piece))).collect();
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    })
}

/// Promises the whole body, sends a part of it, and ends the connection.
fn cut(response: Response<Bytes>, bytes: usize) -> Response<Body> {
    let length = response.body().len();
    let mut response = response.map(|body| {
        let part = body.slice(..bytes.min(body.len()));
        let end = stream::once(async {
            // Lets the connection write out what it has before it learns of the end.
            tokio::task::yield_now().await;
            Err(io::ErrorKind::ConnectionAborted.into())
        });
        let frames = stream::iter((!part.is_empty()).then(|| Ok(Frame::data(part)))).chain(end);
        StreamBody::new(frames).boxed_unsync()
    });
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// A task that ends with its owner.
#[derive(Debug)]
pub struct Background(JoinHandle<()>);

impl Background {
    /// Runs a future beside everything else.
    pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
