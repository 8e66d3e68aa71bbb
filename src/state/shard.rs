//! Which replica tries which partition.

use crate::component::{PARTITIONS, Partition};

/// One of several replicas that share the organizations: `shard = "INDEX/COUNT"`.
///
/// It only says which partitions this replica tries first. Who may read is decided by the partition's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The replica's number, from 0.
    pub index: u16,
    /// How many replicas there are.
    pub count: u16,
}

/// The only replica, or one of several of which each tries every partition.
impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl Shard {
    /// Reads `INDEX/COUNT`. The error is what is wrong, and a hint.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        let hint = "write INDEX/COUNT, such as \"0/4\" for the first of four replicas; the index begins at 0";
        let numbers = text.trim().split_once('/').and_then(|(index, count)| {
            let number = |text: &str| text.trim().parse::<u16>().ok();
            Some((number(index)?, number(count)?))
        });
        let Some((index, count)) = numbers else {
            return Err(("`shard` isn't two numbers with a slash between them".to_owned(), hint.to_owned()));
        };
        if !(1..=PARTITIONS).contains(&usize::from(count)) {
            let message = format!("there can be 1 to {PARTITIONS} replicas, not {count}");
            return Err((message, format!("{PARTITIONS} partitions are shared out among the replicas")));
        }
        Ok(Self { index, count })
    }

    /// Whether the index is beyond the count. Such a replica has no partitions of its own.
    pub fn is_beyond(self) -> bool {
        self.index >= self.count
    }

    /// Returns for each partition whether this replica is to read it.
    pub fn own(self) -> [bool; PARTITIONS] {
        assignment(self.count).map(|owner| owner == self.index)
    }

    /// Whether this replica is to read a partition.
    pub fn owns(self, partition: Partition) -> bool {
        self.own()[usize::from(partition.0)]
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// The replica of each partition, for this many replicas. The shares differ by one partition at most, and one replica more
/// or less moves no partition that it needn't: each new replica takes some from those that have the most.
fn assignment(count: u16) -> [u16; PARTITIONS] {
    let mut owners = [0; PARTITIONS];
    let mut shares = vec![PARTITIONS];
    for new in 1..count {
        let wanted = PARTITIONS / (usize::from(new) + 1);
        for _ in 0..wanted {
            let (most, _) = shares.iter().enumerate().rev().max_by_key(|(_, share)| **share).unwrap_or((0, &0));
            if let Some(taken) = owners.iter().rposition(|owner| usize::from(*owner) == most) {
                owners[taken] = new;
                shares[most] -= 1;
            }
        }
        shares.push(wanted);
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_two_numbers() {
        assert_eq!(Shard::parse(" 3/10 "), Ok(Shard { index: 3, count: 10 }));
        assert_eq!(Shard::parse("0/256").map(Shard::is_beyond), Ok(false));
        assert_eq!(Shard::parse("9/8").map(Shard::is_beyond), Ok(true));
        for wrong in ["", "1", "a/b", "1/0", "-1/2", "1/257", "1/2/3", "70000/2"] {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_partition_has_one_replica_and_the_shares_are_even() {
        for count in 1..=256 {
            let mut shares = vec![0; usize::from(count)];
            for owner in assignment(count) {
                shares[usize::from(owner)] += 1;
            }
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            assert!(*least >= 1 && most - least <= 1, "{count}: {shares:?}");
        }
    }

    /// A partition that moves is read by nobody for a moment.
    #[test]
    fn more_replicas_take_only_what_they_get() {
        for count in 1..256 {
            let (before, after) = (assignment(count), assignment(count + 1));
            let moved = before.iter().zip(after).filter(|(before, after)| **before != *after);
            assert!(moved.clone().all(|(_, after)| after == count), "only to the new one");
            assert_eq!(moved.count(), 256 / (usize::from(count) + 1));
        }
    }
}
