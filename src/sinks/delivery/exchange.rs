//! One request and its response, measured, counted and logged.

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::Instant;

use super::protocol::{ResponseClass, no_response};
use crate::http::HttpClient;
use crate::telemetry::{ComponentReporter, metrics};

/// What the log says of a request besides.
#[derive(Clone, Copy)]
pub struct Sending<'a> {
    /// The stream that the records are for.
    pub stream: &'a str,
    /// The request's own id.
    pub request_id: &'a str,
    /// Bytes of the body, compressed.
    pub bytes: usize,
}

/// Sends a request. The error is what a missing response means.
pub async fn exchange(
    http: &dyn HttpClient,
    telemetry: &ComponentReporter,
    request: Request<Bytes>,
    Sending { stream, request_id, bytes }: Sending<'_>,
) -> Result<Response<Bytes>, ResponseClass> {
    let began = Instant::now();
    let response = http.send(request).await;
    telemetry.observe(&metrics::REQUEST_SECONDS, began.elapsed().as_secs_f64());
    let status = response.as_ref().ok().map(Response::status);
    telemetry.add_labelled(&metrics::REQUESTS, status.as_ref().map_or("none", |status| status.as_str()), 1);
    let (component, status) = (telemetry.name(), status.as_ref().map(http::StatusCode::as_u16));
    tracing::debug!(component, stream, request_id, bytes, status, "sent a batch");
    response.map_err(|error| ResponseClass::Again(no_response(&error)))
}
