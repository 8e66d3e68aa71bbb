//! The API server: `/health`, `/ready`, `/metrics` and the status page. It only reads, and it is bounded: a fixed
//! number of connections, one request for each, no longer than a few seconds.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::server::{Limits, serve};
use super::{ComponentState, Health, Telemetry, status_page};
use nordpass_env::Env;

/// How long a connection may live.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// The status page's rules for the browser: nothing from elsewhere, no script at all.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

#[derive(Clone)]
struct Shared {
    telemetry: Telemetry,
    env: Env,
}

/// Takes the address, and the names that it answers to besides this machine's own and every address; so that a busy port is an error before anything starts. The future serves until it is dropped.
pub async fn bind(
    listen: SocketAddr,
    hosts: Vec<String>,
    telemetry: Telemetry,
    env: Env,
) -> io::Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another process uses this port: stop it, or set another port in `[api] listen`"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 require privileges: set a higher one in `[api] listen`"
            }
            _ => "`[api] listen` must be an address of this machine, such as 127.0.0.1:8686",
        };
        io::Error::new(error.kind(), format!("can't listen on {listen}: {error}\nhint: {hint}"))
    })?;
    let address = listener.local_addr()?;
    let (router, limits) = (router(telemetry, env), limits(hosts));
    Ok((address, async move { drop(serve(listener, router, limits, CancellationToken::new()).await) }))
}

pub(super) fn limits(hosts: Vec<String>) -> Limits {
    Limits { connection_time: Some(CONNECTION_TIME), keep_alive: false, hosts: hosts.into(), addresses: true }
}

pub(super) fn router(telemetry: Telemetry, env: Env) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/health", get(|| async { text("text/plain; charset=utf-8", "alive\n".to_owned()) }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .layer(axum::middleware::map_response(no_store))
        .with_state(Shared { telemetry, env })
}

async fn no_store(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    response
}

fn text(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    text("text/plain; version=0.0.4; charset=utf-8", shared.telemetry.render_at(shared.env.clock.now()))
}

async fn page(State(shared): State<Shared>) -> Response {
    text("text/html; charset=utf-8", status_page::render(&shared.telemetry, shared.env.clock.now()))
}

async fn ready(State(shared): State<Shared>) -> Response {
    let mut report = ReadyReport::of(&shared.telemetry.health(), shared.env.clock.now());
    let trouble = shared.telemetry.reload_trouble();
    report.reload = trouble.map(|it| ReloadReport { reason: it.reason, since: it.since.to_string() });
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&report).unwrap_or_else(|_| format!("{{\"ready\":{}}}", report.ready));
    (status, text("application/json", body + "\n")).into_response()
}

/// The body of `/ready`.
#[derive(serde::Serialize)]
pub(super) struct ReadyReport {
    pub(super) ready: bool,
    components: Vec<ComponentReport>,
    /// Why the pipeline files as they are don't count. What runs works all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    reload: Option<ReloadReport>,
}

#[derive(serde::Serialize)]
struct ReloadReport {
    reason: String,
    since: String,
}

#[derive(serde::Serialize)]
struct ComponentReport {
    kind: &'static str,
    name: String,
    state: &'static str,
    /// What it waits for, or why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<i64>,
    /// When it tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_seconds: Option<i64>,
    /// Records that it leaves out on purpose, by reason, since the start. They are delivered as far as the state is concerned.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    filtered: BTreeMap<String, u64>,
}

impl ReadyReport {
    /// Ready: there are components, and each works or has finished.
    pub(super) fn of(health: &[Health], now: Timestamp) -> Self {
        let fine = |health: &Health| matches!(health.state, ComponentState::Working | ComponentState::Finished);
        let components = health.iter().map(|health| {
            let (since, next_try) = (health.state.since(), health.state.next_try());
            ComponentReport {
                kind: health.kind.as_str(),
                name: health.name.clone(),
                state: health.state.as_str(),
                reason: health.state.reason().map(str::to_owned),
                since: since.map(|since| since.to_string()),
                seconds: since.map(|since| (now.as_second() - since.as_second()).max(0)),
                next_try: next_try.map(|next_try| next_try.to_string()),
                next_try_seconds: next_try.map(|next_try| (next_try.as_second() - now.as_second()).max(0)),
                filtered: health.left_out.clone(),
            }
        });
        Self { ready: !health.is_empty() && health.iter().all(fine), components: components.collect(), reload: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::super::{ComponentKind, metrics};
    use super::*;
    use nordpass_env::TestClock;

    struct Server {
        address: SocketAddr,
        telemetry: Telemetry,
        _serving: tokio::task::JoinHandle<()>,
    }

    async fn server() -> Server {
        let telemetry = Telemetry::new();
        let start = Timestamp::from_second(1_768_003_200).unwrap();
        let env = Env { clock: Arc::new(TestClock::starting_at(start)), ..crate::http::system_env() };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, serving) = bind(any_port, Vec::new(), telemetry.clone(), env).await.unwrap();
        Server { address, telemetry, _serving: tokio::spawn(serving) }
    }

    impl Server {
        /// Status line and headers, and the body.
        async fn ask(&self, request: &str) -> (String, String) {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head.to_lowercase(), body.to_owned())
        }
    }

    #[tokio::test]
    async fn health_and_methods() {
        let server = server().await;
        let (head, body) = server.ask("GET /health").await;
        assert!(head.starts_with("http/1.1 200") && head.contains("cache-control: no-store"), "{head}");
        assert_eq!(body, "alive\n");
        assert!(server.ask("POST /health").await.0.starts_with("http/1.1 405"));
        assert!(server.ask("DELETE /metrics").await.0.starts_with("http/1.1 405"));
        assert!(server.ask("GET /elsewhere").await.0.starts_with("http/1.1 404"));
    }

    #[tokio::test]
    async fn ready_follows_the_states() {
        let server = server().await;
        let ready = async |expected: bool| {
            let (head, body) = server.ask("GET /ready").await;
            let status = if expected { "http/1.1 200" } else { "http/1.1 503" };
            assert!(head.starts_with(status) && head.contains("content-type: application/json"), "{head}");
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["ready"], expected);
            body["components"].clone()
        };
        assert_eq!(ready(false).await, serde_json::json!([]), "nothing runs yet");
        let source = server.telemetry.component(ComponentKind::Source, "nordpass");
        let sink = server.telemetry.component(ComponentKind::Sink, "sentinel");
        source.status().working();
        let starting = ready(false).await;
        assert_eq!(starting[0], serde_json::json!({"kind": "source", "name": "nordpass", "state": "working"}));
        assert_eq!(starting[1]["state"], "starting");
        sink.status().working();
        ready(true).await;
        sink.status().waiting("403: the identity lacks its role", Timestamp::from_second(1_768_003_100).unwrap());
        let waiting = &ready(false).await[1];
        assert_eq!(waiting["reason"], "403: the identity lacks its role");
        assert_eq!(waiting["since"], "2026-01-09T23:58:20Z");
        assert!(waiting["seconds"].as_i64().unwrap() >= 100);
        assert!(waiting.get("next_try").is_none(), "nobody said when");
        let now = Timestamp::from_second(1_768_003_200).unwrap();
        sink.status().trying_again("403: the identity lacks its role", Duration::from_secs(40), now);
        let waiting = &ready(false).await[1];
        assert_eq!(
            (&waiting["since"], &waiting["next_try"]),
            (&"2026-01-09T23:58:20Z".into(), &"2026-01-10T00:00:40Z".into())
        );
        assert!((30..=40).contains(&waiting["next_try_seconds"].as_i64().unwrap()), "{waiting}");
        sink.status().working();
        let filter = server.telemetry.component(ComponentKind::Transform, "quiet");
        filter.status().working();
        filter.add_labelled(&metrics::DISCARDED, "filtered: exclude login.*", 145);
        filter.add_labelled(&metrics::DISCARDED, "optional sink full", 3);
        assert_eq!(ready(true).await[1]["filtered"], serde_json::json!({"exclude login.*": 145}));
        filter.status().stopped(None);
        source.status().stopped(None);
        assert_eq!(ready(true).await[0]["state"], "finished");
        sink.status().stopped(Some("the disk is gone".into()));
        assert_eq!(ready(false).await[2]["reason"], "the disk is gone");
    }

    #[tokio::test]
    async fn metrics_are_as_of_the_scrape() {
        let server = server().await;
        let source = server.telemetry.component(ComponentKind::Source, "nordpass");
        source.set(&metrics::CURSOR_SECONDS, 1_768_003_200.0 - 3_600.0);
        let (head, body) = server.ask("GET /metrics").await;
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        let lag = body.lines().find(|line| line.starts_with("sentinel_lag_seconds{")).unwrap();
        assert!(lag.rsplit(' ').next().unwrap().parse::<f64>().unwrap() >= 3_600.0, "{lag}");
    }

    #[tokio::test]
    async fn the_page_allows_no_script() {
        let server = server().await;
        let (head, body) = server.ask("GET /").await;
        assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
        assert!(body.starts_with("<!doctype html>"), "{body}");
    }

    #[tokio::test]
    async fn a_busy_port_is_named() {
        let server = server().await;
        let again = bind(server.address, Vec::new(), Telemetry::new(), crate::http::system_env()).await;
        let text = again.err().unwrap().to_string();
        assert!(
            text.contains(&server.address.to_string()) && text.contains("hint: another process uses this port"),
            "{text}"
        );
    }

    /// A page in a browser can have its own name point here.
    #[tokio::test]
    async fn another_host_is_not_answered() {
        let server = server().await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    }
}
