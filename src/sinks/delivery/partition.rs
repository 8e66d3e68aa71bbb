//! Partitions: parts of a destination with an address of their own, such as an organization's or a day's. A batch holds records of one partition,
//! and each partition is a stream: what one accepts proves nothing about another.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::stream::{Stream, Streams};

/// More than this, and those that nothing waits for are forgotten.
const MOST_PARTITIONS: usize = 4096;

/// What the address depends on. What it doesn't depend on is the same for all records.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// The organization's UUID.
    pub organization: Arc<str>,
    /// The day in UTC, in days since 1970.
    pub day: i64,
}

/// The streams of partitions, by the stream that they are a part of.
#[derive(Default)]
pub struct Partitions {
    known: HashMap<(usize, Partition), usize>,
    /// Indexes that can be used again.
    free: Vec<usize>,
}

impl Partitions {
    /// The stream of a partition; `name` is what a new one is called.
    pub fn stream(
        &mut self,
        streams: &Streams,
        of: usize,
        partition: &Partition,
        name: impl FnOnce() -> String,
    ) -> usize {
        let key = (of, partition.clone());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let stream = Stream::of_partition(&streams.get(of).label, name());
        let index = streams.put(self.free.pop(), stream);
        self.known.insert(key, index);
        index
    }

    /// Whether there are so many that some have to be forgotten.
    pub fn are_too_many(&self) -> bool {
        self.known.len() >= MOST_PARTITIONS
    }

    /// Forgets all but these. Of the rest, nothing is under way.
    pub fn keep(&mut self, used: &BTreeSet<usize>) {
        let free = &mut self.free;
        self.known.retain(|_, index| {
            let is_used = used.contains(index);
            free.extend((!is_used).then_some(*index));
            is_used
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_stream_until_it_is_forgotten() {
        let streams = Streams::new(["records".to_owned()]);
        let mut partitions = Partitions::default();
        let partition = |day| Partition { organization: "a".into(), day };
        let at = |partitions: &mut Partitions, day| {
            partitions.stream(&streams, 0, &partition(day), || format!("records/{day}"))
        };
        assert_eq!((at(&mut partitions, 1), at(&mut partitions, 2), at(&mut partitions, 1)), (1, 2, 1));
        streams.get(1).accept(7);
        partitions.keep(&BTreeSet::from([2]));
        assert_eq!((at(&mut partitions, 2), at(&mut partitions, 3)), (2, 1));
        let new = streams.get(1);
        assert_eq!(
            (new.accepted(), &*new.name, &*new.label),
            (0, "records/3", "records"),
            "it knows nothing of its forerunner"
        );
        (4..=i64::try_from(MOST_PARTITIONS).expect("few") + 1).for_each(|day| _ = at(&mut partitions, day));
        assert!(partitions.are_too_many());
        partitions.keep(&BTreeSet::new());
        assert!(!partitions.are_too_many());
    }
}
