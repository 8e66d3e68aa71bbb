//! Sets of numbers as ranges: seconds that are covered, unproven or unread; chunks that are committed.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Unix seconds.
pub type TimeRanges = Ranges<i64>;

/// A set, kept as disjoint, ascending, non-touching half-open ranges. Serialized as pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(T, T)>", into = "Vec<(T, T)>", bound = "T: Copy + Ord + Serialize + DeserializeOwned")]
pub struct Ranges<T>(Vec<Range<T>>);

impl<T: Copy + Ord> Ranges<T> {
    /// The ranges, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Range<T>> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a number is in it.
    pub fn contains(&self, number: T) -> bool {
        let at = self.0.partition_point(|known| known.end <= number);
        self.0.get(at).is_some_and(|known| known.contains(&number))
    }

    /// Adds `[from, to)`.
    pub fn insert(&mut self, range: Range<T>) {
        if range.is_empty() {
            return;
        }
        let (mut from, mut to) = (range.start, range.end);
        let first = self.0.partition_point(|known| known.end < from);
        let mut last = first;
        while let Some(known) = self.0.get(last).filter(|known| known.start <= to) {
            from = from.min(known.start);
            to = to.max(known.end);
            last += 1;
        }
        self.0.splice(first..last, std::iter::once(from..to));
    }

    /// Takes `[from, to)` out.
    pub fn remove(&mut self, range: &Range<T>) {
        if range.is_empty() {
            return;
        }
        let mut rest = Vec::with_capacity(self.0.len() + 1);
        for known in self.0.drain(..) {
            let before = known.start..known.end.min(range.start);
            let after = known.start.max(range.end)..known.end;
            rest.extend([before, after].into_iter().filter(|part| !part.is_empty()));
        }
        self.0 = rest;
    }

    /// What `within` has that this set lacks, oldest first.
    pub fn holes(&self, within: Range<T>) -> Self {
        let mut holes = Self::from_iter([within]);
        for known in &self.0 {
            holes.remove(known);
        }
        holes
    }

    /// Takes the oldest range out.
    pub fn pop_first(&mut self) -> Option<Range<T>> {
        (!self.is_empty()).then(|| self.0.remove(0))
    }

    /// The end of the range that contains `number`, or `number` itself if none does.
    pub fn end_of(&self, number: T) -> T {
        self.0.iter().find(|known| known.contains(&number)).map_or(number, |known| known.end)
    }

    /// The last range's end.
    pub fn end(&self) -> Option<T> {
        self.0.last().map(|last| last.end)
    }
}

impl TimeRanges {
    /// Joins the two closest ranges, for a set that may be too large but never too small.
    pub fn join_closest(&mut self) {
        let closest = (1..self.0.len()).min_by_key(|&at| self.0[at].start - self.0[at - 1].end);
        if let Some(at) = closest {
            let joined = self.0[at - 1].start..self.0[at].end;
            self.0.splice(at - 1..=at, std::iter::once(joined));
        }
    }

    /// Drops the shortest range, for a set that may be too small but never too large.
    pub fn drop_shortest(&mut self) {
        if let Some(at) = (0..self.0.len()).min_by_key(|&at| self.0[at].end - self.0[at].start) {
            self.0.remove(at);
        }
    }
}

impl<T: Copy + Ord> From<Vec<(T, T)>> for Ranges<T> {
    fn from(pairs: Vec<(T, T)>) -> Self {
        pairs.into_iter().map(|(from, to)| from..to).collect()
    }
}

impl<T> From<Ranges<T>> for Vec<(T, T)> {
    fn from(set: Ranges<T>) -> Self {
        set.0.into_iter().map(|range| (range.start, range.end)).collect()
    }
}

impl<T: Copy + Ord> FromIterator<Range<T>> for Ranges<T> {
    fn from_iter<I: IntoIterator<Item = Range<T>>>(ranges: I) -> Self {
        let mut set = Self(Vec::new());
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ranges() -> impl Strategy<Value = Vec<(bool, Range<i64>)>> {
        prop::collection::vec((any::<bool>(), 0i64..60, 0i64..15).prop_map(|(add, at, len)| (add, at..at + len)), 0..25)
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_seconds(steps in ranges()) {
            let (mut set, mut model) = (TimeRanges::default(), BTreeSet::new());
            for (add, range) in steps {
                if add {
                    set.insert(range.clone());
                    model.extend(range);
                } else {
                    set.remove(&range);
                    range.for_each(|second| { model.remove(&second); });
                }
                prop_assert_eq!(set.iter().cloned().flatten().collect::<BTreeSet<_>>(), model.clone());
                prop_assert!(set.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
            let holes: BTreeSet<i64> = set.holes(0..80).iter().cloned().flatten().collect();
            prop_assert_eq!(holes, (0..80).filter(|second| !model.contains(second)).collect::<BTreeSet<_>>());
        }
    }

    #[test]
    fn joining_only_adds_and_dropping_only_takes() {
        let mut set = TimeRanges::from_iter([0..10, 12..20, 40..41]);
        set.join_closest();
        assert_eq!(set, TimeRanges::from_iter([0..20, 40..41]));
        set.drop_shortest();
        assert_eq!((set.iter().len(), set.end_of(0)), (1, 20));
        assert_eq!((set.end_of(5), set.end_of(30)), (20, 30));
    }
}
