//! Which ids are known in a range of time: from memory where it reaches, else from what is stored; and which a commit adds.

use std::collections::BTreeMap;
use std::ops::Range;

use super::ids::{self, Bucket, Stored};
use super::intervals::Intervals;
use super::recent::{KEPT_IDS, Recent};
use crate::component::{CheckpointError, Commit, KnownId};

/// The longest document that a source may commit.
pub const DOCUMENT_BYTES: usize = 3_500;

/// The most days that a state lists; ids of further days go to [`Bucket::Other`]. A source that forgets what is older
/// than 90 days never has as many.
pub const MOST_DAYS: usize = 128;

/// A query that ends this close to now, in seconds, is the poll of the latest moments: what it reads stays in memory.
const LATEST: i64 = 600;

/// How much further back than the last such query ids stay in memory, in seconds.
const SLACK: i64 = 3_600;

/// Stored ids of one bucket: the place, and how many of its bytes count.
pub type Piece<'a> = (Bucket, Box<dyn Stored + 'a>, u64);

/// Reads the known ids of a range. `pieces` lists everything that is stored; only what meets the range is read.
pub async fn read(
    recent: &mut Recent,
    range: Range<i64>,
    now: i64,
    pieces: Vec<Piece<'_>>,
) -> Result<Vec<KnownId>, CheckpointError> {
    let mut found = Vec::new();
    if range.is_empty() {
        return Ok(found);
    }
    if range.start < recent.from() {
        // Read on to where the memory begins when that is worth keeping. What is read beyond the query's own
        // range is bounded; if it is more, it isn't kept.
        let keep = range.end >= recent.from() || range.end >= now.saturating_sub(LATEST);
        let until = if keep { recent.from() } else { range.end };
        let mut beyond = Vec::new();
        let mut fits = true;
        let unread = range.start..until;
        for (bucket, stored, len) in pieces {
            if len == 0 || !bucket.meets(&unread) {
                continue;
            }
            let mut take = |known: KnownId| {
                if known.time < range.end {
                    found.push(known);
                } else if beyond.len() < KEPT_IDS {
                    beyond.push(known);
                } else {
                    fits = false;
                }
            };
            ids::read(stored.as_ref(), bucket, len, &unread, &mut take).await?;
        }
        recent.read(&(until.max(range.start)..range.end), |known| found.push(known));
        if keep && fits && found.len() <= KEPT_IDS {
            beyond.extend(found.iter().filter(|known| known.time < until));
            recent.extend_down(range.start, beyond);
        }
    } else {
        recent.read(&range, |known| found.push(known));
    }
    if range.end >= now.saturating_sub(LATEST) {
        recent.forget_before(range.start.saturating_sub(SLACK));
    }
    Ok(found)
}

/// What a commit changes besides the stored ids: the committed chunks, the document, and the days that a state lists.
/// Answers its ids by the bucket they go to.
pub fn step<T>(
    commit: &Commit,
    chunks: &mut Intervals,
    document: &mut Option<Vec<u8>>,
    days: &mut BTreeMap<u32, T>,
) -> Vec<(Bucket, Vec<KnownId>)> {
    for &chunk in &commit.chunks {
        chunks.insert(chunk);
    }
    if commit.document.is_some() {
        document.clone_from(&commit.document);
    }
    let batches = batches(&commit.ids, days.len(), |day| days.contains_key(&day));
    if let Some(time) = commit.forget_before {
        days.retain(|&day, _| Bucket::Day(day).end().is_none_or(|end| end > time));
    }
    batches
}

/// The ids (sorted by time) by the bucket they go to, where `listed` says which days a state of `days` days lists.
fn batches(ids: &[KnownId], days: usize, listed: impl Fn(u32) -> bool) -> Vec<(Bucket, Vec<KnownId>)> {
    let mut batches: Vec<(Bucket, Vec<KnownId>)> = Vec::new();
    let mut other = Vec::new();
    let mut room = MOST_DAYS.saturating_sub(days);
    for ids in ids.chunk_by(|a, b| Bucket::day(a.time) == Bucket::day(b.time)) {
        match Bucket::day(ids[0].time) {
            Some(day) if listed(day) => batches.push((Bucket::Day(day), ids.to_vec())),
            Some(day) if room > 0 => {
                room -= 1;
                batches.push((Bucket::Day(day), ids.to_vec()));
            }
            _ => other.extend_from_slice(ids),
        }
    }
    if !other.is_empty() {
        batches.push((Bucket::Other, other));
    }
    batches
}
