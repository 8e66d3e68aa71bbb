//! Conditions on records: lists of what to take and what to leave out, by event, person, platform, address, organization,
//! severity and group. `filter` keeps what meets them, `route` sends it to an output.

use std::fmt::Debug;

use super::cidr::{Network, address};
use super::events::EventPattern;
use super::facts::Facts;
use super::glob::Glob;
use crate::settings::nearest::{all_values, nearest};
use crate::settings::{Field, Kind, Section};
use crate::telemetry::LEFT_OUT;
use nordpass_env::catalogue::Group;

/// The fields of the conditions.
pub const FIELDS: [Field; 14] = [
    Field::optional("include", Kind::List).doc(
        "Patterns `type.action` of events to keep, such as `login.*` or `item_access.vault_exported`; `*` matches \
         any characters. By default all events are kept.",
    ),
    Field::optional("exclude", Kind::List)
        .doc("Patterns `type.action` of events to drop; takes precedence over `include`."),
    Field::optional("include_users", Kind::List).doc(
        "Patterns of the e-mail address or UUID of who did it, such as `*@example.com`; `*` matches any characters, \
         case doesn't count.",
    ),
    Field::optional("exclude_users", Kind::List).doc("The same for what to drop, such as `svc-*@example.com`."),
    Field::optional("include_platforms", Kind::List).doc("Patterns of the platform, such as `web` or `*android*`."),
    Field::optional("exclude_platforms", Kind::List).doc("The same for what to drop."),
    Field::optional("include_addresses", Kind::List)
        .doc("Networks that the event came from, such as `10.0.0.0/8` or `2001:db8::/32`, or single addresses."),
    Field::optional("exclude_addresses", Kind::List).doc("The same for what to drop."),
    Field::optional("include_organizations", Kind::List).doc("Patterns of the organization's UUID."),
    Field::optional("exclude_organizations", Kind::List).doc("The same for what to drop."),
    Field::optional("include_severities", Kind::List).doc(
        "`EventSeverity` of the events reference: `Informational`, `Low`, `Medium`, `High`. Unknown events are \
         `Informational`.",
    ),
    Field::optional("exclude_severities", Kind::List).doc("The same for what to drop."),
    Field::optional("include_groups", Kind::List)
        .doc("Groups of the events reference: `admin`, `vault`, `login`. Unknown events are in none."),
    Field::optional("exclude_groups", Kind::List).doc("The same for what to drop."),
];

/// The fields of the conditions, and another one.
pub const fn fields_and(other: Field) -> [Field; FIELDS.len() + 1] {
    let mut fields = [other; FIELDS.len() + 1];
    let mut index = 0;
    while index < FIELDS.len() {
        fields[index] = FIELDS[index];
        index += 1;
    }
    fields
}

/// The names of the conditions, each behind `include` and `exclude`.
const SUBJECTS: [(&str, Subject); 7] = [
    ("", Subject::Events),
    ("_users", Subject::Users),
    ("_platforms", Subject::Platforms),
    ("_addresses", Subject::Addresses),
    ("_organizations", Subject::Organizations),
    ("_severities", Subject::Severities),
    ("_groups", Subject::Groups),
];

const SEVERITIES: [&str; 4] = ["Informational", "Low", "Medium", "High"];

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Events,
    Users,
    Platforms,
    Addresses,
    Organizations,
    Severities,
    Groups,
}

/// What a condition compares with.
#[derive(Clone, Debug)]
enum Pattern {
    Event(EventPattern),
    Users(Glob),
    Platform(Glob),
    Network(Network),
    Organization(Glob),
    Severity(&'static str),
    Group(Group),
}

impl Pattern {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Event(pattern) => pattern.matches(&facts.kind(), &facts.action()),
            Self::Users(glob) => facts.users().iter().any(|user| glob.matches(user)),
            Self::Platform(glob) => glob.matches(&facts.platform()),
            Self::Network(network) => address(&facts.address()).is_some_and(|address| network.contains(address)),
            Self::Organization(glob) => glob.matches(&facts.organization()),
            Self::Severity(severity) => facts.severity() == *severity,
            Self::Group(group) => facts.group() == Some(*group),
        }
    }
}

/// Patterns of which one has to match, or none may.
#[derive(Clone, Debug)]
struct List {
    patterns: Vec<Pattern>,
    /// The number of the reason that stands for this list, or for its first pattern.
    reason: usize,
}

/// Conditions, checked. A record meets them if one pattern of each list of what to take matches, and none of what to leave out.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    include: Vec<List>,
    exclude: Vec<List>,
    reasons: Vec<String>,
}

impl Conditions {
    /// Reads the conditions of a table.
    pub fn read(section: &mut Section) -> Self {
        let mut conditions = Self::default();
        for (suffix, subject) in SUBJECTS {
            let (include, exclude) = (format!("include{suffix}"), format!("exclude{suffix}"));
            if section.has(&include) {
                let reason = conditions.reasons.len();
                conditions.reasons.push(format!("{LEFT_OUT}: not in {include}"));
                let patterns = read(section, &include, subject);
                if patterns.is_empty() && !section.is_wrong(&include) {
                    section.error(
                        &include,
                        format!("an empty `{include}` would drop every event"),
                        format!(
                            "remove `{include}` to keep all events, or connect the input to a blackhole to drop them"
                        ),
                    );
                }
                conditions.include.push(List { patterns, reason });
            }
            if section.has(&exclude) {
                let reason = conditions.reasons.len();
                let patterns = read(section, &exclude, subject);
                for (number, pattern) in (1..).zip(&patterns) {
                    conditions.reasons.push(match pattern {
                        Pattern::Event(pattern) => format!("{LEFT_OUT}: {exclude} {pattern}"),
                        // By its number: names and addresses of people don't belong into metrics.
                        _ => format!("{LEFT_OUT}: {exclude} {number}"),
                    });
                }
                conditions.exclude.push(List { patterns, reason });
            }
        }
        conditions
    }

    /// Whether there are none.
    pub fn are_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Why a record doesn't meet them, as the number of a reason; `None` if it does.
    pub fn refusal(&self, facts: &Facts<'_>) -> Option<usize> {
        // What to leave out first: it takes precedence, and its reason is the more telling one.
        let excluded = self.exclude.iter().find_map(|list| {
            let pattern = list.patterns.iter().position(|pattern| pattern.matches(facts))?;
            Some(list.reason + pattern)
        });
        excluded.or_else(|| {
            let missed = |list: &&List| !list.patterns.iter().any(|pattern| pattern.matches(facts));
            self.include.iter().find(missed).map(|list| list.reason)
        })
    }

    /// The reasons in words, for metrics. So many as there are patterns in the file, at most.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

fn read(section: &mut Section, name: &str, subject: Subject) -> Vec<Pattern> {
    if subject == Subject::Events {
        return EventPattern::read(section, name).into_iter().map(Pattern::Event).collect();
    }
    let mut patterns = Vec::new();
    for (index, text) in section.list(name).into_iter().enumerate() {
        let text = text.trim();
        let pattern = match subject {
            Subject::Users => Ok(Pattern::Users(Glob::new(text))),
            Subject::Platforms => Ok(Pattern::Platform(Glob::new(text))),
            Subject::Organizations => Ok(Pattern::Organization(Glob::new(text))),
            Subject::Addresses => Network::parse(text).map(Pattern::Network),
            Subject::Severities => one_of(text, SEVERITIES, "a severity").map(Pattern::Severity),
            Subject::Events | Subject::Groups => one_of(text, Group::ALL.map(Group::name), "a group").map(|name| {
                let found = Group::ALL.into_iter().find(|group| group.name() == name);
                Pattern::Group(found.unwrap_or(Group::Admin))
            }),
        };
        match pattern {
            Ok(pattern) => patterns.push(pattern),
            Err((problem, hint)) => {
                let message = format!("element {} of `{name}` {problem}", index + 1);
                section.error(&format!("{name}.{index}"), message, hint);
            }
        }
    }
    patterns
}

/// The word that a text is.
fn one_of<const N: usize>(text: &str, words: [&'static str; N], what: &str) -> Result<&'static str, (String, String)> {
    if let Some(word) = words.into_iter().find(|word| *word == text) {
        return Ok(word);
    }
    let hint = match nearest(text, words) {
        Some(word) => format!("did you mean \"{word}\"?"),
        None => format!("there is {}", all_values(words)),
    };
    Err((format!("isn't {what}"), hint))
}
