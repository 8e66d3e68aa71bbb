//! What a sink was about to do when the process ended, kept with the source's state so that whoever has the source next
//! finishes it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// The BLAKE3 hash of an intent's content, by which it is stored and read.
pub type IntentHash = [u8; 32];

/// An intent in a source's state.
///
/// Its chunks' events are read again as long as these aren't committed, and the sink may have delivered them already. So the
/// content, which only the sink understands, says what it was about to do. It is durable before a state lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The sink's name in the pipeline file.
    pub sink: String,
    /// The run that its chunks belong to.
    pub run: u64,
    /// Those of its chunks that aren't committed, ascending. Never empty: without any, the intent is dropped.
    pub chunks: Vec<Range<u64>>,
    /// Its content's hash.
    pub hash: IntentHash,
}

impl Intent {
    /// Whether a chunk of its run isn't committed.
    pub fn is_open(&self, sequence: u64) -> bool {
        self.chunks.iter().any(|chunks| chunks.contains(&sequence))
    }
}

/// What a commit changes about intents. The same change can be committed twice.
#[derive(Clone, Debug)]
pub enum IntentChange {
    /// A new one. It is dropped by the commit that has the last of its chunks.
    Record {
        /// The sink's name.
        sink: Arc<str>,
        /// Sequence numbers of chunks of this run.
        chunks: Vec<u64>,
        /// What it says.
        content: Bytes,
    },
    /// The events of an earlier run's intent were all read again, in these chunks of this run. It is dropped by the commit
    /// that has the last of them: at once if there are none.
    Settle {
        /// Which intent.
        hash: IntentHash,
        /// Sequence numbers of chunks of this run.
        chunks: Vec<u64>,
    },
}
