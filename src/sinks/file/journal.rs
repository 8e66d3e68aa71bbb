//! The journal of one attempt: makes the bytes to append durable before they are appended.
//!
//! A process killed in the middle of an append, or a power cut, leaves bytes behind the last ones that the segment log
//! knows. The next start cuts them, but only if they match the journal: they may be another program's.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::own::fingerprint;
use nordpass_env::Disk;

/// Maximum bytes of one write.
const WRITE_BYTES: usize = 1 << 20;
/// The last line. Without it, the attempt hadn't started to append.
const END: &[u8] = b"end\n";

/// An append that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its intended offset in the file.
    pub start: u64,
    /// The bytes to append.
    pub bytes: Vec<u8>,
}

/// The line before the bytes of an append.
#[derive(Serialize, Deserialize)]
struct Head {
    path: String,
    start: u64,
    length: usize,
    fingerprint: String,
}

/// The journal's file.
pub struct Journal {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Journal {
    /// Creates an empty journal, replacing any that is there.
    pub async fn empty(disk: Arc<dyn Disk>, path: PathBuf) -> io::Result<Self> {
        disk.replace(&path, b"").await?;
        Ok(Self { disk, path })
    }

    /// The journal's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the journal's content by these appends.
    pub async fn write(&self, appends: impl Iterator<Item = (&str, u64, &[u8])>) -> io::Result<()> {
        self.disk.truncate(&self.path, 0).await?;
        let mut text = Vec::new();
        for (path, start, bytes) in appends {
            let head = Head { path: path.to_owned(), start, length: bytes.len(), fingerprint: fingerprint(bytes) };
            serde_json::to_writer(&mut text, &head)?;
            text.push(b'\n');
            text.extend_from_slice(bytes);
            if text.len() >= WRITE_BYTES {
                self.disk.append(&self.path, &text).await?;
                text.clear();
            }
        }
        text.extend_from_slice(END);
        self.disk.append_synced(&self.path, &text).await
    }

    /// Empties the journal.
    pub async fn clear(&self) -> io::Result<()> {
        self.disk.truncate(&self.path, 0).await?;
        self.disk.sync(&self.path).await
    }
}

/// Reads the last run's journal, by file. A torn one counts as empty: its attempt hadn't started to append.
pub async fn read(disk: &dyn Disk, path: &Path) -> io::Result<BTreeMap<String, Begun>> {
    if disk.len(path).await?.is_none() {
        return Ok(BTreeMap::new());
    }
    let bytes = disk.read(path).await?;
    Ok(parse(&bytes).unwrap_or_default())
}

fn parse(mut bytes: &[u8]) -> Option<BTreeMap<String, Begun>> {
    let mut begun = BTreeMap::new();
    while bytes != END {
        let at = memchr::memchr(b'\n', bytes)?;
        let Head { path, start, length, fingerprint: expected } = serde_json::from_slice(&bytes[..at]).ok()?;
        let (content, rest) = bytes[at + 1..].split_at_checked(length)?;
        if fingerprint(content) != expected {
            return None;
        }
        begun.insert(path, Begun { start, bytes: content.to_owned() });
        bytes = rest;
    }
    Some(begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nordpass_env::MemoryDisk;

    #[tokio::test]
    async fn a_torn_journal_holds_nothing_and_a_whole_one_everything() {
        let (disk, path) = (MemoryDisk::new(), Path::new("a.journal"));
        let journal = Journal::empty(Arc::new(disk.clone()), path.to_owned()).await.unwrap();
        assert_eq!(read(&disk, path).await.unwrap(), BTreeMap::new());
        let appends = [("a", 5, &b"one\nend\n"[..]), ("b", 0, b"\0\n\n")];
        journal.write(appends.into_iter()).await.unwrap();
        let expected: BTreeMap<String, Begun> = appends
            .into_iter()
            .map(|(path, start, bytes)| (path.to_owned(), Begun { start, bytes: bytes.to_owned() }))
            .collect();
        assert_eq!(read(&disk, path).await.unwrap(), expected);
        let whole = disk.content(path).unwrap();
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len]), None, "cut to {len}");
        }
        journal.clear().await.unwrap();
        assert_eq!(read(&disk, path).await.unwrap(), BTreeMap::new());
    }
}
