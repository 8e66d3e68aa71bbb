//! Known ids as bytes: a row of frames for each day, and one for ids without a day.
//!
//! A row is a file or a blob. Each of its frames is written by one commit: count, first and last time, a check of this
//! header, a check of the body, then the entries, sorted by time. A reader can skip a frame by its header, so reading a
//! range costs the frames that overlap it and the headers of the others. The state, not the file, says where a row
//! ends: bytes after the committed length are from a commit that didn't happen.

use std::{ops::Range, path::Path};

use futures::future::BoxFuture;

use super::frame::check;
use crate::component::{CheckpointError, KnownId};
use crate::event::EventId;

const DAY_SECONDS: i64 = 86_400;

/// 9999-12-30, the last day whose start `jiff` can name with a four-digit year.
const LAST_DAY: i64 = 2_932_895;

/// Maximum entries of a frame: small enough that a reader of a narrow range skips most of a large commit.
const FRAME_ENTRIES: usize = 4_096;

/// The storage of a row of frames.
pub trait Stored: Send + Sync {
    /// Reads at most `len` bytes from this offset; fewer only at the end.
    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>>;
    /// Bytes to read ahead while skipping frames. Frames are usually larger, or many of them fit.
    fn ahead(&self) -> usize;
    /// The error for a row that is damaged at this byte.
    fn damaged(&self, at: u64) -> CheckpointError;
}

/// Which file an id is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// The file of a day since 1970-01-01.
    Day(u32),
    /// `other.ids`: time 0, times outside the years 1970 to 9999, and days beyond the number that a state lists.
    Other,
}

impl Bucket {
    /// The day of a time; `None` if only [`Bucket::Other`] can take it.
    pub fn day(time: i64) -> Option<u32> {
        let day = time.div_euclid(DAY_SECONDS);
        (time != 0 && (0..=LAST_DAY).contains(&day)).then(|| u32::try_from(day).ok()).flatten()
    }

    /// The file's name.
    pub fn file_name(self) -> String {
        match self {
            Self::Day(day) => {
                let start = jiff::Timestamp::from_second(i64::from(day) * DAY_SECONDS).unwrap_or_default();
                start.strftime("%Y-%m-%d.ids").to_string()
            }
            Self::Other => "other.ids".to_owned(),
        }
    }

    /// Whether this is the name of a file of ids.
    pub fn is_file_name(name: &str) -> bool {
        Path::new(name).extension().is_some_and(|extension| extension == "ids")
    }

    /// The first second after the bucket's times; `None` if it has no end.
    pub fn end(self) -> Option<i64> {
        match self {
            Self::Day(day) => Some((i64::from(day) + 1) * DAY_SECONDS),
            Self::Other => None,
        }
    }

    /// Whether it can hold ids of the range.
    pub fn meets(self, range: &Range<i64>) -> bool {
        match self {
            Self::Day(day) => {
                let start = i64::from(day) * DAY_SECONDS;
                range.start < start + DAY_SECONDS && start < range.end
            }
            Self::Other => true,
        }
    }

    /// Times are stored as seconds since this.
    fn base(self) -> i64 {
        match self {
            Self::Day(day) => i64::from(day) * DAY_SECONDS,
            Self::Other => 0,
        }
    }

    /// Bytes per time.
    fn width(self) -> usize {
        match self {
            Self::Day(_) => 4,
            Self::Other => 8,
        }
    }

    fn header_len(self) -> usize {
        2 + 2 * self.width() + 4 + 4
    }

    fn entry_len(self) -> usize {
        self.width() + 16
    }

    fn write_time(self, out: &mut Vec<u8>, time: i64) {
        let offset = time.wrapping_sub(self.base());
        out.extend_from_slice(&offset.to_le_bytes()[..self.width()]);
    }

    fn read_time(self, bytes: &[u8]) -> i64 {
        let mut offset = [0; 8];
        offset[..self.width()].copy_from_slice(&bytes[..self.width()]);
        self.base().wrapping_add(i64::from_le_bytes(offset))
    }
}

/// Encodes ids as frames. They must belong to the bucket and be sorted by time.
pub fn encode(bucket: Bucket, ids: &[KnownId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ids.len() * bucket.entry_len() + bucket.header_len());
    for ids in ids.chunks(FRAME_ENTRIES) {
        let mut body = Vec::with_capacity(ids.len() * bucket.entry_len());
        for known in ids {
            bucket.write_time(&mut body, known.time);
            body.extend_from_slice(&known.id.0.to_le_bytes());
        }
        let header = out.len();
        let count = u16::try_from(ids.len()).expect("FRAME_ENTRIES fits");
        out.extend_from_slice(&count.to_le_bytes());
        for known in [ids.first(), ids.last()].into_iter().flatten() {
            bucket.write_time(&mut out, known.time);
        }
        out.extend_from_slice(&check::<4>(&body));
        let header_check: [u8; 4] = check(&out[header..]);
        out.extend_from_slice(&header_check);
        out.extend_from_slice(&body);
    }
    out
}

/// Passes every id of the range, in a row of this committed length, to `found`.
pub async fn read(
    stored: &dyn Stored,
    bucket: Bucket,
    len: u64,
    range: &Range<i64>,
    found: &mut (dyn FnMut(KnownId) + Send),
) -> Result<(), CheckpointError> {
    let mut window = Window { stored, len, start: 0, bytes: Vec::new() };
    let mut at = 0;
    while at < len {
        let header =
            Header::parse(bucket, window.get(at, bucket.header_len()).await?).ok_or_else(|| stored.damaged(at))?;
        let body_at = at + bucket.header_len() as u64;
        let body_len = header.count * bucket.entry_len();
        if header.first < range.end && range.start <= header.last {
            let body = window.get(body_at, body_len).await?;
            if check(body) != header.body_check {
                return Err(stored.damaged(at));
            }
            for entry in body.chunks_exact(bucket.entry_len()) {
                let time = bucket.read_time(entry);
                if range.contains(&time) {
                    let mut id = [0; 16];
                    id.copy_from_slice(&entry[bucket.width()..]);
                    found(KnownId { time, id: EventId(u128::from_le_bytes(id)) });
                }
            }
        }
        at = body_at + body_len as u64;
    }
    Ok(())
}

struct Header {
    count: usize,
    first: i64,
    last: i64,
    body_check: [u8; 4],
}

impl Header {
    fn parse(bucket: Bucket, bytes: &[u8]) -> Option<Self> {
        let width = bucket.width();
        let (fields, header_check) = bytes.split_at_checked(bucket.header_len() - 4)?;
        (check::<4>(fields) == header_check).then_some(())?;
        Some(Self {
            count: usize::from(u16::from_le_bytes(fields[..2].try_into().ok()?)),
            first: bucket.read_time(&fields[2..]),
            last: bucket.read_time(&fields[2 + width..]),
            body_check: fields[2 + 2 * width..].try_into().ok()?,
        })
    }
}

/// A part of a row in memory, at most a frame or the bytes read ahead.
struct Window<'a> {
    stored: &'a dyn Stored,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    async fn get(&mut self, at: u64, len: usize) -> Result<&[u8], CheckpointError> {
        if at + len as u64 > self.len {
            return Err(self.stored.damaged(at));
        }
        let held = at >= self.start && at + len as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            let most = self.stored.ahead();
            let ahead = most.min(usize::try_from(self.len - at).unwrap_or(most));
            self.bytes = self.stored.read_at(at, len.max(ahead)).await?;
            self.start = at;
        }
        let offset = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let there = self.bytes.get(offset..).and_then(|bytes| bytes.get(..len));
        there.ok_or_else(|| self.stored.damaged(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_find_their_file() {
        assert_eq!(Bucket::day(0), None);
        assert_eq!(Bucket::day(-1), None);
        assert_eq!(Bucket::day(1), Some(0));
        assert_eq!(Bucket::day(1_767_225_600), Some(20_454));
        assert_eq!(Bucket::day(2_932_896 * DAY_SECONDS), None);
        assert_eq!(Bucket::day(i64::MAX), None);
        assert_eq!(Bucket::day(i64::MIN), None);
        assert_eq!(Bucket::Day(20_454).file_name(), "2026-01-01.ids");
        assert_eq!(Bucket::Day(2_932_895).file_name(), "9999-12-30.ids");
        assert!(Bucket::Day(1).meets(&(86_400..86_401)));
        assert!(!Bucket::Day(1).meets(&(172_800..200_000)));
        assert!(!Bucket::Day(1).meets(&(0..86_400)));
    }
}
