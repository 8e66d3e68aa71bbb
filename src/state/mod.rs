//! The checkpoint: what a source has delivered, so that a restart continues from there.
//!
//! A [`Store`] is opened once for a `data_dir` and holds its lock. It keeps the states there ([`LocalStore`]) or in
//! Azure Blob Storage, where several processes share them ([`BlobStore`]) and each source is held by a lease
//! ([`LeaseGuard`]). Each source opens its own [`SourceState`] in it, keyed by [`SourceKey`], so one organization's
//! broken state never affects another's. A commit is atomic and durable. Its cost depends on what is new (at most 4 KiB
//! plus 32 bytes for each new id), not on the history.

mod blob;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod local;
mod open;
mod settings;
mod shard;
mod tasks;
#[cfg(test)]
mod tests;

pub use self::blob::{BlobStore, container};
pub use self::format::ranges::TimeRanges;
pub use self::local::{LocalStore, check, check_owner, is_locked};
pub use self::settings::{BlobSettings, CheckpointSettings, FIELDS, TakeoverSettings};
pub use self::shard::Shard;
#[cfg(test)]
pub use self::tests::MemoryStore;
use nordpass_env::Env;

/// For `validate --connect`: tries the storage and reports what works.
pub async fn probe(settings: &CheckpointSettings, env: &Env) -> Option<Result<String, String>> {
    match settings {
        CheckpointSettings::Local => None,
        CheckpointSettings::AzureBlob(settings) => Some(blob::probe(settings, env).await),
    }
}
