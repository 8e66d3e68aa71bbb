//! A storage account without leases.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;
use nordpass_simulator::{Endpoint, Reply, Service};

/// A storage account that grants every lease: what the oracle has to notice.
pub struct Forged(pub Arc<dyn Service>);

impl Service for Forged {
    fn endpoint(&self, path: &str) -> Endpoint {
        self.0.endpoint(path)
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let is_lease = request.uri().query().is_some_and(|query| query.contains("comp=lease"));
        let takes = request.headers().get("x-ms-lease-action").is_some_and(|action| action == "acquire");
        let reply = self.0.handle(request, now);
        if is_lease && reply.status() == StatusCode::NOT_FOUND {
            return reply;
        }
        if is_lease {
            let status = if takes { StatusCode::CREATED } else { StatusCode::OK };
            let reply = Reply::new(status, "", String::new());
            return reply.with_header("x-ms-request-id", "forged").with_header("x-ms-version", "2023-11-03");
        }
        // A lease that isn't there allows no write with its id, and the list doesn't show it.
        let (mut parts, body) = request.clone().into_parts();
        parts.headers.remove("x-ms-lease-id");
        self.0.handle(&Request::from_parts(parts, body), now)
    }
}
