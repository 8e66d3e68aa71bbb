//! The entries of events' metadata, noted by the parse, which visits them anyway.
//!
//! The id needs them at once, sorted; the transform needs them later, in their order. They are kept beside the text that they
//! point into, for all its events together; an event's fields know their range.

use super::{Entry, Field, Shape, Span, Text};

/// The most entries of an event's metadata, and the most unknown fields. What has more isn't an event: each costs ten times
/// its own bytes.
pub const MOST_FIELDS: usize = 4_096;
/// Behind so many entries of a text, those of further events aren't noted.
const MOST_NOTED: usize = 256 << 10;

/// The range of a text's entries that belong to an event. `Default`: none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted(Option<Span>);

/// The entries of a text while its events are parsed.
#[derive(Debug, Default)]
pub struct MetadataEntries<'a> {
    /// The range of the event parsed last.
    entries: Vec<Entry<'a>>,
    /// Whether the range has all of the event's entries. False if the metadata isn't an object, is there twice, or took the slow
    /// path.
    known: bool,
    /// There were more than [`MOST_FIELDS`].
    overflowed: bool,
    /// The entries of all events: name and value.
    noted: Vec<(Field, Field)>,
}

impl<'a> MetadataEntries<'a> {
    /// Begins a new event.
    pub(in crate::event) fn restart(&mut self) {
        self.entries.clear();
        self.known = false;
        self.overflowed = false;
    }

    pub(in crate::event) fn push(&mut self, entry: Entry<'a>) {
        if self.entries.len() < MOST_FIELDS {
            self.entries.push(entry);
        } else {
            self.overflowed = true;
        }
    }

    /// Whether the event has more entries than an event can have.
    pub(in crate::event) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Notes all entries of the event; `whole` is the text.
    pub(in crate::event) fn note(&mut self, whole: &str) -> Noted {
        self.known = true;
        let start = self.noted.len();
        if start > MOST_NOTED {
            return Noted::default();
        }
        self.noted.extend(self.entries.iter().map(|&Entry { key, value, shape }| {
            (Field { span: Span::of(whole, key), shape: Shape::Plain }, Field::of(whole, value, shape))
        }));
        Noted(Some(Span::new(start, self.noted.len())))
    }

    /// The entries of the event parsed last, for sorting; `None` if its metadata has to be scanned.
    pub fn known(&mut self) -> Option<&mut [Entry<'a>]> {
        self.known.then_some(&mut *self.entries)
    }

    /// Stores the entries with the text when all its events are parsed, unless another parse has stored its own.
    pub fn keep(self, text: &Text) {
        text.note(self.noted);
    }
}

impl Noted {
    /// The event's entries among those of the text.
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
