//! From JSON text to fields, without copying.
//!
//! The API promises types; this code doesn't rely on them. Whatever is an object becomes an event: a `user` that is
//! `null`, a number where a string should be, an `initiator` that is an object. Each [`Field`] remembers its shape, so
//! that odd values stay visible in the row instead of failing the page.

use std::{borrow::Cow, fmt};

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::entries::{MOST_FIELDS, MetadataEntries, Noted};
use super::{Entry, Scan, Span};

/// What kind of JSON value a field holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// The event doesn't have the field.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// A string without escapes: its span is its text.
    Plain,
    /// A string with escapes.
    Escaped,
    /// A number, a boolean, an array or an object.
    Other,
}

/// A field of an event: where it is, and its shape. For strings the span lies between the quotes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Field {
    /// Where it is in the chunk's text.
    pub span: Span,
    /// What is there.
    pub shape: Shape,
}

impl Field {
    fn new(whole: &str, raw: &str) -> Self {
        let shape = match raw.as_bytes().first() {
            Some(b'"') if memchr::memchr(b'\\', raw.as_bytes()).is_some() => Shape::Escaped,
            Some(b'"') => Shape::Plain,
            Some(b'n') => Shape::Null,
            _ => Shape::Other,
        };
        Self::of(whole, raw, shape)
    }

    pub(super) fn of(whole: &str, raw: &str, shape: Shape) -> Self {
        let span = Span::of(whole, raw);
        match shape {
            Shape::Plain | Shape::Escaped => {
                Self { span: Span { start: span.start + 1, end: span.end.saturating_sub(1) }, shape }
            }
            _ => Self { span, shape },
        }
    }

    /// Missing, `null` or an empty string.
    pub fn is_blank(&self) -> bool {
        match self.shape {
            Shape::Missing | Shape::Null => true,
            Shape::Plain | Shape::Escaped => self.span.is_empty(),
            Shape::Other => false,
        }
    }
}

/// The fields of one event, as the Activity Logs API documents them (<https://support.nordpass.com/hc/en-us/articles/23485641117329-Activity-Logs-API>).
#[derive(Clone, Debug, Default)]
pub struct EventFields {
    /// `type`.
    pub kind: Field,
    /// `action`.
    pub action: Field,
    /// `timestamp`, Unix seconds.
    pub timestamp: Field,
    /// `organization_uuid`.
    pub organization: Field,
    /// `user.uuid`.
    pub user_uuid: Field,
    /// `user.email`.
    pub user_email: Field,
    /// `initiator`.
    pub initiator: Field,
    /// `metadata`, the whole value.
    pub metadata: Field,
    /// The whole `user` if it is more than `uuid` and `email`: neither an object nor `null`, or an object with further fields.
    pub odd_user: Field,
    /// Top-level fields that this version doesn't know: name (between its quotes) and value.
    pub unknown: Box<[(Field, Field)]>,
    /// The metadata's entries, if they are noted.
    pub noted: Noted,
}

/// The fields whose entries are wanted.
const METADATA: &str = "metadata";
const USER: &str = "user";

/// The value isn't a JSON object, so it isn't an event. Nor is one with more than [`MOST_FIELDS`] fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct NotAnObject;

/// Parses one event. `body` is a slice of `whole`; the spans point into `whole`.
pub fn parse_event(whole: &str, body: &str) -> Result<EventFields, NotAnObject> {
    let fields = parse_event_and(whole, body, &mut MetadataEntries::default())?;
    // The entries are dropped.
    Ok(EventFields { noted: Noted::default(), ..fields })
}

/// Parses one event like [`parse`], and notes the entries of its metadata.
pub fn parse_event_and<'a>(
    whole: &str,
    body: &'a str,
    metadata: &mut MetadataEntries<'a>,
) -> Result<EventFields, NotAnObject> {
    let mut reading = Reading::default();
    let mut user = User::default();
    let mut objects = 0;
    metadata.restart();
    let scanned = Scan::whole_object_and(body, &[USER, METADATA], |within, entry: Entry<'a>| {
        let Entry { key, value, shape } = entry;
        match within {
            Some(METADATA) => return metadata.push(entry),
            Some(_) => return user.take(key, Field::of(whole, value, shape)),
            None => {}
        }
        let is_object = value.starts_with('{');
        if key == METADATA {
            objects += if is_object { 1 } else { 2 };
        }
        // The key, between its quotes.
        let name = || Field { span: Span::of(whole, key), shape: Shape::Plain };
        let user = || is_object.then(|| std::mem::take(&mut user));
        reading.take(key, name, Field::of(whole, value, shape), user);
    });
    if metadata.overflowed() {
        return Err(NotAnObject);
    }
    if scanned.is_some() {
        if reading.unknown.len() > MOST_FIELDS {
            return Err(NotAnObject);
        }
        let mut fields = reading.done();
        if objects == 1 {
            fields.noted = metadata.note(whole);
        }
        return Ok(fields);
    }
    metadata.restart();
    let mut reading = Reading::default();
    raw_entries(body, |key, value| {
        let user = || User::read(whole, value);
        reading.take(&unescape(key.trim_matches('"')), || Field::new(whole, key), Field::new(whole, value), user);
    })
    .ok_or(NotAnObject)?;
    let metadata = reading.fields.metadata.span;
    let mut entries = 0;
    let _ =
        raw_entries(whole.get(metadata.start as usize..metadata.end as usize).unwrap_or_default(), |_, _| entries += 1);
    if reading.unknown.len() > MOST_FIELDS || entries > MOST_FIELDS {
        return Err(NotAnObject);
    }
    Ok(reading.done())
}

/// The fields of an event while they are read.
#[derive(Default)]
struct Reading {
    fields: EventFields,
    unknown: Vec<(Field, Field)>,
}

impl Reading {
    /// Takes an entry. `key` is the name without escapes, `name` its span; `user` reads the value as an object, which it may not
    /// be.
    fn take(&mut self, key: &str, name: impl FnOnce() -> Field, field: Field, user: impl FnOnce() -> Option<User>) {
        let fields = &mut self.fields;
        match key {
            "type" => fields.kind = field,
            "action" => fields.action = field,
            "timestamp" => fields.timestamp = field,
            "organization_uuid" => fields.organization = field,
            "initiator" => fields.initiator = field,
            METADATA => fields.metadata = field,
            USER => match user() {
                Some(user) => {
                    (fields.user_uuid, fields.user_email) = (user.uuid, user.email);
                    if user.further {
                        fields.odd_user = field;
                    }
                }
                None if field.shape == Shape::Null => {}
                None => fields.odd_user = field,
            },
            _ if self.unknown.len() <= MOST_FIELDS => self.unknown.push((name(), field)),
            _ => {}
        }
    }

    fn done(mut self) -> EventFields {
        self.fields.unknown = self.unknown.into();
        self.fields
    }
}

/// The entries of a text that is one object: keys (with their quotes) and values, as they are spelled. `None` for anything
/// else, perhaps after some entries. Slower than [`Scan::whole_object`], but it reads any JSON.
pub fn raw_entries<'a>(json: &'a str, each: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_map(RawEntries(each)).ok()?;
    deserializer.end().ok()
}

struct RawEntries<F>(F);

impl<'de, F: FnMut(&'de str, &'de str)> Visitor<'de> for RawEntries<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            (self.0)(key.get(), value.get());
        }
        Ok(())
    }
}

/// An event's `user`.
#[derive(Default)]
struct User {
    uuid: Field,
    email: Field,
    /// Whether there is anything else, or one of them twice.
    further: bool,
}

impl User {
    /// `None` for anything but an object.
    fn read(whole: &str, json: &str) -> Option<Self> {
        let mut user = Self::default();
        raw_entries(json, |key, value| user.take(&unescape(key.trim_matches('"')), Field::new(whole, value)))?;
        Some(user)
    }

    fn take(&mut self, key: &str, field: Field) {
        let slot = match key {
            "uuid" => &mut self.uuid,
            "email" => &mut self.email,
            _ => return self.further = true,
        };
        self.further |= std::mem::replace(slot, field).shape != Shape::Missing;
    }
}

/// A timestamp field as Unix seconds.
///
/// `None`: no usable time (missing, zero, negative, not a number). The second value is false if the value was interpreted: a
/// number as a string, a fraction, milliseconds (anything past the year 5000 in seconds), RFC 3339.
pub fn event_time(text: &str, field: &Field) -> Option<(i64, bool)> {
    /// 5138-11-16 in seconds; as milliseconds it is 1973.
    const MILLISECONDS_FROM: i64 = 100_000_000_000;
    let raw = match field.shape {
        Shape::Missing | Shape::Null => return None,
        _ => text.get(field.span.start as usize..field.span.end as usize)?,
    };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and nonsense is refused below")]
    let (value, mut plain) = match raw.parse::<i64>() {
        Ok(value) => (value, field.shape == Shape::Other),
        Err(_) => match raw.parse::<f64>() {
            Ok(value) if value.is_finite() => (value as i64, false),
            _ => (raw.parse::<jiff::Timestamp>().ok()?.as_second(), false),
        },
    };
    let mut seconds = value;
    while seconds >= MILLISECONDS_FROM {
        seconds /= 1000;
        plain = false;
    }
    (seconds > 0).then_some((seconds, plain))
}

/// The text of a JSON string's content, borrowed if it has no escape.
pub fn unescape(content: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', content.as_bytes()).is_none() {
        return Cow::Borrowed(content);
    }
    match serde_json::from_str::<String>(&format!("\"{content}\"")) {
        Ok(text) => Cow::Owned(text),
        // Lone surrogates: valid JSON by its grammar, but not text. They keep their spelling.
        Err(_) => Cow::Borrowed(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Text;

    fn fields(json: &str) -> (Text, EventFields) {
        let text = Text::from(json.to_owned());
        let fields = parse_event(&text, &text).expect("an object");
        (text, fields)
    }

    #[test]
    fn only_objects_are_events() {
        for json in ["null", "5", r#""x""#, "[1]", "", "{", r#"{"a":1} x"#] {
            assert_eq!(parse_event(json, json).err(), Some(NotAnObject), "{json}");
        }
    }

    #[test]
    fn what_has_more_fields_than_an_event_can_have_is_none() {
        let object = |number: usize| {
            let entries: Vec<String> = (0..number).map(|number| format!(r#""k{number}":{number}"#)).collect();
            format!("{{{}}}", entries.join(","))
        };
        for (number, fits) in [(MOST_FIELDS, true), (MOST_FIELDS + 1, false), (200_000, false)] {
            for key in ["k", r"\u006b"] {
                let (plain, object) = (object(number).replacen("\"k0", &format!("\"{key}0"), 1), object(number));
                assert_eq!(parse_event(&plain, &plain).is_ok(), fits, "{number} {key}");
                for object in [&object, &plain] {
                    let metadata = format!(r#"{{"metadata":{object}}}"#);
                    assert_eq!(parse_event(&metadata, &metadata).is_ok(), fits, "{number} in metadata, {key}");
                }
            }
        }
    }

    #[test]
    fn times() {
        let time = |value: &str| {
            let (text, fields) = fields(&format!(r#"{{"timestamp":{value}}}"#));
            event_time(&text, &fields.timestamp)
        };
        assert_eq!(time("1738255186"), Some((1_738_255_186, true)));
        assert_eq!(time("1738255186000"), Some((1_738_255_186, false)));
        assert_eq!(time("1738255186.9"), Some((1_738_255_186, false)));
        assert_eq!(time(r#""2025-01-30T16:39:46Z""#), Some((1_738_255_186, false)));
        for unusable in ["0", "-5", "null", r#""soon""#, "{}", "1e400"] {
            assert_eq!(time(unusable), None, "{unusable}");
        }
    }

    #[test]
    fn a_user_of_another_type_stays_visible() {
        for user in
            [r#""someone""#, "7", "[]", r#"["u","e"]"#, r#"{"uuid":"u","name":"n"}"#, r#"{"uuid":"u","uuid":"v"}"#]
        {
            let (text, fields) = fields(&format!(r#"{{"type":"a","user":{user}}}"#));
            let place = fields.odd_user.span;
            assert!(!place.is_empty() && user.contains(text.at(place)), "{user}");
        }
        for user in ["null", "{}", r#"{"uuid":"u","email":"e"}"#] {
            let (_, fields) = fields(&format!(r#"{{"type":"a","user":{user}}}"#));
            assert!(fields.odd_user.is_blank(), "{user}");
        }
    }
}
