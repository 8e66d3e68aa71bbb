//! One raw event of a chunk, as transforms see it.

use std::borrow::Cow;

use super::{EventFields, Field, Record, Shape, Span, Text, unescape};

/// A raw event of a chunk: its record and its fields over the chunk's text.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The chunk's text.
    pub text: &'a Text,
    /// Id, time, organization and span.
    pub record: &'a Record,
    /// The parsed fields.
    pub fields: &'a EventFields,
}

impl<'a> Event<'a> {
    /// The entries of the metadata in their order: names (between their quotes, without escapes) and values. `None` if the parse
    /// didn't note them: then the metadata has to be scanned.
    pub fn metadata_entries(&self) -> Option<&'a [(Field, Field)]> {
        let entries = self.text.noted(self.fields.noted)?;
        let metadata = self.fields.metadata.span;
        let inside = |(name, value): &(Field, Field)| metadata.start < name.span.start && value.span.end < metadata.end;
        // The entries of this event, not of one that another parse of the text has put there.
        entries.first().is_none_or(inside).then_some(entries).filter(|entries| entries.last().is_none_or(inside))
    }

    /// The whole event as NordPass sent it.
    pub fn body(&self) -> &'a str {
        self.text.at(self.record.body)
    }

    /// A field as text: a string without its escapes, any other value as its JSON, a missing field as "".
    pub fn text_of(&self, field: &Field) -> Cow<'a, str> {
        match field.shape {
            Shape::Missing | Shape::Null => Cow::Borrowed(""),
            Shape::Plain | Shape::Other => Cow::Borrowed(self.text.at(field.span)),
            Shape::Escaped => unescape(self.text.at(field.span)),
        }
    }

    /// A field as the content of a JSON string. Strings keep their spelling.
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

    /// A field as a JSON value, quotes included; `null` if it is missing.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, event_time, parse_event};

    #[test]
    fn odd_values_are_kept() {
        let text = r#"{"type":5,"action":"","timestamp":"1738255186","user":null,"initiator":{"a":1},"x":[2]}"#;
        let text = Text::from(text.to_owned());
        let fields = parse_event(&text, &text).expect("an object");
        let record = Record { id: EventId(0), time: 0, organization: "".into(), body: Span::new(0, text.len()) };
        let event = Event { text: &text, record: &record, fields: &fields };
        assert_eq!(event.text_of(&fields.kind), "5");
        assert!(fields.action.is_blank() && fields.user_uuid.is_blank());
        assert_eq!(event.quoted_content(&fields.initiator), r#"{\"a\":1}"#);
        assert_eq!(event.json_of(&fields.timestamp), r#""1738255186""#);
        assert_eq!(fields.unknown.len(), 1);
        assert_eq!(event_time(&text, &fields.timestamp), Some((1_738_255_186, false)));
    }
}
