//! Azure Blob Storage, as far as the shared checkpoint and the official connector use it: containers, block and append
//! blobs, conditions by version and by length, and leases.
//!
//! How it answers follows the documentation of the REST API ("Lease Blob": the table of outcomes; "Specifying conditional
//! headers"), and is compared with Azurite by a test of the client that runs against both.

mod lease;
mod store;

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;

use super::entra::Tokens;
use super::reply::{Endpoint, Reply, Service, header_text, http_date};
use lease::Action;
use store::{Account, Kind, Stored};

/// What tokens have to be for.
const AUDIENCE: &str = "https://storage.azure.com";

/// A refusal: status and Azure's error code.
type Refusal = (StatusCode, &'static str);

/// How often a blob can be appended to.
const MOST_BLOCKS: u64 = 50_000;
/// The most bytes of one append: newer versions of the API take more, and not every stand-in does.
const LONGEST_BLOCK: usize = 4 << 20;

const NO_BLOB: Refusal = (StatusCode::NOT_FOUND, "BlobNotFound");
const NO_CONTAINER: Refusal = (StatusCode::NOT_FOUND, "ContainerNotFound");

/// A storage account.
#[derive(Debug)]
pub struct BlobAccount {
    tokens: Tokens,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    account: Account,
    forbidden: bool,
    page: Option<usize>,
    requests: u64,
}

/// What a request is about.
struct Target<'a> {
    container: &'a str,
    blob: &'a str,
    query: &'a str,
}

impl Target<'_> {
    fn asks(&self, part: &str) -> bool {
        self.query.split('&').any(|found| found == part)
    }

    fn value(&self, name: &str) -> Option<String> {
        let found = self.query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.map(|value| value.replace("%2F", "/"))
    }
}

impl BlobAccount {
    /// An empty account; `tokens` are those that it accepts.
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the identity lacks its role.
    pub fn set_forbidden(&self, forbidden: bool) {
        self.inner().forbidden = forbidden;
    }

    /// Writes a blob, as somebody else would: the lease doesn't count.
    pub fn put(&self, container: &str, blob: &str, bytes: &[u8], now: Timestamp) {
        let mut inner = self.inner();
        inner.account.create(container);
        let _ = inner.account.write(container, blob, Kind::Block, bytes.to_vec(), now);
    }

    /// A blob's bytes.
    pub fn content(&self, container: &str, blob: &str) -> Option<Vec<u8>> {
        self.inner().account.get(container, blob).ok().map(|stored| stored.bytes.clone())
    }

    /// The names of a container's blobs.
    pub fn names(&self, container: &str) -> Vec<String> {
        self.inner().account.names(container).unwrap_or_default()
    }

    /// Removes a blob, as somebody else would.
    pub fn remove(&self, container: &str, blob: &str) {
        let _ = self.inner().account.remove(container, blob);
    }

    /// Whether there is such a container.
    pub fn has_container(&self, container: &str) -> bool {
        self.inner().account.names(container).is_ok()
    }

    /// Makes an empty container, as an operator would.
    pub fn create_container(&self, container: &str) {
        self.inner().account.create(container);
    }

    /// Deletes a container with all its blobs, whoever has leases on them.
    pub fn delete_container(&self, container: &str) {
        self.inner().account.delete(container);
    }

    /// Restores a deleted container, as soft delete can. False: there is none, or another has its name by now.
    pub fn restore_container(&self, container: &str) -> bool {
        self.inner().account.restore(container)
    }

    /// How many names one answer has at most, whatever is asked for: Azure may end it anywhere.
    pub fn set_page(&self, page: usize) {
        self.inner().page = Some(page);
    }

    /// Makes as if a blob had been appended to as often as it can be.
    pub fn fill(&self, container: &str, blob: &str) {
        if let Ok(stored) = self.inner().account.get_mut(container, blob) {
            stored.blocks = MOST_BLOCKS;
        }
    }

    /// Breaks a blob's lease at once, as an operator can.
    pub fn break_lease(&self, container: &str, blob: &str) {
        if let Ok(stored) = self.inner().account.get_mut(container, blob) {
            stored.lease.break_after(Some(Duration::ZERO), Timestamp::UNIX_EPOCH);
        }
    }

    /// Breaks it slowly: it goes on for so long, but no longer than it would have, and can't be renewed any more.
    pub fn break_lease_after(&self, container: &str, blob: &str, after: Duration, now: Timestamp) {
        if let Ok(stored) = self.inner().account.get_mut(container, blob) {
            stored.lease.break_after(Some(after), now);
        }
    }

    fn answer(&self, request: &Request<Bytes>, now: Timestamp) -> Result<Reply, Refusal> {
        let token = header_text(request, "authorization").strip_prefix("Bearer ").unwrap_or_default();
        if self.tokens.check(token, AUDIENCE, now).is_err() {
            return Err((StatusCode::UNAUTHORIZED, "InvalidAuthenticationInfo"));
        }
        let mut inner = self.inner();
        if inner.forbidden {
            return Err((StatusCode::FORBIDDEN, "AuthorizationPermissionMismatch"));
        }
        if header_text(request, "x-ms-version").is_empty() || header_text(request, "x-ms-date").is_empty() {
            return Err((StatusCode::BAD_REQUEST, "MissingRequiredHeader"));
        }
        let path = request.uri().path().trim_start_matches('/');
        let (container, blob) = path.split_once('/').unwrap_or((path, ""));
        let target = Target { container, blob, query: request.uri().query().unwrap_or_default() };
        let page = inner.page.unwrap_or(usize::MAX);
        let account = &mut inner.account;
        if blob.is_empty() {
            return container_request(account, page, request, &target);
        }
        if target.asks("comp=lease") {
            let action = Action::of(request)?;
            return account.get_mut(container, blob)?.lease_action(&action, now);
        }
        match *request.method() {
            Method::GET | Method::HEAD => read(account.get(container, blob)?, request, now),
            Method::PUT if target.asks("comp=appendblock") => append(account, request, &target, now),
            Method::PUT => write(account, request, &target, now),
            Method::DELETE => {
                account.get(container, blob)?.lease.allows(header_text(request, "x-ms-lease-id"), now)?;
                account.remove(container, blob)?;
                Ok(Reply::new(StatusCode::ACCEPTED, "", Bytes::new()))
            }
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "UnsupportedHttpVerb")),
        }
    }
}

fn container_request(
    account: &mut Account,
    page: usize,
    request: &Request<Bytes>,
    target: &Target<'_>,
) -> Result<Reply, Refusal> {
    if *request.method() == Method::PUT && target.asks("restype=container") {
        let created = account.create(target.container);
        let refusal = (StatusCode::CONFLICT, "ContainerAlreadyExists");
        return if created { Ok(Reply::new(StatusCode::CREATED, "", Bytes::new())) } else { Err(refusal) };
    }
    if *request.method() == Method::GET && target.asks("comp=list") {
        let most = target.value("maxresults").and_then(|most| most.parse().ok()).unwrap_or(5_000);
        let prefix = target.value("prefix").unwrap_or_default();
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>");
        let from = target.value("marker").unwrap_or_default();
        let names = account.names(target.container)?;
        let mut names = names.iter().filter(|name| name.starts_with(&prefix) && **name >= from);
        for name in names.by_ref().take(most.min(page)) {
            let _ = write!(xml, "<Blob><Name>{name}</Name></Blob>");
        }
        let next = names.next().map_or("", String::as_str);
        let _ = write!(xml, "</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>");
        return Ok(Reply::new(StatusCode::OK, "application/xml", xml));
    }
    Err((StatusCode::BAD_REQUEST, "InvalidQueryParameterValue"))
}

fn read(stored: &Stored, request: &Request<Bytes>, now: Timestamp) -> Result<Reply, Refusal> {
    let head = *request.method() == Method::HEAD;
    let range = header_text(request, "x-ms-range");
    let (status, bytes) = if range.is_empty() {
        (StatusCode::OK, &stored.bytes[..])
    } else {
        let wrong = (StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
        let bounds = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or(wrong)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong);
        let (first, last) = (number(bounds.0)?, number(bounds.1)?);
        if first >= stored.bytes.len() {
            return Err(wrong);
        }
        (StatusCode::PARTIAL_CONTENT, &stored.bytes[first..stored.bytes.len().min(last.saturating_add(1))])
    };
    let body = if head { Bytes::new() } else { Bytes::copy_from_slice(bytes) };
    Ok(stored.described(Reply::new(status, "application/octet-stream", body), now))
}

fn write(
    account: &mut Account,
    request: &Request<Bytes>,
    target: &Target<'_>,
    now: Timestamp,
) -> Result<Reply, Refusal> {
    let kind = match header_text(request, "x-ms-blob-type") {
        "BlockBlob" => Kind::Block,
        "AppendBlob" if request.body().is_empty() => Kind::Append,
        _ => return Err((StatusCode::BAD_REQUEST, "InvalidHeaderValue")),
    };
    let (container, blob) = (target.container, target.blob);
    match account.get(container, blob) {
        Ok(stored) => {
            if header_text(request, "if-none-match") == "*" {
                return Err((StatusCode::CONFLICT, "BlobAlreadyExists"));
            }
            stored.demand_version(request)?;
            stored.lease.allows(header_text(request, "x-ms-lease-id"), now)?;
        }
        Err(NO_BLOB) if !header_text(request, "if-match").is_empty() => {
            return Err((StatusCode::PRECONDITION_FAILED, "ConditionNotMet"));
        }
        Err(NO_BLOB) => {}
        Err(refusal) => return Err(refusal),
    }
    let stored = account.write(container, blob, kind, request.body().to_vec(), now)?;
    Ok(stored.described(Reply::new(StatusCode::CREATED, "", Bytes::new()), now))
}

fn append(
    account: &mut Account,
    request: &Request<Bytes>,
    target: &Target<'_>,
    now: Timestamp,
) -> Result<Reply, Refusal> {
    let stored = account.get(target.container, target.blob)?;
    if stored.kind != Kind::Append {
        return Err((StatusCode::CONFLICT, "InvalidBlobType"));
    }
    stored.lease.allows(header_text(request, "x-ms-lease-id"), now)?;
    if request.body().len() > LONGEST_BLOCK {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge"));
    }
    let position = header_text(request, "x-ms-blob-condition-appendpos");
    if !position.is_empty() && position != stored.bytes.len().to_string() {
        return Err((StatusCode::PRECONDITION_FAILED, "AppendPositionConditionNotMet"));
    }
    if stored.blocks >= MOST_BLOCKS {
        return Err((StatusCode::CONFLICT, "BlockCountExceedsLimit"));
    }
    let stored = account.append(target.container, target.blob, request.body(), now)?;
    Ok(stored.described(Reply::new(StatusCode::CREATED, "", Bytes::new()), now))
}

impl Service for BlobAccount {
    fn endpoint(&self, _path: &str) -> Endpoint {
        Endpoint::Blob
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let reply = self.answer(request, now).unwrap_or_else(|(status, code)| {
            let body = if *request.method() == Method::HEAD {
                String::new()
            } else {
                format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code></Error>")
            };
            Reply::new(status, "application/xml", body).with_header("x-ms-error-code", code)
        });
        let mut inner = self.inner();
        inner.requests += 1;
        reply
            .with_header("x-ms-request-id", &format!("00000000-0000-4000-8000-{:012x}", inner.requests))
            .with_header("x-ms-version", header_text(request, "x-ms-version"))
            .with_header("date", &http_date(now.as_second()))
    }
}
