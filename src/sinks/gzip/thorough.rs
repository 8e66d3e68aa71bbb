//! All levels but 1: libdeflate, which wants the whole text at once and makes better use of it.

use std::cell::RefCell;

use bytes::Bytes;
use libdeflater::{CompressionLvl, Compressor};

use crate::event::buffers::{self, Lent};

/// The compressors that a thread keeps: one for each level in use, which is a sink's.
const KEPT_LEVELS: usize = 2;
/// The longest buffer that a thread keeps: a batch is shorter.
const KEPT_BYTES: usize = 2 << 20;

thread_local! {
    /// What this thread last used.
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
    /// Where a text is put together.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A compressor that is used again.
struct Kept {
    level: u32,
    compressor: Compressor,
    /// Holds the longest possible output, of which most is short.
    out: Vec<u8>,
}

/// A member while it is made.
pub(super) struct Thorough {
    level: u32,
    text: Vec<u8>,
}

impl Thorough {
    pub fn new(level: u32) -> Self {
        let mut text = TEXT.take();
        text.clear();
        Self { level, text }
    }

    pub fn write(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// The whole member.
    pub fn finish(self) -> Bytes {
        let member = compress(&self.text, self.level);
        if self.text.capacity() <= KEPT_BYTES {
            TEXT.set(self.text);
        }
        member
    }
}

/// One member of this text.
pub(super) fn compress(text: &[u8], level: u32) -> Bytes {
    let kept = KEPT.with_borrow_mut(|kept| {
        let index = kept.iter().position(|kept| kept.level == level)?;
        Some(kept.remove(index))
    });
    let mut kept = kept.unwrap_or_else(|| {
        // Between zlib-rs at level 1 and libdeflate at level 2 there is nothing but libdeflate at level 1.
        let own = if level == 2 { 1 } else { i32::try_from(level).unwrap_or(i32::MAX) };
        let compressor = Compressor::new(CompressionLvl::new(own).unwrap_or_default());
        Kept { level, compressor, out: Vec::new() }
    });
    let longest = kept.compressor.gzip_compress_bound(text.len());
    if kept.out.len() < longest {
        kept.out.resize(longest, 0);
    }
    // The only error is too little room.
    let length = kept.compressor.gzip_compress(text, &mut kept.out).expect("the output has room for any text");
    let mut member = buffers::take(length);
    member.extend_from_slice(&kept.out[..length]);
    if kept.out.capacity() > KEPT_BYTES {
        kept.out = Vec::new();
    }
    KEPT.with_borrow_mut(|all| {
        all.truncate(KEPT_LEVELS - 1);
        all.insert(0, kept);
    });
    Lent::bytes(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file sink made a compressor for each append: 5 GB of memory were cleared and freed in one run.
    #[test]
    fn two_sinks_levels_keep_their_compressors_and_no_more_are_kept() {
        let levels = || KEPT.with_borrow(|kept| kept.iter().map(|kept| kept.level).collect::<Vec<_>>());
        KEPT.take();
        for level in [2, 4, 2, 4] {
            compress(b"", level);
        }
        assert_eq!(levels(), [4, 2]);
        compress(b"", 6);
        assert_eq!(levels(), [6, 4]);
    }

    #[test]
    fn what_is_too_long_to_be_kept_is_given_back() {
        let noise = super::super::tests::text(3_000_000, b"");
        for level in [0, 2, 6] {
            let mut member = Thorough::new(level);
            member.write(&noise);
            assert!(super::super::tests::unpacked(&member.finish()) == noise, "level {level}");
            assert!(KEPT.with_borrow(|kept| kept[0].out.is_empty()) && TEXT.with_borrow(Vec::is_empty));
        }
    }
}
