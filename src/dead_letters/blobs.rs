//! Files of lines as append blobs, written by several processes, if the sources' states are in Azure Blob Storage.
//!
//! An append is conditional on the length up to which this process has read, so a writer always knows what is there. No
//! dead letter is written twice, neither by two processes nor after a lost response. Append blobs can't be truncated: a
//! torn line gets a line end, and readers skip it. A full blob is followed by another one.

mod lock;
#[cfg(test)]
mod tests;

use std::io;

use bytes::Bytes;

pub(super) use self::lock::BlobLock;
use super::lines::{BLOCK as READ, LineRange, LineReader};
use crate::azure::blob::{BlobError, Container};
use nordpass_env::Env;

/// Maximum bytes of one request: every version of Azure's API accepts 4 MiB.
pub(super) const BLOCK: usize = 4 << 20;

/// Maximum blobs to list.
const MOST: u32 = 100_000;

/// A container's blobs below `dead-letters/`.
#[derive(Clone)]
pub(super) struct Blobs {
    pub container: Container,
    /// The prefix of their names.
    pub prefix: String,
    pub env: Env,
}

/// How far a blob was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    /// The end of its last whole line.
    pub whole: u64,
    /// Its end.
    pub len: u64,
}

impl Blobs {
    /// Lists the names after the prefix.
    pub async fn names(&self, begin: &str) -> io::Result<Vec<String>> {
        match self.container.list(&format!("{}{begin}", self.prefix), MOST).await {
            Ok(names) => {
                Ok(names.iter().filter_map(|name| name.strip_prefix(&self.prefix)).map(str::to_owned).collect())
            }
            Err(BlobError::NoContainer) => Ok(Vec::new()),
            Err(error) => Err(failure(error)),
        }
    }

    /// Reads at most `len` bytes; fewer at the end. `None` if there is no such blob.
    pub async fn read_at(&self, name: &str, at: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let asked = (len - bytes.len()).min(READ);
            let read = self.container.read(&self.path(name), at + bytes.len() as u64, asked).await;
            let read = match read {
                Ok(read) => read,
                Err(BlobError::NoBlob | BlobError::NoContainer) => return Ok(None),
                Err(error) => return Err(failure(error)),
            };
            bytes.extend_from_slice(&read);
            if read.len() < asked {
                break;
            }
        }
        Ok(Some(bytes))
    }

    /// Passes every whole line from `from` on, where a line begins, to `each`. `None` if there is no such blob.
    pub async fn lines(
        &self,
        name: &str,
        from: u64,
        each: &mut (dyn FnMut(LineRange, &[u8]) + Send),
    ) -> io::Result<Option<Extent>> {
        let mut lines = LineReader::starting_at(from);
        loop {
            let Some(block) = self.read_at(name, lines.end(), READ).await? else { return Ok(None) };
            lines.push(&block, each);
            if block.len() < READ {
                return Ok(Some(Extent { whole: lines.whole, len: lines.end() }));
            }
        }
    }

    /// Creates an empty blob, and its container if that never existed.
    async fn make(&self, name: &str) -> io::Result<()> {
        let mut made = self.container.create_append(&self.path(name)).await;
        if made == Err(BlobError::NoContainer) {
            self.container.create_first().await.map_err(failure)?;
            made = self.container.create_append(&self.path(name)).await;
        }
        made.map_err(failure)
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// Writes a file of lines in append blobs. Every process may have one.
pub(super) struct BlobLog {
    blobs: Blobs,
    stem: String,
    /// How far this process has read; `None` if not at all.
    end: Option<End>,
    /// An append failed. It may have taken effect, wholly or partly.
    unsure: bool,
}

#[derive(Clone, Copy, Debug)]
struct End {
    number: u32,
    extent: Extent,
    /// The blob exists.
    made: bool,
}

impl End {
    fn before(number: u32) -> Self {
        Self { number, extent: Extent::default(), made: false }
    }
}

impl BlobLog {
    /// Sends no request yet: a pipeline without dead letters never does.
    pub fn new(blobs: Blobs, stem: String) -> Self {
        Self { blobs, stem, end: None, unsure: false }
    }

    /// Whether what is there has been read.
    pub fn is_read(&self) -> bool {
        self.end.is_some()
    }

    /// Passes what was written since the last call to `each`, or everything at the first call.
    pub async fn catch_up(&mut self, each: &mut (dyn FnMut(&[u8]) + Send)) -> io::Result<()> {
        if let Some(end) = self.end
            && let Some(end) = self.more(end, each).await?
        {
            self.end = Some(end);
            return Ok(());
        }
        let names = self.blobs.names(&format!("{}.", self.stem)).await?;
        let mut end = End::before(1);
        for number in parts(&names, &self.stem) {
            let name = part_name(&self.stem, number);
            if let Some(extent) = self.blobs.lines(&name, 0, &mut |_, line| each(line)).await? {
                end = End { number, extent, made: true };
            }
        }
        self.end = Some(end);
        Ok(())
    }

    /// Reads what follows the known part. `None` if the blob was removed or replaced.
    async fn more(&self, end: End, each: &mut (dyn FnMut(&[u8]) + Send)) -> io::Result<Option<End>> {
        // Read the line end before it again, to check that it is still there.
        let mut before = end.extent.whole > 0;
        let mut another = false;
        let from = end.extent.whole.saturating_sub(1);
        let name = part_name(&self.stem, end.number);
        let mut compare = |_: LineRange, line: &[u8]| {
            if std::mem::take(&mut before) {
                another = !line.is_empty();
            } else if !another {
                each(line);
            }
        };
        match self.blobs.lines(&name, from, &mut compare).await? {
            None => Ok((!end.made).then_some(end)),
            Some(extent) if before || another || extent.len < end.extent.len => Ok(None),
            Some(extent) => Ok(Some(End { extent, made: true, ..end })),
        }
    }

    /// Appends whole lines after the known part. `false` if nothing was appended, because another process has written
    /// meanwhile; [`Self::catch_up`] reads that. After an error the same lines can be appended again: lines that were
    /// written although the response was lost are found in their place.
    pub async fn append(&mut self, lines: &[u8]) -> io::Result<bool> {
        let Some(End { number, extent, made }) = self.end else { return Ok(false) };
        let name = part_name(&self.stem, number);
        if !made {
            self.blobs.make(&name).await?;
        }
        let torn: &[u8] = if extent.len > extent.whole { b"\n" } else { b"" };
        let bytes = Bytes::from([torn, lines].concat());
        let mut at = extent.len;
        // Usually one piece, and so all or nothing. A crash can cut off a record of more than 4 MiB.
        for start in (0..bytes.len()).step_by(BLOCK) {
            let piece = bytes.slice(start..bytes.len().min(start + BLOCK));
            match self.blobs.container.append(&self.blobs.path(&name), at, piece.clone()).await {
                Ok(()) => {}
                Err(BlobError::Conflict { code, .. }) if code == "AppendPositionConditionNotMet" => {
                    let ours =
                        self.unsure && self.blobs.read_at(&name, at, piece.len()).await?.as_deref() == Some(&piece[..]);
                    if !ours {
                        self.unsure = false;
                        return Ok(false);
                    }
                }
                // It has 50,000 blocks, or an operator has restored a copy that can't be appended to.
                Err(BlobError::Conflict { code, .. })
                    if code == "BlockCountExceedsLimit" || code == "InvalidBlobType" =>
                {
                    self.end = Some(End::before(number + 1));
                    return Ok(false);
                }
                // Removed by an operator, who has read the dead letters.
                Err(BlobError::NoBlob | BlobError::NoContainer) => {
                    self.end = None;
                    return Ok(false);
                }
                Err(error) => {
                    self.unsure = true;
                    return Err(failure(error));
                }
            }
            at += piece.len() as u64;
        }
        self.end = Some(End { number, extent: Extent { whole: at, len: at }, made: true });
        self.unsure = false;
        Ok(true)
    }
}

/// A part's name: a dot, which no component's stem has, and a number.
pub(super) fn part_name(stem: &str, number: u32) -> String {
    if number == 1 { format!("{stem}.ndjson") } else { format!("{stem}.{number}.ndjson") }
}

/// The numbers of a file's parts, in order.
pub(super) fn parts(names: &[String], stem: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> =
        names.iter().filter_map(|name| part_of(name)).filter(|(of, _)| *of == stem).map(|(_, number)| number).collect();
    numbers.sort_unstable();
    numbers
}

/// The file and the part of this name.
pub(super) fn part_of(name: &str) -> Option<(&str, u32)> {
    let stem = name.strip_suffix(".ndjson")?;
    let numbered = stem.rsplit_once('.').and_then(|(stem, number)| Some((stem, number.parse().ok()?)));
    Some(numbered.unwrap_or((stem, 1)))
}

/// A failure of the storage, as [`storage_trouble`] expects it.
pub(super) fn failure(error: BlobError) -> io::Error {
    io::Error::other(error)
}

/// The storage's error, if the error is one.
pub fn storage_trouble(error: &io::Error) -> Option<&BlobError> {
    error.get_ref()?.downcast_ref()
}
