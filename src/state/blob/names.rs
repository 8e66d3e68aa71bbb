//! A source's blobs, the duration of a lease, and the meaning of storage failures.

use std::{path::PathBuf, time::Duration};

use super::super::format::frame;
use super::super::format::state::{BlobState, Misfit, VERSION};
use crate::azure::blob::BlobError;
use crate::component::{CheckpointError, RenewalSchedule, SourceKey};

/// The times of a lease, all derived from one setting.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// A source is taken over within this time after its holder is gone.
    pub within: Duration,
    /// The lease's duration. Shorter, so that a waiting process has time to notice its end.
    pub duration: Duration,
    /// When to renew it, and how long to rely on it.
    pub renewal: RenewalSchedule,
    /// How often a waiting process checks it.
    pub look: Duration,
}

impl Times {
    /// Azure's leases last whole seconds from 15 to 60.
    pub fn of(within: Duration) -> Self {
        let seconds = (within.as_secs() * 3 / 4).clamp(15, 60);
        let duration = Duration::from_secs(seconds);
        let renewal = RenewalSchedule {
            renew_after: duration / 3,
            lasts: duration.saturating_sub(duration / 6),
            longest_wait: duration / 10,
        };
        Self { within, duration, renewal, look: within / 12 }
    }
}

/// One source's blobs.
#[derive(Clone, Debug)]
pub struct BlobNames {
    container: String,
    /// The state's blob.
    pub state: String,
    /// The prefix of the blobs of ids.
    pub ids: String,
    /// The prefix of the blobs of intents.
    pub intents: String,
}

impl BlobNames {
    /// Returns the blobs of a key.
    pub fn new(container: &str, prefix: &str, key_id: &str) -> Self {
        let folder = format!("{prefix}sources/{key_id}");
        Self {
            container: container.to_owned(),
            state: format!("{folder}/state"),
            ids: format!("{folder}/ids/"),
            intents: format!("{folder}/intents/"),
        }
    }

    /// The state's path, for messages.
    pub fn path(&self) -> PathBuf {
        format!("{}/{}", self.container, self.state).into()
    }

    /// The error for an unusable state, with what to do.
    pub fn unusable(&self, blob: &str, what: impl std::fmt::Display) -> CheckpointError {
        let folder = self.state.trim_end_matches("/state");
        let reason = format!(
            "{what}. Nothing was changed.\nhint: restore the blobs below {folder} (soft delete and versions keep \
             them), or delete them all to start over: everything within `initial_lookback` is then delivered again, \
             with the same ids"
        );
        CheckpointError::Unusable { path: format!("{}/{blob}", self.container).into(), reason }
    }

    /// Decodes the state from a blob's bytes.
    pub fn decode(&self, bytes: &[u8], key_id: &str) -> Result<BlobState, CheckpointError> {
        // A blob is written atomically: unlike in a file, there are no torn writes.
        let payload = match frame::last(bytes) {
            Ok(Some(payload)) if payload.len() + frame::HEADER == bytes.len() => payload,
            _ => return Err(self.unusable(&self.state, "the blob is damaged or isn't a state of this program")),
        };
        BlobState::decode_blob(payload, key_id).map_err(|misfit| match misfit {
            Misfit::Malformed => self.unusable(&self.state, "the blob is intact, but its content isn't a state"),
            Misfit::Newer(version) => CheckpointError::Unusable {
                path: self.path(),
                reason: format!(
                    "a newer version of nordpass-sentinel wrote this (format {version}; this version reads up to \
                     {VERSION}). Nothing was changed.\nhint: run the newer version in all processes"
                ),
            },
            Misfit::Foreign(Some(SourceKey { name, endpoint })) => {
                let what = format!("this is the state of the source `{name}` at {endpoint}, found at {key_id}");
                self.unusable(&self.state, what)
            }
            Misfit::Foreign(None) => self.unusable(&self.state, "this is the state of another source"),
        })
    }
}

/// A failure of the storage is waited out, and so is a deleted state. If it were created again here, it would be taken
/// for a first run.
impl From<BlobError> for CheckpointError {
    fn from(error: BlobError) -> Self {
        Self::Storage { reason: reason(&error), wait: error.wait() }
    }
}

/// Describes what is wrong with the state's blob, and what to do.
pub fn reason(error: &BlobError) -> String {
    match error {
        BlobError::NoBlob => {
            "the state's blob was deleted while in use: restore it (soft delete keeps it for some days), or restart \
             the program to start over"
                .to_owned()
        }
        error => error.to_string(),
    }
}
