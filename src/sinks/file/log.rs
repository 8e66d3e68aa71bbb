//! The segment log: records what was appended where, and for which chunk.
//!
//! A file's length alone doesn't tell which of its bytes are committed: their chunk may still wait for another sink
//! when the machine stops. So each append is recorded here with its [`Origin`], durably, before it is acknowledged, and
//! recovery asks the checkpoint about each.
//!
//! The log is text: one line per step, `crc32 [entry, …]`, the first line a header. So a torn write can only be the
//! last line. Before the first append to a file its length is recorded (`open`). Without it, a torn first append
//! couldn't be told from a file that was there before.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Origin;
use nordpass_env::Disk;

/// The version of the log's format. Version 1 had no fingerprints.
const VERSION: u32 = 2;
/// The versions that this program reads.
const READ: std::ops::RangeInclusive<u32> = 1..=VERSION;

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// The first line: the format's version.
    Header {
        /// [`VERSION`]
        version: u32,
    },
    /// The file is written to from here on, and has this length.
    Open {
        /// The file.
        path: String,
        /// Its length in bytes.
        length: u64,
    },
    /// `[start, end)` of the file was appended for a chunk.
    Segment {
        /// The file.
        path: String,
        /// The file's length before.
        start: u64,
        /// The file's length after.
        end: u64,
        /// [`Origin::source`]
        source: String,
        /// [`Origin::run`]
        run: u64,
        /// [`Origin::sequence`]
        sequence: u64,
        /// Of the bytes, to recognize them. Version 1 has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
    },
    /// Recovery has decided to cut the file to this length.
    Cut {
        /// The file.
        path: String,
        /// Its length then.
        length: u64,
        /// Its length when this was decided, and the fingerprint of what is cut. Version 1 has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<(u64, String)>,
    },
    /// Recovery has decided to replace the file by another, which is complete and durable.
    Replace {
        /// The file.
        path: String,
        /// Its new content.
        by: String,
        /// The length of that.
        length: u64,
        /// The file's length when this was decided. Version 1 has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
    },
}

impl Entry {
    /// An append for a chunk.
    pub fn segment(path: &str, Segment { start, end, origin, fingerprint }: Segment) -> Self {
        let Origin { source, run, sequence } = origin;
        Self::Segment { path: path.to_owned(), start, end, source: source.to_string(), run, sequence, fingerprint }
    }
}

/// What was appended to a file since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// The expected length of the file.
    pub end: u64,
    /// The appends in order. What is between them is another program's.
    pub segments: Vec<Segment>,
}

/// One append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The file's length before it.
    pub start: u64,
    /// The file's length after it.
    pub end: u64,
    /// The chunk.
    pub origin: Origin,
    /// Of its bytes; `None` in a log of version 1.
    pub fingerprint: Option<String>,
}

/// The contents of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The files.
    pub files: BTreeMap<String, Tracked>,
    /// Decisions of a recovery that may not have finished: `Cut` and `Replace` entries.
    pub decided: Vec<Entry>,
}

/// Parses a log. Ignores a torn last line. The error says what other damage there is.
pub fn parse(bytes: &[u8]) -> Result<Contents, String> {
    let mut contents = Contents::default();
    let mut torn_at = None;
    let mut at = 0;
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match parse_line(line) {
            Some(_) if torn_at.is_some() => return Err(format!("it is damaged at byte {}", torn_at.unwrap_or(0))),
            Some(entries) => {
                for entry in entries {
                    contents.add(entry, number == 0)?;
                }
            }
            None => torn_at = torn_at.or(Some(at)),
        }
        at += line.len();
    }
    // The header is written atomically with the file, so it can't be missing or torn.
    if bytes.is_empty() || torn_at == Some(0) { Err("it has no header".to_owned()) } else { Ok(contents) }
}

fn parse_line(line: &[u8]) -> Option<Vec<Entry>> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (checksum, json) = line.split_once(' ')?;
    if checksum.len() != 8 || u32::from_str_radix(checksum, 16).ok()? != crc(json.as_bytes()) {
        return None;
    }
    serde_json::from_str(json).ok()
}

pub(super) fn line(entries: &[Entry]) -> Vec<u8> {
    // Only strings and numbers, which serde_json can't refuse.
    line_of(&serde_json::to_string(entries).unwrap_or_default())
}

pub(super) fn line_of(json: &str) -> Vec<u8> {
    format!("{:08x} {json}\n", crc(json.as_bytes())).into_bytes()
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

impl Contents {
    fn add(&mut self, entry: Entry, first: bool) -> Result<(), String> {
        match entry {
            Entry::Header { version } if first && READ.contains(&version) => {}
            Entry::Header { version } => {
                return Err(format!("it has version {version}; this program reads up to {VERSION}"));
            }
            _ if first => return Err("it has no header".to_owned()),
            Entry::Open { path, length } => {
                let tracked = self.files.entry(path).or_default();
                // Shorter: it was cut or moved away, and the recorded appends are gone. Longer: another program has
                // appended to it. Equal: it was put aside and taken up again.
                if length < tracked.end {
                    tracked.segments.clear();
                }
                tracked.end = length;
            }
            Entry::Segment { path, start, end, source, run, sequence, fingerprint } => {
                let known = self.files.get_mut(&path).filter(|tracked| tracked.end == start && start <= end);
                let Some(tracked) = known else {
                    return Err(format!(
                        "it records an append to {path} at {start} that doesn't follow the previous one"
                    ));
                };
                let origin = Origin { source: source.into(), run, sequence };
                tracked.segments.push(Segment { start, end, origin, fingerprint });
                tracked.end = end;
            }
            Entry::Cut { .. } | Entry::Replace { .. } => self.decided.push(entry),
        }
        Ok(())
    }

    /// Returns entries with the same meaning.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (path, tracked) in &self.files {
            let open = |length| Entry::Open { path: path.clone(), length };
            let mut at = None;
            for segment in &tracked.segments {
                if at != Some(segment.start) {
                    entries.push(open(segment.start));
                }
                at = Some(segment.end);
                entries.push(Entry::segment(path, segment.clone()));
            }
            if at != Some(tracked.end) {
                entries.push(open(tracked.end));
            }
        }
        entries
    }
}

/// The log's file, open for appending.
pub struct Log {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    len: u64,
    /// A step has failed, so the file may have more than counts.
    dirty: bool,
    /// A replacement has failed, so the file may hold the old lines or these.
    replacing: Option<Vec<u8>>,
}

impl Log {
    /// Creates a log with this content, replacing any that is there.
    pub async fn replaced(disk: Arc<dyn Disk>, path: PathBuf, entries: &[Entry]) -> io::Result<Self> {
        let mut log = Self { disk, path, len: 0, dirty: false, replacing: None };
        log.replace(entries).await?;
        Ok(log)
    }

    /// The log's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads the log.
    pub async fn read(&self) -> io::Result<Contents> {
        parse(&self.disk.read(&self.path).await?).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
    }

    /// Durably removes what a failed step may have left. Otherwise a later crash could find an entry about bytes that
    /// were taken back since.
    pub async fn repair(&mut self) -> io::Result<()> {
        if let Some(content) = self.replacing.take() {
            self.install(content).await?;
        }
        if self.dirty {
            self.disk.truncate(&self.path, self.len).await?;
            self.disk.sync(&self.path).await?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Records a step durably.
    pub async fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.repair().await?;
        let line = line(entries);
        self.dirty = true;
        self.disk.append_synced(&self.path, &line).await?;
        self.dirty = false;
        self.len += line.len() as u64;
        Ok(())
    }

    /// Atomically replaces the log by these entries.
    pub async fn replace(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut content = line(&[Entry::Header { version: VERSION }]);
        if !entries.is_empty() {
            content.extend(line(entries));
        }
        self.install(content).await
    }

    async fn install(&mut self, content: Vec<u8>) -> io::Result<()> {
        let result = self.disk.replace(&self.path, &content).await;
        if result.is_ok() {
            self.len = content.len() as u64;
            self.dirty = false;
        } else {
            self.replacing = Some(content);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(path: &str, start: u64, end: u64, sequence: u64) -> Entry {
        let fingerprint = Some("f".to_owned());
        Entry::Segment { path: path.into(), start, end, source: "s".into(), run: u64::MAX, sequence, fingerprint }
    }

    fn open(path: &str, length: u64) -> Entry {
        Entry::Open { path: path.into(), length }
    }

    fn log(steps: &[&[Entry]]) -> Vec<u8> {
        let mut bytes = line(&[Entry::Header { version: VERSION }]);
        bytes.extend(steps.iter().flat_map(|step| line(step)));
        bytes
    }

    #[test]
    fn reads_what_it_writes() {
        let bytes =
            log(&[&[open("a", 5), open("b", 0)], &[segment("a", 5, 9, 0), segment("b", 0, 4, 0)], &[open("a", 9)]]);
        let contents = parse(&bytes).unwrap();
        assert_eq!((contents.files["a"].segments[0].start, contents.files["a"].end), (5, 9));
        assert_eq!(contents.files["b"].segments.len(), 1);
        assert_eq!(parse(&log(&[&contents.entries()])).unwrap(), contents);
        // Longer: somebody else has appended to the file.
        let mut longer = bytes.clone();
        longer.extend(line(&[open("a", 20)]));
        longer.extend(line(&[segment("a", 20, 22, 1)]));
        let contents = parse(&longer).unwrap();
        assert_eq!(contents.files["a"].segments.iter().map(|segment| segment.start).collect::<Vec<_>>(), [5, 20]);
        assert_eq!(parse(&log(&[&contents.entries()])).unwrap(), contents);
        // Shorter: it has been cut or moved away, and what was noted no longer says anything.
        let mut reset = bytes;
        reset.extend(line(&[open("a", 2)]));
        assert_eq!(parse(&reset).unwrap().files["a"], Tracked { end: 2, segments: Vec::new() });
    }

    #[test]
    fn any_torn_last_line_is_as_if_it_had_not_been_written() {
        let whole = log(&[&[open("a", 0)]]);
        let longer = log(&[&[open("a", 0)], &[segment("a", 0, 4, 0)]]);
        for len in whole.len()..longer.len() {
            assert_eq!(parse(&longer[..len]), parse(&whole), "cut to {len}");
            let mut holed = longer.clone();
            holed[len] = 0;
            assert_eq!(parse(&holed), parse(&whole), "hole at {len}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let good = log(&[&[open("a", 0)], &[segment("a", 0, 4, 0)]]);
        let mut damaged = good.clone();
        damaged[45] ^= 1;
        assert!(parse(&damaged).unwrap_err().contains("damaged at byte"));
        assert!(parse(b"").unwrap_err().contains("no header"));
        assert!(parse(b"hello\n").unwrap_err().contains("no header"));
        assert!(parse(&line(&[Entry::Header { version: 3 }])).unwrap_err().contains("version 3"));
        let gap = log(&[&[open("a", 0)], &[segment("a", 1, 4, 0)]]);
        assert!(parse(&gap).unwrap_err().contains("doesn't follow"));
    }
}
