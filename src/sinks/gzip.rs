//! Gzip, a whole member at once, with compressors and buffers that are used again.
//!
//! At level 1, libdeflate is faster than zlib-rs and its output is as short as that of zlib-rs at level 2
//! ([ADR 0034](../../docs/adr/0034-libdeflate-for-gzip.md)). It wants the whole text, which a batch has.

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

/// One gzip member of this text, at a level from 0 to 9.
pub fn compress(text: &[u8], level: u32) -> Bytes {
    compressed(text, level, |member| {
        let mut bytes = buffers::take(member.len());
        bytes.extend_from_slice(member);
        Lent::bytes(bytes)
    })
}

/// The same of a text that `write` puts together. Returns its length, too.
pub fn compress_written(level: u32, write: impl FnOnce(&mut Vec<u8>)) -> (Bytes, usize) {
    let mut text = TEXT.take();
    text.clear();
    write(&mut text);
    let member = compress(&text, level);
    let length = text.len();
    if text.capacity() <= KEPT_BYTES {
        TEXT.set(text);
    }
    (member, length)
}

/// One gzip member of this text in memory of its own.
pub fn compress_to_vec(text: &[u8], level: u32) -> Vec<u8> {
    compressed(text, level, <[u8]>::to_vec)
}

fn compressed<T>(text: &[u8], level: u32, take: impl FnOnce(&[u8]) -> T) -> T {
    let kept = KEPT.with_borrow_mut(|kept| {
        let index = kept.iter().position(|kept| kept.level == level)?;
        Some(kept.remove(index))
    });
    let mut kept = kept.unwrap_or_else(|| {
        let wanted = i32::try_from(level).ok().and_then(|level| CompressionLvl::new(level).ok());
        Kept { level, compressor: Compressor::new(wanted.unwrap_or_default()), out: Vec::new() }
    });
    let longest = kept.compressor.gzip_compress_bound(text.len());
    if kept.out.len() < longest {
        kept.out.resize(longest, 0);
    }
    // The only error is too little room.
    let length = kept.compressor.gzip_compress(text, &mut kept.out).expect("the output has room for any text");
    let member = take(&kept.out[..length]);
    if kept.out.capacity() > KEPT_BYTES {
        kept.out = Vec::new();
    }
    KEPT.with_borrow_mut(|all| {
        all.truncate(KEPT_LEVELS - 1);
        all.insert(0, kept);
    });
    member
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn unpacked(packed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).expect("gzip");
        bytes
    }

    /// Bytes that compress a little, or not at all.
    fn text(length: usize, letters: &[u8]) -> Vec<u8> {
        let mut state = 1u64;
        let letters = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let byte = state.to_be_bytes()[0];
            if letters.is_empty() { byte } else { letters[usize::from(byte) % letters.len()] }
        });
        letters.take(length).collect()
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..20), level in 0..=9u32) {
            let text = parts.concat();
            let (member, length) = compress_written(level, |out| parts.iter().for_each(|part| out.extend_from_slice(part)));
            prop_assert_eq!(unpacked(&member), &text[..]);
            prop_assert_eq!(length, text.len());
            prop_assert_eq!(compress_to_vec(&text, level), compress(&text, level));
        }
    }

    /// Simulated worlds 2160 and 4160: two runs of one seed differed in the lengths of bodies.
    #[test]
    fn equal_input_is_equal_output_whatever_was_compressed_before() {
        let text = text(700_000, b"abcdefgh{}\",:01");
        for level in 0..=9 {
            KEPT.take();
            let first = compress(&text, level);
            for before in [&text[..0], &text[..50_000], &text[..]] {
                compress(before, level);
                assert!(compress(&text, level) == first, "level {level} after {} bytes", before.len());
            }
        }
    }

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
        let noise = text(3_000_000, b"");
        for level in [0, 1, 6] {
            let (member, _) = compress_written(level, |out| out.extend_from_slice(&noise));
            assert!(unpacked(&member) == noise, "level {level}");
            assert!(KEPT.with_borrow(|kept| kept[0].out.is_empty()) && TEXT.with_borrow(Vec::is_empty));
        }
    }
}
