//! Cuts fields longer than Azure's limit.
//!
//! Azure silently truncates a field at 64 KB
//! (<https://learn.microsoft.com/azure/azure-monitor/fundamentals/service-limits>), which breaks the JSON of a dynamic
//! column. So longer fields are cut here: the longest strings first, then the longest lists, with a mark that says how
//! much is missing. All keys stay, and the field stays valid JSON.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::event::unescape;

/// "64 KB" is 64,000 bytes in the strictest reading, counted in the JSON text, which is never shorter than the value.
pub const MAX_FIELD_BYTES: usize = 64_000;

/// How many levels of a row are parsed. Fewer than common JSON parsers accept.
const LEVELS: u32 = 64;

/// A row with its long fields cut, and their number. `None` if nothing is too long or the row isn't an object.
pub fn cut(row: &str) -> Option<(String, u64)> {
    if row.len() <= MAX_FIELD_BYTES {
        return None;
    }
    let Ok(Node::Object(fields)) = Node::read(row, LEVELS) else { return None };
    let mut number = 0;
    let fields = fields.into_iter().map(|(key, value)| {
        let value = if value.len() > MAX_FIELD_BYTES {
            number += 1;
            value.cut_to(MAX_FIELD_BYTES)
        } else {
            value
        };
        (key, value)
    });
    let row = Node::Object(fields.collect());
    let mut text = String::with_capacity(row.len());
    row.write(&mut text);
    (number > 0).then_some((text, number))
}

/// A JSON value. What isn't cut keeps its spelling.
#[derive(Clone)]
enum Node<'a> {
    /// A number, a boolean, `null`.
    Scalar(&'a str),
    /// A string's content between its quotes, with escapes.
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    /// Keys with their quotes.
    Object(Vec<(&'a str, Node<'a>)>),
    /// A list or object nested too deeply to parse, because parsing is recursive.
    Deep(&'a str),
}

impl<'a> Node<'a> {
    fn read(json: &'a str, levels: u32) -> serde_json::Result<Self> {
        let json = json.trim();
        Ok(match json.as_bytes().first() {
            Some(b'[' | b'{') if levels == 0 => Self::Deep(json),
            Some(b'"') => Self::Text(Cow::Borrowed(&json[1..json.len() - 1])),
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(json)?;
                Self::List(items.into_iter().map(|item| Self::read(item.get(), levels - 1)).collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(json)?;
                let entries =
                    entries.into_iter().map(|(key, value)| Ok((key.get(), Self::read(value.get(), levels - 1)?)));
                Self::Object(entries.collect::<serde_json::Result<_>>()?)
            }
            _ => Self::Scalar(json),
        })
    }

    /// Length of its JSON text in bytes.
    fn len(&self) -> usize {
        match self {
            Self::Scalar(text) | Self::Deep(text) => text.len(),
            Self::Text(text) => text.len() + 2,
            Self::List(items) => 2 + items.iter().map(|item| item.len() + 1).sum::<usize>().saturating_sub(1),
            Self::Object(entries) => {
                2 + entries.iter().map(|(key, value)| key.len() + 2 + value.len()).sum::<usize>().saturating_sub(1)
            }
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Scalar(text) | Self::Deep(text) => out.push_str(text),
            Self::Text(text) => {
                out.push('"');
                out.push_str(text);
                out.push('"');
            }
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(entries) => {
                out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push_str(key);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Cuts strings, then lists, at smaller and smaller limits until the value fits.
    fn cut_to(self, max: usize) -> Self {
        let mut limit = max;
        while limit >= 32 {
            let cut = self.limited(limit, usize::MAX);
            if cut.len() <= max {
                return cut;
            }
            limit /= 2;
        }
        let mut items = 4096;
        while items >= 1 {
            let cut = self.limited(32, items);
            if cut.len() <= max {
                return cut;
            }
            items /= 2;
        }
        // More keys than fit: replace the whole value.
        Self::Text(Cow::Owned(format!("[{} bytes of JSON with too many keys for one field]", self.len())))
    }

    fn limited(&self, bytes: usize, items: usize) -> Self {
        match self {
            Self::Scalar(text) => Self::Scalar(text),
            Self::Deep(text) if text.len() > bytes => {
                Self::Text(Cow::Owned(format!("[{} bytes of JSON, nested too deeply]", text.len())))
            }
            Self::Deep(text) => Self::Deep(text),
            Self::Text(text) if text.len() > bytes => Self::Text(Cow::Owned(shorten(text, bytes))),
            Self::Text(text) => Self::Text(text.clone()),
            Self::List(list) => {
                let mut kept: Vec<_> = list.iter().take(items).map(|item| item.limited(bytes, items)).collect();
                if list.len() > items {
                    kept.push(Self::Text(Cow::Owned(format!("…[{} more items]", list.len() - items))));
                }
                Self::List(kept)
            }
            Self::Object(entries) => {
                Self::Object(entries.iter().map(|(key, value)| (*key, value.limited(bytes, items))).collect())
            }
        }
    }
}

/// Cuts a string's content at a character, adds the mark, and escapes it again.
fn shorten(content: &str, bytes: usize) -> String {
    let text = unescape(content);
    let mut end = bytes.min(text.len());
    loop {
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let short = format!("{}…[{} more bytes]", &text[..end], text.len() - end);
        let quoted = serde_json::to_string(&short).unwrap_or_default();
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        // Escapes may make it longer again. The mark is always allowed.
        if inner.len() <= bytes + 40 || end == 0 {
            return inner.to_owned();
        }
        end /= 2;
    }
}

/// An object's entries in their order, repeated keys included.
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn cut_value(row: &Value) -> (Value, u64) {
        let (text, number) = cut(&row.to_string()).expect("something is too long");
        (serde_json::from_str(&text).expect("valid JSON"), number)
    }

    #[test]
    fn rows_that_fit_are_left_alone() {
        assert!(cut(&json!({"a": "x".repeat(60_000)}).to_string()).is_none());
        assert!(cut(&json!({"a": "x".repeat(60_000), "b": "y".repeat(60_000)}).to_string()).is_none());
        assert!(cut(&"x".repeat(100_000)).is_none(), "no object");
    }

    #[test]
    fn a_long_string_is_cut_and_marked() {
        for part in ["x", "\"\\", "ü", "\u{1}", "日本"] {
            let (row, number) = cut_value(&json!({"Operation": "o", "Object": part.repeat(100_000)}));
            assert_eq!((number, &row["Operation"]), (1, &json!("o")));
            assert!(row["Object"].as_str().expect("text").contains("more bytes]"));
            assert!(
                row["Object"].to_string().len() <= MAX_FIELD_BYTES,
                "{part:?}: {}",
                row["Object"].to_string().len()
            );
        }
    }

    #[test]
    fn a_dynamic_field_keeps_its_keys_and_its_short_values() {
        let long = "x".repeat(20_000_000);
        let (row, _) =
            cut_value(&json!({"AdditionalFields": {"note": long, "n": 1.50, "deep": {"k": [long, "short"]}}}));
        let fields = &row["AdditionalFields"];
        assert!(fields.to_string().len() <= MAX_FIELD_BYTES);
        assert_eq!(fields["deep"]["k"][1], json!("short"));
        assert!(fields["note"].as_str().expect("text").len() > 10_000, "no more is cut than must be");
    }

    #[test]
    fn long_lists_and_too_many_keys_still_fit() {
        let items: Vec<String> = (0..500_000).map(|n| format!("{n:036}")).collect();
        let (row, _) = cut_value(&json!({"AdditionalFields": {"items": items, "platform": "iOS"}}));
        assert!(row["AdditionalFields"].to_string().len() <= MAX_FIELD_BYTES);
        assert_eq!(row["AdditionalFields"]["platform"], json!("iOS"));
        let keys: serde_json::Map<_, _> = (0..50_000).map(|n| (n.to_string(), json!(n))).collect();
        let (row, _) = cut_value(&json!({"AdditionalFields": keys}));
        assert!(row["AdditionalFields"].as_str().expect("text").contains("too many keys"));
    }

    /// Each level was a nested call: the stack overflowed and the program crashed at every start.
    #[test]
    fn nesting_as_deep_as_the_row_is_long_is_cut_without_an_end_of_the_stack() {
        for (open, middle, close) in [("[", "1", "]"), (r#"{"k":"#, "1", "}"), (r#"[{"k":["#, r#""x""#, "]}]")] {
            let deep = open.repeat(100_000) + middle + &close.repeat(100_000);
            let text = format!(r#"{{"AdditionalFields":{{"platform":"iOS","deep":{deep}}}}}"#);
            let (text, number) = cut(&text).expect("something is too long");
            assert!(text.len() <= MAX_FIELD_BYTES && number == 1, "{}", text.len());
            let row: Value = serde_json::from_str(&text).expect("valid JSON that isn't too deep for a usual reader");
            assert_eq!(row["AdditionalFields"]["platform"], json!("iOS"));
            assert!(row.to_string().contains("nested"), "it says what is missing");
        }
    }
}
