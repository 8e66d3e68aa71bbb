//! What became of sending letters again: `<component>.resent.ndjson` beside the letters.
//!
//! The letters' own file belongs to the pipeline, which may be running. Marks are only appended, too: "resending" is
//! durable before the request is sent, and what came of it is durable before it is told. A "resending" without anything
//! behind it is a crash in between: the record may have arrived.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::log::{Log, lines};
use crate::handles::Disk;

/// How far sending a letter again has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkState {
    /// Begun. Without another mark behind it: nobody knows whether it arrived.
    Resending,
    /// Accepted.
    Resent,
    /// Refused again.
    Refused,
    /// It wasn't accepted for a reason that says nothing about the record.
    Unsent,
}

/// A mark on a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The letter's id.
    pub id: String,
    /// Its stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// How far it has come.
    pub state: MarkState,
    /// When, in Unix seconds (UTC).
    pub time: i64,
    /// Our id of the request (`x-ms-client-request-id`).
    pub request_id: String,
    /// The destination's HTTP status, where it refused again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The destination's error code, where it refused again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Id and stream.
type Key = (String, Option<String>);

/// The marks of one component's letters.
#[derive(Default)]
pub(super) struct Marks(HashMap<Key, Mark>);

impl Marks {
    /// Reads them.
    pub async fn read(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let mut marks = Self::default();
        lines(disk, path, |_, line| marks.line(line)).await?;
        Ok(marks)
    }

    /// The mark that counts for a letter.
    pub fn of(&self, id: &str, stream: Option<&str>) -> Option<&Mark> {
        self.0.get(&(id.to_owned(), stream.map(str::to_owned)))
    }

    fn line(&mut self, line: &[u8]) {
        if let Ok(mark) = serde_json::from_slice::<Mark>(line) {
            self.add(mark);
        }
    }

    /// The last one counts; but what has been accepted once stays so, whatever a forced second time came to.
    fn add(&mut self, mark: Mark) {
        let key = (mark.id.clone(), mark.stream.clone());
        if mark.state == MarkState::Resent || self.0.get(&key).is_none_or(|known| known.state != MarkState::Resent) {
            self.0.insert(key, mark);
        }
    }
}

/// The writing end, for whoever holds the lock.
pub(super) struct MarksLog {
    log: Log,
    pub marks: Marks,
}

impl MarksLog {
    /// Reads the marks and is ready to append.
    pub async fn open(disk: Arc<dyn Disk>, path: PathBuf) -> io::Result<Self> {
        let mut marks = Marks::default();
        let log = Log::open(disk, path, |_, line| marks.line(line)).await?;
        Ok(Self { log, marks })
    }

    /// Appends a mark, durably.
    pub async fn append(&mut self, mark: Mark) -> io::Result<()> {
        let mut line = serde_json::to_vec(&mark)?;
        line.push(b'\n');
        self.log.append(&line).await?;
        self.marks.add(mark);
        Ok(())
    }
}
