//! What filters and routes choose by, on trees of JSON.

use std::net::IpAddr;

use nordpass_env::catalogue::{Entry, Group, entries};
use serde_json::Value;

use super::fate::Kind;

/// What a list of patterns is about, in the order in which the program asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Events,
    Users,
    Platforms,
    Addresses,
    Severities,
    Groups,
}

impl Subject {
    /// The end of the setting's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Events => "",
            Self::Users => "_users",
            Self::Platforms => "_platforms",
            Self::Addresses => "_addresses",
            Self::Severities => "_severities",
            Self::Groups => "_groups",
        }
    }
}

/// One setting.
#[derive(Clone, Debug)]
pub struct List {
    pub exclude: bool,
    pub subject: Subject,
    pub patterns: Vec<&'static str>,
}

/// All of a filter's, or of a route's.
#[derive(Clone, Debug, Default)]
pub struct Conditions(pub Vec<List>);

impl Conditions {
    /// Why a record is left out, as the counter says it.
    pub fn refusal(&self, kind: Kind, record: &Value) -> Option<String> {
        let facts = Facts::of(kind, record);
        let mut lists: Vec<&List> = self.0.iter().collect();
        lists.sort_by_key(|list| list.subject);
        for list in lists.iter().filter(|list| list.exclude) {
            if let Some(number) = list.patterns.iter().position(|pattern| facts.are(list.subject, pattern)) {
                let name = list.subject.suffix();
                return Some(match list.subject {
                    Subject::Events => format!("filtered: exclude {}", list.patterns[number]),
                    _ => format!("filtered: exclude{name} {}", number + 1),
                });
            }
        }
        let missed =
            |list: &&&List| !list.exclude && !list.patterns.iter().any(|pattern| facts.are(list.subject, pattern));
        lists.iter().find(missed).map(|list| format!("filtered: not in include{}", list.subject.suffix()))
    }
}

/// What a record says of itself; an empty text for what it doesn't say.
struct Facts {
    event: (String, String),
    users: [String; 2],
    platform: String,
    address: String,
    severity: String,
    entry: Option<&'static Entry>,
}

/// A value as a condition compares it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn first(values: [&Value; 2]) -> String {
    values.into_iter().map(text).find(|text| !text.is_empty()).unwrap_or_default()
}

impl Facts {
    fn of(kind: Kind, record: &Value) -> Self {
        let (within, severity) = match kind {
            Kind::Event | Kind::Official => (&record["metadata"], String::new()),
            Kind::Asim => (&record["AdditionalFields"], text(&record["EventSeverity"])),
        };
        let event = match kind {
            Kind::Event => (text(&record["type"]), text(&record["action"])),
            Kind::Official => (text(&record["event_type"]), text(&record["action"])),
            Kind::Asim => {
                let both = text(&record["EventOriginalType"]);
                both.split_once('.')
                    .map(|(kind, action)| (kind.to_owned(), action.to_owned()))
                    .unwrap_or((both, String::new()))
            }
        };
        let users = match kind {
            Kind::Event => [&record["user"]["email"], &record["user"]["uuid"]],
            Kind::Official => [&record["user_email"], &record["user_uuid"]],
            Kind::Asim => [&record["ActorUsername"], &record["ActorUserId"]],
        };
        let column = |name: &str| if kind == Kind::Asim { &record[name] } else { &Value::Null };
        let entry = entries().iter().find(|entry| (entry.kind, entry.action) == (&*event.0, &*event.1));
        let severity = match severity {
            none if none.is_empty() => entry.map_or("Informational", |entry| entry.severity).to_owned(),
            severity => severity,
        };
        Self {
            users: users.map(text),
            platform: first([column("ActingAppName"), &within["platform"]]),
            address: first([column("SrcIpAddr"), &within["ip_address"]]),
            severity,
            entry,
            event,
        }
    }

    fn are(&self, subject: Subject, pattern: &str) -> bool {
        let like = |text: &str| !text.is_empty() && matches(&pattern.to_lowercase(), &text.to_lowercase());
        match subject {
            Subject::Events => {
                let (kind, action) = pattern.split_once('.').unwrap_or((pattern, ""));
                matches(kind, &self.event.0) && matches(action, &self.event.1)
            }
            Subject::Users => self.users.iter().any(|user| like(user)),
            Subject::Platforms => like(&self.platform),
            Subject::Addresses => within(pattern, &self.address),
            Subject::Severities => self.severity == pattern,
            Subject::Groups => {
                let group = match pattern {
                    "admin" => Group::Admin,
                    "vault" => Group::Vault,
                    _ => Group::Login,
                };
                self.entry.is_some_and(|entry| entry.group == group)
            }
        }
    }
}

/// Whether a pattern with `*` fits the whole text: by trying every length that a `*` can stand for.
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }
        Some(wanted) => text.strip_prefix(wanted).is_some_and(|rest| matches(&pattern[wanted.len_utf8()..], rest)),
    }
}

/// Whether an address is in a network. Generated addresses have no port.
fn within(network: &str, address: &str) -> bool {
    let bits_of = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(address) => (32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (128, address.to_bits()),
    };
    let (first, bits) = network.split_once('/').unwrap_or((network, "128"));
    let (Ok(first), Ok(address)) = (first.parse(), address.parse()) else { return false };
    let ((width, first), (other, address)) = (bits_of(first), bits_of(address));
    let free = width - bits.parse::<u32>().unwrap_or(width).min(width);
    width == other && first.checked_shr(free).unwrap_or(0) == address.checked_shr(free).unwrap_or(0)
}
