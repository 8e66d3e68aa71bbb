//! A response's body while it is read.

use std::io::Read;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::memory::{AnswerMemory, BLOCK, NoMemory};

/// One buffer. Behind its first block it has room for all that may come, which costs memory only once it is written to; so it
/// never doubles, and is never copied.
pub struct Body {
    read: BytesMut,
    /// How long it can get.
    most: usize,
    /// How much of it there is memory for.
    room: usize,
    memory: AnswerMemory,
}

impl Body {
    /// An empty one, of at most `limit` bytes. Not all of what is announced is made room for: a server's word alone must not
    /// make us allocate it.
    pub fn announced(bytes: Option<u64>, limit: usize) -> Self {
        let most = bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(limit).min(limit);
        let read = BytesMut::with_capacity(most.min(BLOCK));
        Self { read, most, room: BLOCK, memory: AnswerMemory::default() }
    }

    /// How long it is so far, in bytes.
    pub fn len(&self) -> usize {
        self.read.len()
    }

    /// Adds a part, once there is memory for it.
    pub async fn push(&mut self, part: &[u8], patience: Duration) -> Result<(), NoMemory> {
        while self.len() + part.len() > self.room {
            self.memory.take_block(patience).await?;
            if self.room == BLOCK {
                self.read.reserve(self.most.saturating_sub(self.len()));
            }
            self.room += BLOCK;
        }
        self.read.extend_from_slice(part);
        Ok(())
    }

    /// All of it, and the memory that it took.
    pub fn finish(self) -> (Bytes, AnswerMemory) {
        (self.read.freeze(), self.memory)
    }
}

/// Why a compressed body wasn't read.
#[derive(Debug)]
pub enum GunzipError {
    /// It is longer than the limit, or there was no memory for it in time.
    TooLarge,
    /// It isn't gzip, or it isn't whole.
    Damaged,
}

/// Whether a body begins as gzip does, which no JSON does.
pub fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

/// The content of a gzip body, at most `limit` bytes of it.
pub async fn gunzip(body: &[u8], limit: usize, patience: Duration) -> Result<(Bytes, AnswerMemory), GunzipError> {
    let mut decoder = flate2::read::MultiGzDecoder::new(body);
    let (mut whole, mut part) = (Body::announced(None, limit), vec![0; 64 << 10]);
    loop {
        match decoder.read(&mut part) {
            Ok(0) => return Ok(whole.finish()),
            Ok(length) if whole.len() + length > limit => return Err(GunzipError::TooLarge),
            Ok(length) => {
                let read = part.get(..length).unwrap_or_default();
                whole.push(read, patience).await.map_err(|NoMemory| GunzipError::TooLarge)?;
            }
            Err(_) => return Err(GunzipError::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_come_together_in_order() {
        for (announced, parts) in
            [(Some(0), vec![]), (Some(3), vec![3]), (Some(u64::MAX), vec![BLOCK - 1, 1, 1]), (None, vec![3 * BLOCK, 7])]
        {
            let mut body = Body::announced(announced, 4 * BLOCK);
            let mut expected = Vec::new();
            for (number, length) in parts.into_iter().enumerate() {
                let part = vec![u8::try_from(number).unwrap(); length];
                body.push(&part, Duration::ZERO).await.expect("memory");
                expected.extend(part);
                assert_eq!(body.len(), expected.len());
            }
            assert_eq!(body.finish().0, expected);
        }
    }
    /// A kilobyte that says that it is a gigabyte.
    #[tokio::test]
    async fn a_gzip_bomb_ends_at_the_limit() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, &vec![b' '; 3 * BLOCK]).expect("written");
        let bomb = encoder.finish().expect("finished");
        let patience = Duration::from_secs(30);
        assert!(is_gzip(&bomb));
        assert!(matches!(gunzip(&bomb, 2 * BLOCK, patience).await, Err(GunzipError::TooLarge)));
        assert_eq!(gunzip(&bomb, 3 * BLOCK, patience).await.expect("whole").0.len(), 3 * BLOCK);
        assert!(matches!(gunzip(&bomb[..bomb.len() - 9], BLOCK * 3, patience).await, Err(GunzipError::Damaged)));
    }
}
