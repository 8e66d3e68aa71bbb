//! Listens where the host calls.
//!
//! `GET /` is the host's question whether anybody is there: any answer will do, at once. `POST /NAME` is a call of the
//! function in the folder NAME. A catch-up runs on a task of its own: a host that hangs up must not tear it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::call::{self, Call, Outcome};
use super::catch_up::CatchUp;

/// A timer's body has a few hundred bytes.
const LONGEST_BODY: usize = 1 << 20;

/// How long a request's head may take.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Serves until the shutdown begins; then answers the calls that are under way.
pub async fn serve(listener: TcpListener, work: Arc<CatchUp>, shutdown: CancellationToken) {
    let router = Router::new()
        .route("/", get(|| async { "ready\n" }))
        .route("/{function}", post(invoke))
        .fallback(|| async { call::refused(StatusCode::NOT_FOUND, "this server supports GET / and POST /FUNCTION") })
        .method_not_allowed_fallback(|| async {
            call::refused(StatusCode::METHOD_NOT_ALLOWED, "this server supports GET / and POST /FUNCTION")
        })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(work.clone());
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, shutdown) = (router.clone(), shutdown.clone());
                connections.spawn(connection(stream, router, shutdown));
            }
            // Out of file descriptors, or a connection that is gone already.
            Err(error) => {
                tracing::debug!(%error, "can't accept a connection from the host");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // Also one whose caller has gone.
    work.idle().await;
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: tokio::net::TcpStream, router: Router, shutdown: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        biased;
        result = &mut served => result,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection from the host ended early");
    }
}

async fn invoke(
    State(work): State<Arc<CatchUp>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = match Call::parse(&body) {
        Ok(call) => call,
        Err(reason) => return call::refused(StatusCode::BAD_REQUEST, reason),
    };
    let id = headers.get("x-azure-functions-invocationid").and_then(|id| id.to_str().ok()).filter(|id| is_plain(id));
    let name = if is_plain(&name) { name.as_str() } else { "?" };
    tracing::info!(invocation = id, function = name, past_due = call.past_due, "called");
    let outcome = tokio::spawn(async move { work.run().await }).await;
    let outcome = outcome.unwrap_or_else(|_| Outcome::failed("stopped unexpectedly: a bug in this program"));
    for failure in &outcome.failures {
        tracing::error!(invocation = id, "{failure}");
    }
    outcome.answer()
}

/// Only plain words of the host are repeated.
fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
