//! Level 1: zlib-rs at its own level 1. It compresses what is written at once, while that is in the processor's cache.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::event::buffers::{self, Lent};

/// The window's size in bits: the largest, as usual.
const WINDOW_BITS: u8 = 15;
/// The output grows by at least this many bytes.
const GROWTH: usize = 32 << 10;
/// How much is compressed at once, and the free capacity that the output always has for it. zlib may choose other matches where
/// the output ends in the middle, so with less, equal rows could be other bytes in another run.
const PIECE: usize = 16 << 10;
const SPARE_BYTES: usize = PIECE + 4 * GROWTH;
/// Short pieces are collected, which is faster than many small writes.
const STAGE_BYTES: usize = 4 << 10;

thread_local! {
    /// The compressor that this thread last used: one takes about 300 KB of memory that has to be cleared first.
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// A compressor that is used again.
struct Kept {
    compress: Compress,
    stage: Vec<u8>,
    /// How long its output was, in bytes.
    length: usize,
}

/// A member while it is made.
pub(super) struct Fastest {
    compress: Compress,
    stage: Vec<u8>,
    out: Vec<u8>,
}

impl Fastest {
    pub fn new() -> Self {
        let new = || Kept {
            compress: Compress::new_gzip(Compression::new(1), WINDOW_BITS),
            stage: Vec::new(),
            length: GROWTH,
        };
        let Kept { mut compress, stage, length } = KEPT.take().unwrap_or_else(new);
        compress.reset();
        // One batch is about as long as the one before.
        Self { compress, stage, out: buffers::take(length + length / 8 + SPARE_BYTES) }
    }

    pub fn write(&mut self, text: &[u8]) {
        if self.stage.len() + text.len() <= STAGE_BYTES {
            self.stage.extend_from_slice(text);
            return;
        }
        self.flush();
        self.take(text);
    }

    /// The whole member.
    pub fn finish(mut self) -> Bytes {
        self.flush();
        while self.step(&[], FlushCompress::Finish) != Status::StreamEnd {}
        KEPT.set(Some(Kept { compress: self.compress, stage: self.stage, length: self.out.len() }));
        Lent::bytes(self.out)
    }

    fn flush(&mut self) {
        let mut stage = std::mem::take(&mut self.stage);
        self.take(&stage);
        stage.clear();
        self.stage = stage;
    }

    fn take(&mut self, text: &[u8]) {
        for mut piece in text.chunks(PIECE) {
            while !piece.is_empty() {
                let before = self.compress.total_in();
                self.step(piece, FlushCompress::None);
                let taken = usize::try_from(self.compress.total_in() - before).unwrap_or(usize::MAX);
                piece = piece.get(taken..).unwrap_or_default();
            }
        }
    }

    /// One call, with capacity for what it may write.
    fn step(&mut self, text: &[u8], flush: FlushCompress) -> Status {
        if self.out.capacity() - self.out.len() < SPARE_BYTES {
            self.out.reserve(SPARE_BYTES.max(self.out.len() / 4));
        }
        // There is nothing about its input that a compressor could refuse.
        self.compress.compress_vec(text, &mut self.out, flush).expect("deflate takes any bytes")
    }
}
