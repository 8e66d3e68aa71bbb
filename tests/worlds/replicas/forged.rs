//! A storage account without leases.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
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
        if is_lease {
            return self.grant(request, now);
        }
        // A lease that isn't there allows no write with its id.
        let (mut parts, body) = request.clone().into_parts();
        parts.headers.remove("x-ms-lease-id");
        self.0.handle(&Request::from_parts(parts, body), now)
    }
}

impl Forged {
    /// Grants a lease on any blob that exists, without taking it: the list shows all of them as free.
    fn grant(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let (mut parts, _) = request.clone().into_parts();
        parts.method = Method::GET;
        parts.uri = Uri::try_from(request.uri().path()).unwrap_or_default();
        let there = self.0.handle(&Request::from_parts(parts, Bytes::new()), now);
        if there.status() == StatusCode::NOT_FOUND {
            return there;
        }
        let takes = request.headers().get("x-ms-lease-action").is_some_and(|action| action == "acquire");
        let status = if takes { StatusCode::CREATED } else { StatusCode::OK };
        let reply = Reply::new(status, "", String::new());
        reply.with_header("x-ms-request-id", "forged").with_header("x-ms-version", "2023-11-03")
    }
}
