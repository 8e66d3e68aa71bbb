//! Gzip with compressors that are used again: one takes about 300 KB of memory that has to be cleared first.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::event::buffers::{self, Lent};

/// The window's size in bits: the largest, as usual.
const WINDOW_BITS: u8 = 15;
/// The output grows by at least this many bytes.
const GROWTH: usize = 32 << 10;
/// How much is compressed at once, and the free capacity that the output always has for it. Levels 5 and 6 choose other
/// matches where the output ends in the middle, so with less, equal rows would be other bytes in another run.
const PIECE: usize = 16 << 10;
const SPARE_BYTES: usize = PIECE + 4 * GROWTH;

/// The compressors that a thread keeps: one for each level in use, which is a sink's.
const KEPT_LEVELS: usize = 2;

thread_local! {
    /// The compressors that this thread last used.
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// A compressor that is used again.
struct Kept {
    level: u32,
    compress: Compress,
    /// How long its output was, in bytes.
    length: usize,
}

/// One gzip member while it is made.
pub struct Gzip {
    level: u32,
    compress: Compress,
    out: Vec<u8>,
}

impl Gzip {
    /// An empty one; levels from 0 to 9.
    pub fn new(level: u32) -> Self {
        let kept = KEPT.with_borrow_mut(|kept| {
            let index = kept.iter().position(|kept| kept.level == level)?;
            Some(kept.remove(index))
        });
        let (compress, length) = match kept {
            Some(Kept { mut compress, length, .. }) => {
                compress.reset();
                (compress, length)
            }
            None => (Compress::new_gzip(Compression::new(level), WINDOW_BITS), GROWTH),
        };
        // One batch is about as long as the one before.
        Self { level, compress, out: buffers::take(length + length / 8 + SPARE_BYTES) }
    }

    /// Adds text.
    pub fn write(&mut self, input: &[u8]) {
        for mut piece in input.chunks(PIECE) {
            while !piece.is_empty() {
                let before = self.compress.total_in();
                self.step(piece, FlushCompress::None);
                let taken = usize::try_from(self.compress.total_in() - before).unwrap_or(usize::MAX);
                piece = piece.get(taken..).unwrap_or_default();
            }
        }
    }

    /// The whole member.
    pub fn finish(mut self) -> Bytes {
        while self.step(&[], FlushCompress::Finish) != Status::StreamEnd {}
        let last = Kept { level: self.level, compress: self.compress, length: self.out.len() };
        KEPT.with_borrow_mut(|kept| {
            kept.truncate(KEPT_LEVELS - 1);
            kept.insert(0, last);
        });
        Lent::bytes(self.out)
    }

    /// One call, with capacity for what it may write.
    fn step(&mut self, input: &[u8], flush: FlushCompress) -> Status {
        if self.out.capacity() - self.out.len() < SPARE_BYTES {
            self.out.reserve(SPARE_BYTES.max(self.out.len() / 4));
        }
        // There is nothing about its input that a compressor could refuse.
        self.compress.compress_vec(input, &mut self.out, flush).expect("deflate takes any bytes")
    }
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

    proptest! {
        #[test]
        fn what_goes_in_comes_out(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..20), level in 0..=9u32) {
            // Twice: the second one uses the first one's compressor.
            for _ in 0..2 {
                let mut gzip = Gzip::new(level);
                for part in &parts {
                    gzip.write(part);
                }
                prop_assert_eq!(unpacked(&gzip.finish()), parts.concat());
            }
        }
    }

    /// 700 kB that compress a little.
    fn text() -> Vec<u8> {
        let mut state = 1u64;
        let letters = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b"abcdefgh{}\",:01"[usize::from(state.to_be_bytes()[0] % 15)]
        });
        letters.take(700_000).collect()
    }

    /// The pool gives buffers of another size where another thread has left one.
    #[test]
    fn equal_input_is_equal_output_whatever_room_there_is() {
        let text = text();
        for level in 0..=9 {
            let packed = |capacity: usize| {
                let compress = Compress::new_gzip(Compression::new(level), WINDOW_BITS);
                let mut gzip = Gzip { level, compress, out: Vec::with_capacity(capacity) };
                for part in [&text[..3], &text[3..200_000], &text[200_000..]] {
                    gzip.write(part);
                }
                gzip.finish()
            };
            let first = packed(0);
            for capacity in (1..40).map(|number| number * 9_973) {
                assert!(packed(capacity) == first, "level {level} with a capacity of {capacity} bytes");
            }
        }
    }

    /// Simulated worlds 2160 and 4160: two runs of one seed differed in the lengths of bodies.
    #[test]
    fn equal_input_is_equal_output_whatever_was_compressed_before() {
        let text = text();
        let packed = |level: u32, parts: &[&[u8]]| {
            let mut gzip = Gzip::new(level);
            parts.iter().copied().for_each(|part| gzip.write(part));
            gzip.finish()
        };
        for level in 0..=9 {
            let parts: [&[u8]; 4] = [&text[..3], &text[3..200_000], &text[200_000..200_001], &text[200_001..]];
            KEPT.take();
            let first = packed(level, &parts);
            for before in [&text[..0], &text[..50_000], &text[..]] {
                packed(level, &[before]);
                assert!(packed(level, &parts) == first, "level {level} after {} bytes", before.len());
            }
        }
    }

    /// The file sink made a compressor for each append: 5 GB of memory were cleared and freed in one run.
    #[test]
    fn two_sinks_levels_keep_their_compressors_and_no_more_are_kept() {
        let levels = || KEPT.with_borrow(|kept| kept.iter().map(|kept| kept.level).collect::<Vec<_>>());
        KEPT.take();
        for level in [2, 4, 2, 4] {
            let gzip = Gzip::new(level);
            assert!(!levels().contains(&level), "it is in use");
            gzip.finish();
        }
        assert_eq!(levels(), [4, 2]);
        Gzip::new(6).finish();
        assert_eq!(levels(), [6, 4]);
    }

    #[test]
    fn a_compressor_that_was_left_in_the_middle_is_not_used_again() {
        let mut left = Gzip::new(6);
        left.write(&vec![7; 100_000]);
        drop(left);
        let mut gzip = Gzip::new(6);
        gzip.write(b"whole");
        assert_eq!(unpacked(&gzip.finish()), b"whole");
    }

    #[test]
    fn bytes_that_cannot_be_compressed_get_the_room_that_they_need() {
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(3_000_000)
        .collect();
        for level in [0, 1, 6] {
            let mut gzip = Gzip::new(level);
            gzip.write(&noise);
            assert!(unpacked(&gzip.finish()) == noise, "level {level}");
        }
    }
}
