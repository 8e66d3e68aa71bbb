//! The entries of events' metadata, noted by the parse, which walks over them anyway.
//!
//! Two need them next: the id, at once, in its own order; and the transform, later, in theirs. So they are kept beside
//! the text that they point into, for all events of the text together, and an event's fields say which are its own.

use super::{Entry, Field, Shape, Span, Text};

/// Which of a text's notes are an event's. `Default`: none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted(Option<Span>);

/// The notes of a text while its events are parsed.
#[derive(Debug, Default)]
pub struct MetadataEntries<'a> {
    /// Those of the event that was parsed last.
    entries: Vec<Entry<'a>>,
    /// Whether they are all. Not so where the metadata is no object, is there twice, or took the slow way.
    known: bool,
    /// Those of all events: name and value.
    noted: Vec<(Field, Field)>,
}

impl<'a> MetadataEntries<'a> {
    /// A new event begins.
    pub(in crate::event) fn restart(&mut self) {
        self.entries.clear();
        self.known = false;
    }

    pub(in crate::event) fn push(&mut self, entry: Entry<'a>) {
        self.entries.push(entry);
    }

    /// All entries of the event have been seen; `whole` is the text.
    pub(in crate::event) fn note(&mut self, whole: &str) -> Noted {
        self.known = true;
        let start = self.noted.len();
        self.noted.extend(self.entries.iter().map(|&Entry { key, value, shape }| {
            (Field { span: Span::of(whole, key), shape: Shape::Plain }, Field::of(whole, value, shape))
        }));
        Noted(Some(Span::new(start, self.noted.len())))
    }

    /// The entries of the event that was parsed last, in any order, to put them into another; `None` where they have to
    /// be looked for.
    pub fn known(&mut self) -> Option<&mut [Entry<'a>]> {
        self.known.then_some(&mut *self.entries)
    }

    /// All events of the text have been parsed: what was noted stays with it, unless another parse has kept its notes.
    pub fn keep(self, text: &Text) {
        text.note(self.noted);
    }
}

impl Noted {
    /// The event's own among all of the text.
    pub(in crate::event) fn of(self, all: &[(Field, Field)]) -> Option<&[(Field, Field)]> {
        all.get(self.0?.start as usize..self.0?.end as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Event, EventId, Record, parse_event, parse_event_and};

    /// The metadata's entries as the transform would see them.
    fn noted(text: &Text, parse: impl FnOnce(&Text, &str) -> crate::event::EventFields) -> Option<Vec<String>> {
        let fields = parse(text, text);
        let body = Span::new(0, text.len());
        let record = Record { id: EventId(0), time: 0, organization: Arc::from(""), body };
        let event = Event { text, record: &record, fields: &fields };
        let show = |(name, value): &(Field, Field)| format!("{} {}", text.at(name.span), event.json_of(value));
        event.metadata_entries().map(|entries| entries.iter().map(show).collect())
    }

    fn kept(json: &str) -> Option<Vec<String>> {
        let text = Text::from(json.to_owned());
        noted(&text, |text, body| {
            let mut entries = MetadataEntries::default();
            let fields = parse_event_and(text, body, &mut entries).expect("an object");
            if let Some(known) = entries.known() {
                known.reverse();
            }
            entries.keep(text);
            fields
        })
    }

    #[test]
    fn entries_stay_with_the_text_in_their_own_order() {
        let json = r#"{"metadata":{"b":"x","a":[1],"c":null},"type":"t"}"#;
        assert_eq!(kept(json).expect("noted"), [r#"b "x""#, "a [1]", "c null"]);
        assert_eq!(kept(r#"{"metadata":{}}"#).expect("noted").len(), 0);
    }

    #[test]
    fn what_is_not_sure_is_not_noted() {
        for json in [
            r#"{"metadata":[1]}"#,
            "{}",
            r#"{"metadata":{"a":1},"metadata":{"a":1}}"#,
            r#"{"metadata":{"\u0061":1}}"#,
            r#"{"metadata":{"a":1},"\u0061":1}"#,
        ] {
            assert_eq!(kept(json), None, "{json}");
        }
    }

    #[test]
    fn notes_that_nobody_kept_are_none() {
        let text = Text::from(r#"{"metadata":{"a":1}}"#.to_owned());
        let lost =
            |text: &Text, body: &str| parse_event_and(text, body, &mut MetadataEntries::default()).expect("an object");
        assert_eq!(noted(&text, lost), None);
        MetadataEntries::default().keep(&text);
        assert_eq!(noted(&text, lost), None, "of another parse");
        assert_eq!(noted(&text, |text, body| parse_event(text, body).expect("an object")), None);
    }
}
