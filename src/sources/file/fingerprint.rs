//! What was read of a text, in sixteen bytes: how much, and a hash of it.
//!
//! A recording is known by what was read of it, not by its name. The hash is quick, and the same on every machine and in
//! every version (rapidhash v3). It tells recordings apart that differ by accident; whoever writes an operator's
//! recordings can leave events out of them anyway.

use rapidhash::v3::rapidhash_v3;

/// Hashed at once. What is shorter is copied.
const SEGMENT: usize = 4 << 10;

/// The beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// So many bytes.
    pub length: u64,
    /// Their hash.
    pub hash: u64,
}

/// Takes a fingerprint while a text is read. How the text is cut into parts doesn't matter.
#[derive(Clone, Debug, Default)]
pub struct Fingerprinter {
    length: u64,
    /// The hash of all whole segments.
    chain: u64,
    rest: Vec<u8>,
}

impl Fingerprinter {
    /// Takes the next part of the text.
    pub fn add(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.rest.is_empty() {
            let (first, later) = bytes.split_at(bytes.len().min(SEGMENT - self.rest.len()));
            self.rest.extend_from_slice(first);
            if self.rest.len() < SEGMENT {
                return;
            }
            self.chain = chained(self.chain, &self.rest);
            self.rest.clear();
            bytes = later;
        }
        let segments = bytes.chunks_exact(SEGMENT);
        self.rest.extend_from_slice(segments.remainder());
        self.chain = segments.fold(self.chain, chained);
    }

    /// Takes what begins at `offset`, of which it may have a part.
    pub fn add_at(&mut self, offset: u64, bytes: &[u8]) {
        let known = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.add(bytes.get(known..).unwrap_or_default());
    }

    /// The fingerprint of the text so far.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint { length: self.length, hash: chained(self.chain, &self.rest) }
    }
}

fn chained(chain: u64, bytes: &[u8]) -> u64 {
    let mut both = [0; 16];
    both[..8].copy_from_slice(&chain.to_le_bytes());
    both[8..].copy_from_slice(&rapidhash_v3(bytes).to_le_bytes());
    rapidhash_v3(&both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_bytes_however_they_come() {
        let text: Vec<u8> = (0..251).cycle().take(3 * SEGMENT + 7).collect();
        let of = |size: usize| {
            let mut print = Fingerprinter::default();
            text.chunks(size).for_each(|part| print.add(part));
            print.fingerprint()
        };
        let whole = of(text.len());
        for size in [1, 13, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT] {
            assert_eq!(of(size), whole, "in parts of {size}");
        }
        assert_eq!(whole, Fingerprint { length: 12_295, hash: WHOLE }, "what states hold stays valid");
        let mut again = Fingerprinter::default();
        again.add(&text[..100]);
        again.add_at(40, &text[40..90]);
        again.add_at(90, &text[90..]);
        assert_eq!(again.fingerprint(), whole);
        assert_ne!(Fingerprinter::default().fingerprint().hash, whole.hash);
    }

    const WHOLE: u64 = 14_262_417_151_833_144_968;
}
