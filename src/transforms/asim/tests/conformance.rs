//! Microsoft's ASIM schema tester and data tester, offline.
//!
//! `tests/fixtures/asim/asim-tester.csv` is the table that both testers read. They judge rows as the built-in native
//! parsers show them, so [`native_view`] adds what those parsers add. Stricter than the original in three ways:
//! enumerations are compared exactly (the original looks for a term anywhere in the list), an empty mandatory column is
//! an error (there a warning), and a conditional column without its parent is one too. Looser in one: vendor and product
//! are compared with ours, because Microsoft's list doesn't know NordPass yet.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::super::row::{PRODUCT, VENDOR};
use nordpass_env::catalogue::Schema;

static TESTER: &str = include_str!("../../../../tests/fixtures/asim/asim-tester.csv");
static LIVE: &str = include_str!("../../../../tests/fixtures/asim/live-columns.json");

/// One line of the tester's table.
struct Rule {
    column: &'static str,
    kind: &'static str,
    class: &'static str,
    logical: &'static str,
    values: Vec<&'static str>,
    /// What a conditional column depends on, or an alias stands for.
    parent: &'static str,
}

/// Both testers, for all three schemas.
pub struct Tester {
    rules: [HashMap<&'static str, Rule>; 3],
    live: BTreeMap<String, BTreeMap<String, String>>,
}

impl Tester {
    pub fn new() -> Self {
        let mut rules: [HashMap<_, _>; 3] = Default::default();
        for line in TESTER.lines().skip(1) {
            let cells: Vec<&'static str> = line.split(',').collect();
            let &[column, kind, class, schema, logical, values, parent, _, _] = &cells[..] else {
                panic!("nine cells: {line}");
            };
            let Some(schema) = Schema::ALL.into_iter().find(|known| known.name() == schema) else { continue };
            let values = if values.is_empty() { Vec::new() } else { values.split('|').collect() };
            rules[schema.index()].insert(column, Rule { column, kind, class, logical, values, parent });
        }
        Self { rules, live: serde_json::from_str(LIVE).expect("the fixture") }
    }

    /// The schema tester: on the columns that the parser's result has, whatever is in them.
    pub fn schema_findings(&self, schema: Schema) -> Vec<String> {
        let mut columns: HashMap<&str, &str> =
            self.live[schema.table()].iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        for name in ADDED_BY_PARSERS[schema.index()] {
            columns.insert(name, "string");
        }
        let mut findings = Vec::new();
        for rule in self.rules[schema.index()].values() {
            let there = columns.get(rule.column);
            let needed = match rule.class {
                "Mandatory" => true,
                "Conditional" | "Alias" => columns.contains_key(rule.parent),
                _ => false,
            };
            if needed && there.is_none() {
                findings.push(format!("{} ({}) is missing", rule.column, rule.class));
            }
            if there.is_some_and(|kind| *kind != rule.kind) {
                findings.push(format!("{} is a {there:?}, not a {}", rule.column, rule.kind));
            }
        }
        findings
    }

    /// The data tester, on one row as it is sent.
    pub fn row_findings(&self, schema: Schema, row: &Map<String, Value>) -> Vec<String> {
        let mut findings = Vec::new();
        let live = &self.live[schema.table()];
        for (name, value) in row {
            if !live.contains_key(name) {
                findings.push(format!("{name}: no column of {}", schema.table()));
            }
            if value.is_null() || value.as_str() == Some("") {
                findings.push(format!("{name}: sent, but empty"));
            }
        }
        let view = native_view(schema, row);
        let is_there = |name: &str| view.get(name).is_some_and(|value| !value.is_null() && value.as_str() != Some(""));
        for rule in self.rules[schema.index()].values() {
            match rule.class {
                "Mandatory" if !is_there(rule.column) => {
                    findings.push(format!("{}: mandatory, but empty", rule.column));
                }
                "Conditional" | "Alias" if is_there(rule.parent) != is_there(rule.column) => {
                    findings.push(format!("{}: goes with {}", rule.column, rule.parent));
                }
                _ => {}
            }
        }
        for (name, value) in &view {
            // What the tester doesn't know is only information there; our rows have nothing of the kind.
            match self.rules[schema.index()].get(name.as_str()) {
                Some(rule) => check(rule, value, &mut findings),
                None => findings.push(format!("{name}: no field of {}", schema.name())),
            }
        }
        findings
    }
}

fn check(rule: &Rule, value: &Value, findings: &mut Vec<String>) {
    let right_type = match rule.kind {
        "string" => value.is_string(),
        "int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "real" => value.is_number(),
        "bool" => value.is_boolean(),
        "datetime" => value.as_str().is_some_and(|text| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()),
        // `DynamicType` is `dictionary` for the only dynamic field there is.
        "dynamic" => value.is_object(),
        other => panic!("a type that the testers don't have: {other}"),
    };
    if !right_type {
        findings.push(format!("{}: {value} is no {}", rule.column, rule.kind));
    }
    let Some(text) = value.as_str() else { return };
    let valid = match (rule.column, rule.logical) {
        ("EventVendor", _) => text == VENDOR,
        ("EventProduct", _) => text == PRODUCT,
        (_, "Enumerated") => rule.values.is_empty() || rule.values.contains(&text),
        (_, "SchemaVersion") => text.split('.').count() == 3 && text.split('.').all(|part| part.parse::<u8>().is_ok()),
        (_, "IP Address" | "IP address") => text.parse::<IpAddr>().is_ok(),
        (_, "Hostname") => text.parse::<IpAddr>().is_ok() || is_label(text, 61),
        (_, "Domain" | "FQDN") => is_domain(text, rule.logical == "FQDN"),
        (_, "MAC Address") => is_mac(text),
        (_, "URL") => text.contains("://"),
        _ => true,
    };
    if !valid {
        findings.push(format!("{}: {text:?} is no valid value", rule.column));
    }
}

/// `^[a-zA-Z0-9-]{1,61}$`
fn is_label(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `^([_a-zA-Z0-9][_a-zA-Z0-9-]{0,62}\.)+[a-zA-Z]{2,63}$`; a domain may be its last label alone.
fn is_domain(text: &str, at_least_two: bool) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let Some((last, first)) = labels.split_last() else { return false };
    (2..=63).contains(&last.len())
        && last.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (!at_least_two || !first.is_empty())
        && first.iter().all(|label| !label.starts_with('-') && is_label(&label.replace('_', "x"), 63))
}

/// `^[a-fA-F0-9]{2}(:[a-fA-F0-9]{2}){5}$`
fn is_mac(text: &str) -> bool {
    let pairs: Vec<&str> = text.split(':').collect();
    pairs.len() == 6 && pairs.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What the native parsers add at query time: constants, and the aliases of stored columns.
static ADDED_BY_PARSERS: [&[&str]; 3] = [
    &["Type", "EventSchema", "Dvc", "EventUid", "Src", "Dst", "User", "IpAddr", "Application", "Value", "Rule"],
    &["Type", "EventSchema", "Dvc", "EventUid", "Src", "Dst", "User", "IpAddr", "Application", "LogonTarget", "Rule"],
    &["Type", "EventSchema", "Dvc", "EventUid", "Src", "User", "IpAddr", "Hostname", "UpdatedPropertyName", "Rule"],
];

/// A row as the native parser of its schema shows it.
pub fn native_view(schema: Schema, row: &Map<String, Value>) -> Map<String, Value> {
    let mut view = row.clone();
    let stored = |name: &str| row.get(name).cloned();
    let constant = |text: &str| Some(Value::from(text));
    if schema != Schema::UserManagement {
        // They overwrite the event's times, which is why `OriginalTime` is in `AdditionalFields`.
        for name in ["EventStartTime", "EventEndTime"] {
            view.insert(name.to_owned(), stored("TimeGenerated").unwrap_or_default());
        }
    }
    for name in ADDED_BY_PARSERS[schema.index()] {
        let value = match *name {
            "Type" => constant(schema.table()),
            "EventSchema" => constant(schema.name()),
            "Dvc" if schema == Schema::Authentication => stored("EventVendor"),
            "Dvc" => stored("DvcFQDN").or(stored("DvcHostname")).or(stored("DvcIpAddr")).or(stored("EventProduct")),
            "Src" => stored("SrcFQDN").or(stored("SrcHostname")).or(stored("SrcIpAddr")),
            "Dst" => stored("TargetHostname").or(stored("TargetIpAddr")),
            "User" if schema == Schema::Authentication => stored("TargetUsername"),
            "User" => stored("ActorUsername"),
            "IpAddr" => stored("SrcIpAddr"),
            "Application" | "LogonTarget" => stored("TargetAppName"),
            "Value" => stored("NewValue"),
            "Rule" => stored("RuleName"),
            "Hostname" => stored("DvcHostname"),
            "UpdatedPropertyName" => stored("EventSubType"),
            // `_ItemId`, which the workspace gives every row.
            _ => constant("00000000-0000-0000-0000-000000000000"),
        };
        if let Some(value) = value {
            view.insert((*name).to_owned(), value);
        }
    }
    view
}

#[test]
fn the_twin_finds_what_is_wrong() {
    let tester = Tester::new();
    let good: Map<String, Value> = serde_json::from_str(
        r#"{"TimeGenerated":"2025-01-30T16:39:46Z","EventStartTime":"2025-01-30T16:39:46Z","EventEndTime":"2025-01-30T16:39:46Z",
            "EventVendor":"Nord Security","EventProduct":"NordPass","EventSchemaVersion":"0.1.2","EventCount":1,"EventType":"Read",
            "EventResult":"Success","EventSeverity":"Low","Operation":"x","Object":"y","ObjectType":"Other","ActorUsername":"a",
            "ActorUsernameType":"Simple","SrcIpAddr":"192.0.2.1","AdditionalFields":{}}"#,
    )
    .expect("JSON");
    assert_eq!(tester.row_findings(Schema::AuditEvent, &good), Vec::<String>::new());
    for (column, value) in [
        ("EventType", Value::from("read")),
        ("EventType", Value::from("Logon")),
        ("EventType", Value::Null),
        ("EventCount", Value::from("1")),
        ("ObjectType", Value::from("Cloud")),
        ("Object", Value::from("")),
        ("SrcIpAddr", Value::from("192.0.2")),
        ("AdditionalFields", Value::from("{}")),
        ("TimeGenerated", Value::from("2025-01-30 16:39")),
        ("ActorUserIdType", Value::from("Other")),
        ("EventSchema", Value::from("AuditEvent")),
        ("NoSuchColumn", Value::from("x")),
        ("SrcHostname", Value::from("not_a_host")),
        ("SrcDomain", Value::from("-x.example")),
    ] {
        let mut bad = good.clone();
        bad.insert(column.to_owned(), value);
        assert!(!tester.row_findings(Schema::AuditEvent, &bad).is_empty(), "{column}");
    }
    for column in ["ObjectType", "ActorUsernameType", "Operation", "EventSchemaVersion"] {
        let mut bad = good.clone();
        bad.remove(column);
        assert!(!tester.row_findings(Schema::AuditEvent, &bad).is_empty(), "{column}");
    }
}

#[test]
fn the_schemas_have_what_the_schema_tester_wants() {
    let tester = Tester::new();
    for schema in Schema::ALL {
        assert_eq!(tester.schema_findings(schema), Vec::<String>::new(), "{}", schema.name());
    }
}
