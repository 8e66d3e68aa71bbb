//! What the other replicas say of themselves: their shards, and which partitions they wait for.
//!
//! Each replica writes a small blob of its own, again and again. One that hasn't changed for the time of a lease is nobody's
//! any more.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::Base;
use crate::azure::blob::{BlobError, Demand, Listed};
use crate::component::PARTITIONS;
use crate::state::Shard;

/// Replicas beyond this number aren't looked at: as many as there are partitions, and as many again that have ended.
const MOST: usize = 2 * PARTITIONS;
/// Longer than any announcement, in bytes.
const LONGEST: usize = 256;

/// A set of partitions.
pub(super) type Set = [bool; PARTITIONS];

/// What a replica says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    pub shard: Shard,
    /// The partitions that are its own and that another process has.
    pub waits_for: Set,
}

impl Announcement {
    fn encode(&self) -> Bytes {
        let hex = self.waits_for.chunks(4).map(|bits| {
            let digit = bits.iter().fold(0, |digit, bit| digit * 2 + u32::from(*bit));
            char::from_digit(digit, 16).unwrap_or('0')
        });
        format!("shard {}\nwaits for {}\n", self.shard, hex.collect::<String>()).into()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= LONGEST)?;
        let (first, second) = text.split_once('\n')?;
        let shard = Shard::parse(first.strip_prefix("shard ")?).ok()?;
        let hex = second.strip_prefix("waits for ")?.trim_end();
        if hex.len() != PARTITIONS / 4 {
            return None;
        }
        let mut waits_for = [false; PARTITIONS];
        for (digit, bits) in hex.chars().zip(waits_for.chunks_mut(4)) {
            let digit = digit.to_digit(16)?;
            for (place, bit) in bits.iter_mut().enumerate() {
                *bit = digit & (8 >> place) != 0;
            }
        }
        Some(Self { shard, waits_for })
    }
}

/// What was seen of another replica.
struct Replica {
    version: String,
    changed: Instant,
    announcement: Option<Announcement>,
}

/// The replicas that share a container.
pub(super) struct Replicas {
    /// This process's name among them.
    id: String,
    written: Option<(Announcement, Instant)>,
    others: HashMap<String, Replica>,
}

impl Replicas {
    pub fn new(base: &Base) -> Self {
        Self { id: base.env.random.uuid(), written: None, others: HashMap::new() }
    }

    /// Writes what this replica says of itself, where it is new or its time has come.
    pub async fn announce(&mut self, base: &Base, announcement: Announcement) {
        let due = |(last, at): &(Announcement, Instant)| *last != announcement || at.elapsed() >= base.times.within / 2;
        if !self.written.as_ref().is_none_or(due) {
            return;
        }
        let name = format!("{}{}", base.replicas_prefix(), self.id);
        match base.container.without_waiting().put(&name, announcement.encode(), Demand::Any).await {
            Ok(_) => self.written = Some((announcement, Instant::now())),
            // The first partition that is taken creates it.
            Err(BlobError::NoContainer) => {}
            Err(error) => tracing::debug!("can't tell the other replicas which partitions this one waits for: {error}"),
        }
    }

    /// Takes note of what is listed: what has changed is read.
    pub async fn look(&mut self, base: &Base, listed: &[Listed]) {
        let prefix = base.replicas_prefix();
        let mut seen = HashMap::new();
        for blob in listed.iter().take(MOST) {
            let Some(id) = blob.name.strip_prefix(&prefix).filter(|id| *id != self.id) else { continue };
            let known = self.others.remove(id).filter(|known| known.version == blob.version);
            let replica = match known {
                Some(known) => known,
                None if blob.len > LONGEST as u64 => continue,
                None => {
                    let Ok(read) = base.container.without_waiting().get(&blob.name).await else { continue };
                    let announcement = Announcement::decode(&read.bytes);
                    Replica { version: blob.version.clone(), changed: Instant::now(), announcement }
                }
            };
            if replica.changed.elapsed() > 10 * base.times.within {
                // Whoever wrote it has ended without removing it.
                let _ = base.container.without_waiting().delete(&blob.name).await;
                continue;
            }
            seen.insert(id.to_owned(), replica);
        }
        self.others = seen;
    }

    /// What the others say that still say it.
    pub fn others(&self, within: Duration) -> impl Iterator<Item = &Announcement> {
        let alive = self.others.values().filter(move |replica| replica.changed.elapsed() <= within);
        alive.filter_map(|replica| replica.announcement.as_ref())
    }

    /// Removes what this replica has said.
    pub async fn leave(&mut self, base: &Base) {
        if self.written.take().is_some() {
            let _ = base.container.without_waiting().delete(&format!("{}{}", base.replicas_prefix(), self.id)).await;
        }
    }
}

/// What is wrong between the shards of the replicas, in a sentence; `None` where they agree.
pub(super) fn disagreement<'a>(own: Shard, mut others: impl Iterator<Item = &'a Announcement>) -> Option<String> {
    others.find_map(|other| {
        let other = other.shard;
        if other.count != own.count {
            return Some(format!(
                "this replica has shard = \"{own}\" and another one \"{other}\": their counts differ, so some organizations \
                 have two replicas that try them, and others wait to be taken over"
            ));
        }
        (own.count > 1 && other.index == own.index)
            .then(|| format!("two replicas have shard = \"{own}\": one of them reads, the other one stands by"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(index: u16, count: u16) -> Announcement {
        let mut waits_for = [false; PARTITIONS];
        for place in [0, 3, 4, 130, 255] {
            waits_for[place] = true;
        }
        Announcement { shard: Shard { index, count }, waits_for }
    }

    #[test]
    fn what_is_written_is_read_and_anything_else_is_not() {
        let announcement = announcement(3, 10);
        let bytes = announcement.encode();
        assert_eq!(Announcement::decode(&bytes), Some(announcement));
        for end in 0..bytes.len() - 1 {
            assert_eq!(Announcement::decode(&bytes[..end]), None, "{end}");
        }
        for wrong in ["shard 1/0\nwaits for ", "\n", "shard 0/1\nwaits for zz", "\u{fffd}"] {
            assert_eq!(Announcement::decode(wrong.as_bytes()), None);
        }
    }

    #[test]
    fn replicas_that_disagree_are_told() {
        let own = Shard { index: 0, count: 2 };
        let told = |others: &[Announcement]| disagreement(own, others.iter());
        assert_eq!(told(&[announcement(1, 2)]), None);
        assert!(told(&[announcement(1, 2), announcement(0, 2)]).is_some_and(|told| told.starts_with("two replicas")));
        assert!(told(&[announcement(1, 3)]).is_some_and(|told| told.contains("\"0/2\" and another one \"1/3\"")));
        // Without shards, one reads and the others stand by.
        assert_eq!(disagreement(Shard::default(), [announcement(0, 1)].iter()), None);
    }
}
