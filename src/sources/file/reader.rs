//! Reads a file in blocks of whole lines, with bounded memory.

use std::io;

use super::az;
use super::locations::Locations;
use super::unpack::Unpacker;
use crate::component::ComponentError;
use crate::event::buffers;
use crate::sources::recording::LONGEST_LINE;
use nordpass_env::{FileStat, OpenFile};

/// A block has about this many bytes of text; one line may be longer. With the rest of a line it fits a buffer of 64 KiB.
const BLOCK: usize = 60 << 10;
/// Read from the disk at once.
const READ: usize = 256 << 10;

/// Whole lines, and where in the text they begin.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// Offset of the first byte in the (decompressed) text.
    pub offset: u64,
    /// The lines.
    pub bytes: Vec<u8>,
}

/// A file that is being read, up to the size that it had when it was opened: whoever reads what he writes comes to an end.
pub struct Reader {
    path: String,
    file: Box<dyn OpenFile>,
    opened: FileStat,
    unpacker: Unpacker,
    /// Bytes read from the file, and those not decoded yet.
    read: u64,
    input: Vec<u8>,
    used: usize,
    /// Text that isn't given out yet, and where it begins.
    text: Vec<u8>,
    offset: u64,
    /// Text before this is passed over.
    start: u64,
    /// This much of `text` has no line end.
    searched: usize,
    ended: bool,
    failed: Option<ComponentError>,
}

impl Reader {
    /// Opens a file at its beginning.
    pub async fn open(locations: &Locations, path: &str) -> Result<Self, ComponentError> {
        let opened = async {
            let file = locations.open(path).await?;
            let stat = file.stat().await?;
            Ok((file, stat))
        };
        let (file, opened) = opened.await.map_err(|error: io::Error| {
            let hint = match error.kind() {
                _ if az::is_az(path) => "reading continues where it stopped once it can be read".to_owned(),
                io::ErrorKind::NotFound => "put the file back; reading continues where it stopped".to_owned(),
                io::ErrorKind::IsADirectory => format!("name the files in it: \"{path}/*\""),
                io::ErrorKind::InvalidInput => {
                    format!("a source of type \"stdin\" reads from a pipe: nordpass-sentinel run … < {path}")
                }
                _ => "check its permissions".to_owned(),
            };
            ComponentError::new(format!("can't read {path}: {error}")).hint(hint)
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            opened,
            unpacker: Unpacker::default(),
            read: 0,
            input: Vec::new(),
            used: 0,
            text: Vec::new(),
            offset: 0,
            start: 0,
            searched: 0,
            ended: false,
            failed: None,
        })
    }

    /// What the file was when it was opened.
    pub fn stat(&self) -> &FileStat {
        &self.opened
    }

    /// Goes to an offset of the text. What lies before it in a packed file is decoded and dropped.
    pub fn rewind(&mut self, start: u64) {
        // Whether it is packed is only known once some of it was read.
        let begin = if self.unpacker.is_plain() { start.min(self.opened.len) } else { 0 };
        if begin == 0 {
            self.unpacker = Unpacker::default();
        }
        (self.read, self.offset, self.start) = (begin, begin, start);
        self.input.clear();
        self.text.clear();
        (self.used, self.searched) = (0, 0);
        (self.ended, self.failed) = (false, None);
    }

    /// How many bytes of the file have been read.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The next block; `None` at the end. An error comes after all whole lines before it.
    pub async fn next(&mut self) -> Result<Option<Block>, ComponentError> {
        loop {
            let done = self.ended || self.failed.is_some();
            if self.text.len() >= BLOCK || done {
                if let Some(last) = memchr::memrchr(b'\n', &self.text[self.searched..]) {
                    return Ok(Some(self.give(self.searched + last + 1)));
                }
                self.searched = self.text.len();
                if let Some(error) = &self.failed {
                    return Err(error.clone());
                }
                if done {
                    return Ok((!self.text.is_empty()).then(|| self.give(self.text.len())));
                }
                if self.text.len() > LONGEST_LINE {
                    let error = ComponentError::new(format!(
                        "{}: the line at byte {} is longer than {} MiB",
                        self.path,
                        self.offset,
                        LONGEST_LINE >> 20
                    ));
                    return Err(error.hint("the file must contain one event or one API page per line"));
                }
            }
            if let Err(error) = self.fill().await {
                self.failed = Some(error);
            }
        }
    }

    fn give(&mut self, length: usize) -> Block {
        let mut rest = buffers::take(BLOCK + BLOCK / 16);
        rest.extend_from_slice(&self.text[length..]);
        self.text.truncate(length);
        let block = Block { offset: self.offset, bytes: std::mem::replace(&mut self.text, rest) };
        self.offset += length as u64;
        self.searched = 0;
        block
    }

    /// Reads and decodes some more.
    async fn fill(&mut self) -> Result<(), ComponentError> {
        if self.used == self.input.len() && !self.unpacker.has_more() {
            let buffer = std::mem::take(&mut self.input);
            let left = usize::try_from(self.opened.len - self.read).unwrap_or(usize::MAX);
            self.input = self
                .file
                .read_into(self.read, left.min(READ), buffer)
                .await
                .map_err(|error| self.error("can't be read", &error))?;
            self.used = 0;
            self.read += self.input.len() as u64;
            if self.input.is_empty() && left > 0 {
                let _ = self.unpacker.finish(&mut self.text);
                let message = format!("{} was cut to {} bytes while it was read", self.path, self.read);
                return Err(ComponentError::new(message).hint(
                    "run it again: what is left is read on if the old content is kept under a name that `paths` match",
                ));
            }
        }
        let result = if self.input.is_empty() && !self.unpacker.has_more() {
            self.ended = true;
            // A file without any bytes is an empty text in every format.
            if self.read == 0 { Ok(()) } else { self.finish().await }
        } else {
            let used = self.unpacker.unpack(&self.input[self.used..], &mut self.text, BLOCK);
            used.map(|used| self.used += used)
        };
        self.pass_over();
        result.map_err(|error| self.error("is damaged", &error))
    }

    /// A packed file that ends in the middle is damaged, unless somebody is still writing it: the rest comes later.
    async fn finish(&mut self) -> io::Result<()> {
        match self.unpacker.finish(&mut self.text) {
            Err(error) if self.file.stat().await?.len <= self.opened.len => Err(error),
            _ => Ok(()),
        }
    }

    fn pass_over(&mut self) {
        if self.offset < self.start {
            let ahead = usize::try_from(self.start - self.offset).unwrap_or(usize::MAX).min(self.text.len());
            self.text.drain(..ahead);
            self.offset += ahead as u64;
        }
    }

    fn error(&self, what: &str, error: &io::Error) -> ComponentError {
        let at = if self.unpacker.is_plain() || self.read == 0 {
            format!("at byte {}", self.read)
        } else {
            let text = self.offset + self.text.len() as u64;
            format!("before byte {} (after {text} bytes of text)", self.read)
        };
        ComponentError::new(format!("{} {what} {at}: {error}", self.path))
            .hint("replace the file with an intact copy; reading continues where it stopped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nordpass_env::{Disk as _, MemoryDisk};
    use std::io::Write;
    use std::path::Path;

    fn packed(path: &str, parts: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        for part in parts {
            if path.as_bytes().ends_with(b".gz") {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
                encoder.write_all(part).unwrap();
                file.extend(encoder.finish().unwrap());
            } else if path.as_bytes().ends_with(b".zst") {
                file.extend(zstd::encode_all(*part, 1).unwrap());
            } else {
                file.extend_from_slice(part);
            }
        }
        file
    }

    fn on(disk: &MemoryDisk) -> Locations {
        Locations::disk(std::sync::Arc::new(disk.clone()))
    }

    async fn read(disk: &MemoryDisk, path: &str, start: u64) -> (Vec<Block>, Option<ComponentError>) {
        let mut reader = match Reader::open(&on(disk), path).await {
            Ok(reader) => reader,
            Err(error) => return (Vec::new(), Some(error)),
        };
        reader.rewind(start);
        let mut blocks = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(block)) => blocks.push(block),
                Ok(None) => return (blocks, None),
                Err(error) => return (blocks, Some(error)),
            }
        }
    }

    fn text() -> Vec<u8> {
        (0..100_000).flat_map(|number: u32| format!("{{\"n\":{number}}}\n").into_bytes()).collect()
    }

    #[tokio::test]
    async fn blocks_are_whole_lines_from_any_offset() {
        let text = text();
        let half = text.len() / 2;
        for path in ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"] {
            let disk = MemoryDisk::new();
            disk.put(path, packed(path, &[&text[..half], b"", &text[half..], b"last"]));
            for start in [0, 1, half, text.len() + 4] {
                let (blocks, error) = read(&disk, path, start as u64).await;
                assert_eq!(error, None);
                let mut offset = start as u64;
                for (number, block) in blocks.iter().enumerate() {
                    assert_eq!(block.offset, offset);
                    assert!(
                        block.bytes.len() < 3 * BLOCK && (block.bytes.ends_with(b"\n") || number + 1 == blocks.len())
                    );
                    offset += block.bytes.len() as u64;
                }
                let whole: Vec<u8> = blocks.into_iter().flat_map(|block| block.bytes).collect();
                assert!(whole == [&text[..], b"last"].concat()[start..], "{path} from {start}");
            }
        }
    }

    #[tokio::test]
    async fn much_text_in_few_bytes_stays_bounded() {
        let line = [&vec![b' '; 100_000][..], b"\n"].concat();
        let text = line.repeat(500);
        for path in ["a.gz", "a.zst"] {
            let disk = MemoryDisk::new();
            disk.put(path, packed(path, &[&text]));
            let (blocks, error) = read(&disk, path, 0).await;
            assert_eq!(error, None);
            assert!(blocks.iter().all(|block| block.bytes.len() < 3 * BLOCK), "{path}");
            assert_eq!(blocks.iter().map(|block| block.bytes.len()).sum::<usize>(), text.len());
        }
    }

    #[tokio::test]
    async fn a_long_line_and_one_too_long() {
        let disk = MemoryDisk::new();
        disk.put("long", [&vec![b'x'; 20 << 20][..], b"\nshort\n"].concat());
        let (blocks, error) = read(&disk, "long", 0).await;
        assert_eq!((blocks.iter().map(|block| block.bytes.len()).sum::<usize>(), error), ((20 << 20) + 7, None));
        disk.put("longer", [b"short\n", &vec![b'x'; 33 << 20][..], b"\n"].concat());
        let (blocks, error) = read(&disk, "longer", 0).await;
        assert!(error.unwrap().message.contains("longer: the line at byte 6 is longer than 32 MiB"));
        assert_eq!(blocks.len(), 1, "what comes before it is given");
    }

    #[tokio::test]
    async fn damage_comes_after_what_is_whole() {
        let text = text();
        for path in ["a.gz", "a.zst"] {
            let disk = MemoryDisk::new();
            let mut file = packed(path, &[&text, &text]);
            let cut = file.len() - 10;
            disk.put(path, file[..cut].to_vec());
            let (blocks, error) = read(&disk, path, 0).await;
            let error = error.expect("it ends in the middle");
            assert!(error.message.contains(path) && error.message.contains("is damaged before byte"), "{error}");
            let length: usize = blocks.iter().map(|block| block.bytes.len()).sum();
            assert!(length > text.len() && blocks.last().unwrap().bytes.ends_with(b"\n"), "{path}: {length}");
            let second = file.len() / 2;
            file[second..second + 40].fill(0xff);
            disk.put(path, file);
            let (blocks, error) = read(&disk, path, 0).await;
            assert!(error.is_some() && blocks.iter().all(|block| block.bytes.ends_with(b"\n")));
        }
        let (_, error) = read(&MemoryDisk::new(), "gone.ndjson", 0).await;
        assert!(error.unwrap().message.starts_with("can't read gone.ndjson"));
    }

    #[tokio::test]
    async fn a_file_is_what_its_bytes_are_whatever_its_name_says() {
        let text = text();
        let utf16: Vec<u8> = text.iter().flat_map(|&byte| [byte, 0]).collect();
        let (gzip, zstd) = (packed("x.gz", &[&text[..99], &text[99..]]), packed("x.zst", &[&text]));
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd].concat();
        for content in [text.clone(), gzip, packed("x.gz", &[&utf16]), zstd, skipped, utf16] {
            for path in ["a.ndjson", "a.GZ", "a.gz", "a.zst"] {
                let disk = MemoryDisk::new();
                disk.put(path, content.clone());
                let (blocks, error) = read(&disk, path, 0).await;
                let found: Vec<u8> = blocks.into_iter().flat_map(|block| block.bytes).collect();
                assert!(error.is_none() && found == text, "{path}");
            }
        }
    }

    #[tokio::test]
    async fn it_reads_up_to_the_size_that_the_file_had() {
        let disk = MemoryDisk::new();
        let (first, second) = (b"{\"a\":1}\n{\"b\"".to_vec(), b":2}\n".to_vec());
        for path in ["a.ndjson", "a.gz", "a.zst"] {
            let whole = packed(path, &[&[&first[..], &second].concat()]);
            let cut = if path == "a.ndjson" { first.len() } else { whole.len() - 5 };
            disk.put(path, whole[..cut].to_vec());
            let mut reader = Reader::open(&on(&disk), path).await.unwrap();
            disk.append(Path::new(path), &whole[cut..]).await.unwrap();
            let mut blocks = Vec::new();
            while let Some(block) = reader.next().await.expect("it is still being written") {
                blocks.push(block);
            }
            assert_eq!((reader.bytes_read(), blocks[0].offset), (cut as u64, 0));
            assert!(blocks[0].bytes.starts_with(b"{\"a\":1}\n"), "{path}");
            // Renamed or replaced meanwhile: it is still the same file.
            reader.rewind(0);
            disk.put(path, b"another".to_vec());
            assert_eq!(reader.next().await.unwrap().as_ref(), blocks.first());
        }
        disk.put("b", b"{}\n".repeat(3));
        let mut reader = Reader::open(&on(&disk), "b").await.unwrap();
        disk.truncate(Path::new("b"), 3).await.unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap().bytes, b"{}\n");
        assert!(reader.next().await.unwrap_err().message.contains("b was cut to 3 bytes while it was read"));
    }
}
