//! What is inside a body: its rows, and their `EventOriginalUid` values.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

const UID: &[u8] = b"\"EventOriginalUid\"";

/// The body as the sender wrote it before it was compressed.
pub fn decode(gzip: bool, body: &[u8]) -> io::Result<Vec<u8>> {
    if !gzip {
        return Ok(body.to_vec());
    }
    let mut raw = Vec::with_capacity(body.len() * 10);
    MultiGzDecoder::new(body).read_to_end(&mut raw)?;
    Ok(raw)
}

/// Objects that aren't inside another object: the elements of an array, or the lines of NDJSON.
pub fn rows(raw: &[u8]) -> u64 {
    let (mut rows, mut depth, mut at) = (0, 0u32, 0);
    while let Some(step) = raw.get(at..).and_then(|rest| memchr::memchr3(b'"', b'{', b'}', rest)) {
        at += step;
        match raw[at] {
            b'{' => {
                rows += u64::from(depth == 0);
                depth += 1;
            }
            b'}' => depth = depth.saturating_sub(1),
            _ => at = end_of_string(raw, at + 1),
        }
        at += 1;
    }
    rows
}

/// Where the quote is that ends the string whose content begins at `at`; the length if there is none.
fn end_of_string(raw: &[u8], mut at: usize) -> usize {
    while let Some(step) = raw.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += step;
        if raw[at] == b'"' {
            return at;
        }
        at += 2;
    }
    raw.len()
}

/// Adds a hash of each row's id to `seen`.
pub fn uids(raw: &[u8], seen: &mut HashSet<u64>) {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    for found in memchr::memmem::find_iter(raw, UID) {
        let mut at = found + UID.len();
        while raw.get(at).is_some_and(|byte| *byte == b':' || byte.is_ascii_whitespace()) {
            at += 1;
        }
        if raw.get(at) == Some(&b'"') {
            let end = end_of_string(raw, at + 1);
            if end > at + 1 {
                seen.insert(hasher.hash_one(&raw[at + 1..end]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_outermost_objects() {
        assert_eq!(rows(br#"[{"a":{"b":{}},"c":"}{\"{"},{"d":"\\"}]"#), 2);
        assert_eq!(rows(b"{\"a\":1}\n{\"a\":\"x\"}\n"), 2);
        assert_eq!(rows(b"[]"), 0);
        assert_eq!(rows(br#"[{"cut":"\"#), 1);
    }

    #[test]
    fn ids_are_told_apart() {
        let mut seen = HashSet::new();
        let rows =
            br#"[{"EventOriginalUid":"1"},{"EventOriginalUid": "2"},{"EventOriginalUid":"1"},{"EventOriginalUid":""}]"#;
        uids(rows, &mut seen);
        assert_eq!(seen.len(), 2);
    }
}
