//! The event catalogue: everything that is known about each (type, action) pair, from one data file.
//!
//! `events.txt` is the only place that names events. The `asim` transform, the reference page, the simulator's
//! generator and the workbook's lists are made from it, so that they can't disagree. The file is part of the program
//! (`include_str!`), read once, and a mistake in it fails a unit test, not a customer's pipeline.

mod columns;
mod reference;
mod table;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

pub use columns::{Column, ColumnType, EVENT_LOG_TABLE, HEALTH_TABLE, columns};
pub use reference::reference_page;

/// The data file, as it stands in the source tree.
static FILE: &str = include_str!("events.txt");

/// The vendor's three groups, which are also the workbook's tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Administrative actions in the Business Admin Panel.
    Admin,
    /// What members do with vault items.
    Vault,
    /// Log-ins, unlocks, passwords and recovery codes.
    Login,
}

impl Group {
    /// All groups, in the order of the workbook's tabs.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Vault, Self::Login];

    /// The word in the data file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Vault => "vault",
            Self::Login => "login",
        }
    }
}

/// The ASIM schemas that NordPass events are mapped to; each has its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schema {
    /// Changes of settings and what people do with items: `ASimAuditEventLogs`.
    AuditEvent,
    /// Log-ins and unlocks: `ASimAuthenticationEventLogs`.
    Authentication,
    /// Changes of users and groups: `ASimUserManagementActivityLogs`.
    UserManagement,
}

impl Schema {
    /// All schemas, in the order of the `asim` transform's outputs.
    pub const ALL: [Self; 3] = [Self::AuditEvent, Self::Authentication, Self::UserManagement];

    /// Its name in ASIM, which is also the value of `EventSchema`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuditEvent => "AuditEvent",
            Self::Authentication => "Authentication",
            Self::UserManagement => "UserManagement",
        }
    }

    /// The current version of the schema: the value of `EventSchemaVersion`.
    pub fn version(self) -> &'static str {
        match self {
            Self::Authentication => "0.1.4",
            Self::AuditEvent | Self::UserManagement => "0.1.2",
        }
    }

    /// The native table in a Log Analytics workspace.
    pub fn table(self) -> &'static str {
        match self {
            Self::AuditEvent => "ASimAuditEventLogs",
            Self::Authentication => "ASimAuthenticationEventLogs",
            Self::UserManagement => "ASimUserManagementActivityLogs",
        }
    }

    /// The DCR stream that feeds the table.
    pub fn stream(self) -> &'static str {
        match self {
            Self::AuditEvent => "Custom-NordPassAuditEvent",
            Self::Authentication => "Custom-NordPassAuthentication",
            Self::UserManagement => "Custom-NordPassUserManagement",
        }
    }

    /// The output of the `asim` transform that carries its rows.
    pub fn output(self) -> &'static str {
        match self {
            Self::AuditEvent => "audit_event",
            Self::Authentication => "authentication",
            Self::UserManagement => "user_management",
        }
    }

    /// Its place in [`Schema::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Whom an event is about, in the schemas that have target columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The schema has no target columns.
    None,
    /// The acting member.
    Itself,
    /// Another user, whom the metadata may name.
    Other,
    /// A group, and users whom the metadata may name.
    Group,
}

/// One (type, action) pair.
#[derive(Debug)]
pub struct Entry {
    /// The event's `type`.
    pub kind: &'static str,
    /// The event's `action`, and `Operation`: ASIM wants it "as reported by the reporting device".
    pub action: &'static str,
    /// Its group.
    pub group: Group,
    /// What happened, in a sentence without a full stop.
    pub meaning: &'static str,
    /// The version of the official solution that first listed it.
    pub since: &'static str,
    /// The ASIM schema, hence the table.
    pub schema: Schema,
    /// `EventType`. `access.user_status_updated` is the one pair where the metadata may decide otherwise.
    pub event_type: &'static str,
    /// `EventResult`: `Success`, `Failure` or `NA`.
    pub result: &'static str,
    /// `EventResultDetails`, where it is sure.
    pub result_details: Option<&'static str>,
    /// `EventSeverity`.
    pub severity: &'static str,
    /// Whom it is about.
    pub target: Target,
    /// `Object` of an audit event, `TargetAppName` of a log-in; user management has none.
    pub object: Option<&'static str>,
    /// `ObjectType` of an audit event, `TargetAppType` of a log-in; user management has none.
    pub object_type: Option<&'static str>,
    /// `LogonMethod` of a log-in, where it is sure.
    pub logon_method: Option<&'static str>,
    /// The metadata keys that have been seen in events of this pair.
    pub metadata: Box<[&'static str]>,
    /// The analytics rule of the official solution that uses it. Its text then confirms the meaning.
    pub official_rule: Option<&'static str>,
    /// Why the event type is `Other`.
    pub other_because: Option<&'static str>,
}

type Places<'a> = HashMap<(&'a str, &'a str), usize, BuildHasherDefault<WordHasher>>;

/// The map's keys are fixed, so nobody can choose them to collide: a multiplication for each word will do.
#[derive(Default)]
struct WordHasher(u64);

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        // The map looks at the highest bits and at the lowest ones.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut add = |word: u64| self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            add(word.try_into().map_or(0, u64::from_le_bytes));
        }
        add(words.remainder().iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    table::read(FILE).unwrap_or_else(|error| panic!("events.txt, which is part of the program: {error}"))
});

static PLACES: LazyLock<Places<'static>> =
    LazyLock::new(|| ENTRIES.iter().zip(0..).map(|(entry, place)| ((entry.kind, entry.action), place)).collect());

/// All pairs, in the order of the data file.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The pair, if the catalogue knows it. Both are compared letter for letter: one action can occur with two types.
pub fn find(kind: &str, action: &str) -> Option<&'static Entry> {
    position(kind, action).map(|place| &ENTRIES[place])
}

/// The place of the pair in [`entries`], for callers that keep something for each entry.
pub fn position(kind: &str, action: &str) -> Option<usize> {
    // The map's keys live for ever, so it also serves as a map with shorter-lived keys.
    let places: &Places<'_> = &PLACES;
    places.get(&(kind, action)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_well_formed_and_complete() {
        let entries = table::read(FILE).expect("events.txt");
        let lines = FILE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(entries.len() + 1, lines.count(), "a line for each entry, below one with the columns' names");
        assert!(Group::ALL.iter().all(|group| entries.iter().any(|entry| entry.group == *group)));
    }

    #[test]
    fn every_pair_is_found_and_nothing_else() {
        for entry in entries() {
            assert!(std::ptr::eq(find(entry.kind, entry.action).expect("known"), entry));
        }
        assert!(find("item_access", "no_such_action").is_none());
        assert!(find("", "").is_none());
        assert!(find("Lock", "master_failed").is_none(), "letter for letter");
    }

    #[test]
    fn one_action_under_two_types_stays_two_pairs() {
        let item = find("item_access", "item_viewed").expect("known");
        let hub = find("sharing_hub", "item_viewed").expect("known");
        assert_ne!(item.object, hub.object);
    }

    #[test]
    fn at_most_ten_pairs_are_other_each_with_its_reason() {
        let other: Vec<_> = entries().iter().filter(|entry| entry.event_type == "Other").collect();
        assert!(other.len() <= 10, "{} pairs", other.len());
        for entry in entries() {
            assert_eq!(entry.other_because.is_some(), entry.event_type == "Other", "{}.{}", entry.kind, entry.action);
        }
    }
}
