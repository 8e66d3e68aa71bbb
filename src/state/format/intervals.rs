//! A set of chunk numbers, kept as intervals. Chunks are committed nearly in order, so a long run takes few numbers.

use std::ops::Range;

use super::bytes::{Reader, varint};
use super::ranges::Ranges;

/// Chunk numbers.
pub type Intervals = Ranges<u64>;

impl Intervals {
    /// Encodes the intervals as gaps and lengths, which are small numbers.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint(out, self.iter().len() as u64);
        let mut at = 0;
        for &Range { start, end } in self.iter() {
            varint(out, start - at);
            varint(out, end - start);
            at = end;
        }
    }

    /// Reads what [`Intervals::encode`] wrote; `None` for anything else.
    pub fn decode(reader: &mut Reader) -> Option<Self> {
        let count = reader.varint()?;
        let mut intervals = Self::default();
        let mut at: u64 = 0;
        for number in 0..count {
            let gap = reader.varint()?;
            let len = reader.varint()?;
            if len == 0 || (gap == 0 && number > 0) {
                return None;
            }
            let start = at.checked_add(gap)?;
            at = start.checked_add(len)?;
            intervals.insert(start..at);
        }
        Some(intervals)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set_and_survives_encoding(numbers in proptest::collection::vec(0u64..200, 0..150)) {
            let mut intervals = Intervals::default();
            let mut set = std::collections::BTreeSet::new();
            for number in numbers {
                intervals.insert(number..number + 1);
                set.insert(number);
            }
            let mut bytes = Vec::new();
            intervals.encode(&mut bytes);
            prop_assert_eq!(Intervals::decode(&mut Reader::new(&bytes)), Some(intervals.clone()));
            for number in 0..210 {
                prop_assert_eq!(intervals.contains(number), set.contains(&number));
            }
        }
    }

    #[test]
    fn a_long_run_is_a_few_bytes() {
        let mut intervals = Intervals::default();
        (0..100_000).for_each(|number| intervals.insert(number..number + 1));
        let mut bytes = Vec::new();
        intervals.encode(&mut bytes);
        assert!(bytes.len() <= 5);
    }
}
