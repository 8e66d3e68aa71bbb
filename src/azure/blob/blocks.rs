//! Blobs that are written in blocks: uploaded first, unseen, and then committed as a whole.
//!
//! Azure keeps uncommitted blocks for a week after the last one, and drops them when the blob is written otherwise.
//! Source: <https://learn.microsoft.com/rest/api/storageservices/put-block>

use std::fmt::Write as _;

use bytes::Bytes;
use http::Method;

use super::{BlobError, Container, escaped, path, text};

/// The metadata that holds a content's hash. Azure demands that a name is an identifier.
const HASH: &str = "x-ms-meta-contenthash";

/// Maximum bytes of a block: every version of Azure's API accepts 4 MiB.
pub const BLOCK_BYTES: usize = 4 << 20;

/// What a blob is to be like when it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockBlob<'a> {
    /// Its blocks' ids, in order.
    pub blocks: &'a [String],
    /// Its content's hash, in hexadecimal: by it the blob is recognized later.
    pub hash: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// Its access tier, where it isn't the account's.
    pub tier: Option<&'a str>,
    /// Its index tags, as a query string; empty for none.
    pub tags: &'a str,
}

impl Container {
    /// Uploads a block of a blob, which shows nothing of it yet. All ids of a blob have the same length. The same block can be
    /// uploaded again.
    pub async fn put_block(&self, blob: &str, id: &str, bytes: Bytes) -> Result<(), BlobError> {
        let target = format!("{}?comp=block&blockid={}", path(blob), escaped(id));
        self.send(Method::PUT, &target, &[], bytes).await.map(drop)
    }

    /// Commits a blob that isn't there yet. [`BlobError::NoBlocks`] if a block is missing; then nothing has happened.
    pub async fn put_block_list(&self, blob: &str, content: BlockBlob<'_>) -> Result<(), BlobError> {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for id in content.blocks {
            let _ = write!(xml, "<Uncommitted>{id}</Uncommitted>");
        }
        xml.push_str("</BlockList>");
        let mut headers = vec![
            ("if-none-match", "*"),
            ("content-type", "application/xml"),
            ("x-ms-blob-content-type", content.content_type),
            (HASH, content.hash),
        ];
        headers.extend(content.tier.map(|tier| ("x-ms-access-tier", tier)));
        if !content.tags.is_empty() {
            headers.push(("x-ms-tags", content.tags));
        }
        let target = format!("{}?comp=blocklist", path(blob));
        self.send(Method::PUT, &target, &headers, xml.into()).await.map(drop)
    }

    /// The hash that a blob was committed with; empty for one that was written otherwise.
    pub async fn content_hash(&self, blob: &str) -> Result<String, BlobError> {
        let answer = self.send(Method::HEAD, &path(blob), &[], Bytes::new()).await?;
        Ok(text(answer.headers(), HASH).to_owned())
    }
}
