//! What the official connector has left: its cursor.
//!
//! A blob of 8 bytes, a big-endian signed number of Unix seconds: the function's clock at the end of its last run that
//! went well (`cursorManager.go` of `Solutions/NordPass` in <https://github.com/Azure/Azure-Sentinel>). It is only
//! read here, so you can go back to the official connector.

use std::time::Duration;

/// A cursor, as far as it can be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The function's clock when it wrote it, in Unix seconds.
    pub seconds: i64,
    /// Azure's clock when it was written; `None` if the response doesn't say.
    pub written: Option<i64>,
}

/// What was found in place of the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A cursor.
    Cursor(Cursor),
    /// Nothing: no blob, or no container.
    Nothing,
    /// A blob of no bytes, which the official connector takes for a first run.
    Empty,
    /// Something that isn't a cursor, with its length in bytes.
    Other(usize),
}

/// What the official connector has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Where it was looked for, for messages.
    pub place: String,
    /// What is there.
    pub found: Found,
    /// How much before the cursor is read again; the source's own overlap without it.
    pub overlap: Option<Duration>,
}

/// Reads a cursor's bytes.
pub fn parse_cursor(bytes: &[u8], written: Option<i64>) -> Found {
    match <[u8; 8]>::try_from(bytes) {
        Ok(number) => Found::Cursor(Cursor { seconds: i64::from_be_bytes(number), written }),
        Err(_) if bytes.is_empty() => Found::Empty,
        Err(_) => Found::Other(bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_eight_bytes_are_a_cursor() {
        let cursor = |seconds| Found::Cursor(Cursor { seconds, written: Some(7) });
        assert_eq!(parse_cursor(&[0, 0, 0, 0, 0x6B, 0x49, 0xD2, 0], Some(7)), cursor(1_800_000_000));
        assert_eq!(parse_cursor(&[0xFF; 8], Some(7)), cursor(-1));
        assert_eq!(parse_cursor(b"", None), Found::Empty);
        assert_eq!(parse_cursor(b"1800000000", None), Found::Other(10));
        assert_eq!(parse_cursor(&[0; 4], None), Found::Other(4));
    }
}
