//! From JSON text to fields, without copying.
//!
//! The API promises types; this code doesn't rely on them. Whatever is an object becomes an event: a `user` that is
//! `null`, a number where a string should be, an `initiator` that is an object. Each [`Field`] remembers its shape, so
//! that odd values stay visible in the row instead of failing the page (`reference/nordpass.md`, D17 and D18).

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Record, Span, Text};

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
    /// Place in the chunk's text.
    pub span: Span,
    /// What is there.
    pub shape: Shape,
}

impl Field {
    fn new(whole: &str, raw: &str) -> Self {
        let span = Span::of(whole, raw);
        match raw.as_bytes().first() {
            Some(b'"') => {
                let inner = Span { start: span.start + 1, end: span.end.saturating_sub(1) };
                let escaped = memchr::memchr(b'\\', raw.as_bytes()).is_some();
                Self { span: inner, shape: if escaped { Shape::Escaped } else { Shape::Plain } }
            }
            Some(b'n') => Self { span, shape: Shape::Null },
            _ => Self { span, shape: Shape::Other },
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

/// The fields of one event (`reference/nordpass.md` 1.2).
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
    /// The whole `user` where it is more than `uuid` and `email` say: neither an object nor `null`, or an object with
    /// further fields.
    pub odd_user: Field,
    /// Top-level fields that this version doesn't know: name (between its quotes) and value.
    pub unknown: Box<[(Field, Field)]>,
}

/// The value isn't a JSON object, so it isn't an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct NotAnObject;

/// Parses one event. `body` is a slice of `whole`; the spans point into `whole`.
pub fn parse_event(whole: &str, body: &str) -> Result<EventFields, NotAnObject> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let fields = deserializer.deserialize_map(Fields { whole }).map_err(|_| NotAnObject)?;
    deserializer.end().map_err(|_| NotAnObject)?;
    Ok(fields)
}

struct Fields<'w> {
    whole: &'w str,
}

/// A key with its raw spelling, so that an unknown one can be written into a row as it stands.
type Key<'de> = &'de RawValue;

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = EventFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a NordPass event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EventFields, A::Error> {
        let mut fields = EventFields::default();
        let mut unknown = Vec::new();
        while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            let field = Field::new(self.whole, value.get());
            match unescape(key.get().trim_matches('"')).as_ref() {
                "type" => fields.kind = field,
                "action" => fields.action = field,
                "timestamp" => fields.timestamp = field,
                "organization_uuid" => fields.organization = field,
                "initiator" => fields.initiator = field,
                "metadata" => fields.metadata = field,
                "user" => match serde_json::from_str::<User<'de>>(value.get()) {
                    Ok(user) => {
                        fields.user_uuid = user.uuid.map(|raw| Field::new(self.whole, raw.get())).unwrap_or_default();
                        fields.user_email = user.email.map(|raw| Field::new(self.whole, raw.get())).unwrap_or_default();
                        if user.further {
                            fields.odd_user = field;
                        }
                    }
                    Err(_) if field.shape == Shape::Null => {}
                    Err(_) => fields.odd_user = field,
                },
                _ => unknown.push((Field::new(self.whole, key.get()), field)),
            }
        }
        fields.unknown = unknown.into();
        Ok(fields)
    }
}

/// Not derived: a derived one would take an array for an object, and drop further fields unseen.
#[derive(Default)]
struct User<'a> {
    uuid: Option<&'a RawValue>,
    email: Option<&'a RawValue>,
    /// Whether there is anything else, or one of them twice.
    further: bool,
}

impl<'de> serde::Deserialize<'de> for User<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(User::default())
    }
}

impl<'de> Visitor<'de> for User<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            match unescape(key.get().trim_matches('"')).as_ref() {
                "uuid" => self.further |= self.uuid.replace(value).is_some(),
                "email" => self.further |= self.email.replace(value).is_some(),
                _ => self.further = true,
            }
        }
        Ok(self)
    }
}

/// A raw event of a chunk: its record and its fields over the chunk's text.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The chunk's text.
    pub text: &'a Text,
    /// Id, time, organization and place.
    pub record: &'a Record,
    /// The parsed fields.
    pub fields: &'a EventFields,
}

impl<'a> Event<'a> {
    /// The whole event as it came.
    pub fn body(&self) -> &'a str {
        self.text.at(self.record.body)
    }

    /// A field as text: a string without its escapes, any other value as its JSON, nothing as "".
    pub fn text_of(&self, field: &Field) -> Cow<'a, str> {
        match field.shape {
            Shape::Missing | Shape::Null => Cow::Borrowed(""),
            Shape::Plain | Shape::Other => Cow::Borrowed(self.text.at(field.span)),
            Shape::Escaped => unescape(self.text.at(field.span)),
        }
    }

    /// A field as it may stand between two quotes in JSON: strings keep the spelling they came with.
    pub fn quoted_content(&self, field: &Field) -> Cow<'a, str> {
        match field.shape {
            Shape::Missing | Shape::Null => Cow::Borrowed(""),
            Shape::Plain | Shape::Escaped => Cow::Borrowed(self.text.at(field.span)),
            Shape::Other => {
                let quoted = serde_json::to_string(self.text.at(field.span)).unwrap_or_default();
                Cow::Owned(quoted.trim_matches('"').to_owned())
            }
        }
    }

    /// A field as a JSON value, quotes included; `null` where there is none.
    pub fn json_of(&self, field: &Field) -> &'a str {
        match field.shape {
            Shape::Missing => "null",
            Shape::Null | Shape::Other => self.text.at(field.span),
            Shape::Plain | Shape::Escaped => {
                self.text.at(Span { start: field.span.start.saturating_sub(1), end: field.span.end + 1 })
            }
        }
    }
}

/// A timestamp field as Unix seconds.
///
/// `None`: no usable time (missing, zero, negative, no number). The second value is false where the value had to be
/// interpreted: a number as a string, a fraction, milliseconds (anything past the year 5000 in seconds), RFC 3339.
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

/// The text of a JSON string's content. Borrows where there is no escape.
pub fn unescape(content: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', content.as_bytes()).is_none() {
        return Cow::Borrowed(content);
    }
    match serde_json::from_str::<String>(&format!("\"{content}\"")) {
        Ok(text) => Cow::Owned(text),
        // Lone surrogates: valid JSON by its grammar, but no text. Kept as they are written.
        Err(_) => Cow::Borrowed(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn fields(json: &str) -> (Text, EventFields) {
        let text = Text::from(json.to_owned());
        let fields = parse_event(&text, &text).expect("an object");
        (text, fields)
    }

    fn record(text: &Text) -> Record {
        Record { id: crate::event::EventId(0), time: 0, organization: Arc::from(""), body: Span::new(0, text.len()) }
    }

    #[test]
    fn odd_values_are_kept() {
        let (text, fields) =
            fields(r#"{"type":5,"action":"","timestamp":"1738255186","user":null,"initiator":{"a":1},"x":[2]}"#);
        let record = record(&text);
        let event = Event { text: &text, record: &record, fields: &fields };
        assert_eq!(event.text_of(&fields.kind), "5");
        assert!(fields.action.is_blank() && fields.user_uuid.is_blank());
        assert_eq!(event.quoted_content(&fields.initiator), r#"{\"a\":1}"#);
        assert_eq!(event.json_of(&fields.timestamp), r#""1738255186""#);
        assert_eq!(fields.unknown.len(), 1);
        assert_eq!(event_time(&text, &fields.timestamp), Some((1_738_255_186, false)));
    }

    #[test]
    fn only_objects_are_events() {
        for json in ["null", "5", r#""x""#, "[1]", "", "{", r#"{"a":1} x"#] {
            assert_eq!(parse_event(json, json).err(), Some(NotAnObject), "{json}");
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
