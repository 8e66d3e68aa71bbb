//! What a condition can ask of a record, whether it is an event or a row of one of the tables that are made of events.

use std::borrow::Cow;

use crate::event::{Chunk, Event, Scan, Shape, raw_entries, unescape};
use nordpass_env::catalogue::{self, Group, entries};

/// A record as conditions see it. What it doesn't have is empty.
pub enum Facts<'a> {
    /// An event.
    Event(Event<'a>),
    /// A row.
    Row(Box<Row<'a>>),
}

/// The columns of a row that conditions ask for, in ASIM's tables or in the official connector's.
#[derive(Debug, Default)]
pub struct Row<'a> {
    kind: Cow<'a, str>,
    action: Cow<'a, str>,
    users: [Cow<'a, str>; 2],
    platform: Cow<'a, str>,
    address: Cow<'a, str>,
    organization: Cow<'a, str>,
    severity: Cow<'a, str>,
}

impl<'a> Facts<'a> {
    /// The facts of a chunk's record.
    pub fn of(chunk: &'a Chunk, number: usize) -> Option<Self> {
        let record = chunk.records.get(number)?;
        Some(match &chunk.events {
            Some(events) => Self::Event(Event { text: &chunk.text, record, fields: events.get(number)? }),
            None => Self::Row(Box::new(Row::read(chunk.body(record)))),
        })
    }

    /// The event's type.
    pub fn kind(&self) -> Cow<'_, str> {
        match self {
            Self::Event(event) => event.text_of(&event.fields.kind),
            Self::Row(row) => Cow::Borrowed(&row.kind),
        }
    }

    /// The event's action.
    pub fn action(&self) -> Cow<'_, str> {
        match self {
            Self::Event(event) => event.text_of(&event.fields.action),
            Self::Row(row) => Cow::Borrowed(&row.action),
        }
    }

    /// Who did it: the e-mail address and the UUID.
    pub fn users(&self) -> [Cow<'_, str>; 2] {
        match self {
            Self::Event(event) => [&event.fields.user_email, &event.fields.user_uuid].map(|field| event.text_of(field)),
            Self::Row(row) => [Cow::Borrowed(&row.users[0]), Cow::Borrowed(&row.users[1])],
        }
    }

    /// The platform that it was done on.
    pub fn platform(&self) -> Cow<'_, str> {
        match self {
            Self::Event(event) => of_metadata(event, "platform"),
            Self::Row(row) => Cow::Borrowed(&row.platform),
        }
    }

    /// The address that it came from.
    pub fn address(&self) -> Cow<'_, str> {
        match self {
            Self::Event(event) => of_metadata(event, "ip_address"),
            Self::Row(row) => Cow::Borrowed(&row.address),
        }
    }

    /// The organization's UUID.
    pub fn organization(&self) -> Cow<'_, str> {
        match self {
            Self::Event(event) => event.text_of(&event.fields.organization),
            Self::Row(row) => Cow::Borrowed(&row.organization),
        }
    }

    /// How severe it is: the row's own word, or the catalogue's. Unknown events are informational.
    pub fn severity(&self) -> Cow<'_, str> {
        match self {
            Self::Row(row) if !row.severity.is_empty() => Cow::Borrowed(&row.severity),
            _ => Cow::Borrowed(self.entry().map_or("Informational", |entry| entry.severity)),
        }
    }

    /// Its group in the catalogue; none for an unknown event.
    pub fn group(&self) -> Option<Group> {
        self.entry().map(|entry| entry.group)
    }

    fn entry(&self) -> Option<&'static catalogue::Entry> {
        catalogue::position(&self.kind(), &self.action()).and_then(|position| entries().get(position))
    }
}

/// An entry of an event's metadata as text. The first of several counts, as in rows.
fn of_metadata<'a>(event: &Event<'a>, key: &str) -> Cow<'a, str> {
    if let Some(noted) = event.metadata_entries() {
        let found = noted.iter().find(|(name, _)| event.text.at(name.span) == key);
        return found.map(|(_, value)| event.text_of(value)).unwrap_or_default();
    }
    let mut found = None;
    each_entry(event.json_of(&event.fields.metadata), |name, value| {
        if name == key && found.is_none() {
            found = Some(text_of(value));
        }
    });
    found.unwrap_or_default()
}

impl<'a> Row<'a> {
    fn read(row: &'a str) -> Self {
        let mut read = Self::default();
        let mut within = None;
        each_entry(row, |column, value| match column {
            "EventOriginalType" => read.set_original_type(text_of(value)),
            "event_type" => read.kind = text_of(value),
            "action" => read.action = text_of(value),
            "ActorUsername" | "user_email" => read.users[0] = text_of(value),
            "ActorUserId" | "user_uuid" => read.users[1] = text_of(value),
            "ActingAppName" => read.platform = text_of(value),
            "SrcIpAddr" => read.address = text_of(value),
            "organization_uuid" => read.organization = text_of(value),
            "EventSeverity" => read.severity = text_of(value),
            "AdditionalFields" | "metadata" => within = Some(value),
            _ => {}
        });
        each_entry(within.unwrap_or_default(), |key, value| {
            let slot = match key {
                "Organization" => &mut read.organization,
                "platform" => &mut read.platform,
                "ip_address" => &mut read.address,
                _ => return,
            };
            if slot.is_empty() {
                *slot = text_of(value);
            }
        });
        read
    }

    /// `type.action`, of which neither has a dot in any known event.
    fn set_original_type(&mut self, text: Cow<'a, str>) {
        match text {
            Cow::Borrowed(text) => {
                let (kind, action) = text.split_once('.').unwrap_or((text, ""));
                (self.kind, self.action) = (kind.into(), action.into());
            }
            Cow::Owned(text) => {
                let (kind, action) = text.split_once('.').unwrap_or((&text, ""));
                (self.kind, self.action) = (kind.to_owned().into(), action.to_owned().into());
            }
        }
    }
}

/// The entries of an object, by their keys without escapes. None of anything else.
pub fn each_entry<'a>(json: &'a str, mut each: impl FnMut(&str, &'a str)) {
    if !json.trim_start().starts_with('{') {
        return;
    }
    let mut read = Vec::new();
    if Scan::whole_object(json, |entry| read.push((entry.key, entry.value))).is_some() {
        for (key, value) in read {
            each(key, value);
        }
        return;
    }
    let _ = raw_entries(json, |key, value| each(&unescape(key.get(1..key.len() - 1).unwrap_or_default()), value));
}

/// A value as text: a string without its escapes, `null` as nothing, anything else as its JSON.
pub fn text_of(value: &str) -> Cow<'_, str> {
    match shape_of(value) {
        Shape::Null | Shape::Missing => Cow::Borrowed(""),
        Shape::Other => Cow::Borrowed(value),
        Shape::Plain => Cow::Borrowed(&value[1..value.len() - 1]),
        Shape::Escaped => unescape(&value[1..value.len() - 1]),
    }
}

/// The kind of a value that was read from JSON.
pub fn shape_of(value: &str) -> Shape {
    let is_string = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    match value {
        "" => Shape::Missing,
        "null" => Shape::Null,
        _ if is_string && memchr::memchr(b'\\', value.as_bytes()).is_some() => Shape::Escaped,
        _ if is_string => Shape::Plain,
        _ => Shape::Other,
    }
}
