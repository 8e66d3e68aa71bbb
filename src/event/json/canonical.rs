//! The canonical form of a JSON value: key order, white space, escapes and number spelling don't count.
//!
//! It is JSON itself: without white space, with the keys in order and as few escapes as JSON allows. Input in that form is
//! copied unchanged.
//!
//! `serde_json` has checked the input before. On anything unexpected the rest of the text is taken as it is, which still gives
//! the same id for the same spelling.

use std::borrow::Cow;

use super::{Entry, Shape, scan::special, unescape};

/// The most entries that are sorted at a time. An object with more keeps its order, which gives the same id for the same
/// spelling: sorting would take many times its bytes.
const MOST_ENTRIES: usize = 64 << 10;

/// The deepest level that is brought into canonical form. No API nests that deep, and this walks recursively.
const DEEPEST: usize = 200;

/// Writes canonical forms. Reuses its buffers from one value to the next.
#[derive(Default)]
pub struct Writer {
    /// The entries of the open objects: where each begins, where its key ends, where it ends.
    entries: Vec<(usize, usize, usize)>,
    /// A copy of an object's entries while they are sorted.
    scratch: Vec<u8>,
}

/// A string without escapes, given without its quotes.
pub fn plain(content: &str, out: &mut Vec<u8>) {
    out.reserve(content.len() + 2);
    out.push(b'"');
    out.extend_from_slice(content.as_bytes());
    out.push(b'"');
}

/// A string, given without its quotes and with its escapes.
pub fn string(content: &str, out: &mut Vec<u8>) {
    if memchr::memchr(b'\\', content.as_bytes()).is_none() {
        return plain(content, out);
    }
    // Half of a surrogate pair isn't text: it keeps its spelling.
    let Cow::Owned(content) = unescape(content) else { return plain(content, out) };
    out.push(b'"');
    for byte in content.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..0x20 => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Whether an array has only strings without escapes, and no white space: then it is canonical already.
fn is_plain_list(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut at = 1;
    loop {
        if bytes.get(at) != Some(&b'"') {
            return false;
        }
        // To the closing quote.
        at += 1 + special(bytes.get(at + 1..).unwrap_or_default());
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'"'), Some(b',')) => at += 2,
            (Some(b'"'), Some(b']')) => return at + 2 == bytes.len(),
            _ => return false,
        }
    }
}

impl Writer {
    /// Appends the canonical form of an object with these entries, and sorts them.
    pub fn object_of(&mut self, entries: &mut [Entry<'_>], out: &mut Vec<u8>) {
        // Stable: entries with the same key keep their order.
        entries.sort_by(|a, b| a.key.cmp(b.key));
        out.push(b'{');
        for (number, entry) in entries.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            plain(entry.key, out);
            out.push(b':');
            match entry.shape {
                Shape::Plain => out.extend_from_slice(entry.value.as_bytes()),
                Shape::Other if entry.value.starts_with('[') && is_plain_list(entry.value) => {
                    out.extend_from_slice(entry.value.as_bytes());
                }
                _ => self.value(entry.value, out),
            }
        }
        out.push(b'}');
    }

    /// Appends the canonical form of `json` to `out`.
    pub fn value(&mut self, json: &str, out: &mut Vec<u8>) {
        let mut cursor = Cursor { text: json, at: 0 };
        self.walk(&mut cursor, out, 0);
        let rest = cursor.rest().trim();
        out.extend_from_slice(rest.as_bytes());
    }

    fn walk(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) {
        // The rest, as it is spelled: nothing of it is left out, so that two events stay two.
        if depth > DEEPEST {
            out.extend_from_slice(cursor.rest().as_bytes());
            cursor.at = cursor.text.len();
            return;
        }
        match cursor.peek() {
            Some(b'{') => self.object(cursor, out, depth),
            Some(b'[') => {
                cursor.at += 1;
                out.push(b'[');
                let first = out.len();
                while !cursor.skip(b']') {
                    let before = cursor.at;
                    if out.len() > first {
                        out.push(b',');
                    }
                    self.walk(cursor, out, depth + 1);
                    cursor.skip(b',');
                    if cursor.at == before {
                        break;
                    }
                }
                out.push(b']');
            }
            Some(b'"') => string(cursor.string(), out),
            Some(_) => scalar(cursor.scalar(), out),
            None => {}
        }
    }

    /// Writes the entries in their order and sorts them by key only if they aren't sorted: no allocation for each key.
    fn object(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) {
        cursor.at += 1;
        out.push(b'{');
        let (first, begin) = (self.entries.len(), out.len());
        let mut whole = true;
        while !cursor.skip(b'}') {
            if cursor.peek() != Some(b'"') {
                break;
            }
            if out.len() > begin {
                out.push(b',');
            }
            let start = out.len();
            string(cursor.string(), out);
            // Without its closing quote: "a" comes before "a!", as the contents do.
            let key_end = out.len() - 1;
            out.push(b':');
            cursor.skip(b':');
            self.walk(cursor, out, depth + 1);
            if self.entries.len() < MOST_ENTRIES {
                self.entries.push((start, key_end, out.len()));
            } else {
                whole = false;
            }
            cursor.skip(b',');
        }
        let entries = &mut self.entries[first..];
        if whole && !entries.is_sorted_by_key(|entry| &out[entry.0..entry.1]) {
            self.scratch.clear();
            self.scratch.extend_from_slice(&out[begin..]);
            entries.sort_by(|a, b| out[a.0..a.1].cmp(&out[b.0..b.1]));
            out.truncate(begin);
            for (number, (start, _, end)) in entries.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&self.scratch[*start - begin..*end - begin]);
            }
        }
        self.entries.truncate(first);
        out.push(b'}');
    }
}

/// `true`, `false`, `null` as they are; numbers by value.
fn scalar(text: &str, out: &mut Vec<u8>) {
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        out.extend_from_slice(text.as_bytes());
    } else if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        out.extend_from_slice(if text == "-0" { b"0" } else { text.as_bytes() });
    } else {
        // A number that rounds to 0 or is too large to be exact keeps its spelling.
        let rounds_to_zero = |number: f64| {
            let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
            number == 0.0 && mantissa.contains(|c: char| matches!(c, '1'..='9'))
        };
        match text.parse::<f64>() {
            Ok(number) if rounds_to_zero(number) => out.extend_from_slice(text.as_bytes()),
            // Whole numbers below 2^53 are exact: 1.0, 1e0 and 1 are the same.
            Ok(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
                #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and below 2^53")]
                let whole = number as i64;
                out.extend_from_slice(whole.to_string().as_bytes());
            }
            Ok(number) if number.abs() < 9_007_199_254_740_992.0 => {
                out.extend_from_slice(number.to_string().as_bytes());
            }
            _ => out.extend_from_slice(text.as_bytes()),
        }
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Skips `byte` if it is next. Returns true at the end of the text, so that loops end.
    fn skip(&mut self, byte: u8) -> bool {
        match self.peek() {
            Some(next) if next == byte => {
                self.at += 1;
                true
            }
            Some(_) => false,
            None => true,
        }
    }

    /// The content of the string that begins here, with its escapes.
    fn string(&mut self) -> &'a str {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(end..).unwrap_or_default()) {
            end += found;
            if bytes[end] == b'"' {
                self.at = end + 1;
                return &self.text[start..end];
            }
            end += 2;
        }
        self.at = bytes.len();
        self.text.get(start..).unwrap_or_default()
    }

    fn scalar(&mut self) -> &'a str {
        let rest = self.rest();
        let len = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn canonical(json: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Writer::default().value(json, &mut out);
        out
    }

    #[test]
    fn nested_objects_keep_their_entries() {
        assert_eq!(
            canonical(r#"{"b":{"d":1,"c":[{"y":2,"x":3}]},"a":0}"#),
            canonical(r#"{ "a":0, "b":{"c":[{"x":3,"y":2}],"d":1} }"#)
        );
        assert_ne!(canonical(r#"{"a":{"b":1},"c":2}"#), canonical(r#"{"a":{"b":1,"c":2}}"#));
    }

    #[test]
    fn what_is_canonical_stays_as_it_is() {
        for json in [r#"{"a":[1,-2,0.5,true,null,"x\\\"y"],"b":{},"c":[],"é":"ü"}"#, r#""\u0001""#, r#"{"a":1,"a!":2}"#]
        {
            assert_eq!(String::from_utf8(canonical(json)).expect("text"), json);
        }
        let spelled = r#" { "b" : "\u0041\/\t" , "a" : [ 1.0 , 2e0 ] } "#;
        assert_eq!(String::from_utf8(canonical(spelled)).expect("text"), r#"{"a":[1,2],"b":"A/\u0009"}"#);
    }

    /// Behind 200 levels, brackets were counted wrongly: two different events had one id, and one of them was lost.
    #[test]
    fn what_is_nested_deeper_than_anybody_nests_stays_two() {
        let deep = |levels: usize, inner: &str| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels));
        for levels in [0, 198, 199, 200, 201, 5_000] {
            for (one, other) in [("[[[],2]]", "[[],[2]]"), ("[[1,[],2]]", "[[],1,[2]]"), ("[[[],[2]]]", "[[],[[2]]]")] {
                assert_ne!(canonical(&deep(levels, one)), canonical(&deep(levels, other)), "{levels}: {one}");
            }
        }
        assert_eq!(canonical(&deep(150, r#"{ "b":1, "a":2.0 }"#)), canonical(&deep(150, r#"{"a":2,"b":1}"#)));
    }

    #[test]
    fn an_escaped_character_is_no_punctuation() {
        assert_ne!(canonical(r#"{"a":"b\",\"c\":\"d"}"#), canonical(r#"{"a":"b","c":"d"}"#));
    }

    /// The fast and the slow path give the same result.
    fn both(json: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut entries = Vec::new();
        crate::event::Scan::whole_object(json, |entry| entries.push(entry))?;
        let mut quick = Vec::new();
        Writer::default().object_of(&mut entries, &mut quick);
        Some((quick, canonical(json)))
    }

    #[test]
    fn known_entries_make_no_difference() {
        for json in [
            "{}",
            r#"{"b":["x","y"],"a":["x", "y"],"c":["x\u0041"],"d":[],"e":["x",1],"f":[["x"]],"g":["x"]}"#,
            r#"{"a":["x\",", ""],"b":["x\",",""],"c":["",""],"d":["x" ,"y"],"e":["x"]}"#,
            r#"{"z":1.0,"y":"\u0041","x":null,"w":{"b":1,"a":2},"v":true,"a":1,"a":0}"#,
        ] {
            let (quick, slow) = both(json).expect("is answered");
            assert_eq!(String::from_utf8(quick), String::from_utf8(slow));
        }
    }

    #[test]
    fn plain_lists_are_told_from_others() {
        for plain in [r#"["a"]"#, r#"["a","b"]"#, r#"["","é"]"#, r#"["","",""]"#] {
            assert!(is_plain_list(plain), "{plain}");
        }
        for other in [
            "[]",
            r#"["a", "b"]"#,
            r#"["a" ,"b"]"#,
            r#"[ "a"]"#,
            r#"["a"] "#,
            r#"["\u0061"]"#,
            r#"["x\",", ""]"#,
            r#"["x\",",""]"#,
            r#"["a",1]"#,
            r#"[["a"]]"#,
        ] {
            assert!(!is_plain_list(other), "{other}");
        }
    }

    #[test]
    fn what_is_not_the_same_value_has_not_the_same_form() {
        for (one, other) in [
            (r#""\ud800""#, r#""\\ud800""#),
            ("9007199254740993.0", "9007199254740992"),
            ("1e-400", "0"),
            ("1e400", "1e401"),
        ] {
            assert_ne!(canonical(one), canonical(other), "{one} and {other}");
        }
        assert_eq!(canonical("-0.0e5"), canonical("0"));
    }

    #[test]
    fn large_integers_keep_every_digit() {
        assert_ne!(canonical("9007199254740993"), canonical("9007199254740992"));
        assert_eq!(canonical("-0"), canonical("0"));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
            r#"["\\,a]{0,3}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(".{0,4}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equal_values_have_equal_forms_and_others_do_not(a in json(), b in json()) {
            let pretty = serde_json::to_string_pretty(&a).expect("serialises");
            prop_assert_eq!(canonical(&a.to_string()), canonical(&pretty));
            prop_assert_eq!(a == b, canonical(&a.to_string()) == canonical(&b.to_string()));
        }

        #[test]
        fn known_entries_never_make_a_difference(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            if let Some((quick, slow)) = both(&text.expect("serialises")) {
                prop_assert_eq!(quick, slow);
            }
        }

        #[test]
        fn it_is_the_value_itself(value in json()) {
            let read: Value = serde_json::from_slice(&canonical(&value.to_string())).expect("JSON");
            prop_assert_eq!(read, value);
        }

        #[test]
        fn nothing_panics(text in ".{0,60}") {
            let _ = canonical(&text);
        }
    }
}
