//! Gzip members of batches, with compressors and buffers that are used again.
//!
//! | level | compressor |
//! |---|---|
//! | 0, 3 to 9 | libdeflate at the same level |
//! | 1 | zlib-rs at its level 1: the least processor time |
//! | 2 | libdeflate at its level 1: a quarter shorter for half as much time again |
//!
//! [ADR 0034](../../../docs/adr/0034-libdeflate-for-gzip.md) has the measurements.

mod fastest;
mod thorough;

use bytes::Bytes;

use self::fastest::Fastest;
use self::thorough::Thorough;

/// A gzip member while it is made.
pub struct Member {
    engine: Engine,
    /// Bytes before compression.
    length: usize,
}

enum Engine {
    Fastest(Fastest),
    Thorough(Thorough),
}

impl Member {
    /// An empty one; levels from 0 to 9.
    pub fn new(level: u32) -> Self {
        let engine = if level == 1 { Engine::Fastest(Fastest::new()) } else { Engine::Thorough(Thorough::new(level)) };
        Self { engine, length: 0 }
    }

    /// Adds text.
    pub fn write(&mut self, text: &[u8]) {
        self.length += text.len();
        match &mut self.engine {
            Engine::Fastest(engine) => engine.write(text),
            Engine::Thorough(engine) => engine.write(text),
        }
    }

    /// How many bytes were written, before compression.
    pub fn len(&self) -> usize {
        self.length
    }

    /// The whole member.
    pub fn finish(self) -> Bytes {
        match self.engine {
            Engine::Fastest(engine) => engine.finish(),
            Engine::Thorough(engine) => engine.finish(),
        }
    }
}

/// One gzip member of this text, at a level from 0 to 9.
pub fn compress(text: &[u8], level: u32) -> Bytes {
    if level != 1 {
        return thorough::compress(text, level);
    }
    let mut member = Member::new(level);
    member.write(text);
    member.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    pub fn unpacked(packed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).expect("gzip");
        bytes
    }

    /// Bytes that compress a little, or not at all.
    pub fn text(length: usize, letters: &[u8]) -> Vec<u8> {
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
        fn what_goes_in_comes_out(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9_000), 0..20), level in 0..=9u32) {
            let text = parts.concat();
            let mut member = Member::new(level);
            for part in &parts {
                member.write(part);
            }
            prop_assert_eq!(member.len(), text.len());
            prop_assert_eq!(unpacked(&member.finish()), &text[..]);
            prop_assert_eq!(unpacked(&compress(&text, level)), &text[..]);
        }
    }

    /// Simulated worlds 2160 and 4160: two runs of one seed differed in the lengths of bodies.
    #[test]
    fn equal_input_is_equal_output_whatever_was_compressed_before() {
        let text = text(700_000, b"abcdefgh{}\",:01");
        for level in 0..=9 {
            let first = std::thread::spawn({
                let text = text.clone();
                move || compress(&text, level)
            });
            let first = first.join().expect("no panic");
            for before in [&text[..0], &text[..50_000], &text[..]] {
                compress(before, level);
                assert!(compress(&text, level) == first, "level {level} after {} bytes", before.len());
            }
        }
    }
}
