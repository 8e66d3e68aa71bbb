//! UTF-16, which some systems write where others write UTF-8.

use std::char::{REPLACEMENT_CHARACTER, decode_utf16};

/// How a text is written.
#[derive(Debug)]
pub enum Charset {
    /// As it is read.
    Utf8,
    /// In units of two bytes.
    Utf16 {
        /// The low byte first.
        little: bool,
        /// Bytes of a character whose rest is still to come.
        rest: Vec<u8>,
    },
}

/// So many bytes of a text show how it is written.
pub const SHOWS: usize = 4;

impl Charset {
    /// The charset of a text that begins like this: by its byte order mark, or because its first character is one that
    /// JSON begins with.
    pub fn detect(begin: &[u8]) -> Self {
        let json = |byte: u8| matches!(byte, b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n');
        let utf16 = |little| Self::Utf16 { little, rest: Vec::new() };
        match *begin {
            // With two zeros behind it, it's UTF-32, which nobody writes logs in.
            [0xff, 0xfe, 0, 0, ..] => Self::Utf8,
            [0xff, 0xfe, ..] => utf16(true),
            [0xfe, 0xff, ..] => utf16(false),
            [first, 0, second, 0, ..] if json(first) && second != 0 => utf16(true),
            [0, first, 0, second, ..] if json(first) && second != 0 => utf16(false),
            _ => Self::Utf8,
        }
    }

    /// Appends bytes of the text as UTF-8.
    pub fn decode(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        let Self::Utf16 { little, rest } = self else { return text.extend_from_slice(bytes) };
        rest.extend_from_slice(bytes);
        let unit = |pair: &[u8]| {
            let pair = [pair[0], pair[1]];
            if *little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
        };
        let mut whole = rest.len() & !1;
        // The first half of a character waits for the second.
        if whole >= 2 && (0xd800..0xdc00).contains(&unit(&rest[whole - 2..whole])) {
            whole -= 2;
        }
        let mut utf8 = [0; 4];
        for character in decode_utf16(rest[..whole].chunks_exact(2).map(unit)) {
            let character = character.unwrap_or(REPLACEMENT_CHARACTER);
            text.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        }
        rest.drain(..whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_read_in_both_orders_however_it_is_cut() {
        let text = "{\"name\":\"Zoë 🔑\"}\r\n";
        for (little, mark) in [(true, true), (true, false), (false, true), (false, false)] {
            let order = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
            let bytes: Vec<u8> =
                mark.then_some(0xfeff).into_iter().chain(text.encode_utf16()).flat_map(order).collect();
            for size in 1..bytes.len() {
                let (mut charset, mut found) = (Charset::detect(&bytes), Vec::new());
                assert!(matches!(charset, Charset::Utf16 { .. }));
                bytes.chunks(size).for_each(|part| charset.decode(part, &mut found));
                assert_eq!(String::from_utf8(found).unwrap().trim_start_matches('\u{feff}'), text);
            }
        }
        for utf8 in [&b"{\"a\":1}"[..], b"\xef\xbb\xbf{}", b"\0\0\0\0", b"", b"\xff\xfe\0\0{\0\0\0"] {
            assert!(matches!(Charset::detect(utf8), Charset::Utf8));
        }
    }
}
