//! One pass over an event's metadata.
//!
//! Each entry keeps its spelling, for `AdditionalFields`; the few keys with a column are stored on the way. Nothing is copied:
//! everything borrows from the chunk's text.
//!
//! The official connector's rules and tests have the keys `emails`, `ip_address`, `items`, `msp`, `platform`, `provider` and
//! `status`. The others (`email`, `user_email`, `user_uuid`, `group_name`, `group_uuid`, `item_uuid` …) are guesses by the same
//! pattern: they fill a column if they are there. The vendor publishes no list.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json;
use crate::event::{Event, Scan, Shape, raw_entries, unescape};

/// The entries of a JSON object.
pub type Entries<'a> = Vec<Entry<'a>>;

/// An entry of a JSON object.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The key, between its quotes.
    pub key: &'a str,
    /// Whether it may have escapes.
    escaped: bool,
    /// The value's text.
    pub value: &'a str,
}

impl<'a> Entry<'a> {
    /// An entry whose key has no escapes.
    fn plain(key: &'a str, value: &'a str) -> Self {
        Self { key, escaped: false, value }
    }

    /// An entry with any key.
    pub fn new(key: &'a str, value: &'a str) -> Self {
        Self { key, escaped: true, value }
    }

    /// The key's text.
    pub fn name(&self) -> Cow<'a, str> {
        if self.escaped { unescape(self.key) } else { Cow::Borrowed(self.key) }
    }
}

/// The metadata that has a column. Values are raw JSON, strings with their quotes.
#[derive(Default)]
pub struct Metadata<'a> {
    /// Whether the metadata is an object. Otherwise everything below is empty.
    pub is_object: bool,
    /// All entries in their order.
    pub entries: Entries<'a>,
    pub platform: Option<&'a str>,
    pub ip_address: Option<&'a str>,
    pub status: Option<&'a str>,
    /// MSP staff who acted in a customer's organization.
    pub msp: Option<Msp<'a>>,
    /// The one item's id.
    pub item: Option<&'a str>,
    /// The one user that an administrative event is about.
    pub user_email: Option<&'a str>,
    pub user_uuid: Option<&'a str>,
    pub group_name: Option<&'a str>,
    pub group_uuid: Option<&'a str>,
    /// For the entries of nested objects.
    scratch: Entries<'a>,
}

impl<'a> Metadata<'a> {
    /// Reads an event's metadata. Reuses the buffers of the last event.
    pub fn read(&mut self, event: &Event<'a>) {
        let Some(noted) = event.metadata_entries() else { return self.read_object(object_of(event)) };
        let mut entries = self.restart();
        entries.extend(noted.iter().map(|(name, value)| Entry::plain(event.text.at(name.span), event.json_of(value))));
        self.is_object = true;
        self.take(entries);
    }

    /// Reads an object. Anything else has no entries.
    fn read_object(&mut self, object: &'a str) {
        let mut entries = self.restart();
        self.is_object = read_entries(object, &mut entries);
        self.take(entries);
    }

    /// Clears everything but the buffers, `entries` among them.
    fn restart(&mut self) -> Entries<'a> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        *self = Self { scratch: std::mem::take(&mut self.scratch), ..Self::default() };
        entries
    }

    fn take(&mut self, entries: Entries<'a>) {
        for entry in &entries {
            self.note(entry.name().as_ref(), entry.value);
        }
        self.entries = entries;
    }

    /// The first of several entries counts.
    fn note(&mut self, key: &str, value: &'a str) {
        let (slot, value) = match key {
            "platform" => (&mut self.platform, value),
            "ip_address" => (&mut self.ip_address, value),
            "status" => (&mut self.status, value),
            "msp" => {
                read_entries(value, &mut self.scratch);
                self.msp = self.msp.or_else(|| Msp::of(&self.scratch));
                return;
            }
            "item_uuid" | "item_id" => (&mut self.item, value),
            "items" => {
                let Some(item) = lone(value) else { return };
                read_entries(item, &mut self.scratch);
                (&mut self.item, part(&self.scratch, &["uuid", "id", "item_uuid", "item_id"]).unwrap_or(item))
            }
            "email" | "user_email" => (&mut self.user_email, value),
            "emails" | "user_emails" => {
                let Some(email) = lone(value) else { return };
                (&mut self.user_email, email)
            }
            "user_uuid" => (&mut self.user_uuid, value),
            "user_uuids" => {
                let Some(uuid) = lone(value) else { return };
                (&mut self.user_uuid, uuid)
            }
            "group_name" => (&mut self.group_name, value),
            "group_uuid" | "group_id" => (&mut self.group_uuid, value),
            "group" | "groups" => {
                let group = if key == "group" { Some(value) } else { lone(value) };
                let Some(group) = group else { return };
                if group.starts_with('"') {
                    self.group_uuid.get_or_insert(group);
                } else {
                    read_entries(group, &mut self.scratch);
                    self.group_uuid = self.group_uuid.or_else(|| part(&self.scratch, &["uuid", "id"]));
                    self.group_name = self.group_name.or_else(|| part(&self.scratch, &["name"]));
                }
                return;
            }
            _ => return,
        };
        if !json::content(value).is_empty() {
            slot.get_or_insert(value);
        }
    }
}

/// `metadata.msp`; values as the contents of JSON strings.
#[derive(Clone, Copy, Default)]
pub struct Msp<'a> {
    pub uuid: &'a str,
    pub email: &'a str,
    pub role: &'a str,
}

impl<'a> Msp<'a> {
    /// Reads the entries of `metadata.msp`; `None` if they name no one.
    fn of(entries: &[Entry<'a>]) -> Option<Self> {
        let text = |name| part(entries, &[name]).map(json::content).unwrap_or_default();
        let msp = Self { uuid: text("user_uuid"), email: text("user_email"), role: text("user_role") };
        (!msp.uuid.is_empty() || !msp.email.is_empty()).then_some(msp)
    }
}

/// The element of an array that has exactly one.
fn lone(array: &str) -> Option<&str> {
    let (mut number, mut last) = (0, None);
    let scanned = Scan::whole_array(array, |element| {
        number += 1;
        last = Some(element);
    });
    if scanned.is_some() {
        return last.filter(|_| number == 1);
    }
    match serde_json::from_str::<(&RawValue,)>(array) {
        Ok((element,)) if array.starts_with('[') => Some(element.get()),
        _ => None,
    }
}

/// The value of the first of `names` that is there.
fn part<'a>(entries: &[Entry<'a>], names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| entries.iter().find(|entry| entry.name() == *name).map(|entry| entry.value))
}

/// The event's metadata if it may be an object: a string's content might look like one.
fn object_of<'a>(event: &Event<'a>) -> &'a str {
    let field = &event.fields.metadata;
    if field.shape == Shape::Other { event.text.at(field.span) } else { "" }
}

/// An object with more entries isn't taken apart: each costs several times its bytes.
const MOST_ENTRIES: usize = 4_096;

/// The entries of an object; none for anything else. Whether it is one.
fn read_entries<'a>(object: &'a str, entries: &mut Entries<'a>) -> bool {
    entries.clear();
    if !object.starts_with('{') {
        return false;
    }
    let scanned = Scan::whole_object(object, |entry| {
        if entries.len() <= MOST_ENTRIES {
            entries.push(Entry::plain(entry.key, entry.value));
        }
    });
    if entries.len() > MOST_ENTRIES {
        entries.clear();
        return false;
    }
    if scanned.is_some() {
        return true;
    }
    entries.clear();
    let each = |key, value| {
        if entries.len() <= MOST_ENTRIES {
            entries.push(Entry::new(json::string(key).unwrap_or_default(), value));
        }
    };
    let is_object = raw_entries(object, each).is_some() && entries.len() <= MOST_ENTRIES;
    if !is_object {
        entries.clear();
    }
    is_object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: &str) -> Metadata<'_> {
        let mut metadata = Metadata::default();
        metadata.read_object(object);
        metadata
    }

    #[test]
    fn one_element_has_a_column_and_several_have_none() {
        assert_eq!(read(r#"{"emails":["a@example.com"]}"#).user_email, Some(r#""a@example.com""#));
        assert_eq!(read(r#"{"emails":["a@example.com","b@example.com"]}"#).user_email, None);
        assert_eq!(read(r#"{"emails":[]}"#).user_email, None);
        assert_eq!(read(r#"{"items":["i"]}"#).item, Some(r#""i""#));
        assert_eq!(read(r#"{"items":[{"name":"n","uuid":"i"}]}"#).item, Some(r#""i""#));
    }

    #[test]
    fn odd_values_fill_no_column() {
        let metadata = read(r#"{"platform":null,"ip_address":["1"],"emails":"x","items":[[1]],"status":{},"group":5}"#);
        assert_eq!(metadata.entries.len(), 6);
        assert!(metadata.platform.is_none() && metadata.ip_address.is_none() && metadata.user_email.is_none());
        assert!(metadata.item.is_none() && metadata.group_uuid.is_none());
        assert!(read("[1]").entries.is_empty() && read("5").entries.is_empty());
    }

    #[test]
    fn groups_in_their_shapes() {
        let metadata = read(r#"{"groups":[{"uuid":"g","name":"Finance"}]}"#);
        assert_eq!((metadata.group_uuid, metadata.group_name), (Some(r#""g""#), Some(r#""Finance""#)));
        assert_eq!(read(r#"{"group_uuid":"g"}"#).group_uuid, Some(r#""g""#));
        assert_eq!(read(r#"{"groups":["g","h"]}"#).group_uuid, None);
    }

    #[test]
    fn escaped_keys_are_the_same_keys() {
        assert_eq!(read(r#"{"\u0070latform":"web"}"#).platform, Some(r#""web""#));
    }

    #[test]
    fn msp_staff_need_a_name_or_an_id() {
        assert!(read(r#"{"msp":{"user_role":"admin"}}"#).msp.is_none());
        assert!(read(r#"{"msp":5}"#).msp.is_none());
        let msp = read(r#"{"msp":{"user_uuid":"u","user_email":null}}"#).msp.expect("has an id");
        assert_eq!((msp.uuid, msp.email, msp.role), ("u", "", ""));
    }
}
