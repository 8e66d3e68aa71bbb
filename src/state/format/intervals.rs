//! A set of chunk numbers, kept as intervals: chunks are committed nearly in order, so a long run is a few numbers.

use super::bytes::{Reader, varint};

/// Numbers as sorted, separate half-open intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// Adds a number. `u64::MAX` can't be kept, and no run of the program counts that far.
    pub fn insert(&mut self, number: u64) {
        let Some(end) = number.checked_add(1) else { return };
        let next = self.0.partition_point(|&(start, _)| start <= number);
        let joins_previous = next > 0 && self.0[next - 1].1 >= number;
        if joins_previous && self.0[next - 1].1 > number {
            return;
        }
        let joins_next = self.0.get(next).is_some_and(|&(start, _)| start == end);
        match (joins_previous, joins_next) {
            (true, true) => {
                self.0[next - 1].1 = self.0[next].1;
                self.0.remove(next);
            }
            (true, false) => self.0[next - 1].1 = end,
            (false, true) => self.0[next].0 = number,
            (false, false) => self.0.insert(next, (number, end)),
        }
    }

    /// Whether the number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let next = self.0.partition_point(|&(start, _)| start <= number);
        next > 0 && self.0[next - 1].1 > number
    }

    /// Writes the intervals as the gaps before them and their lengths, which are small numbers.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint(out, self.0.len() as u64);
        let mut at = 0;
        for &(start, end) in &self.0 {
            varint(out, start - at);
            varint(out, end - start);
            at = end;
        }
    }

    /// Reads what [`Intervals::encode`] wrote; `None` for anything else.
    pub fn decode(reader: &mut Reader) -> Option<Self> {
        let count = reader.varint()?;
        let mut intervals = Vec::new();
        let mut at: u64 = 0;
        for number in 0..count {
            let gap = reader.varint()?;
            let len = reader.varint()?;
            if len == 0 || (gap == 0 && number > 0) {
                return None;
            }
            let start = at.checked_add(gap)?;
            at = start.checked_add(len)?;
            intervals.push((start, at));
        }
        Some(Self(intervals))
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
                intervals.insert(number);
                set.insert(number);
            }
            let mut bytes = Vec::new();
            intervals.encode(&mut bytes);
            prop_assert_eq!(Intervals::decode(&mut Reader::new(&bytes)), Some(intervals.clone()));
            for number in 0..210 {
                prop_assert_eq!(intervals.contains(number), set.contains(&number));
            }
            prop_assert!(intervals.0.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }

    #[test]
    fn a_long_run_is_a_few_bytes() {
        let mut intervals = Intervals::default();
        (0..100_000).for_each(|number| intervals.insert(number));
        let mut bytes = Vec::new();
        intervals.encode(&mut bytes);
        assert!(bytes.len() <= 5);
    }
}
