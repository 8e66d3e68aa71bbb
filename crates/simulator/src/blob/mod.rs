//! Azure Blob Storage, as far as the shared checkpoint, the archive and the official connector use it: containers, block and
//! append blobs, blocks that are committed later, conditions by version and by length, and leases.
//!
//! How it answers follows the documentation of the REST API ("Lease Blob": the table of outcomes; "Specifying conditional
//! headers"), and is compared with Azurite by a test of the client that runs against both.

mod blocks;
mod lease;
mod store;

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;

use super::entra::Tokens;
use super::form;
use super::reply::{Endpoint, Reply, Service, header_text, http_date};
use nordpass_env::Mutex;
use store::Account;

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

impl BlobAccount {
    /// An empty account; `tokens` are those that it accepts.
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens, inner: Mutex::default() }
    }

    /// Whether the identity lacks its role.
    pub fn set_forbidden(&self, forbidden: bool) {
        self.inner.lock().forbidden = forbidden;
    }

    /// Writes a blob, as somebody else would: the lease doesn't count.
    pub fn put(&self, container: &str, blob: &str, bytes: &[u8], now: Timestamp) {
        let mut inner = self.inner.lock();
        inner.account.create(container);
        let _ = inner.account.write(container, blob, None, bytes.to_vec(), now);
    }

    /// A blob's bytes.
    pub fn content(&self, container: &str, blob: &str) -> Option<Vec<u8>> {
        self.inner.lock().account.get(container, blob).ok().map(|stored| stored.bytes.clone())
    }

    /// The names of a container's blobs.
    pub fn names(&self, container: &str) -> Vec<String> {
        self.inner.lock().account.names(container).unwrap_or_default()
    }

    /// Removes a blob, as somebody else would.
    pub fn remove(&self, container: &str, blob: &str) {
        let _ = self.inner.lock().account.remove(container, blob);
    }

    /// Whether there is such a container.
    pub fn has_container(&self, container: &str) -> bool {
        self.inner.lock().account.names(container).is_ok()
    }

    /// Makes an empty container, as an operator would.
    pub fn create_container(&self, container: &str) {
        self.inner.lock().account.create(container);
    }

    /// Deletes a container with all its blobs, whoever has leases on them.
    pub fn delete_container(&self, container: &str) {
        self.inner.lock().account.delete(container);
    }

    /// Restores a deleted container, as soft delete can. False: there is none, or another has its name by now.
    pub fn restore_container(&self, container: &str) -> bool {
        self.inner.lock().account.restore(container)
    }

    /// How many names one answer has at most, whatever is asked for: Azure may end it anywhere.
    pub fn set_page(&self, page: usize) {
        self.inner.lock().page = Some(page);
    }

    /// Makes as if a blob had been appended to as often as it can be.
    pub fn fill(&self, container: &str, blob: &str) {
        if let Ok(stored) = self.inner.lock().account.get_mut(container, blob) {
            stored.blocks = Some(MOST_BLOCKS);
        }
    }

    /// What a blob was committed with, by header; `None` without the blob or the header.
    pub fn property(&self, container: &str, blob: &str, header: &str) -> Option<String> {
        let inner = self.inner.lock();
        let properties = &inner.account.get(container, blob).ok()?.properties;
        properties.iter().find(|(name, _)| name == header).map(|(_, value)| value.clone())
    }

    /// Forgets all uncommitted blocks, as Azure does a week after the last one of a blob.
    pub fn expire_blocks(&self) {
        self.inner.lock().account.expire_blocks();
    }

    /// How many blobs have uncommitted blocks.
    pub fn uncommitted(&self) -> usize {
        self.inner.lock().account.uncommitted()
    }

    /// Breaks a blob's lease at once, as an operator can.
    pub fn break_lease(&self, container: &str, blob: &str) {
        self.break_lease_after(container, blob, Duration::ZERO, Timestamp::UNIX_EPOCH);
    }

    /// Breaks it slowly: it goes on for so long, but no longer than it would have, and can't be renewed any more.
    pub fn break_lease_after(&self, container: &str, blob: &str, after: Duration, now: Timestamp) {
        if let Ok(stored) = self.inner.lock().account.get_mut(container, blob) {
            stored.lease.break_after(Some(after), now);
        }
    }

    fn answer(&self, request: &Request<Bytes>, now: Timestamp) -> Result<Reply, Refusal> {
        let token = header_text(request, "authorization").strip_prefix("Bearer ").unwrap_or_default();
        if self.tokens.check(token, AUDIENCE, now).is_err() {
            return Err((StatusCode::UNAUTHORIZED, "InvalidAuthenticationInfo"));
        }
        let mut inner = self.inner.lock();
        if inner.forbidden {
            return Err((StatusCode::FORBIDDEN, "AuthorizationPermissionMismatch"));
        }
        if header_text(request, "x-ms-version").is_empty() || header_text(request, "x-ms-date").is_empty() {
            return Err((StatusCode::BAD_REQUEST, "MissingRequiredHeader"));
        }
        let path = form::decode(request.uri().path().trim_start_matches('/'));
        let (container, blob) = path.split_once('/').unwrap_or((&path, ""));
        let query = form::pairs(request.uri().query().unwrap_or_default());
        let page = inner.page.unwrap_or(usize::MAX);
        let call = Call { account: &mut inner.account, request, container, blob, query, now };
        if blob.is_empty() { call.on_container(page) } else { call.on_blob() }
    }
}

/// A request and what it is about.
struct Call<'a> {
    account: &'a mut Account,
    request: &'a Request<Bytes>,
    container: &'a str,
    blob: &'a str,
    query: Vec<(String, String)>,
    now: Timestamp,
}

impl<'a> Call<'a> {
    fn header(&self, name: &str) -> &'a str {
        header_text(self.request, name)
    }

    fn query(&self, name: &str) -> &str {
        form::value(&self.query, name).unwrap_or_default()
    }

    fn on_container(self, page: usize) -> Result<Reply, Refusal> {
        match (self.request.method(), self.query("restype"), self.query("comp")) {
            (&Method::PUT, "container", _) => {
                let created =
                    self.account.create(self.container).then(|| Reply::new(StatusCode::CREATED, "", Bytes::new()));
                created.ok_or((StatusCode::CONFLICT, "ContainerAlreadyExists"))
            }
            (&Method::GET, _, "list") => self.list(page),
            _ => Err((StatusCode::BAD_REQUEST, "InvalidQueryParameterValue")),
        }
    }

    fn on_blob(self) -> Result<Reply, Refusal> {
        match (self.request.method(), self.query("comp")) {
            (_, "lease") => {
                let stored = self.account.get_mut(self.container, self.blob)?;
                let status = stored.lease.change(self.request, self.now)?;
                Ok(stored.reply(status, Bytes::new(), self.now))
            }
            (&Method::GET | &Method::HEAD, _) => self.read(),
            (&Method::PUT, "appendblock") => self.append(),
            (&Method::PUT, "block") => self.put_block(),
            (&Method::PUT, "blocklist") => self.put_block_list(),
            (&Method::PUT, _) => self.write(),
            (&Method::DELETE, _) => {
                self.account.get(self.container, self.blob)?.demand_lease(self.request, self.now)?;
                self.account.remove(self.container, self.blob)?;
                Ok(Reply::new(StatusCode::ACCEPTED, "", Bytes::new()))
            }
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "UnsupportedHttpVerb")),
        }
    }

    fn list(&self, page: usize) -> Result<Reply, Refusal> {
        let most = self.query("maxresults").parse().unwrap_or(5_000);
        let (prefix, from) = (self.query("prefix"), self.query("marker"));
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>");
        let names = self.account.names(self.container)?;
        let mut names = names.iter().filter(|name| name.starts_with(prefix) && name.as_str() >= from);
        for name in names.by_ref().take(most.min(page)) {
            let stored = self.account.get(self.container, name)?;
            let _ = write!(xml, "<Blob><Name>{}</Name>{}</Blob>", escaped(name), stored.listed(self.now));
        }
        let next = names.next().map_or_else(String::new, |name| escaped(name));
        let _ = write!(xml, "</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>");
        Ok(Reply::new(StatusCode::OK, "application/xml", xml))
    }

    fn read(&self) -> Result<Reply, Refusal> {
        let stored = self.account.get(self.container, self.blob)?;
        stored.demand_version(self.request)?;
        let range = self.header("x-ms-range");
        let mut whole = String::new();
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
            let end = stored.bytes.len().min(last.saturating_add(1));
            whole = format!("bytes {first}-{}/{}", end - 1, stored.bytes.len());
            (StatusCode::PARTIAL_CONTENT, &stored.bytes[first..end])
        };
        let head = *self.request.method() == Method::HEAD;
        let body = if head { Bytes::new() } else { Bytes::copy_from_slice(bytes) };
        let reply = stored.reply(status, body, self.now);
        let reply = if whole.is_empty() { reply } else { reply.with_header("content-range", &whole) };
        let has_type = reply.response.headers().contains_key("content-type");
        Ok(if has_type { reply } else { reply.with_header("content-type", "application/octet-stream") })
    }

    fn write(self) -> Result<Reply, Refusal> {
        let blocks = match self.header("x-ms-blob-type") {
            "BlockBlob" => None,
            "AppendBlob" if self.request.body().is_empty() => Some(0),
            _ => return Err((StatusCode::BAD_REQUEST, "InvalidHeaderValue")),
        };
        match self.account.get(self.container, self.blob) {
            Ok(_) if self.header("if-none-match") == "*" => return Err((StatusCode::CONFLICT, "BlobAlreadyExists")),
            Ok(stored) => {
                stored.demand_version(self.request)?;
                stored.demand_lease(self.request, self.now)?;
            }
            Err(NO_BLOB) if !self.header("if-match").is_empty() => {
                return Err((StatusCode::PRECONDITION_FAILED, "ConditionNotMet"));
            }
            Err(NO_BLOB) => {}
            Err(refusal) => return Err(refusal),
        }
        let stored = self.account.write(self.container, self.blob, blocks, self.request.body().to_vec(), self.now)?;
        Ok(stored.reply(StatusCode::CREATED, Bytes::new(), self.now))
    }

    fn append(self) -> Result<Reply, Refusal> {
        let stored = self.account.get(self.container, self.blob)?;
        let blocks = stored.blocks.ok_or((StatusCode::CONFLICT, "InvalidBlobType"))?;
        stored.demand_lease(self.request, self.now)?;
        if self.request.body().len() > LONGEST_BLOCK {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge"));
        }
        let position = self.header("x-ms-blob-condition-appendpos");
        if !position.is_empty() && position != stored.bytes.len().to_string() {
            return Err((StatusCode::PRECONDITION_FAILED, "AppendPositionConditionNotMet"));
        }
        if blocks >= MOST_BLOCKS {
            return Err((StatusCode::CONFLICT, "BlockCountExceedsLimit"));
        }
        let stored = self.account.append(self.container, self.blob, self.request.body(), self.now)?;
        Ok(stored.reply(StatusCode::CREATED, Bytes::new(), self.now))
    }
}

/// A text in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Service for BlobAccount {
    fn endpoint(&self, _path: &str) -> Endpoint {
        Endpoint::Blob
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let reply = self.answer(request, now).unwrap_or_else(|(status, code)| {
            let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code></Error>");
            let head = *request.method() == Method::HEAD;
            Reply::new(status, "application/xml", if head { String::new() } else { xml })
                .with_header("x-ms-error-code", code)
        });
        let mut inner = self.inner.lock();
        inner.requests += 1;
        reply
            .with_header("x-ms-request-id", &format!("00000000-0000-4000-8000-{:012x}", inner.requests))
            .with_header("x-ms-version", header_text(request, "x-ms-version"))
            .with_header("date", &http_date(now.as_second()))
    }
}
