//! Placeholders in the address and the headers: `{organization}`, and `{date}` as `YYYY-MM-DD` of the event's time in UTC.
//!
//! An organization's id is foreign text, so it is percent-encoded: it can't add a path segment, a parameter or a header.

use std::fmt::{self, Write as _};

use crate::sinks::delivery::partition::Partition;

/// Of UTC.
pub const SECONDS_A_DAY: i64 = 86_400;
/// A longer value is replaced by its hash, and so is what means a folder, which it does to URL parsers even when it is encoded.
const LONGEST: usize = 200;
/// What stands for an event without an organization.
const NONE: &str = "_none";

/// A text with placeholders.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// Without the text: a header's may have a secret in it.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Organization,
    Date,
}

/// What fills the placeholders, encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// The date; empty where none is needed.
    pub date: &'a str,
    /// The organization; empty where none is needed.
    pub organization: &'a str,
}

impl Template {
    /// Parses a text. Braces around anything but a word are only braces. The error is the unknown word.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = vec![Part::Text(String::new())];
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, braced) = rest.split_at(at);
            let inside = braced[1..].split_once('}').filter(|(word, _)| is_word(word));
            let (part, after) = match inside {
                Some(("organization", after)) => (Some(Part::Organization), after),
                Some(("date", after)) => (Some(Part::Date), after),
                Some((word, _)) => return Err(word.to_owned()),
                None if braced[1..].starts_with("organization.") => return Err("organization.…".to_owned()),
                None => (None, &braced[1..]),
            };
            if let Some(Part::Text(text)) = parts.last_mut() {
                text.push_str(before);
                text.push_str(if part.is_none() { "{" } else { "" });
            }
            if let Some(part) = part {
                parts.extend([part, Part::Text(String::new())]);
            }
            rest = after;
        }
        if let Some(Part::Text(text)) = parts.last_mut() {
            text.push_str(rest);
        }
        Ok(Self(parts))
    }

    /// Whether it needs the organization.
    pub fn has_organization(&self) -> bool {
        self.0.contains(&Part::Organization)
    }

    /// Whether it needs the date.
    pub fn has_date(&self) -> bool {
        self.0.contains(&Part::Date)
    }

    /// The text with these values.
    pub fn render(&self, values: Values<'_>) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Organization => values.organization.to_owned(),
            Part::Date => values.date.to_owned(),
        };
        self.0.iter().map(text).collect()
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A partition's stream, by its values: `records/DATE/ORGANIZATION`. What isn't needed is empty.
pub fn name_of(stream: &str, partition: &Partition, has_date: bool, has_organization: bool) -> String {
    let date = if has_date { date_of(partition.day) } else { String::new() };
    let organization = if has_organization { encode(&partition.organization) } else { String::new() };
    format!("{stream}/{date}/{organization}")
}

/// The values in such a name; `None` if it is none, or holds what no value holds.
pub fn values_of<'a>(stream: &str, name: &'a str) -> Option<Values<'a>> {
    let (date, organization) = name.strip_prefix(stream)?.strip_prefix('/')?.split_once('/')?;
    let is_encoded = |text: &str| text.bytes().all(|byte| is_plain(byte) || byte == b'%' || byte == b'_');
    (is_encoded(date) && is_encoded(organization)).then_some(Values { date, organization })
}

/// A day as `YYYY-MM-DD`.
fn date_of(day: i64) -> String {
    let time = jiff::Timestamp::from_second(day.saturating_mul(SECONDS_A_DAY)).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%d").to_string()
}

/// Bytes that mean nothing in a path, a query or a header. A point does: `..` is the folder above.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn encode(value: &str) -> String {
    if value.is_empty() {
        return NONE.to_owned();
    }
    if value.len() > LONGEST || value == "." || value == ".." {
        return format!("_{}", blake3::hash(value.as_bytes()).to_hex());
    }
    let mut encoded = String::new();
    for byte in value.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, date: &str, organization: &str) -> String {
        Template::parse(text).expect(text).render(Values { date, organization })
    }

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        assert_eq!(rendered("https://h/{date}/x/{organization}?o={organization}", "d", "o"), "https://h/d/x/o?o=o");
        for text in ["", "no placeholder", "{}", "{\"a\":1}", "{Date}", "{", "a}b", "{da te}"] {
            assert_eq!(rendered(text, "d", "o"), text);
            let template = Template::parse(text).expect(text);
            assert!(!template.has_date() && !template.has_organization(), "{text}");
        }
        assert_eq!(Template::parse("/{organisation}"), Err("organisation".to_owned()));
        assert_eq!(Template::parse("/{organization.name}"), Err("organization.…".to_owned()));
        assert_eq!(rendered("{x{date}", "d", "o"), "{xd");
    }

    #[test]
    fn a_value_stays_a_value() {
        for value in
            ["", "..", ".", "a/b", "a?b=c&d", "#", "%2F", "a\r\nx: y", "{date}", "\u{e9}", "_none", &"x".repeat(500)]
        {
            let partition = Partition { organization: value.into(), day: 20_000 };
            let name = name_of("records", &partition, true, true);
            let values = values_of("records", &name).unwrap_or_else(|| panic!("{value}: {name}"));
            assert_eq!(values.date, "2024-10-04");
            let text = rendered("https://host.example/in/{organization}", "", values.organization);
            let url = reqwest::Url::parse(&text).expect("a URL");
            assert_eq!((url.path_segments().expect("segments").count(), url.query()), (2, None), "{value}: {text}");
            assert!(http::HeaderValue::try_from(values.organization).is_ok(), "{value}");
        }
        let uuid = "11111111-0000-4000-8000-000000000001";
        assert_eq!(encode(uuid), uuid);
        assert_eq!(
            (encode(""), encode("_none")),
            ("_none".to_owned(), "%5Fnone".to_owned()),
            "two values are two partitions"
        );
    }

    #[test]
    fn a_name_that_is_no_places_is_none() {
        for name in ["records", "records/x", "other/x/y", "records/../y", "records/x/y z", "records/x/y/z"] {
            assert_eq!(values_of("records", name), None, "{name}");
        }
        assert_eq!(values_of("records", "records//a"), Some(Values { date: "", organization: "a" }));
        assert_eq!(date_of(i64::MAX), "9999-12-30");
    }
}
