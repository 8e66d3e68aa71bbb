//! Fuzz targets: the answers of Azure Blob Storage.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, ready};

use super::{BlobError, BlockBlob, Container, Demand};
use crate::azure::{AccessToken, TokenError, TokenProvider};
use crate::fuzz::{Canned, answer, disk, env, marked, silent, wait};
use crate::http::LONGEST_RETRY_AFTER;

struct Ready;

impl TokenProvider for Ready {
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(ready(Ok(AccessToken { secret: "token".into(), expires: None, serial: 1 })))
    }

    fn invalidate(&self, _: &AccessToken) {}
}

/// A container where every request gets this answer.
fn container(data: &[u8]) -> Container {
    let answer = answer(&marked(data));
    let clock = env(&disk("unused", ""), http::Response::default()).clock;
    Container::over(Arc::new(Canned(Arc::new(answer))), Arc::new(Ready), clock, "https://account.example", "state")
}

fn checked<T>(result: Result<T, BlobError>) -> Option<T> {
    result
        .map_err(|error| {
            silent(&error.to_string());
            assert!(error.wait().is_none_or(|wait| wait <= LONGEST_RETRY_AFTER));
            if let BlobError::Conflict { code, .. } = error {
                assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            }
        })
        .ok()
}

/// One answer to each kind of request.
pub(crate) fn answers(data: &[u8]) {
    let container = container(data);
    wait(async {
        if let Some(blob) = checked(container.get("blob").await) {
            assert!(!blob.etag.is_empty(), "a blob has a version");
            assert!(blob.modified.is_none_or(|at| at >= 0));
        }
        if let Some(bytes) = checked(container.read("blob", u64::MAX, 16).await) {
            assert!(bytes.len() <= 16, "more than was asked for");
        }
        let same = Demand::Same { etag: "\"1\"", lease: "lease" };
        assert!(checked(container.put("blob", Bytes::new(), same).await).is_none_or(|etag| !etag.is_empty()));
        checked(container.lease("blob").await);
        checked(container.acquire("blob", "lease", 60).await);
        checked(container.append("blob", 0, Bytes::new()).await);
        checked(container.create().await);
        let blocks = ["QUFB".to_owned()];
        let list = BlockBlob { blocks: &blocks, hash: "hash", content_type: "text/plain", tier: None, tags: "" };
        checked(container.put_block("blob", &blocks[0], Bytes::from_static(b"a")).await);
        checked(container.put_block_list("blob", list).await);
        checked(container.content_hash("blob").await);
        checked(container.delete("blob").await);
    });
}

/// A list of blobs.
pub(crate) fn list(data: &[u8]) {
    const MOST: u32 = 10;
    if let Some(names) = checked(wait(container(data).list("prefix/", MOST))) {
        assert!(names.len() <= MOST as usize, "{} names", names.len());
        let answer = answer(&marked(data));
        let body = String::from_utf8_lossy(answer.body());
        assert!(names.iter().all(|name| body.contains(name)), "a name is spelled as in the answer");
        assert!(names.iter().all(|name| name.starts_with("prefix/")), "only names that were asked for");
    }
}
