//! The container: requests, and what their failures mean.

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::intent::{BlobIntent, Content};
use super::name;
use super::settings::Settings;
use crate::azure::blob::{BlobError, BlockBlob, Container};
use crate::http::Again;
use crate::telemetry::ComponentReporter;
use nordpass_env::Env;

/// How many requests are under way at once.
pub const CONCURRENT: usize = 4;

/// The blob that `validate --connect` uploads a block of, and never commits.
const PROBE: &str = "nordpass-sentinel.probe";

/// A container to write to.
pub struct Archive {
    container: Container,
    permits: Semaphore,
}

/// What became of a blob that an intent names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is there, with this content.
    There,
    /// It isn't, and its blocks are gone: nothing can make it any more.
    Void,
}

impl Archive {
    /// The container of these settings. Sends no request. Fails with a sentence about invalid settings.
    pub fn new(settings: &Settings, env: &Env, telemetry: &ComponentReporter) -> Result<Self, String> {
        let Settings { account, container, credential, http, .. } = settings;
        let container = Container::new(account, container, credential.clone(), http, env)?.reporting(telemetry);
        Ok(Self { container, permits: Semaphore::new(CONCURRENT) })
    }

    /// Uploads a block. The same one can be uploaded again.
    pub async fn put_block(&self, blob: &str, number: usize, bytes: Bytes) -> Result<(), Again> {
        let _permit = self.permits.acquire().await;
        let put = self.container.put_block(blob, &name::block(number), bytes).await;
        put.map_err(|error| self.again(&error))
    }

    /// Commits a blob's blocks, or finds out that somebody has.
    pub async fn publish(&self, intent: &Content, blob: &BlobIntent) -> Result<Published, Again> {
        let _permit = self.permits.acquire().await;
        let content = BlockBlob {
            blocks: &blob.blocks,
            hash: &blob.hash,
            content_type: &blob.content_type,
            tier: intent.tier.as_deref(),
            tags: &intent.tags,
        };
        let refused = match self.container.put_block_list(&blob.name, content).await {
            Ok(()) => return Ok(Published::There),
            Err(error @ (BlobError::Conflict { .. } | BlobError::NoBlocks)) => error,
            Err(error) => return Err(self.again(&error)),
        };
        // It may be there: from an attempt without an answer, by this process or by another one.
        match self.container.content_hash(&blob.name).await {
            Ok(hash) if hash == blob.hash => Ok(Published::There),
            Ok(_) => Err(Again::because("foreign blob", self.foreign(&blob.name))),
            Err(BlobError::NoBlob) if refused == BlobError::NoBlocks => Ok(Published::Void),
            Err(BlobError::NoBlob) => Err(self.again(&refused)),
            Err(error) => Err(self.again(&error)),
        }
    }

    /// For `validate --connect`: uploads a block that is never committed, and so is never seen.
    pub async fn probe(&self) -> Result<String, String> {
        let tried = async {
            self.container.put_block(PROBE, &name::block(0), Bytes::from_static(b"probe")).await?;
            match self.container.content_hash(PROBE).await {
                Ok(_) | Err(BlobError::NoBlob) => Ok(()),
                Err(error) => Err(error),
            }
        };
        match tried.await {
            Ok(()) => Ok(format!("the container {} takes blocks", self.container.name())),
            Err(error) => Err(self.reason(&error)),
        }
    }

    fn again(&self, error: &BlobError) -> Again {
        let kind = match error {
            BlobError::Unclear { .. } => "no answer",
            BlobError::Refused { .. } => "refused",
            BlobError::Conflict { .. } => "conflict",
            BlobError::NoContainer => "no container",
            BlobError::NoBlob | BlobError::NoBlocks => "no blob",
        };
        Again { wait: error.wait(), ..Again::because(kind, self.reason(error)) }
    }

    /// What is wrong, and what to do.
    fn reason(&self, error: &BlobError) -> String {
        let name = self.container.name();
        match error {
            BlobError::NoContainer => {
                format!(
                    "there is no container {name} in the storage account: create it, or restore it if it was deleted"
                )
            }
            error => format!("can't write to the container {name}: {error}"),
        }
    }

    fn foreign(&self, blob: &str) -> String {
        format!(
            "somebody else wrote a blob under the name {blob} in the container {}, and nothing is ever overwritten: \
             move it to another name",
            self.container.name()
        )
    }
}
