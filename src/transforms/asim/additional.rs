//! `AdditionalFields`: everything without a column of its own, as one JSON object.
//!
//! Metadata entries keep their names, so that a rule written for `metadata.x` finds `AdditionalFields.x`. This program's own
//! names are reserved in every row, used or not: a metadata entry with such a name, or with a name that is there twice, goes to
//! `MetadataCollisions`, a list of objects with one entry each. So keys stay unique and nothing is lost.

use std::{borrow::Cow, collections::HashSet};

use super::json::Out;
use super::metadata::{Entries, Entry, Metadata};
use super::people::People;
use crate::event::{Event, Shape, event_time};

/// The reserved names.
pub const RESERVED: [&str; 10] = [
    "DeliveredBefore",
    "OriginalTime",
    "OriginalTimestamp",
    "Organization",
    "User",
    "Initiator",
    "UnknownFields",
    "UnknownFieldCollisions",
    "Metadata",
    "MetadataCollisions",
];

/// Writes the objects. Reuses its buffers from one event to the next.
#[derive(Default)]
pub struct Additional<'a> {
    /// The mark of the next event, if another connector may have delivered it before.
    pub mark: Option<&'static str>,
    seen: Seen<'a>,
    collisions: Entries<'a>,
    unknown: Entries<'a>,
}

impl<'a> Additional<'a> {
    /// Appends the object.
    pub fn write(
        &mut self,
        out: &mut Out<'_>,
        event: &Event<'a>,
        metadata: &Metadata<'a>,
        people: &People<'a>,
        time: &str,
    ) {
        let fields = event.fields;
        out.push_str(r#"{"OriginalTime":""#);
        out.push_str(time);
        out.push_str("\"");
        // The raw value, unless it is the row's time.
        let plain = event_time(event.text, &fields.timestamp) == Some((event.record.time, true));
        if !plain && fields.timestamp.shape != Shape::Missing {
            out.push_str(r#","OriginalTimestamp":"#);
            out.value(event.json_of(&fields.timestamp));
        }
        if let Some(mark) = self.mark {
            out.push_str(r#","DeliveredBefore":""#);
            out.push_str(mark);
            out.push_str("\"");
        }
        if !fields.organization.is_blank() {
            out.push_str(r#","Organization":"#);
            out.value(event.json_of(&fields.organization));
        }
        if !fields.odd_user.is_blank() {
            out.push_str(r#","User":"#);
            out.value(event.json_of(&fields.odd_user));
        } else if people.member_aside {
            out.push_str(r#","User":{"uuid":"#);
            out.value(event.json_of(&fields.user_uuid));
            out.push_str(r#","email":"#);
            out.value(event.json_of(&fields.user_email));
            out.push_str("}");
        }
        if people.initiator_aside {
            out.push_str(r#","Initiator":"#);
            out.value(event.json_of(&fields.initiator));
        }
        if !fields.unknown.is_empty() {
            self.unknown_fields(out, event);
        }
        match fields.metadata.shape {
            Shape::Missing | Shape::Null => {}
            Shape::Other if metadata.is_object => self.metadata(out, metadata),
            _ => {
                out.push_str(r#","Metadata":"#);
                out.value(event.json_of(&fields.metadata));
            }
        }
        out.push_str("}");
    }

    fn metadata(&mut self, out: &mut Out<'_>, metadata: &Metadata<'a>) {
        self.collisions.clear();
        self.seen.restart();
        for entry in &metadata.entries {
            let name = entry.name();
            if is_reserved(&name) || !self.seen.insert(name) {
                self.collisions.push(*entry);
                continue;
            }
            out.push_str(",");
            write(out, entry);
        }
        collisions(out, r#","MetadataCollisions":["#, &self.collisions);
    }

    fn unknown_fields(&mut self, out: &mut Out<'_>, event: &Event<'a>) {
        self.unknown.clear();
        self.collisions.clear();
        self.seen.restart();
        for (name, field) in &event.fields.unknown {
            let entry = Entry::new(event.text.at(name.span), event.json_of(field));
            if self.seen.insert(entry.name()) { self.unknown.push(entry) } else { self.collisions.push(entry) }
        }
        out.push_str(r#","UnknownFields":{"#);
        for (number, entry) in self.unknown.iter().enumerate() {
            if number > 0 {
                out.push_str(",");
            }
            write(out, entry);
        }
        out.push_str("}");
        collisions(out, r#","UnknownFieldCollisions":["#, &self.collisions);
    }
}

/// Reserved names begin with capitals, NordPass's don't.
fn is_reserved(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase()) && RESERVED.contains(&name)
}

fn write(out: &mut Out<'_>, entry: &Entry<'_>) {
    out.field("\"", entry.key);
    out.push_str(":");
    out.value(entry.value);
}

fn collisions(out: &mut Out<'_>, opening: &str, entries: &[Entry<'_>]) {
    if entries.is_empty() {
        return;
    }
    out.push_str(opening);
    for (number, entry) in entries.iter().enumerate() {
        out.push_str(if number > 0 { ",{" } else { "{" });
        write(out, entry);
        out.push_str("}");
    }
    out.push_str("]");
}

/// The names that were written: a list while they are few, else a set, so that the cost of an event with very many keys grows
/// with its size only.
#[derive(Default)]
struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    const FEW: usize = 16;

    fn restart(&mut self) {
        self.few.clear();
        self.many.clear();
    }

    /// Whether the name is new.
    fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
            return true;
        }
        self.many.insert(name)
    }
}
