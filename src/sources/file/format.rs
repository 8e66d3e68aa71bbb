//! Whether a text holds one event or page per line: what doesn't is refused, and not made a heap of dead letters.

use serde::de::IgnoredAny;

use crate::component::ComponentError;
use crate::sources::recording::trimmed;

/// Whether a last line without a line end has its end all the same: nothing, or a whole JSON object. More can follow
/// neither of them on its line.
pub fn is_complete(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    text.trim_matches([' ', '\t', '\r']).is_empty() || is_object(trimmed(&text))
}

fn is_object(line: &str) -> bool {
    line.starts_with('{') && serde_json::from_str::<IgnoredAny>(line).is_ok()
}

/// Checks the first lines of a text. `name` is what the text is called in an error.
pub fn check(name: &str, first: &[u8]) -> Result<(), ComponentError> {
    let text = String::from_utf8_lossy(first);
    let lines = || text.split_inclusive('\n').filter(|line| !trimmed(line).is_empty());
    let Some(begin) = lines().next() else { return Ok(()) };
    // The usual case needs no look at further lines.
    if is_object(trimmed(begin)) {
        return Ok(());
    }
    let (good, bad): (Vec<&str>, Vec<&str>) = lines().partition(|line| is_object(trimmed(line)));
    // JSON over several lines may have whole objects on some of them.
    let is_one_value = trimmed(begin).starts_with('[') || (trimmed(begin).starts_with('{') && bad.len() > good.len());
    if !good.is_empty() && !is_one_value {
        return Ok(());
    }
    // The beginning of an event that is still being written.
    if trimmed(begin).starts_with('{') && !begin.ends_with('\n') {
        return Ok(());
    }
    let (what, hint) = describe(first, trimmed(begin));
    Err(ComponentError::new(format!("{name} doesn't hold one event or API page per line: {what}")).hint(hint))
}

/// What it looks like, and what to do.
fn describe(first: &[u8], begin: &str) -> (&'static str, &'static str) {
    const UNPACK: &str = "unpack it first; gzip and zstd are read as they are";
    const LINES: &str = "a recording contains raw events or whole API pages, one per line";
    match first {
        [b'P', b'K', 3, 4, ..] => ("it's a zip archive", UNPACK),
        [b'B', b'Z', b'h', ..] => ("it's compressed with bzip2", UNPACK),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("it's compressed with xz", UNPACK),
        [0x04, 0x22, 0x4d, 0x18, ..] => ("it's compressed with lz4", UNPACK),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => ("it's compressed twice", UNPACK),
        _ if begin.starts_with('[') => ("it's a JSON array", "make lines of it: jq -c '.[]' FILE > FILE.ndjson"),
        _ if begin.starts_with('{') => {
            ("it's JSON over several lines", "put each object on one line: jq -c . FILE > FILE.ndjson")
        }
        _ if begin.starts_with('<') => ("it's XML or HTML", LINES),
        _ if first.contains(&0) => ("it isn't text", LINES),
        _ => ("none of its first lines is a JSON object", LINES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_recording_is_refused_with_what_it_is() {
        let refused = |text: &[u8]| check("a", text).unwrap_err().message;
        for (text, what) in [
            (&b"[{\"a\":1},{\"a\":2}]"[..], "a JSON array"),
            (b"\xef\xbb\xbf\n[\n  {\"a\":1},\n  {\"a\":2}\n]\n", "a JSON array"),
            (b"{\n  \"data\": [\n    {\"a\":\n1}\n  ]\n}\n", "JSON over several lines"),
            (b"{\n\"data\":[\n{\"a\":1},\n{\"a\":2}\n]}\n", "JSON over several lines"),
            (b"<html><body>Sign in</body></html>", "XML or HTML"),
            (b"time,user\n1,2\n", "none of its first lines"),
            (b"only nonsense", "none of its first lines"),
            (b"PK\x03\x04rest\n", "a zip archive"),
            (b"BZh91AY", "bzip2"),
            (b"\x1f\x8b\x08\x00", "compressed twice"),
            (b"\xff\xfe\0\0{\0\0\0\n\0\0\0", "it isn't text"),
            (b"5\n", "none of its first lines"),
        ] {
            assert!(refused(text).contains(what), "{}", refused(text));
        }
        for text in [
            &b""[..],
            b"\n \r\n",
            b"nonsense\n{\"a\":1}\n",
            b"\0\0\0{\"a\":1}\n",
            b"{\"a\":",
            b"{\"broken\":\n{\"a\":1}",
            b"\xef\xbb\xbf{\"a\":\"\xff\"}\r\n",
            b"{\"data\":[]}",
        ] {
            assert_eq!(check("a", text), Ok(()), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_last_line_is_complete_or_half() {
        for line in [&b"{\"a\":1}"[..], b" {} ", b"  ", b"{\"data\":[{}]}"] {
            assert!(is_complete(line));
        }
        for line in [&b"{\"a\":1"[..], b"{", b"5", b"[1]", b"nonsense", b"\0\0", b"{\"a\":\"x\xc3"] {
            assert!(!is_complete(line));
        }
    }
}
