//! The HTTP server that the host calls.
//!
//! With `GET /` the host checks that the process is up; any response will do. `POST /NAME` calls the function in the folder
//! NAME. A catch-up runs on a task of its own, so it survives a host that hangs up.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::call::{self, Call, Outcome};
use super::catch_up::CatchUp;
use crate::telemetry::server::{Limits, serve as serve_within};

/// Serves until the shutdown begins; then finishes the calls in flight.
pub async fn serve(listener: TcpListener, work: Arc<CatchUp>, shutdown: CancellationToken) {
    let unsupported = |status| async move { call::refused(status, "this server supports GET / and POST /FUNCTION") };
    let router = Router::new()
        .route("/", get(|| async { "ready\n" }))
        .route("/{function}", post(invoke))
        .fallback(move || unsupported(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(move || unsupported(StatusCode::METHOD_NOT_ALLOWED))
        .with_state(work.clone());
    // The host calls from this machine; a run takes as long as it may.
    let limits = Limits { connection_time: None, keep_alive: true, hosts: [].into(), addresses: false };
    let mut connections = serve_within(listener, router, limits, shutdown).await;
    // Also one whose caller has gone.
    work.idle().await;
    while connections.join_next().await.is_some() {}
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
    outcome.into_response()
}

/// Only plain words of the host are repeated.
fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
