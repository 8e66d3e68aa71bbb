//! Reads the known ids of a time range, from memory as far as it reaches, else from storage.

use std::ops::Range;

use super::ids::{self, Bucket, Stored};
use super::recent::{KEPT_IDS, Recent};
use crate::component::{CheckpointError, KnownId};

/// Maximum bytes of a source's document.
pub const DOCUMENT_BYTES: usize = 3_500;

/// A query that ends within this many seconds of now is a live poll, and what it reads stays in memory.
const LATEST: i64 = 600;

/// How many seconds before the last such query ids stay in memory.
const SLACK: i64 = 3_600;

/// Stored ids of one bucket: their storage, and how many bytes count.
pub type Piece<'a> = (Bucket, Box<dyn Stored + 'a>, u64);

/// Reads the known ids of a range. `pieces` lists everything stored. Only what overlaps the range is read.
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
        // If it is worth keeping, read on to where memory begins. The surplus beyond the query's range is bounded. If
        // it is larger, it isn't kept.
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
