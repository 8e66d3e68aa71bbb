//! What the state says of the files.
//!
//! The document holds the position in the file that is being read, with a fingerprint of what was read of it. Where a
//! reading ended is noted as ids, 16 bytes each and so without a limit: the fingerprint of what was read, by the file's
//! name and among all files, and what the file system said of a file that was read to its end, so that one that hasn't
//! changed isn't opened again. A new file is read wherever its name sorts.
//!
//! Version 1 had the lengths of texts and the sizes of files, and no fingerprints. What it says is believed where
//! nothing speaks against it ([`Known::unproven`]).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use crate::component::{CheckpointError, Commit, KnownId, SourceKey, SourceState};
use crate::component::{ComponentError, Context};
use crate::event::EventId;
use crate::sources::recording::Position;
use crate::sources::retry::{RetryStop, retry_until_ready};
use nordpass_env::FileStat;

const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    /// [`key`] of the file, in hexadecimal: paths can be longer than a document.
    file: String,
    offset: u64,
    events: u64,
    /// The fingerprint of the text up to the end of the block that the position is in; version 1 has none.
    #[serde(default)]
    length: u64,
    /// In hexadecimal.
    #[serde(default)]
    hash: Option<String>,
}

/// One step: what is true once a chunk is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The file.
    pub path: Arc<str>,
    /// How far it has been read.
    pub position: Position,
    /// What was read of it: up to the position at least.
    pub read: Fingerprint,
    /// The chunk's number, where one was sent.
    pub sequence: Option<u64>,
    /// What the reading's end adds to the state.
    pub ids: Vec<EventId>,
}

/// Where a file may be gone on with, if it begins with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// There.
    pub position: Position,
    /// What was read.
    pub read: Fingerprint,
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// With a proof.
    pub candidates: Vec<Candidate>,
    /// Positions of version 1, which kept no fingerprint.
    pub unproven: Vec<Position>,
    /// Version 1 had read it to its end, and it has the size of then.
    pub had_this_size: bool,
}

/// The state of a file source.
pub struct State {
    source: Arc<dyn SourceState>,
    /// Sorted. The upper half of an id says what the lower half is about.
    ids: Vec<u128>,
    /// The file that was being read.
    current: Option<(u64, Position, Option<Fingerprint>)>,
}

/// What stands for a path.
pub fn key(path: &str) -> u64 {
    hash("", path.as_bytes())
}

/// A number that stands for these bytes.
pub fn hash(purpose: &str, bytes: &[u8]) -> u64 {
    let hash = blake3::hash(&[purpose.as_bytes(), b"\0", bytes].concat());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}

/// Under this are the keys of all files.
fn files() -> u64 {
    hash("files", b"")
}

/// Under this are the hashes of what was read of a file, by its length.
fn prints(key: u64, length: u64) -> u64 {
    hash("read", &[key.to_be_bytes(), length.to_be_bytes()].concat())
}

/// Says that another name has what was read of a file.
pub fn moved(key: u64, read: Fingerprint) -> EventId {
    id(hash("moved", &[key.to_be_bytes(), read.length.to_be_bytes()].concat()), read.hash)
}

fn unchanged(path: &str, stat: &FileStat) -> EventId {
    let mut bytes = [&stat.len.to_be_bytes()[..], &stat.id.1.to_be_bytes()].concat();
    bytes.extend([stat.modified, stat.changed].into_iter().flat_map(i128::to_be_bytes));
    id(hash("unchanged", path.as_bytes()), hash("", &bytes))
}

fn id(key: u64, number: u64) -> EventId {
    EventId((u128::from(key) << 64) | u128::from(number))
}

/// A checkpoint's error as the reason why the source stops.
pub fn unusable(error: &CheckpointError) -> ComponentError {
    ComponentError::new(format!("the state is unusable: {error}"))
}

impl State {
    /// Opens the state of a source that reads these patterns. `None`: the program ends while it is waited for.
    pub async fn open(context: &Context, patterns: &[String]) -> Result<Option<Self>, ComponentError> {
        let key = SourceKey { name: context.name.to_string(), endpoint: patterns.join("\n") };
        let Context { env, telemetry, shutdown, .. } = context;
        let open = || context.store.open(key.clone());
        let source = match retry_until_ready("can't open the checkpoint", env, telemetry, shutdown, open).await {
            Ok(source) => source,
            Err(RetryStop::Ending) => return Ok(None),
            Err(RetryStop::Unusable(error)) => return Err(unusable(&error)),
        };
        let known = || source.known(0..1);
        let known = match retry_until_ready("can't read the checkpoint", env, telemetry, shutdown, known).await {
            Ok(known) => known,
            Err(RetryStop::Ending) => return Ok(None),
            Err(RetryStop::Unusable(error)) => return Err(unusable(&error)),
        };
        let mut ids: Vec<u128> = known.into_iter().map(|KnownId { id, .. }| id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let current = match source.document() {
            Some(document) => Some(read_document(&document).ok_or_else(|| {
                ComponentError::new("the state isn't from a file source of this version")
                    .hint("use the version that wrote it, or rename the source to read everything again")
            })?),
            None => None,
        };
        Ok(Some(Self { source, ids, current }))
    }

    /// Whether a file was read to its end and hasn't changed since.
    pub fn is_unchanged(&self, path: &str, stat: &FileStat) -> bool {
        self.ids.binary_search(&unchanged(path, stat).0).is_ok()
    }

    /// What is known of a file of this size.
    pub fn known(&self, path: &str, size: u64) -> Known {
        let key = key(path);
        let mut known = Known { candidates: self.candidates(key), ..Known::default() };
        if known.candidates.is_empty() {
            let current = self.current.filter(|(file, ..)| *file == key).map(|(_, position, _)| position);
            known.unproven = self.under(key).map(|offset| Position { offset, events: 0 }).chain(current).collect();
            known.had_this_size = self.ids.binary_search(&id(hash("finished", path.as_bytes()), size).0).is_ok();
        }
        known
    }

    /// What was read of all files, by their keys, without what has moved to another name.
    pub fn elsewhere(&self) -> Vec<(u64, Vec<Candidate>)> {
        let current = self.current.map(|(file, ..)| file);
        let mut keys: Vec<u64> = self.under(files()).chain(current).collect();
        keys.sort_unstable();
        keys.dedup();
        let of = |key| {
            let mut candidates = self.candidates(key);
            candidates.retain(|candidate| self.ids.binary_search(&moved(key, candidate.read).0).is_err());
            (key, candidates)
        };
        keys.into_iter().map(of).collect()
    }

    fn candidates(&self, key: u64) -> Vec<Candidate> {
        let ended = self.under(key).flat_map(|length| {
            let position = Position { offset: length, events: 0 };
            self.under(prints(key, length)).map(move |hash| Candidate { position, read: Fingerprint { length, hash } })
        });
        let current = self.current.filter(|(file, ..)| *file == key);
        let current = current.and_then(|(_, position, read)| Some(Candidate { position, read: read? }));
        ended.chain(current).filter(|candidate| candidate.read.length > 0).collect()
    }

    /// The lower halves of the ids with this upper half.
    fn under(&self, key: u64) -> impl Iterator<Item = u64> {
        let first = self.ids.partition_point(|known| *known < u128::from(key) << 64);
        let ids = self.ids[first..].iter().take_while(move |known| *known >> 64 == u128::from(key));
        #[expect(clippy::cast_possible_truncation, reason = "the lower half of an id")]
        ids.map(|known| *known as u64)
    }

    /// The ids that say that a reading ended here, without those that are known. `whole` is what the file system said of
    /// a file that was read to its end.
    pub fn ended(&self, path: &str, read: Fingerprint, whole: Option<&FileStat>) -> Vec<EventId> {
        let key = key(path);
        // Every file begins with nothing.
        let mut ids = match read.length {
            0 => Vec::new(),
            length => vec![id(files(), key), id(key, length), id(prints(key, length), read.hash)],
        };
        ids.extend(whole.map(|stat| unchanged(path, stat)));
        ids.retain(|id| self.ids.binary_search(&id.0).is_err());
        ids
    }

    /// [`SourceState::key_id`]
    pub fn key_id(&self) -> Arc<str> {
        self.source.key_id()
    }

    /// [`SourceState::run`]
    pub fn run(&self) -> u64 {
        self.source.run()
    }

    /// The part of the state that commits.
    pub fn committer(&self) -> Arc<dyn SourceState> {
        self.source.clone()
    }
}

pub(super) fn read_document(document: &[u8]) -> Option<(u64, Position, Option<Fingerprint>)> {
    let Document { version, file, offset, events, length, hash } = serde_json::from_slice(document).ok()?;
    let read = match (version, hash) {
        (1, None) => None,
        (VERSION, Some(hash)) => Some(Fingerprint { length, hash: u64::from_str_radix(&hash, 16).ok()? }),
        _ => return None,
    };
    Some((u64::from_str_radix(&file, 16).ok()?, Position { offset, events }, read))
}

/// Several steps as one commit.
pub fn commit(marks: &[Mark]) -> Commit {
    let mut commit = Commit::default();
    for mark in marks {
        commit.chunks.extend(mark.sequence);
        commit.ids.extend(mark.ids.iter().map(|&id| KnownId { time: 0, id }));
    }
    commit.document = marks.last().and_then(|Mark { path, position, read, .. }| {
        let Position { offset, events } = *position;
        let (file, hash) = (format!("{:016x}", key(path)), Some(format!("{:016x}", read.hash)));
        serde_json::to_vec(&Document { version: VERSION, file, offset, events, length: read.length, hash }).ok()
    });
    commit
}
