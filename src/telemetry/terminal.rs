//! Text from outside on its way to a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character escaped, as in JSON, that a terminal would obey or that changes how its neighbours
/// are read: control characters, directions, invisible marks. Escapes JSON into the same JSON.
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, is_plain)
}

/// The same for text of several lines.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t') || is_plain(c))
}

/// What is left to escape in a line of our logs: their own colors and line ends stay, and the library has escaped what
/// else begins with ESC.
pub(super) fn plain_log(line: &str) -> Cow<'_, str> {
    escaped(line, |c| matches!(c, '\n' | '\t' | '\u{1b}') || is_plain(c))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if stays(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(out)
}

/// Whether a character is shown as itself and steers nothing.
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(u32::from(c),
            // Soft hyphen, marks and overrides of direction, invisible characters, separators of lines.
            0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb
            // Musical format characters and tags.
            | 0x1d173..=0x1d17a | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        for (text, shown) in [
            ("plain ü 日本", "plain ü 日本"),
            ("\u{1b}[31mred\u{7}", "\\u001b[31mred\\u0007"),
            ("\u{9b}31m", "\\u009b31m"),
            ("a\u{202e}gpj.exe\u{2066}", "a\\u202egpj.exe\\u2066"),
            ("a\u{200b}b\u{feff}", "a\\u200bb\\ufeff"),
            ("\u{e0041}", "\\udb40\\udc41"),
            ("a\nb\rc\t", "a\\u000ab\\u000dc\\u0009"),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(plain_lines("a\n\tb\r\u{1b}"), "a\n\tb\\u000d\\u001b");
        let json = serde_json::to_string("a\u{202e}\u{e0041}\u{7f}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&plain(&json)).unwrap(), "a\u{202e}\u{e0041}\u{7f}");
    }
}
