//! Writes dead letters.

use std::{collections::HashSet, convert::Infallible, future::pending, io};

use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::blobs::{self, BLOCK, storage_trouble};
use super::folder::Writer;
use super::read::DeadLetterFolder;
use super::stored::{StoredDeadLetter, file_stem, key_of};
use crate::azure::blob::BlobError;
use crate::component::{DeadLetter, DeadLetterStore, DeadLetterWriter};
use crate::event::EventId;
use crate::http::{Again, Retry};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;

/// The dead letters of one component.
pub(super) struct DeadLetterLog {
    inner: Mutex<Inner>,
}

struct Inner {
    known: HashSet<u128>,
    /// Written, or perhaps written, by a call that failed: not counted as new yet.
    uncounted: HashSet<u128>,
    log: Writer,
}

/// How often other processes may write first until this one pauses.
const TURNS: usize = 16;

/// Adds the key of an existing line.
fn note(known: &mut HashSet<u128>, line: &[u8]) {
    known.extend(serde_json::from_slice::<StoredDeadLetter>(line).ok().and_then(|known| known.key()));
}

impl DeadLetterLog {
    /// Opens a component's dead letters. Creates nothing before the first one, and sends no request for blobs.
    pub async fn open(folder: &DeadLetterFolder, component: &str) -> io::Result<Self> {
        let mut known = HashSet::new();
        let log = folder.folder.writer(&file_stem(component), |line| note(&mut known, line)).await?;
        Ok(Self { inner: Mutex::new(Inner { known, uncounted: HashSet::new(), log }) })
    }

    /// Writes dead letters durably, except those that are there already (same id and stream). Returns how many were
    /// new. After an error the same dead letters can be written again.
    pub async fn write(&self, dead_letters: &[DeadLetter]) -> io::Result<usize> {
        let mut inner = self.inner.lock().await;
        let Inner { known, uncounted, log } = &mut *inner;
        // Before an existing one counts as written.
        log.settle(&mut |line| note(known, line)).await?;
        let mut turns = 0;
        loop {
            let (lines, keys) = next_block(dead_letters, known)?;
            if keys.is_empty() {
                let all: HashSet<u128> = dead_letters.iter().map(key).collect();
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

/// Returns the lines and keys of new dead letters: as many as fit one request to a storage account, or one longer one.
fn next_block(dead_letters: &[DeadLetter], known: &HashSet<u128>) -> io::Result<(Vec<u8>, HashSet<u128>)> {
    let (mut lines, mut keys) = (Vec::new(), HashSet::new());
    for dead_letter in dead_letters {
        let key = key(dead_letter);
        if known.contains(&key) || keys.contains(&key) {
            continue;
        }
        let whole = lines.len();
        serde_json::to_writer(&mut lines, dead_letter)?;
        lines.push(b'\n');
        if whole > 0 && lines.len() > BLOCK {
            lines.truncate(whole);
            break;
        }
        keys.insert(key);
    }
    Ok((lines, keys))
}

/// Name of the status part while dead letters can't be written.
const PART: &str = "dead letters";

impl DeadLetterLog {
    /// Writes dead letters, however long it takes, and reports what it waits for. Returns how many were new.
    pub async fn keep(&self, dead_letters: &[DeadLetter], env: &Env, telemetry: &ComponentReporter) -> usize {
        // A separate part, because other records may be delivered meanwhile, which doesn't mean that this works.
        let retry = Retry::part(env, telemetry, PART);
        let attempt = || async {
            self.write(dead_letters).await.map_err(|error| {
                let storage = storage_trouble(&error);
                let hint = if storage.is_none() { "; free space on the disk of data_dir" } else { "" };
                let wait = storage.and_then(BlobError::wait);
                Again { wait, ..Again::because(PART, format!("can't write dead letters: {error}{hint}")) }.into()
            })
        };
        let Ok(new) = retry.run(pending::<Infallible>(), attempt).await;
        telemetry.add(&metrics::DEAD_LETTERS, new as u64);
        new
    }
}

impl DeadLetterStore for DeadLetterFolder {
    fn open<'a>(&'a self, component: &'a str) -> BoxFuture<'a, io::Result<Box<dyn DeadLetterWriter>>> {
        Box::pin(async move {
            let dead_letters = DeadLetterLog::open(self, component).await?;
            Ok(Box::new(dead_letters) as Box<dyn DeadLetterWriter>)
        })
    }
}

impl DeadLetterWriter for DeadLetterLog {
    fn write<'a>(
        &'a self,
        dead_letters: &'a [DeadLetter],
        env: &'a Env,
        telemetry: &'a ComponentReporter,
    ) -> BoxFuture<'a, usize> {
        Box::pin(self.keep(dead_letters, env, telemetry))
    }

    fn has<'a>(&'a self, id: EventId, stream: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let mut inner = self.inner.lock().await;
            let Inner { known, log, .. } = &mut *inner;
            log.settle(&mut |line| note(known, line)).await.is_ok() && known.contains(&key_of(id, Some(stream)))
        })
    }
}

fn key(dead_letter: &DeadLetter) -> u128 {
    key_of(dead_letter.id, dead_letter.stream.as_deref())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use nordpass_env::{MemoryDisk, SystemDisk};

    fn dead_letter(id: u128, stream: &str, record: &str) -> DeadLetter {
        DeadLetter {
            id: EventId(id),
            shown_id: None,
            organization: None,
            stream: Some(stream.to_owned()),
            reason: "refused".into(),
            status: Some(400),
            code: None,
            request_id: None,
            time: 1,
            record: record.to_owned(),
        }
    }

    async fn open(dir: &Path) -> DeadLetterLog {
        DeadLetterLog::open(&DeadLetterFolder::new(Arc::new(SystemDisk), dir), "my sink").await.expect("opens")
    }

    #[tokio::test]
    async fn a_letter_is_written_once_for_its_event_and_stream() {
        let dir = tempfile::tempdir().expect("a folder");
        let dead_letters = open(dir.path()).await;
        let both = [dead_letter(1, "A", r#"{"a":1}"#), dead_letter(1, "B", "not JSON")];
        assert_eq!(dead_letters.write(&both).await.expect("writes"), 2);
        assert_eq!(dead_letters.write(&both).await.expect("writes"), 0);
        let again = open(dir.path()).await;
        assert_eq!(again.write(&[both[0].clone(), dead_letter(2, "A", "{\n}")]).await.expect("writes"), 1);
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
        open(dir.path()).await.write(&[dead_letter(1, "A", "{}")]).await.expect("writes");
        let path = dir.path().join("dead-letters/my_sink.ndjson");
        let whole = std::fs::read(&path).expect("a file");
        let mut torn = whole.clone();
        torn.extend_from_slice(&whole[..whole.len() / 2]);
        std::fs::write(&path, torn).expect("writes");
        let dead_letters = open(dir.path()).await;
        assert_eq!(dead_letters.write(&[dead_letter(1, "A", "{}")]).await.expect("writes"), 0, "the first is known");
        dead_letters.write(&[dead_letter(2, "A", "{}")]).await.expect("writes");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    /// Simulated world 9901: a killed process had written a dead letter but not made it durable. The next one found it
    /// and counted it as written, and the power cut after that removed it.
    #[tokio::test]
    async fn a_letter_that_a_killed_process_left_is_made_durable_before_it_counts() {
        for seed in 0..40 {
            let disk = MemoryDisk::new();
            disk.put("data/lock", "");
            let folder = DeadLetterFolder::new(Arc::new(disk.clone()), Path::new("data"));
            let open = || DeadLetterLog::open(&folder, "sentinel");
            let dead_letters = [dead_letter(1, "A", "{}")];
            let killed = open().await.expect("opens");
            // Creates the folder of dead letters, then appends the dead letter.
            disk.go_down_at(1);
            tokio::select! {
                _ = killed.write(&dead_letters) => panic!("it was killed"),
                () = disk.went_down() => {}
            }
            disk.restart();
            let next = open().await.expect("opens");
            next.write(&dead_letters).await.expect("writes");
            disk.crash(seed);
            let text = disk.content("data/dead-letters/sentinel.ndjson").unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&text).lines().count(), 1, "seed {seed}");
        }
    }

    #[test]
    fn debug_shows_no_record() {
        assert!(!format!("{:?}", dead_letter(1, "A", "someone@example.com")).contains("example.com"));
    }
}
