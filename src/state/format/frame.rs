//! Frames, which show whether bytes on disk are whole.
//!
//! A frame is two magic bytes, the payload's length (4 bytes), the first 8 bytes of the payload's BLAKE3 hash, and the
//! payload. This outer form never changes, so that any version can tell "newer" from "damaged". A payload starts with
//! its own version.

const MAGIC: [u8; 2] = [0xC5, b'N'];

/// Bytes before a payload.
pub const HEADER: usize = 14;

/// Maximum multiple of the log's bytes to hash in the search for a good frame after a bad one.
const MOST_HASHED: usize = 16;

/// Frames a payload.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a payload is far below 4 GiB");
    let mut out = Vec::with_capacity(HEADER + payload.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&check::<8>(payload));
    out.extend_from_slice(payload);
    out
}

/// A bad frame before a good one. A crash can't cause that: each frame is synced before the next is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the bad frame starts.
    pub at: usize,
}

/// The last whole frame's payload; `None` if there is none. What follows and isn't whole is the torn write of a crash.
pub fn last(log: &[u8]) -> Result<Option<&[u8]>, Damage> {
    let mut at = 0;
    let mut last = None;
    while let Some(payload) = whole(log, at) {
        last = Some(payload);
        at += HEADER + payload.len();
    }
    if follows(log, at + 1) { Err(Damage { at }) } else { Ok(last) }
}

/// Whether a good frame begins at `from` or later. Each false head may claim everything after it, and only its hash
/// tells. Our own torn write has false heads only by chance. So hashing is bounded, and a log that reaches the bound
/// was damaged from outside: it is never taken for torn.
fn follows(log: &[u8], from: usize) -> bool {
    let mut left = MOST_HASHED.saturating_mul(log.len().max(1));
    (from..log.len()).any(|at| {
        let Some((check, payload)) = head(log, at) else { return false };
        let Some(rest) = left.checked_sub(payload.len()) else { return true };
        left = rest;
        check == self::check::<8>(payload)
    })
}

fn whole(log: &[u8], at: usize) -> Option<&[u8]> {
    let (check, payload) = head(log, at)?;
    (check == self::check::<8>(payload)).then_some(payload)
}

/// Reads the head of a possible frame: its check and its payload.
fn head(log: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let header = log.get(at..at.checked_add(HEADER)?)?;
    if header[..2] != MAGIC {
        return None;
    }
    let len = u32::from_le_bytes(header[2..6].try_into().ok()?) as usize;
    let start = at + HEADER;
    Some((&header[6..], log.get(start..start.checked_add(len)?)?))
}

/// The first bytes of a hash, to check whether bytes are whole.
pub fn check<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut check = [0; N];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..N]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<u8> {
        [frame(b"one"), frame(b""), frame(b"three")].concat()
    }

    #[test]
    fn the_last_whole_frame_counts() {
        assert_eq!(last(&log()), Ok(Some(&b"three"[..])));
        assert_eq!(last(b""), Ok(None));
    }

    #[test]
    fn a_torn_tail_of_any_length_is_not_damage() {
        let log = log();
        let third = log.len() - HEADER - 5;
        for len in 0..=log.len() {
            let expected = match len {
                len if len < HEADER + 3 => None,
                len if len < third => Some(&b"one"[..]),
                len if len < log.len() => Some(&b""[..]),
                _ => Some(&b"three"[..]),
            };
            assert_eq!(last(&log[..len]), Ok(expected), "{len} bytes");
            let zeroed = [&log[..len], &[0; 40]].concat();
            assert_eq!(last(&zeroed), Ok(expected), "{len} bytes and zeros");
        }
    }

    #[test]
    fn a_changed_byte_before_a_good_frame_is_damage() {
        let log = log();
        let third = log.len() - HEADER - 5;
        for at in 0..third {
            let mut damaged = log.clone();
            damaged[at] ^= 0x10;
            assert!(last(&damaged).is_err(), "byte {at}");
        }
    }
    /// The time grew 3.5-fold with each doubling. Measured by bytes hashed, not by a clock.
    #[test]
    fn false_heads_cost_no_more_than_their_bytes() {
        let mut heads = Vec::new();
        // 4 MiB of heads, each of which claims all that follows: a terabyte to hash.
        while heads.len() < 4 << 20 {
            let rest = u32::try_from((4 << 20) - heads.len()).expect("small").saturating_sub(64);
            heads.extend(MAGIC);
            heads.extend(rest.to_le_bytes());
            heads.extend([0; 8]);
        }
        let log = [frame(b"one"), heads].concat();
        assert_eq!(last(&log), Err(Damage { at: HEADER + 3 }), "no torn write looks like that");
    }
}
