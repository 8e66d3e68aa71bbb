//! Containers and blobs.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;

use super::lease::Lease;
use super::{NO_BLOB, NO_CONTAINER, Refusal};
use crate::reply::{Reply, header_text, http_date};

/// A blob.
#[derive(Debug)]
pub struct Stored {
    pub bytes: Vec<u8>,
    /// How often it was appended to; `None` for a block blob.
    pub blocks: Option<u64>,
    pub lease: Lease,
    version: u64,
    modified: i64,
    /// What it was committed with: media type, metadata, tier and tags, as headers.
    pub properties: Vec<(String, String)>,
}

impl Stored {
    fn etag(&self) -> String {
        format!("\"0x{:016X}\"", self.version)
    }

    /// What the list says of it.
    pub fn listed(&self, now: Timestamp) -> String {
        format!(
            "<Properties><Last-Modified>{}</Last-Modified><Etag>{}</Etag><Content-Length>{}</Content-Length><LeaseState>{}\
             </LeaseState></Properties>",
            http_date(self.modified),
            self.etag().trim_matches('"'),
            self.bytes.len(),
            self.lease.state(now)
        )
    }

    /// Whether it is the version that the request demands.
    pub fn demand_version(&self, request: &Request<Bytes>) -> Result<(), Refusal> {
        let demanded = header_text(request, "if-match");
        let met = demanded.is_empty() || demanded == "*" || demanded == self.etag();
        if met { Ok(()) } else { Err((StatusCode::PRECONDITION_FAILED, "ConditionNotMet")) }
    }

    /// Whether it may be written with the lease that the request names.
    pub fn demand_lease(&self, request: &Request<Bytes>, now: Timestamp) -> Result<(), Refusal> {
        self.lease.allows(header_text(request, "x-ms-lease-id"), now)
    }

    /// An answer with this status and body, and what it says about the blob.
    pub fn reply(&self, status: StatusCode, body: Bytes, now: Timestamp) -> Reply {
        let reply = Reply::new(status, "", body)
            .with_header("etag", &self.etag())
            .with_header("last-modified", &http_date(self.modified))
            .with_header("x-ms-lease-state", self.lease.state(now));
        let reply = self.properties.iter().fold(reply, |reply, (name, value)| reply.with_header(name, value));
        match self.blocks {
            Some(blocks) => reply.with_header("x-ms-blob-committed-block-count", &blocks.to_string()),
            None => reply,
        }
    }
}

/// All containers.
#[derive(Debug, Default)]
pub struct Account {
    containers: BTreeMap<String, BTreeMap<String, Stored>>,
    /// The last deleted container of each name, as soft delete keeps it.
    deleted: BTreeMap<String, BTreeMap<String, Stored>>,
    /// Uncommitted blocks by container, blob and id.
    uncommitted: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<u8>>>>,
    versions: u64,
}

impl Account {
    /// Makes a container. False: it was there.
    pub fn create(&mut self, container: &str) -> bool {
        let there = self.containers.contains_key(container);
        self.containers.entry(container.to_owned()).or_default();
        !there
    }

    /// Deletes a container with all its blobs.
    pub fn delete(&mut self, container: &str) {
        self.uncommitted.remove(container);
        if let Some(mut blobs) = self.containers.remove(container) {
            for stored in blobs.values_mut() {
                stored.lease = Lease::default();
            }
            self.deleted.insert(container.to_owned(), blobs);
        }
    }

    /// Restores a deleted container. False: there is none, or another has its name.
    pub fn restore(&mut self, container: &str) -> bool {
        if self.containers.contains_key(container) {
            return false;
        }
        let Some(blobs) = self.deleted.remove(container) else { return false };
        self.containers.insert(container.to_owned(), blobs);
        true
    }

    /// The names of a container's blobs, sorted.
    pub fn names(&self, container: &str) -> Result<Vec<String>, Refusal> {
        Ok(self.containers.get(container).ok_or(NO_CONTAINER)?.keys().cloned().collect())
    }

    /// A blob.
    pub fn get(&self, container: &str, blob: &str) -> Result<&Stored, Refusal> {
        self.containers.get(container).ok_or(NO_CONTAINER)?.get(blob).ok_or(NO_BLOB)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, container: &str, blob: &str) -> Result<&mut Stored, Refusal> {
        self.containers.get_mut(container).ok_or(NO_CONTAINER)?.get_mut(blob).ok_or(NO_BLOB)
    }

    /// Writes a blob whole: one that can be appended to if it has `blocks`. Its lease stays.
    pub fn write(
        &mut self,
        container: &str,
        blob: &str,
        blocks: Option<u64>,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Result<&Stored, Refusal> {
        self.versions += 1;
        let blobs = self.containers.get_mut(container).ok_or(NO_CONTAINER)?;
        let lease = blobs.remove(blob).map(|stored| stored.lease).unwrap_or_default();
        if let Some(uncommitted) = self.uncommitted.get_mut(container) {
            uncommitted.remove(blob);
        }
        let (version, modified) = (self.versions, now.as_second());
        let stored = Stored { bytes, blocks, lease, version, modified, properties: Vec::new() };
        Ok(blobs.entry(blob.to_owned()).or_insert(stored))
    }

    /// Keeps a block. False: its id isn't as long as those of the blob's other blocks.
    pub fn put_block(&mut self, container: &str, blob: &str, id: &str, bytes: &[u8]) -> Result<bool, Refusal> {
        self.names(container)?;
        let blobs = self.uncommitted.entry(container.to_owned()).or_default();
        let blocks = blobs.entry(blob.to_owned()).or_default();
        let fits = blocks.keys().all(|known| known.len() == id.len());
        if fits {
            blocks.insert(id.to_owned(), bytes.to_vec());
        }
        Ok(fits)
    }

    /// The bytes of these blocks, one after the other; `None` if one is missing.
    pub fn joined(&self, container: &str, blob: &str, ids: &[&str]) -> Option<Vec<u8>> {
        let blocks = self.uncommitted.get(container)?.get(blob)?;
        let bytes: Option<Vec<&Vec<u8>>> = ids.iter().map(|id| blocks.get(*id)).collect();
        Some(bytes?.into_iter().flatten().copied().collect())
    }

    /// Forgets all uncommitted blocks, as Azure does after a week.
    pub fn expire_blocks(&mut self) {
        self.uncommitted.clear();
    }

    /// How many blobs have uncommitted blocks.
    pub fn uncommitted(&self) -> usize {
        self.uncommitted.values().map(BTreeMap::len).sum()
    }

    /// Appends to a blob.
    pub fn append(&mut self, container: &str, blob: &str, bytes: &[u8], now: Timestamp) -> Result<&Stored, Refusal> {
        self.versions += 1;
        let version = self.versions;
        let stored = self.get_mut(container, blob)?;
        stored.bytes.extend_from_slice(bytes);
        stored.blocks = stored.blocks.map(|blocks| blocks + 1);
        (stored.version, stored.modified) = (version, now.as_second());
        Ok(stored)
    }

    /// Removes a blob.
    pub fn remove(&mut self, container: &str, blob: &str) -> Result<(), Refusal> {
        self.containers.get_mut(container).ok_or(NO_CONTAINER)?.remove(blob).map(drop).ok_or(NO_BLOB)
    }
}
