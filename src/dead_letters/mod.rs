//! Dead letters: records that a destination refused by name, kept with its reason.
//!
//! One file for each component, `dead-letters/<component>.ndjson`, one JSON object a line: in `data_dir`, or where the
//! sources' states are in Azure Blob Storage, in the same container. A letter is durable before it acknowledges
//! anything. It is keyed by event and stream, so a crash between the file and the checkpoint, or a second reading, never
//! repeats it.
//!
//! | file | what it does |
//! |---|---|
//! | this one | writes letters; only the pipeline does |
//! | [`read`] | reads them, also while the pipeline writes |
//! | [`marks`] | what became of sending letters again, in a file of its own beside them |
//! | [`resend`] | sends letters again |
//! | [`folder`] | where the files are |
//! | [`log`] | files on disk: lines that are appended durably |
//! | [`blobs`] | files as append blobs, which several processes write |

mod blobs;
mod folder;
mod log;
mod marks;
mod read;
mod resend;

use std::collections::HashSet;
use std::io;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

pub use self::blobs::storage_trouble;
pub use self::marks::{Mark, MarkState};
pub use self::read::{DeadLetterFolder, StoredDeadLetter};
pub use self::resend::{Fate, ResendError, Resending};

use self::blobs::BLOCK;
use self::folder::Writer;
use crate::azure::blob::BlobError;
use crate::component::{DeadLetter, DeadLetterStore, DeadLetterWriter};
use crate::event::EventId;
use crate::http::Backoff;
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;

/// A letter as a line. The record stands as JSON where it is JSON, so that a reader sees it as it is.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    time: i64,
    record: Record<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Record<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

/// What the index needs of a line.
#[derive(Deserialize)]
struct Key {
    id: String,
    #[serde(default)]
    stream: Option<String>,
}

/// The dead letters of one component.
pub struct DeadLetters {
    inner: Mutex<Inner>,
}

struct Inner {
    known: HashSet<u128>,
    /// Written, or perhaps written, by a call that ended with an error: not counted as new yet.
    uncounted: HashSet<u128>,
    log: Writer,
}

/// How often other processes may be ahead before this one pauses.
const TURNS: usize = 16;

/// Notes the key of a line that is there.
fn note(known: &mut HashSet<u128>, line: &[u8]) {
    if let Ok(key) = serde_json::from_slice::<Key>(line)
        && let Ok(id) = u128::from_str_radix(&key.id, 16)
    {
        known.insert(key_of(EventId(id), key.stream.as_deref()));
    }
}

impl DeadLetters {
    /// Opens a component's dead letters. Nothing is made before the first letter, and blobs aren't even asked for.
    pub async fn open(folder: &DeadLetterFolder, component: &str) -> io::Result<Self> {
        let mut known = HashSet::new();
        let log = folder.folder.writer(&file_stem(component), |line| note(&mut known, line)).await?;
        Ok(Self { inner: Mutex::new(Inner { known, uncounted: HashSet::new(), log }) })
    }

    /// Writes letters and makes them durable. One that is there already (same id and stream) isn't written again.
    /// Answers how many were new. After an error the same letters can be written again.
    pub async fn write(&self, letters: &[DeadLetter]) -> io::Result<usize> {
        let mut inner = self.inner.lock().await;
        let Inner { known, uncounted, log } = &mut *inner;
        // Before one counts as written already.
        log.settle(&mut |line| note(known, line)).await?;
        let mut turns = 0;
        loop {
            let (lines, keys) = next_block(letters, known)?;
            if keys.is_empty() {
                let all: HashSet<u128> = letters.iter().map(DeadLetter::key).collect();
                return Ok(all.iter().filter(|key| uncounted.remove(key)).count());
            }
            match log.append(&lines, &mut |line| note(known, line)).await {
                Ok(true) => {
                    known.extend(&keys);
                    uncounted.extend(keys);
                }
                Ok(false) if turns < TURNS => turns += 1,
                Ok(false) => {
                    let reason = "other processes keep writing dead letters too".to_owned();
                    return Err(blobs::failure(BlobError::Refused { reason, wait: None }));
                }
                Err(error) => {
                    uncounted.extend(keys);
                    return Err(error);
                }
            }
        }
    }
}

/// The lines and keys of letters that aren't there yet: as many as one request to a storage account takes, or one that
/// is longer alone.
fn next_block(letters: &[DeadLetter], known: &HashSet<u128>) -> io::Result<(Vec<u8>, HashSet<u128>)> {
    let (mut lines, mut keys) = (Vec::new(), HashSet::new());
    for letter in letters {
        let key = letter.key();
        if known.contains(&key) || keys.contains(&key) {
            continue;
        }
        let whole = lines.len();
        letter.line(&mut lines)?;
        if whole > 0 && lines.len() > BLOCK {
            lines.truncate(whole);
            break;
        }
        keys.insert(key);
    }
    Ok((lines, keys))
}

/// What waits while letters can't be written.
const PART: &str = "dead letters";

impl DeadLetters {
    async fn keep(&self, letters: &[DeadLetter], env: &Env, telemetry: &ComponentReporter) -> usize {
        let mut backoff = Backoff::new(env.random.clone());
        loop {
            match self.write(letters).await {
                Ok(new) => {
                    telemetry.status().released(PART);
                    telemetry.add(&metrics::DEAD_LETTERS, new as u64);
                    return new;
                }
                Err(error) => {
                    telemetry.add_labelled(&metrics::ERRORS, "dead letters", 1);
                    telemetry.add(&metrics::RETRIES, 1);
                    let storage = storage_trouble(&error);
                    let hint = if storage.is_none() { "; free space on the disk of data_dir" } else { "" };
                    let reason = format!("can't write dead letters: {error}{hint}");
                    let wait = storage.and_then(BlobError::wait).unwrap_or_else(|| backoff.next_wait());
                    // Other records may well be delivered meanwhile: that doesn't make it work.
                    telemetry.status().held_up(PART, &reason, wait, env.clock.now());
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

impl DeadLetterStore for DeadLetterFolder {
    fn open<'a>(&'a self, component: &'a str) -> BoxFuture<'a, io::Result<Box<dyn DeadLetterWriter>>> {
        Box::pin(async move {
            let letters = DeadLetters::open(self, component).await?;
            Ok(Box::new(letters) as Box<dyn DeadLetterWriter>)
        })
    }
}

impl DeadLetterWriter for DeadLetters {
    fn write<'a>(
        &'a self,
        letters: &'a [DeadLetter],
        env: &'a Env,
        telemetry: &'a ComponentReporter,
    ) -> BoxFuture<'a, usize> {
        Box::pin(self.keep(letters, env, telemetry))
    }
}

impl DeadLetter {
    fn key(&self) -> u128 {
        key_of(self.id, self.stream.as_deref())
    }

    fn line(&self, out: &mut Vec<u8>) -> io::Result<()> {
        // JSON in which a raw line end stands between its tokens would break the line; then it is kept as text.
        let raw = serde_json::from_str::<&RawValue>(&self.record).ok().filter(|raw| !raw.get().contains(['\n', '\r']));
        let line = Line {
            id: self.id.to_string(),
            stream: self.stream.as_deref(),
            reason: &self.reason,
            status: self.status,
            code: self.code.as_deref(),
            request_id: self.request_id.as_deref(),
            time: self.time,
            record: raw.map_or(Record::Text(&self.record), Record::Json),
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.push(b'\n');
        Ok(())
    }
}

/// A component's name as a file's name, without an ending.
fn file_stem(component: &str) -> String {
    component.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
}

fn key_of(id: EventId, stream: Option<&str>) -> u128 {
    EventId::of_bytes(format!("{id} {}", stream.unwrap_or_default()).as_bytes()).0
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use nordpass_env::{MemoryDisk, SystemDisk};

    fn letter(id: u128, stream: &str, record: &str) -> DeadLetter {
        DeadLetter {
            id: EventId(id),
            stream: Some(stream.to_owned()),
            reason: "refused".into(),
            status: Some(400),
            code: None,
            request_id: None,
            time: 1,
            record: record.to_owned(),
        }
    }

    async fn open(dir: &Path) -> DeadLetters {
        DeadLetters::open(&DeadLetterFolder::new(Arc::new(SystemDisk), dir), "my sink").await.expect("opens")
    }

    #[tokio::test]
    async fn a_letter_is_written_once_for_its_event_and_stream() {
        let dir = tempfile::tempdir().expect("a folder");
        let letters = open(dir.path()).await;
        let both = [letter(1, "A", r#"{"a":1}"#), letter(1, "B", "not JSON")];
        assert_eq!(letters.write(&both).await.expect("writes"), 2);
        assert_eq!(letters.write(&both).await.expect("writes"), 0);
        let again = open(dir.path()).await;
        assert_eq!(again.write(&[both[0].clone(), letter(2, "A", "{\n}")]).await.expect("writes"), 1);
        let text = std::fs::read_to_string(dir.path().join("dead-letters/my_sink.ndjson")).expect("a file");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["record"]["a"], &lines[1]["record"]), (&1.into(), &"not JSON".into()));
        assert_eq!(lines[2]["record"], "{\n}");
    }

    #[tokio::test]
    async fn a_torn_last_line_is_repaired_at_the_next_write() {
        let dir = tempfile::tempdir().expect("a folder");
        open(dir.path()).await.write(&[letter(1, "A", "{}")]).await.expect("writes");
        let path = dir.path().join("dead-letters/my_sink.ndjson");
        let whole = std::fs::read(&path).expect("a file");
        let mut torn = whole.clone();
        torn.extend_from_slice(&whole[..whole.len() / 2]);
        std::fs::write(&path, torn).expect("writes");
        let letters = open(dir.path()).await;
        assert_eq!(letters.write(&[letter(1, "A", "{}")]).await.expect("writes"), 0, "the first is known");
        letters.write(&[letter(2, "A", "{}")]).await.expect("writes");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    /// Simulated world 9901: a process that was killed had written a letter and not made it durable. The next one found
    /// it, called it written, and the power cut after that took it.
    #[tokio::test]
    async fn a_letter_that_a_killed_process_left_is_made_durable_before_it_counts() {
        for seed in 0..40 {
            let disk = MemoryDisk::new();
            disk.put("data/lock", "");
            let folder = DeadLetterFolder::new(Arc::new(disk.clone()), Path::new("data"));
            let open = || DeadLetters::open(&folder, "sentinel");
            let letters = [letter(1, "A", "{}")];
            let killed = open().await.expect("opens");
            // The folder of dead letters is made, then the letter is appended.
            disk.go_down_at(1);
            tokio::select! {
                _ = killed.write(&letters) => panic!("it was killed"),
                () = disk.went_down() => {}
            }
            disk.restart();
            let next = open().await.expect("opens");
            next.write(&letters).await.expect("writes");
            disk.crash(seed);
            let text = disk.content("data/dead-letters/sentinel.ndjson").unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&text).lines().count(), 1, "seed {seed}");
        }
    }

    #[test]
    fn debug_shows_no_record() {
        assert!(!format!("{:?}", letter(1, "A", "someone@example.com")).contains("example.com"));
    }
}
