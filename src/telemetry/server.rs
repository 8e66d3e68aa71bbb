//! Serves a router to peers that may be slow, silent or many.
//!
//! A request's head and body have a time each, and a body has a length. When all places are taken, a new connection gets
//! that of the one that has asked nothing for longest: whoever only holds connections open keeps nobody else out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use nordpass_env::is_loopback;

/// How long a request's head may take.
pub const HEAD_TIME: Duration = Duration::from_secs(2);
/// How long a request's body may take.
const BODY_TIME: Duration = Duration::from_secs(10);
/// A body that isn't used is small.
const LONGEST_BODY: usize = 1 << 20;
/// The most connections at a time.
pub const CONNECTIONS: usize = 32;

/// What one server allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a connection may live; `None` where its requests may take as long as they need.
    pub connection_time: Option<Duration>,
    /// A connection may bring further requests.
    pub keep_alive: bool,
    /// The host names that it answers to, besides this machine's own.
    pub hosts: Arc<[String]>,
    /// Whether it also answers to any address: a name can be made to point here by whoever owns it, an address can't.
    pub addresses: bool,
}

/// A connection.
struct Place {
    busy: Arc<AtomicBool>,
    task: AbortHandle,
}

/// Serves until the shutdown begins. What is left then are the connections under way.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: CancellationToken) -> JoinSet<u64> {
    let (mut connections, mut places) = (JoinSet::new(), BTreeMap::<u64, Place>::new());
    for number in 0.. {
        while let Some(ended) = connections.try_join_next_with_id() {
            forget(&mut places, ended);
        }
        if places.len() >= CONNECTIONS {
            let idle = places.iter().find(|(_, place)| !place.busy.load(Ordering::Relaxed)).map(|(number, _)| *number);
            if let Some(place) = idle.and_then(|number| places.remove(&number)) {
                place.task.abort();
            } else {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => break,
                    Some(ended) = connections.join_next_with_id() => forget(&mut places, ended),
                }
                continue;
            }
        }
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let busy = Arc::<AtomicBool>::default();
                let serving = connection(stream, router.clone(), limits.clone(), busy.clone(), shutdown.clone());
                let task = connections.spawn(async move {
                    serving.await;
                    number
                });
                places.insert(number, Place { busy, task });
            }
            // Out of file descriptors, or a connection that is gone already.
            Err(error) => {
                tracing::debug!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    connections
}

type Ended = Result<(tokio::task::Id, u64), tokio::task::JoinError>;

fn forget(places: &mut BTreeMap<u64, Place>, ended: Ended) {
    match ended {
        Ok((_, number)) => drop(places.remove(&number)),
        // Aborted, and forgotten then; or a panic.
        Err(error) => places.retain(|_, place| place.task.id() != error.id()),
    }
}

/// Serves one connection until it ends, or the shutdown begins and its request is answered.
pub(super) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    limits: Limits,
    busy: Arc<AtomicBool>,
    shutdown: CancellationToken,
) {
    let time = limits.connection_time;
    let keep_alive = limits.keep_alive;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, limits, busy) = (router.clone(), limits.clone(), busy.clone());
        async move {
            busy.store(true, Ordering::Relaxed);
            let response = answer(router, &limits, request).await;
            busy.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(16 << 10)
        .keep_alive(keep_alive)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        biased;
        result = &mut served => result,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
        () = async { tokio::time::sleep(time.unwrap_or_default()).await }, if time.is_some() => return,
    };
    if result.is_err() {
        tracing::debug!("a connection ended early");
    }
}

async fn answer(router: Router, limits: &Limits, request: hyper::Request<Incoming>) -> Response {
    if !is_ours(limits, request.headers()) {
        let reason = "this server doesn't answer to this host name: list it in `[api] allowed_hosts`\n";
        return (StatusCode::MISDIRECTED_REQUEST, reason).into_response();
    }
    let (head, body) = request.into_parts();
    let Ok(body) = tokio::time::timeout(BODY_TIME, to_bytes(Body::new(body), LONGEST_BODY)).await else {
        return StatusCode::REQUEST_TIMEOUT.into_response();
    };
    let Ok(body) = body else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    match TowerToHyperService::new(router).call(Request::from_parts(head, Body::from(body))).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Whether a request names a host that this server is. A page in a browser can have its own name point here; without a
/// host at all, it is no browser.
pub(super) fn is_ours(limits: &Limits, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let host = authority.host();
    let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
    is_loopback(host)
        || (limits.addresses && is_address)
        || limits.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use tokio::net::TcpStream;

    async fn server(limits: Limits) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = axum::routing::any(|body: String| async { body });
        tokio::spawn(serve(listener, Router::new().route("/", echo), limits, CancellationToken::new()));
        address
    }

    fn limits() -> Limits {
        Limits { connection_time: None, keep_alive: true, hosts: ["probe.example".to_owned()].into(), addresses: true }
    }

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A connection that is closed with bytes unread may be reset.
        let _ = stream.read_to_string(&mut answer).await;
        answer.lines().next().unwrap_or_default().to_owned()
    }

    fn get(host: &str) -> String {
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    }

    /// 64 idle connections took the health probe away.
    #[tokio::test]
    async fn idle_connections_keep_no_probe_out() {
        let address = server(limits()).await;
        let mut silent = Vec::new();
        for _ in 0..2 * CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
            assert_eq!(ask(address, &get("localhost")).await, "HTTP/1.1 200 OK");
        }
    }

    #[tokio::test]
    async fn half_a_head_has_two_seconds() {
        let address = server(limits()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: local").await.unwrap();
        // Accepted, and its head begun, before time is turned on.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        tokio::time::pause();
        tokio::time::advance(HEAD_TIME + Duration::from_millis(100)).await;
        tokio::time::resume();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }

    #[tokio::test]
    async fn a_body_is_bounded_in_length() {
        let address = server(limits()).await;
        let post = |length: usize| {
            let body = "x".repeat(length);
            format!("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        assert_eq!(ask(address, &post(1_000)).await, "HTTP/1.1 200 OK");
        assert_eq!(ask(address, &post(LONGEST_BODY + 1)).await, "HTTP/1.1 413 Payload Too Large");
    }

    #[tokio::test]
    async fn only_its_own_hosts_are_answered() {
        let address = server(limits()).await;
        for ours in ["localhost", "127.0.0.1:8686", "[::1]:8686", "10.1.2.3:8686", "Probe.Example:80"] {
            assert_eq!(ask(address, &get(ours)).await, "HTTP/1.1 200 OK", "{ours}");
        }
        for other in ["evil.example", "evil.example:8686", "localhost.evil.example", "127.0.0.1.evil.example", "a b"] {
            assert_eq!(ask(address, &get(other)).await, "HTTP/1.1 421 Misdirected Request", "{other}");
        }
        let without = "GET / HTTP/1.0\r\n\r\n";
        assert!(ask(address, without).await.ends_with("200 OK"));
        let strict = server(Limits { addresses: false, ..limits() }).await;
        assert_eq!(ask(strict, &get("10.1.2.3:8686")).await, "HTTP/1.1 421 Misdirected Request");
    }
}
