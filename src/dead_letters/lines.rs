//! Append-only files of lines: reads them anywhere, and writes them durably on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nordpass_env::Disk;

/// Maximum bytes of one read.
pub(super) const BLOCK: usize = 1 << 20;

/// A line's range in its file, without its line end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineRange {
    pub offset: u64,
    pub len: usize,
}

/// Splits a file, block by block, into whole lines. Leaves out what follows the last line end, which is a torn or
/// unfinished write.
#[derive(Default)]
pub(super) struct LineReader {
    /// The end of the last whole line.
    pub whole: u64,
    rest: Vec<u8>,
}

impl LineReader {
    /// Creates a reader for the blocks from `offset` on, where a line begins.
    pub fn starting_at(offset: u64) -> Self {
        Self { whole: offset, rest: Vec::new() }
    }

    /// The start of the next block.
    pub fn end(&self) -> u64 {
        self.whole + self.rest.len() as u64
    }

    /// Passes every line that is complete with this block to `each`.
    pub fn push(&mut self, block: &[u8], each: &mut dyn FnMut(LineRange, &[u8])) {
        self.rest.extend_from_slice(block);
        let Some(end) = memchr::memrchr(b'\n', &self.rest) else { return };
        for line in self.rest[..end].split(|byte| *byte == b'\n') {
            each(LineRange { offset: self.whole, len: line.len() }, line);
            self.whole += line.len() as u64 + 1;
        }
        self.rest.drain(..=end);
    }
}

/// Passes every whole line of a file on disk to `each`, and returns their length in bytes. A missing file has no lines.
pub(super) async fn lines(
    disk: &dyn Disk,
    path: &Path,
    mut each: impl FnMut(LineRange, &[u8]) + Send,
) -> io::Result<u64> {
    let size = disk.len(path).await?.unwrap_or(0);
    let mut lines = LineReader::default();
    while lines.end() < size {
        let block = disk.read_at(path, lines.end(), BLOCK).await?;
        if block.is_empty() {
            break;
        }
        lines.push(&block, &mut each);
    }
    Ok(lines.whole)
}

/// Writes a file of lines on disk. A file may have only one writer.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// The offset of the next line. Anything after it is a torn write.
    len: u64,
    /// The folder and the file's name are durable.
    linked: bool,
    /// What existed when it was opened is durable, too.
    settled: bool,
}

impl Log {
    /// Reads what is there. Creates nothing on disk before the first line.
    pub async fn open(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        each: impl FnMut(LineRange, &[u8]) + Send,
    ) -> io::Result<Self> {
        let len = lines(disk.as_ref(), &path, each).await?;
        Ok(Self { disk, path, len, linked: false, settled: len == 0 })
    }

    /// Makes what was there durable: a killed process may have left lines that a power cut could still remove.
    pub async fn settle(&mut self) -> io::Result<()> {
        if self.settled {
            return Ok(());
        }
        self.disk.sync(&self.path).await?;
        self.link().await?;
        self.settled = true;
        Ok(())
    }

    async fn link(&mut self) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        self.disk.sync_dir(dir).await?;
        if let Some(data_dir) = dir.parent() {
            self.disk.sync_dir(data_dir).await?;
        }
        self.linked = true;
        Ok(())
    }

    /// Appends whole lines and makes them durable. After an error the same lines can be appended again.
    pub async fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        if !self.linked {
            self.disk.create_dir_all(dir).await?;
        }
        // A write that failed halfway, now or before a crash, leaves bytes of no line.
        if self.disk.len(&self.path).await?.is_some_and(|size| size > self.len) {
            self.disk.truncate(&self.path, self.len).await?;
        }
        self.disk.append_synced(&self.path, lines).await?;
        if !self.linked {
            self.link().await?;
        }
        self.len += lines.len() as u64;
        Ok(())
    }
}
