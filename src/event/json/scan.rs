//! A fast scan of JSON: where values end, and an object's entries.
//!
//! Each event is scanned several times (for its fields, its id, its row), so this is the hottest code of the program. It handles
//! the usual case only: keys without escapes, at most [`DEPTH`] levels. `None` doesn't mean that the JSON is wrong: the caller
//! then asks `serde_json`, which decides. A result is always the one that `serde_json` would give; a test compares the two.

use super::Shape;

/// Deeper values are left to `serde_json`.
const DEPTH: u32 = 64;

/// A scan of a text.
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
}

/// An entry of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key, which has no escapes.
    pub key: &'a str,
    /// The value's text; a string with its quotes.
    pub value: &'a str,
    /// The kind of value.
    pub shape: Shape,
}

impl<'a> Scan<'a> {
    /// Starts at the beginning of a text.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The entries of a text that is one object, in their order.
    pub fn whole_object(text: &'a str, each: impl FnMut(Entry<'a>)) -> Option<()> {
        let mut scan = Self::new(text);
        scan.space();
        scan.object(DEPTH, each)?;
        scan.end()
    }

    /// Like [`entries`], and if an entry whose name is in `names` is an object, its entries come before it, with its name.
    pub fn whole_object_and(
        text: &'a str,
        names: &[&str],
        mut each: impl FnMut(Option<&'a str>, Entry<'a>),
    ) -> Option<()> {
        let mut scan = Self::new(text);
        scan.space();
        scan.entries(
            &mut each,
            |each, entry| each(None, entry),
            |each, scan, key| {
                if !names.contains(&key) || scan.peek() != Some(b'{') {
                    return scan.value(DEPTH);
                }
                let start = scan.at;
                scan.object(DEPTH - 1, |entry| each(Some(key), entry))?;
                Some((scan.text.get(start..scan.at)?, Shape::Other))
            },
        )?;
        scan.end()
    }

    /// The elements of a text that is one array.
    pub fn whole_array(text: &'a str, each: impl FnMut(&'a str)) -> Option<()> {
        let mut scan = Self::new(text);
        scan.space();
        scan.array(DEPTH, each)?;
        scan.end()
    }

    /// Checks that only white space follows.
    fn end(&mut self) -> Option<()> {
        self.space();
        (self.at == self.text.len()).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Scans one value and returns its span and kind.
    fn value(&mut self, depth: u32) -> Option<(&'a str, Shape)> {
        let start = self.at;
        let shape = match self.peek()? {
            b'"' => self.string()?,
            b'{' => {
                self.object(depth.checked_sub(1)?, |_| {})?;
                Shape::Other
            }
            b'[' => {
                self.array(depth.checked_sub(1)?, |_| {})?;
                Shape::Other
            }
            b'n' => {
                self.word("null")?;
                Shape::Null
            }
            b't' => {
                self.word("true")?;
                Shape::Other
            }
            b'f' => {
                self.word("false")?;
                Shape::Other
            }
            _ => {
                self.number()?;
                Shape::Other
            }
        };
        Some((self.text.get(start..self.at)?, shape))
    }

    fn object(&mut self, depth: u32, mut each: impl FnMut(Entry<'a>)) -> Option<()> {
        self.entries(&mut each, |each, entry| each(entry), |_, scan, _| scan.value(depth))
    }

    /// Scans an object with the given functions for its values and its entries; `to` is passed to both.
    fn entries<T>(
        &mut self,
        to: &mut T,
        take: impl Fn(&mut T, Entry<'a>),
        value: impl Fn(&mut T, &mut Self, &'a str) -> Option<(&'a str, Shape)>,
    ) -> Option<()> {
        self.take(b'{')?;
        self.space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            let start = self.at + 1;
            if self.peek()? != b'"' || self.string()? != Shape::Plain {
                return None;
            }
            let key = self.text.get(start..self.at - 1)?;
            self.space();
            self.take(b':')?;
            self.space();
            let (value, shape) = value(to, self, key)?;
            take(to, Entry { key, value, shape });
            self.space();
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
            self.space();
        }
    }

    fn array(&mut self, depth: u32, mut each: impl FnMut(&'a str)) -> Option<()> {
        self.take(b'[')?;
        self.space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            each(self.value(depth)?.0);
            self.space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
            self.space();
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.as_bytes().get(self.at..)?.starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        // After a digit behind a leading zero the caller doesn't find one of the few bytes it expects, and fails.
        Some(())
    }

    /// Scans a string, from its opening to its closing quote.
    fn string(&mut self) -> Option<Shape> {
        let bytes = self.text.as_bytes();
        let mut shape = Shape::Plain;
        self.at += 1;
        loop {
            self.at += special(bytes.get(self.at..)?);
            match *bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(shape);
                }
                b'\\' => {
                    shape = Shape::Escaped;
                    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
                    self.at += match *bytes.get(self.at + 1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        b'u' if (self.at + 2..self.at + 6).all(hex) => 6,
                        _ => return None,
                    };
                }
                // A string can't have a control character.
                _ => return None,
            }
        }
    }
}

/// The number of bytes before the first quote, backslash or control character, or before the end.
///
/// Eight bytes at a time: strings here are words, addresses and UUIDs, too short for a call into wider registers.
pub(super) fn special(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The lowest set bit marks the first byte that is zero; higher ones may be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for word in &mut words {
        let Ok(word) = word.try_into().map(u64::from_le_bytes) else { break };
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quotes | backslashes | controls;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = words.remainder();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::{MapAccess, Visitor};
    use serde_json::value::RawValue;

    use super::*;

    /// The entries as `serde_json` sees them.
    fn parsed(json: &str) -> Option<Vec<(String, String)>> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, String)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    entries.push((key.get().to_owned(), value.get().to_owned()));
                }
                Ok(entries)
            }
        }
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let entries = serde::Deserializer::deserialize_map(&mut deserializer, Entries).ok()?;
        deserializer.end().ok()?;
        Some(entries)
    }

    fn scanned(json: &str) -> Option<Vec<(String, String)>> {
        let mut entries = Vec::new();
        Scan::whole_object(json, |entry| {
            let quoted = entry.value.starts_with('"');
            assert_eq!(quoted, matches!(entry.shape, Shape::Plain | Shape::Escaped));
            assert_eq!(entry.shape == Shape::Escaped, quoted && entry.value.contains('\\'));
            assert_eq!(entry.shape == Shape::Null, entry.value == "null");
            entries.push((format!("\"{}\"", entry.key), entry.value.to_owned()));
        })?;
        Some(entries)
    }

    #[test]
    fn the_usual_case_is_answered() {
        for json in [
            "{}",
            r#" { "a" : [ 1 , -0.5e+3 , {"b":null} ] , "c" : "d\u00e9\\" , "e":true,"f":false,"g":0,"é":"ü—" } "#,
            r#"{"a":1,"a":{}}"#,
        ] {
            assert!(scanned(json).is_some(), "{json}");
            assert_eq!(scanned(json), parsed(json), "{json}");
        }
        assert_eq!(scanned(&format!(r#"{{"a":{}{}}}"#, "[".repeat(100), "]".repeat(100))), None, "left to serde_json");
        assert_eq!(scanned(r#"{"\u0061":1}"#), None, "left to serde_json");
    }

    #[test]
    fn the_entries_of_one_object_come_along() {
        let json = r#"{"a":{"x":1},"m":{"b":"c","d":[1]},"n":{"e":2},"z":2}"#;
        let mut seen = Vec::new();
        Scan::whole_object_and(json, &["m", "n"], |within, entry| {
            seen.push(format!("{}/{} {}", within.unwrap_or_default(), entry.key, entry.value));
        })
        .expect("is answered");
        let expected =
            [r#"/a {"x":1}"#, r#"m/b "c""#, "m/d [1]", r#"/m {"b":"c","d":[1]}"#, "n/e 2", r#"/n {"e":2}"#, "/z 2"];
        assert_eq!(seen, expected);
        for other in ["{\"m\":5}", "{\"m\":\"{\"}", "{\"m\":[{\"a\":1}]}", "{}"] {
            let each = |within: Option<&str>, _: Entry<'_>| assert_eq!(within, None, "{other}");
            assert!(Scan::whole_object_and(other, &["m"], each).is_some());
        }
        assert!(Scan::whole_object_and(r#"{"m":{"a"}}"#, &["m"], |_, _| {}).is_none());
    }

    #[test]
    fn what_is_wrong_is_never_answered() {
        for json in [
            "",
            "{",
            "}",
            "[]",
            "5",
            "{]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "{,}",
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":1.}"#,
            r#"{"a":1e}"#,
            r#"{"a":.5}"#,
            r#"{"a":+1}"#,
            r#"{"a":nul}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            r#"{"a":"\u12"#,
            "{\"a\":\"\n\"}",
            "{\"a\":\"\u{1}\"}",
            r#"{"a":"b}"#,
            r#"{"a":1} x"#,
            r#"{"a":[1,]}"#,
            r#"{"a" 1}"#,
            "{'a':1}",
            "{\"a\":\u{a0}1}",
        ] {
            assert_eq!(scanned(json), None, "{json}");
            assert_eq!(parsed(json), None, "{json}");
        }
    }

    #[test]
    fn a_string_of_any_length_ends_where_it_ends() {
        for length in 0..40 {
            for (special, escaped) in [("\\\"", true), ("é", false), ("\\u0022", true), ("", false)] {
                let json = format!(r#"{{"k":"{}{special}{}"}}"#, "x".repeat(length), "y".repeat(length % 11));
                assert_eq!(scanned(&json), parsed(&json));
                assert_eq!(json.contains('\\'), escaped);
            }
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<f64>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<String>().prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                prop::collection::hash_map("[a-z\"\\\\é]{0,5}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_answers_as_serde_json_does(value in json(), pretty: bool) {
            let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let json = json.expect("serialises");
            if let Some(entries) = scanned(&json) {
                prop_assert_eq!(Some(entries), parsed(&json));
            }
        }

        /// A text with something cut out or put in: nearly JSON.
        #[test]
        fn it_never_takes_what_serde_json_refuses(value in json(), at: usize, cut in 0..3usize, put in r#"["\\{}\[\],:0-9eE.+\-\x00-\x1f]{0,3}"#) {
            let mut json: Vec<char> = serde_json::to_string(&value).expect("serialises").chars().collect();
            let at = at % (json.len() + 1);
            let end = (at + cut).min(json.len());
            json.splice(at..end, put.chars());
            let json: String = json.into_iter().collect();
            if let Some(entries) = scanned(&json) {
                prop_assert_eq!(Some(entries), parsed(&json));
            }
        }

        #[test]
        fn it_goes_eight_bytes_at_a_time_and_misses_none(text in "[ -~\u{0}-\u{1f}é\u{7f}-\u{9f}]{0,40}") {
            let expected = text.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            prop_assert_eq!(special(text.as_bytes()), expected.unwrap_or(text.len()));
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!(r#"{{"a":{}"#, r#"{"a":"#.repeat(1_000_000));
        assert_eq!(scanned(&deep), None);
    }
}
