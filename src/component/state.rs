//! What a component sees of the state: what a source has delivered, so that a restart goes on from there.

use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{Intent, IntentChange, IntentHash, LeaseGuard, OpenStates, Predecessor};
use crate::event::{EventId, Origin};
use crate::http::{Again, Failure};

/// What a state belongs to. Never the token: a token is renewed, the state stays.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceKey {
    /// The source's name in the pipeline file.
    pub name: String,
    /// What it reads: the endpoint's URL, or the file patterns.
    pub endpoint: String,
}

impl SourceKey {
    /// A short text that is safe as a folder name and differs for different keys: the name, made safe, and a hash.
    pub fn id(&self) -> String {
        let hash = blake3::hash(format!("{}\n{}", self.name, self.endpoint).as_bytes());
        let safe: String =
            self.name.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        format!("{safe}-{}", &hash.to_hex()[..16])
    }
}

/// A known event id and the Unix second (UTC) that it is filed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownId {
    /// The event's time; 0 for events without a usable one.
    pub time: i64,
    /// The id, its occurrence included.
    pub id: EventId,
}

/// One durable step forward.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Ids that are now known.
    pub ids: Vec<KnownId>,
    /// Sequence numbers ([`Origin::sequence`]) of the chunks of this run that are now committed.
    pub chunks: Vec<u64>,
    /// The source's own document, replacing the one before; `None` leaves it. At most 3,500 bytes.
    pub document: Option<Vec<u8>>,
    /// Ids filed under earlier seconds than this may be forgotten (id time 0 is never forgotten).
    pub forget_before: Option<i64>,
    /// What sinks were about to do, or have settled. Sources leave it empty.
    pub intents: Vec<IntentChange>,
}

/// What is wrong with a state.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Another process has the folder.
    #[error("{} is in use by another process", .dir.display())]
    Locked {
        /// The `data_dir`.
        dir: PathBuf,
    },
    /// The state isn't readable as such: damaged, of another source, or of a newer version. Nothing was changed.
    #[error("{}: {reason}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The disk refused. Nothing of the commit counts; it can be tried again.
    #[error("{}: {source}", .path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The shared storage can't be used now. Nothing of the commit counts; it can be tried again.
    #[error("{reason}")]
    Storage {
        /// What is wrong, and what to do.
        reason: String,
        /// What the storage asks to wait.
        wait: Option<Duration>,
    },
    /// Another process reads this source. When it ends, this one takes over.
    #[error("held by another process, which reads this source; this one takes over within {} s after that one ends", .within.as_secs())]
    Held {
        /// After which time at most.
        within: Duration,
        /// When to look again.
        again: Duration,
    },
    /// Another process has taken the source over.
    #[error("another process has taken over this source; this one commits nothing more of it")]
    Lost,
}

impl CheckpointError {
    /// Whether time, or an operator, can cure it: then it is retried, and this is what to do meanwhile.
    pub fn cure(&self) -> Option<&'static str> {
        match self {
            Self::Disk { .. } => Some("; free space or repair the disk"),
            Self::Storage { .. } | Self::Held { .. } => Some(""),
            Self::Locked { .. } | Self::Unusable { .. } | Self::Lost => None,
        }
    }

    /// Whether it is tried again. `what` says what can't be done meanwhile; `kind` is the label of its metric.
    pub fn classify(self, kind: &'static str, what: &str) -> Failure<Self> {
        let Some(cure) = self.cure() else { return Failure::Stop(self) };
        let again = Again::because(kind, format!("{what}: {self}{cure}"));
        Failure::Again(match &self {
            Self::Storage { wait, .. } => Again { wait: *wait, ..again },
            // That another process has the source is no error: it does the work.
            Self::Held { again, .. } => Again { kind: None, reason: Some(self.to_string()), wait: Some(*again) },
            _ => again,
        })
    }
}

/// The state of one source, open.
pub trait SourceState: Send + Sync {
    /// The source's document as last committed; `None` at a first run.
    fn document(&self) -> Option<Vec<u8>>;
    /// The run number for [`Origin::run`], new at each open.
    fn run(&self) -> u64;
    /// The key's id for [`Origin::source`].
    fn key_id(&self) -> Arc<str>;
    /// The known ids that are filed under `[from, to)`. Reads only that range from disk.
    fn known(&self, range: Range<i64>) -> BoxFuture<'_, Result<Vec<KnownId>, CheckpointError>>;
    /// Makes a step durable. Atomic: after a crash either all of it counts or nothing. After an error the same step
    /// can be committed again.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<(), CheckpointError>>;
    /// The intents that the state lists, oldest first. Those of earlier runs are to be settled before the sink handles a
    /// chunk of this run.
    fn intents(&self) -> Vec<Intent>;
    /// Reads an intent's content. Checked: what comes back has this hash.
    fn read_intent(&self, hash: IntentHash) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>>;
    /// Whether the source may be read by this process.
    fn lease_guard(&self) -> LeaseGuard {
        LeaseGuard::always()
    }
}

/// The states of a `data_dir`, or of a container.
pub trait Store: Send + Sync {
    /// Opens (a first run: makes) a source's state. Each key is opened once.
    fn open(&self, key: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>>;
    /// The same for an organization's source: where several processes share the states, the lease of its
    /// [`Partition`](super::Partition) decides which of them reads it.
    fn open_organization(&self, key: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        self.open(key)
    }
    /// Whether a chunk of this or an earlier run is committed. For sinks that keep files: called while they open,
    /// before any source runs. A source or run that the store doesn't know (any more) counts as committed.
    fn is_committed(&self, origin: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>>;
    /// The states that were opened, for sinks that record intents in them.
    fn open_states(&self) -> &OpenStates;
    /// What the official connector has left for this source, where the pipeline file says that it is to be taken over.
    fn predecessor<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Option<Predecessor>, CheckpointError>> {
        let _ = source;
        Box::pin(async { Ok(None) })
    }
    /// Releases what other processes wait for, once nothing runs any more.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
