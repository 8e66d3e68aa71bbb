//! Azure Blob Storage: the few requests that the shared checkpoint ([ADR 0013](../../../docs/adr/0013-shared-checkpoint.md)) and the
//! archive ([ADR 0031](../../../docs/adr/0031-archive-in-blobs-by-intents.md)) make.
//!
//! One attempt each: callers retry, because only they know what a missing response means for them. Every failure says
//! whether the request may have taken effect ([`BlobError`]).

mod answer;
mod blocks;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod list;
mod name;
mod part;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use tokio::sync::Semaphore;

pub use answer::BlobError;
use answer::{Meant, classify};
pub use blocks::{BLOCK_BYTES, BlockBlob};
use list::ListPage;
pub use list::Listed;
pub use name::check_container;
pub use part::Part;

use super::{AccessToken, CredentialSettings, TokenProvider, provider};
use crate::http::{HttpClient, HttpSettings, bearer};
use crate::telemetry::{ComponentReporter, TokenState, metrics};
use nordpass_env::{Clock, Env};

/// The version of the REST API. Any from 2017-11-09 on takes bearer tokens.
const VERSION: &str = "2023-11-03";

/// What tokens for storage are asked for, in every cloud.
pub const SCOPE: &str = "https://storage.azure.com/.default";

/// The most names in one response.
const PAGE: usize = 5_000;
/// How many pages in a row may be without a name of ours. Azure may return an empty page with a marker; a list of such pages
/// alone would never end.
const EMPTY_PAGES: usize = 100;

/// How many requests are sent at once. Thousands of sources begin and commit at the same moment, and a connection for each would be
/// refused somewhere. Leases don't wait for these: who can't renew one in time has to stop reading.
const MOST_AT_ONCE: usize = 32;

/// A container of a storage account.
#[derive(Clone)]
pub struct Container {
    http: Arc<dyn HttpClient>,
    tokens: Arc<dyn TokenProvider>,
    clock: Arc<dyn Clock>,
    /// The container's URL.
    url: String,
    name: String,
    /// Bounds the requests that are sent at once, those about leases aside. Containers of one account share it.
    permits: Arc<Semaphore>,
    /// Whether its requests wait for the others.
    waits: bool,
    /// It has been there.
    seen: Arc<AtomicBool>,
    /// Counts its requests, where a component makes them.
    telemetry: Option<ComponentReporter>,
}

/// A blob, or the part of one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its version.
    pub etag: String,
    /// What was asked for.
    pub bytes: Bytes,
    /// When it was last written, in Unix seconds; `None` if the response doesn't say.
    pub modified: Option<i64>,
}

/// What a write demands of the blob that it meets.
#[derive(Clone, Copy, Debug)]
pub enum Demand<'a> {
    /// That there is none.
    New,
    /// That it has this version and this lease.
    Same {
        /// The version.
        etag: &'a str,
        /// The lease.
        lease: &'a str,
    },
    /// That it has this version and no lease.
    Version {
        /// The version.
        etag: &'a str,
    },
    /// Nothing.
    Any,
}

impl<'a> Demand<'a> {
    /// That it has this version, and this lease or none.
    pub fn of(etag: &'a str, lease: Option<&'a str>) -> Self {
        match lease {
            Some(lease) => Self::Same { etag, lease },
            None => Self::Version { etag },
        }
    }
}

/// The state of a blob's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// There is none.
    Free,
    /// The last one wasn't renewed, and is over.
    Expired,
    /// The last one was broken; its holder may not know yet.
    Broken,
    /// A process has one.
    Held,
}

impl Lease {
    /// Reads a lease's state as Azure names it.
    fn read(state: &str) -> Option<Self> {
        match state {
            "available" => Some(Self::Free),
            "expired" => Some(Self::Expired),
            "broken" => Some(Self::Broken),
            "leased" | "breaking" => Some(Self::Held),
            _ => None,
        }
    }
}

impl Container {
    /// A container below an account's blob endpoint. The error is a sentence about the settings.
    pub fn new(
        endpoint: &str,
        name: &str,
        credential: CredentialSettings,
        http: &HttpSettings,
        env: &Env,
    ) -> Result<Self, String> {
        let client = env.network.client(http)?;
        let tokens = provider(credential, SCOPE, http, env)?;
        Ok(Self::over(client, tokens, env.clock.clone(), endpoint, name))
    }

    fn over(
        http: Arc<dyn HttpClient>,
        tokens: Arc<dyn TokenProvider>,
        clock: Arc<dyn Clock>,
        endpoint: &str,
        name: &str,
    ) -> Self {
        let (url, name) = (format!("{endpoint}/{name}"), name.to_owned());
        let permits = Arc::new(Semaphore::new(MOST_AT_ONCE));
        Self { http, tokens, clock, url, name, permits, waits: true, seen: Arc::default(), telemetry: None }
    }

    /// The same; its requests and its token count as the component's.
    #[must_use]
    pub fn reporting(self, telemetry: &ComponentReporter) -> Self {
        telemetry.token(TokenState::Unknown);
        Self { telemetry: Some(telemetry.clone()), ..self }
    }

    /// The same, for requests that can't wait until thousands of others are done: they belong to a lease.
    #[must_use]
    pub fn without_waiting(&self) -> Self {
        Self { waits: false, ..self.clone() }
    }

    /// Another container of the same account, with the same token.
    pub fn sibling(&self, endpoint: &str, name: &str) -> Self {
        let sibling = Self::over(self.http.clone(), self.tokens.clone(), self.clock.clone(), endpoint, name);
        Self { permits: self.permits.clone(), ..sibling }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates the container, unless it already exists.
    pub async fn create(&self) -> Result<(), BlobError> {
        match self.send(Method::PUT, "?restype=container", &[], Bytes::new()).await {
            Err(BlobError::Conflict { code, .. }) if code == "ContainerAlreadyExists" => Ok(()),
            result => result.map(drop),
        }
    }

    /// The same for a container that has never existed while this process ran. One that has was deleted: Azure restores it
    /// only as long as no other has its name, so the operator has to decide whether to recreate it.
    pub async fn create_first(&self) -> Result<(), BlobError> {
        if self.seen.load(Ordering::Relaxed) { Err(BlobError::NoContainer) } else { self.create().await }
    }

    /// A whole blob.
    pub async fn get(&self, blob: &str) -> Result<Blob, BlobError> {
        let answer = self.send(Method::GET, &path(blob), &[], Bytes::new()).await?;
        Ok(Blob { etag: etag(&answer)?, modified: modified(answer.headers()), bytes: answer.into_body() })
    }

    /// At most `len` bytes of a blob from `at`; fewer at its end, none beyond it.
    pub async fn read(&self, blob: &str, at: u64, len: usize) -> Result<Bytes, BlobError> {
        let last = at.saturating_add(len.max(1) as u64 - 1);
        let range = format!("bytes={at}-{last}");
        match self.send(Method::GET, &path(blob), &[("x-ms-range", &range)], Bytes::new()).await {
            Ok(answer) if answer.body().len() <= len => Ok(answer.into_body()),
            Ok(_) => Err(BlobError::nonsense("it sends more than requested")),
            Err(BlobError::Conflict { code, .. }) if code == "InvalidRange" => Ok(Bytes::new()),
            Err(error) => Err(error),
        }
    }

    /// Writes a whole blob at once. Returns its new version.
    pub async fn put(&self, blob: &str, bytes: Bytes, demand: Demand<'_>) -> Result<String, BlobError> {
        let kind = ("x-ms-blob-type", "BlockBlob");
        let answer = match demand {
            Demand::New => self.send(Method::PUT, &path(blob), &[kind, ("if-none-match", "*")], bytes).await?,
            Demand::Same { etag, lease } => {
                let headers = [kind, ("if-match", etag), ("x-ms-lease-id", lease)];
                self.send(Method::PUT, &path(blob), &headers, bytes).await?
            }
            Demand::Version { etag } => self.send(Method::PUT, &path(blob), &[kind, ("if-match", etag)], bytes).await?,
            Demand::Any => self.send(Method::PUT, &path(blob), &[kind], bytes).await?,
        };
        etag(&answer)
    }

    /// Creates an empty append blob, unless it already exists.
    pub async fn create_append(&self, blob: &str) -> Result<(), BlobError> {
        let headers = [("x-ms-blob-type", "AppendBlob"), ("if-none-match", "*")];
        match self.send(Method::PUT, &path(blob), &headers, Bytes::new()).await {
            Err(BlobError::Conflict { code, .. }) if code == "BlobAlreadyExists" => Ok(()),
            result => result.map(drop),
        }
    }

    /// Appends, if the blob is exactly this long.
    pub async fn append(&self, blob: &str, at: u64, bytes: Bytes) -> Result<(), BlobError> {
        let position = at.to_string();
        let headers = [("x-ms-blob-condition-appendpos", position.as_str())];
        self.send(Method::PUT, &format!("{}?comp=appendblock", path(blob)), &headers, bytes).await.map(drop)
    }

    /// The state of a blob's lease.
    pub async fn lease(&self, blob: &str) -> Result<Lease, BlobError> {
        let answer = self.send(Method::HEAD, &path(blob), &[], Bytes::new()).await?;
        let lease = Lease::read(text(answer.headers(), "x-ms-lease-state"));
        lease.ok_or_else(|| BlobError::nonsense("it doesn't say whether there is a lease"))
    }

    /// Takes a lease with this id, or extends it: idempotent for the same id.
    pub async fn acquire(&self, blob: &str, id: &str, seconds: u64) -> Result<(), BlobError> {
        let seconds = seconds.to_string();
        self.lease_action(
            blob,
            &[("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", &seconds), ("x-ms-proposed-lease-id", id)],
        )
        .await
    }

    /// Renews the lease.
    pub async fn renew(&self, blob: &str, id: &str) -> Result<(), BlobError> {
        self.lease_action(blob, &[("x-ms-lease-action", "renew"), ("x-ms-lease-id", id)]).await
    }

    /// Releases the lease, so that another one can be taken at once.
    pub async fn release(&self, blob: &str, id: &str) -> Result<(), BlobError> {
        self.lease_action(blob, &[("x-ms-lease-action", "release"), ("x-ms-lease-id", id)]).await
    }

    async fn lease_action(&self, blob: &str, headers: &[(&str, &str)]) -> Result<(), BlobError> {
        self.send(Method::PUT, &format!("{}?comp=lease", path(blob)), headers, Bytes::new()).await.map(drop)
    }

    /// Deletes a blob, if it exists.
    pub async fn delete(&self, blob: &str) -> Result<(), BlobError> {
        match self.send(Method::DELETE, &path(blob), &[], Bytes::new()).await {
            Err(BlobError::NoBlob | BlobError::NoContainer) => Ok(()),
            result => result.map(drop),
        }
    }

    /// The first blobs (at most `most`) whose names begin like this, sorted by name.
    pub async fn list(&self, prefix: &str, most: u32) -> Result<Vec<String>, BlobError> {
        let mut names: Vec<String> = Vec::new();
        let (mut marker, mut empty) = (String::new(), 0);
        loop {
            // Azure may end a page anywhere, and then returns a marker.
            let page = self.page(prefix, &marker, (most as usize).saturating_sub(names.len()).min(PAGE)).await?;
            let (next, before) = (page.next.clone(), names.len());
            names.extend(page.plain_names());
            empty = if names.len() == before { empty + 1 } else { 0 };
            if next.is_empty() || names.len() >= most as usize {
                return Ok(names);
            }
            if next == marker || empty == EMPTY_PAGES {
                return Err(BlobError::nonsense("its list of blobs doesn't advance"));
            }
            marker = next;
        }
    }

    /// A page of the list of blobs whose names begin like this, sorted by name; the first one without a marker.
    async fn page(&self, prefix: &str, marker: &str, most: usize) -> Result<ListPage, BlobError> {
        let query = format!(
            "?restype=container&comp=list&maxresults={most}&prefix={}{}{}",
            escaped(prefix),
            if marker.is_empty() { "" } else { "&marker=" },
            escaped(marker),
        );
        let answer = self.send(Method::GET, &query, &[], Bytes::new()).await?;
        ListPage::parse(answer.body(), prefix, most)
    }

    /// Sends a request. After a 401 once more, with a new token.
    async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Bytes>, BlobError> {
        let is_about_leases = target.contains("comp=lease") || target.contains("comp=list");
        // The semaphore is never closed.
        let _permit = if is_about_leases || !self.waits { None } else { self.permits.acquire().await.ok() };
        let token = self.token().await?;
        let answer = self.attempt(&method, target, headers, body.clone(), &token).await?;
        let answer = if answer.status() == StatusCode::UNAUTHORIZED {
            self.tokens.invalidate(&token);
            let token = self.token().await?;
            self.attempt(&method, target, headers, body, &token).await?
        } else {
            answer
        };
        let meant = if method == Method::HEAD { Meant::Nothing } else { Meant::Content };
        let result = classify(answer, meant, self.clock.now());
        if matches!(result, Ok(_) | Err(BlobError::Conflict { .. })) {
            self.seen.store(true, Ordering::Relaxed);
        }
        result
    }

    async fn token(&self) -> Result<AccessToken, BlobError> {
        let token = self.tokens.token().await;
        token.map_err(|error| {
            self.report_token(TokenState::Missing);
            BlobError::Refused { reason: error.to_string(), wait: None }
        })
    }

    async fn attempt(
        &self,
        method: &Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        token: &AccessToken,
    ) -> Result<Response<Bytes>, BlobError> {
        let seconds = u64::try_from(self.clock.now_seconds()).unwrap_or_default();
        let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
        let wrong = || {
            let reason = "the token or the URL contains invalid characters".to_owned();
            BlobError::Refused { reason, wait: None }
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url))
            .header(header::AUTHORIZATION, bearer(&token.secret).map_err(|_| wrong())?)
            .header("x-ms-version", VERSION)
            .header("x-ms-date", date);
        if method == Method::PUT {
            request = request.header(header::CONTENT_LENGTH, body.len());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|_| wrong())?;
        let began = tokio::time::Instant::now();
        let answer = self.http.send(request).await;
        if let Some(telemetry) = &self.telemetry {
            let status = answer.as_ref().ok().map(Response::status);
            let label = status.as_ref().map_or("none", StatusCode::as_str);
            telemetry.add_labelled(&metrics::REQUESTS, label, 1);
            telemetry.observe(&metrics::REQUEST_SECONDS, began.elapsed().as_secs_f64());
            match status {
                Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => self.report_token(TokenState::Refused),
                Some(status) if status.is_success() => self.report_token(TokenState::Valid),
                _ => {}
            }
        }
        answer.map_err(|error| BlobError::Unclear { reason: error.to_string(), wait: None })
    }

    fn report_token(&self, state: TokenState) {
        if let Some(telemetry) = &self.telemetry {
            telemetry.token(state);
        }
    }
}

/// A value in a query.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn path(blob: &str) -> String {
    format!("/{blob}")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn etag(answer: &Response<Bytes>) -> Result<String, BlobError> {
    match text(answer.headers(), "etag") {
        "" => Err(BlobError::nonsense("it doesn't say which version of the blob this is")),
        etag => Ok(etag.to_owned()),
    }
}

fn modified(headers: &HeaderMap) -> Option<i64> {
    let time = httpdate::parse_http_date(text(headers, "last-modified")).ok()?;
    i64::try_from(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Container({})", self.name)
    }
}
