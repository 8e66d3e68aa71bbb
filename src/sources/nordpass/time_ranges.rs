//! Sets of seconds: which times are covered, which are unproven, which are still to be read.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A set of Unix seconds, kept as disjoint, ascending, non-touching half-open ranges. Serialized as pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(i64, i64)>", into = "Vec<(i64, i64)>")]
pub struct TimeRanges(Vec<Range<i64>>);

impl TimeRanges {
    /// The ranges, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Range<i64>> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a second is in it.
    pub fn contains(&self, second: i64) -> bool {
        let at = self.0.partition_point(|known| known.end <= second);
        self.0.get(at).is_some_and(|known| known.contains(&second))
    }

    /// Adds `[from, to)`.
    pub fn insert(&mut self, range: Range<i64>) {
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
    pub fn remove(&mut self, range: &Range<i64>) {
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
    pub fn holes(&self, within: Range<i64>) -> Self {
        let mut holes = Self::default();
        holes.insert(within);
        for known in &self.0 {
            holes.remove(known);
        }
        holes
    }

    /// Takes the oldest range out.
    pub fn pop_first(&mut self) -> Option<Range<i64>> {
        (!self.is_empty()).then(|| self.0.remove(0))
    }

    /// The end of the range that holds `second`, or `second` itself where none does.
    pub fn end_of(&self, second: i64) -> i64 {
        self.0.iter().find(|known| known.contains(&second)).map_or(second, |known| known.end)
    }

    /// The last covered second's end.
    pub fn end(&self) -> Option<i64> {
        self.0.last().map(|last| last.end)
    }

    /// Joins the two ranges with the least between them: for a set that may be too large but never too small.
    pub fn join_closest(&mut self) {
        let closest = (1..self.0.len()).min_by_key(|&at| self.0[at].start - self.0[at - 1].end);
        if let Some(at) = closest {
            let joined = self.0[at - 1].start..self.0[at].end;
            self.0.splice(at - 1..=at, std::iter::once(joined));
        }
    }

    /// Drops the shortest range: for a set that may be too small but never too large.
    pub fn drop_shortest(&mut self) {
        if let Some(at) = (0..self.0.len()).min_by_key(|&at| self.0[at].end - self.0[at].start) {
            self.0.remove(at);
        }
    }
}

impl From<Vec<(i64, i64)>> for TimeRanges {
    fn from(pairs: Vec<(i64, i64)>) -> Self {
        pairs.into_iter().map(|(from, to)| from..to).collect()
    }
}

impl From<TimeRanges> for Vec<(i64, i64)> {
    fn from(set: TimeRanges) -> Self {
        set.0.into_iter().map(|range| (range.start, range.end)).collect()
    }
}

impl FromIterator<Range<i64>> for TimeRanges {
    fn from_iter<I: IntoIterator<Item = Range<i64>>>(ranges: I) -> Self {
        let mut set = Self::default();
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
