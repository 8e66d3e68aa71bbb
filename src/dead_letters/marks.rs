//! The outcomes of resending dead letters: `<component>.resent.ndjson` beside the dead letters.
//!
//! The dead letters' own file belongs to the pipeline, which may be running. Marks are append-only, too: "resending" is
//! durable before the request is sent, and its outcome before it is reported. A "resending" without a later mark means
//! a crash in between: the record may have arrived.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::blobs::{part_name, parts, storage_trouble};
use super::folder::{Folder, Writer};
use crate::event::EventId;

/// The progress of resending a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkState {
    /// Started. Without a later mark, it is unknown whether the record arrived.
    Resending,
    /// Accepted.
    Resent,
    /// Refused again.
    Refused,
    /// Not accepted, for a reason that says nothing about the record.
    Unsent,
}

/// The outcome of resending a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The progress.
    pub state: MarkState,
    /// When, in Unix seconds (UTC).
    pub time: i64,
    /// Our id of the request (`x-ms-client-request-id`).
    pub request_id: String,
    /// The destination's HTTP status, if it refused again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The destination's error code, if it refused again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct MarkLine {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    #[serde(flatten)]
    mark: Mark,
}

/// The marks of one component's dead letters.
#[derive(Default)]
pub(super) struct Marks(HashMap<(String, Option<String>), Mark>);

impl Marks {
    /// Reads a component's marks, whose files are among `names`.
    pub async fn read(folder: &Folder, names: &[String], component: &str) -> io::Result<Self> {
        let mut marks = Self::default();
        let stem = stem(component);
        for number in parts(names, &stem) {
            folder.lines(&part_name(&stem, number), |_, line| marks.line(line)).await?;
        }
        Ok(marks)
    }

    /// The mark of a dead letter.
    pub fn of(&self, id: &str, stream: Option<&str>) -> Option<&Mark> {
        self.0.get(&(id.to_owned(), stream.map(str::to_owned)))
    }

    /// The last mark counts, but an acceptance stays, whatever the outcome of a forced second attempt.
    fn line(&mut self, line: &[u8]) {
        let Ok(MarkLine { id, stream, mark }) = serde_json::from_slice(line) else { return };
        let key = (id, stream);
        if mark.state == MarkState::Resent || self.0.get(&key).is_none_or(|known| known.state != MarkState::Resent) {
            self.0.insert(key, mark);
        }
    }
}

/// Writes marks. Only the holder of the lock may.
pub(super) struct MarksLog {
    log: Writer,
    pub marks: Marks,
    /// Fingerprints of all lines that this process has read or written. Any other line is another process's.
    seen: HashSet<EventId>,
}

/// The stem of a component's marks. A component's stem has no dot, so none has this name.
fn stem(component: &str) -> String {
    format!("{component}.resent")
}

/// Maximum tries to write a mark to blobs: an accepted record must not stay unmarked.
const TRIES: usize = 6;

impl MarksLog {
    /// Reads the marks and is ready to append.
    pub async fn open(folder: &Folder, component: &str) -> io::Result<Self> {
        let (mut marks, mut seen) = (Marks::default(), HashSet::new());
        let mut each = |line: &[u8]| {
            seen.insert(EventId::of_bytes(line));
            marks.line(line);
        };
        let mut log = folder.writer(&stem(component), &mut each).await?;
        if let Writer::Blobs(log) = &mut log {
            log.catch_up(&mut each).await?;
        }
        Ok(Self { log, marks, seen })
    }

    /// Appends a mark, durably. `false` if another process has written marks since this one read them: only the holder
    /// of the lock writes, so this process has lost it. Then only an acceptance is still marked, because it stays true
    /// and prevents another resend. Any other mark could hide one of the other process.
    pub async fn append(&mut self, id: &str, stream: Option<&str>, mark: Mark) -> io::Result<bool> {
        let state = mark.state;
        let mark = MarkLine { id: id.to_owned(), stream: stream.map(str::to_owned), mark };
        let mut line = serde_json::to_vec(&mark)?;
        let Self { log, marks, seen } = self;
        seen.insert(EventId::of_bytes(&line));
        line.push(b'\n');
        let (mut alone, mut tries) = (true, 0);
        loop {
            tries += 1;
            let mut each = |line: &[u8]| {
                alone &= !seen.insert(EventId::of_bytes(line));
                marks.line(line);
            };
            match log.append(&line, &mut each).await {
                Ok(true) => break,
                Ok(false) if !alone && state != MarkState::Resent => return Ok(false),
                // The blob may be full or gone.
                Ok(false) if tries < TRIES => {}
                Ok(false) => return Err(io::Error::other("can't append to the blob of marks")),
                Err(error) => match storage_trouble(&error) {
                    Some(trouble) if tries < TRIES => {
                        let wait = trouble.wait().unwrap_or(Duration::from_secs(1));
                        tokio::time::sleep(wait.min(Duration::from_secs(10))).await;
                    }
                    _ => return Err(error),
                },
            }
        }
        marks.line(&line);
        Ok(alone)
    }
}
