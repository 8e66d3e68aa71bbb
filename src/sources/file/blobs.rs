//! Recordings in Azure Blob Storage: an archive is read as files are.

use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::az::AzPath;
use super::state::hash;
use crate::azure::blob::{BlobError, Container};
use crate::azure::{self, Cloud, CredentialSettings};
use crate::http::{Again, Failure, HttpSettings, Retry};
use crate::settings::{Field, Kind, Section, http_fields, read_http};
use crate::telemetry::ComponentReporter;
use nordpass_env::{Env, FileKind, FileStat, IoFuture, Mutex, OpenFile};

/// `credential`
pub const CREDENTIAL: Field = Field::optional("credential", Kind::Table(azure::FIELDS))
    .doc("The identity that reads blobs. It needs the role Storage Blob Data Reader on the container.");

/// `blob_endpoint`
pub const ENDPOINT: Field = Field::optional("blob_endpoint", Kind::Text)
    .doc("The blob endpoint of the storage account, if it isn't `https://ACCOUNT.blob.core.windows.net` or that of `credential.cloud`.");

/// The longest response: a page of a list.
const LONGEST: usize = 8 << 20;

/// How blobs are reached.
#[derive(Clone, Debug)]
pub struct BlobSettings {
    credential: CredentialSettings,
    /// Of every account that paths name, where it is set.
    endpoint: Option<String>,
    http: HttpSettings,
}

impl BlobSettings {
    /// Settings without a pipeline file. The error is a sentence.
    pub fn new(credential: CredentialSettings, endpoint: Option<String>) -> Self {
        let http = HttpSettings { max_body_bytes: LONGEST, ..HttpSettings::default() };
        Self { credential, endpoint: endpoint.map(|url| url.trim_end_matches('/').to_owned()), http }
    }

    /// Reads the fields of blobs for these paths. `None` where no path is one of blobs.
    pub fn read(section: &mut Section, paths: &[AzPath]) -> Option<Self> {
        if paths.is_empty() {
            for name in ["credential", "blob_endpoint"] {
                if section.has(name) {
                    section.warning(name, "no path begins with az://, so this is never used", "remove it");
                }
            }
            return None;
        }
        let endpoint = section.optional_url("blob_endpoint");
        let accounts: std::collections::BTreeSet<&str> = paths.iter().map(|path| path.account.as_str()).collect();
        if endpoint.is_some() && accounts.len() > 1 {
            let hint = "use a source for each account";
            section.error("blob_endpoint", "this is the endpoint of one account, and `paths` name several", hint);
        }
        if !section.has("credential") {
            let hint = "add credential = { kind = \"managed_identity\" }, or another kind";
            section.error("paths", "to read blobs, `credential` is missing", hint);
            return None;
        }
        let credential = CredentialSettings::read(&mut section.table("credential"));
        let http = read_http(section, Duration::from_secs(30));
        let http = HttpSettings { max_body_bytes: LONGEST, ..http };
        Some(Self { endpoint: endpoint.map(|url| url.trim_end_matches('/').to_owned()), credential, http })
    }

    fn endpoint(&self, account: &str) -> String {
        let hosts = self.credential.named_cloud().unwrap_or(Cloud::Public).blob_hosts();
        self.endpoint.clone().unwrap_or_else(|| format!("https://{account}.{hosts}"))
    }
}

/// `request_timeout`, `proxy` and `tls`, as a component lists them.
pub const HTTP: [Field; 3] = [http_fields::REQUEST_TIMEOUT, http_fields::PROXY, http_fields::TLS];

/// The containers of a component, and what their lists said.
pub struct Blobs {
    settings: BlobSettings,
    env: Env,
    telemetry: Option<ComponentReporter>,
    containers: Mutex<BTreeMap<(String, String), Container>>,
    /// By [`key`]: a stat is shorter than a path.
    listed: Mutex<HashMap<u64, FileStat>>,
}

/// Why blobs can't be read.
enum Stop {
    /// There is none.
    NotFound,
    /// In words.
    Because(String),
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::NotFound => Self::new(io::ErrorKind::NotFound, "there is no such blob"),
            Stop::Because(reason) => Self::other(reason),
        }
    }
}

impl Blobs {
    /// Sends no request.
    pub fn new(settings: &BlobSettings, env: &Env, telemetry: Option<&ComponentReporter>) -> Self {
        Self {
            settings: settings.clone(),
            env: env.clone(),
            telemetry: telemetry.cloned(),
            containers: Mutex::default(),
            listed: Mutex::default(),
        }
    }

    /// The paths of all blobs that match. Notes what the list says of them.
    pub async fn expand(&self, pattern: &AzPath) -> io::Result<Vec<String>> {
        let container = self.container(pattern)?;
        let (mut paths, mut marker) = (Vec::new(), String::new());
        loop {
            let attempt = || container.listed(pattern.prefix(), &marker);
            let (page, next) = match self.attempt(&container, attempt).await {
                Ok(page) => page,
                Err(Stop::NotFound) => (Vec::new(), String::new()),
                Err(stop) => return Err(stop.into()),
            };
            for blob in page.into_iter().filter(|blob| pattern.matches(&blob.name)) {
                let path = pattern.path(&blob.name);
                self.listed.lock().insert(key(&path), stat(&path, &blob.version, blob.len));
                paths.push(path);
            }
            if next.is_empty() {
                return Ok(paths);
            }
            marker = next;
        }
    }

    /// What the list said of a blob.
    pub fn stat(&self, path: &str) -> Option<FileStat> {
        self.listed.lock().get(&key(path)).copied()
    }

    /// Opens a blob as it is now.
    pub async fn open(blobs: &Arc<Self>, path: &AzPath) -> io::Result<OpenBlob> {
        let container = blobs.container(path)?;
        let first = blobs.attempt(&container, || container.part(&path.name, 0, FIRST, None)).await?;
        let stat = stat(&path.path(&path.name), first.etag.trim_matches('"'), first.len);
        let (name, blobs, etag) = (path.name.clone(), blobs.clone(), first.etag);
        Ok(OpenBlob { blobs, container, name, etag, stat, first: first.bytes })
    }

    fn container(&self, path: &AzPath) -> io::Result<Container> {
        let at = (path.account.clone(), path.container.clone());
        if let Some(container) = self.containers.lock().get(&at) {
            return Ok(container.clone());
        }
        let Self { settings, env, telemetry, .. } = self;
        let endpoint = settings.endpoint(&path.account);
        let container = Container::new(&endpoint, &path.container, settings.credential.clone(), &settings.http, env);
        let container = container.map_err(io::Error::other)?;
        let container = telemetry.iter().fold(container, Container::reporting);
        self.containers.lock().insert(at, container.clone());
        Ok(container)
    }

    /// Attempts until it works, where a component says that it waits.
    async fn attempt<T, F: Future<Output = Result<T, BlobError>>>(
        &self,
        container: &Container,
        request: impl Fn() -> F,
    ) -> Result<T, Stop> {
        let failure = |error: BlobError| {
            let name = container.name();
            match &error {
                BlobError::NoBlob => Failure::Stop(Stop::NotFound),
                BlobError::NoContainer => Failure::Stop(Stop::Because(format!("there is no container {name}"))),
                BlobError::Conflict { code, .. } if code == "BlobArchived" || code == "BlobBeingRehydrated" => {
                    let reason = "it's in the archive tier: rehydrate it to a tier that can be read, which takes hours";
                    Failure::Stop(Stop::Because(reason.to_owned()))
                }
                BlobError::Conflict { status: 412, .. } => {
                    Failure::Stop(Stop::Because("it was replaced while it was read".to_owned()))
                }
                BlobError::Conflict { .. } | BlobError::NoBlocks => Failure::Stop(Stop::Because(error.to_string())),
                BlobError::Unclear { .. } | BlobError::Refused { .. } => {
                    let reason = format!("can't read blobs of the container {name}: {error}");
                    Failure::Again(Again { wait: error.wait(), ..Again::because("blob", reason) })
                }
            }
        };
        match &self.telemetry {
            Some(telemetry) => {
                let attempt = || async { request().await.map_err(failure) };
                Retry::new(&self.env, telemetry).run(pending(), attempt).await
            }
            None => request().await.map_err(|error| match failure(error) {
                Failure::Stop(stop) => stop,
                Failure::Again(again) => Stop::Because(again.reason.unwrap_or_default()),
            }),
        }
    }
}

/// Read when a blob is opened: most of an archive's have no more.
const FIRST: usize = 256 << 10;

/// A version of a blob.
pub struct OpenBlob {
    blobs: Arc<Blobs>,
    container: Container,
    name: String,
    etag: String,
    stat: FileStat,
    /// How it begins.
    first: bytes::Bytes,
}

impl OpenFile for OpenBlob {
    fn stat(&self) -> IoFuture<'_, FileStat> {
        Box::pin(async { Ok(self.stat) })
    }

    fn read_into(&self, offset: u64, limit: usize, mut buffer: Vec<u8>) -> IoFuture<'_, Vec<u8>> {
        Box::pin(async move {
            buffer.clear();
            let begin = usize::try_from(offset).unwrap_or(usize::MAX);
            if let Some(known) = self.first.get(begin..).filter(|known| !known.is_empty()) {
                buffer.extend_from_slice(&known[..known.len().min(limit)]);
            } else if offset < self.stat.len && limit > 0 {
                let request = || self.container.part(&self.name, offset, limit, Some(&self.etag));
                buffer.extend_from_slice(&self.blobs.attempt(&self.container, request).await?.bytes);
            }
            Ok(buffer)
        })
    }
}

/// What stands for a path.
fn key(path: &str) -> u64 {
    hash("blob", path.as_bytes())
}

/// A version of a blob as a file system would describe it: another version is another file, and none ever changes.
fn stat(path: &str, version: &str, len: u64) -> FileStat {
    let id = (key(path), hash("version", version.as_bytes()));
    FileStat { kind: FileKind::Regular, len, id, modified: 0, changed: 0 }
}
