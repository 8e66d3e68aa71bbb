//! Blobs that others wrote, read in parts.

use bytes::Bytes;
use http::Method;

use super::{BlobError, Container, EMPTY_PAGES, Listed, etag, text};

/// The most blobs in one response: with all that Azure says of each, about a megabyte.
const PAGE: usize = 1_000;

/// A part of a blob, and what the blob is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What was asked for; fewer bytes at the blob's end, none beyond it.
    pub bytes: Bytes,
    /// The blob's version.
    pub etag: String,
    /// The whole blob's length in bytes.
    pub len: u64,
}

impl Container {
    /// At most `len` bytes of a blob from `at`, and what the blob is. With a `version` only of this one: another one is a
    /// [`BlobError::Conflict`] of status 412.
    pub async fn part(&self, blob: &str, at: u64, len: usize, version: Option<&str>) -> Result<Part, BlobError> {
        let target = target(blob);
        let range = format!("bytes={at}-{}", at.saturating_add(len.max(1) as u64 - 1));
        let headers = [Some(("x-ms-range", range.as_str())), version.map(|etag| ("if-match", etag))];
        let headers: Vec<_> = headers.into_iter().flatten().collect();
        let (answer, total) = match self.send(Method::GET, &target, &headers, Bytes::new()).await {
            Ok(answer) => {
                let total =
                    text(answer.headers(), "content-range").rsplit_once('/').and_then(|(_, len)| len.parse().ok());
                (answer, total)
            }
            // It ends before that: an empty blob has no range at all.
            Err(BlobError::Conflict { status: 416, .. }) => {
                let answer = self.send(Method::HEAD, &target, &headers[1..], Bytes::new()).await?;
                (answer, Some(at))
            }
            Err(error) => return Err(error),
        };
        let total = total.ok_or_else(|| BlobError::nonsense("it doesn't say how long the blob is"))?;
        let etag = etag(&answer)?;
        let bytes = answer.into_body();
        if bytes.len() > len || bytes.len() as u64 > u64::saturating_sub(total, at) {
            return Err(BlobError::nonsense("it sends more than requested"));
        }
        Ok(Part { bytes, etag, len: total })
    }

    /// A page of the list of all blobs whose names begin like this, whoever wrote them, sorted by name. Returns where the list
    /// continues; empty at its end.
    pub async fn listed(&self, prefix: &str, marker: &str) -> Result<(Vec<Listed>, String), BlobError> {
        let mut marker = marker.to_owned();
        for _ in 0..EMPTY_PAGES {
            let page = self.page(prefix, &marker, PAGE).await?;
            if page.next == marker && !marker.is_empty() {
                break;
            }
            // Azure may return an empty page with a marker.
            if !page.blobs.is_empty() || page.next.is_empty() {
                return Ok((page.blobs, page.next));
            }
            marker = page.next;
        }
        Err(BlobError::nonsense("its list of blobs doesn't advance"))
    }
}

/// A blob's place in the container's URL, whatever its name is.
fn target(blob: &str) -> String {
    let parts: Vec<String> = blob.split('/').map(super::escaped).collect();
    format!("/{}", parts.join("/"))
}
