//! How far the files have been read.
//!
//! The document holds the position in the file that is being read. Files that are done are noted as ids, 16 bytes each
//! and so without a limit: one with the size that the file had, so that an unchanged file isn't opened again, and one
//! with the length of its text, so that a file that has grown since is read on from there. A new file is read wherever
//! its name sorts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::component::{CheckpointError, Commit, KnownId, SourceKey, SourceState};
use crate::component::{ComponentError, Context};
use crate::event::EventId;
use crate::sources::recording::Position;
use crate::sources::retry::{RetryStop, retry_until_ready};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    /// [`key`] of the file, in hexadecimal: paths can be longer than a document.
    file: String,
    offset: u64,
    events: u64,
}

/// One step: what is true once a chunk is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The file.
    pub path: Arc<str>,
    /// How far it has been read.
    pub position: Position,
    /// The chunk's number, where one was sent.
    pub sequence: Option<u64>,
    /// The file has been read to its end, and had this size.
    pub finished: Option<u64>,
}

/// The state of a file source.
pub struct State {
    source: Arc<dyn SourceState>,
    /// The text lengths of files that were finished.
    lengths: HashMap<u64, u64>,
    /// Finished files with their sizes.
    finished: HashSet<EventId>,
    current: Option<(u64, Position)>,
}

fn key(path: &str) -> u64 {
    hash("", path)
}

fn hash(purpose: &str, path: &str) -> u64 {
    let hash = blake3::hash(format!("{purpose}\0{path}").as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}

fn id(key: u64, number: u64) -> EventId {
    EventId((u128::from(key) << 64) | u128::from(number))
}

fn finished(path: &str, size: u64) -> EventId {
    id(hash("finished", path), size)
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
        let mut state = Self { source, lengths: HashMap::new(), finished: HashSet::new(), current: None };
        for KnownId { id, .. } in known {
            #[expect(clippy::cast_possible_truncation, reason = "the two halves of an id")]
            let (file, length) = ((id.0 >> 64) as u64, id.0 as u64);
            let known = state.lengths.entry(file).or_insert(0);
            *known = length.max(*known);
            state.finished.insert(id);
        }
        if let Some(document) = state.source.document() {
            let document = serde_json::from_slice::<Document>(&document).ok().filter(|found| found.version == VERSION);
            let parsed = document.and_then(|document| {
                let file = u64::from_str_radix(&document.file, 16).ok()?;
                Some((file, Position { offset: document.offset, events: document.events }))
            });
            state.current = Some(parsed.ok_or_else(|| {
                ComponentError::new("the state isn't from a file source of this version")
                    .hint("use the version that wrote it, or rename the source to read everything again")
            })?);
        }
        Ok(Some(state))
    }

    /// Where to go on in a file of this size; `None` if it is done.
    pub fn begin(&self, path: &str, size: u64) -> Option<Position> {
        if self.finished.contains(&finished(path, size)) {
            return None;
        }
        let key = key(path);
        let grown = Position { offset: self.lengths.get(&key).copied().unwrap_or(0), events: 0 };
        let current = self.current.filter(|(file, _)| *file == key).map_or(Position::default(), |(_, at)| at);
        Some(grown.max(current))
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

/// Several steps as one commit.
pub fn commit(marks: &[Mark]) -> Commit {
    let mut commit = Commit::default();
    for mark in marks {
        commit.chunks.extend(mark.sequence);
        if let Some(size) = mark.finished {
            let ids = [finished(&mark.path, size), id(key(&mark.path), mark.position.offset)];
            commit.ids.extend(ids.map(|id| KnownId { time: 0, id }));
        }
    }
    commit.document = marks.last().and_then(|Mark { path, position, .. }| {
        let Position { offset, events } = *position;
        serde_json::to_vec(&Document { version: VERSION, file: format!("{:016x}", key(path)), offset, events }).ok()
    });
    commit
}
