//! Which ids are known in a range of time: from memory where it reaches, else from what is stored.

use std::ops::Range;

use super::ids::{self, Bucket, Stored};
use super::recent::{KEPT_IDS, Recent};
use crate::component::{CheckpointError, KnownId};

/// The longest document that a source may commit.
pub const DOCUMENT_BYTES: usize = 3_500;

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
