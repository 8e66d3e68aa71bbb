//! One event, one row.
//!
//! The parts of a row that depend only on the pair are prepared once ([`Parts`]); the rest is copied from the chunk's text. The
//! function that writes a column also writes the columns that depend on it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::additional::Additional;
use super::json::{self, Out};
use super::metadata::Metadata;
use super::people::{Actor, People, Person, is_address, scalar};
use super::platform::{Platform, platform};
use crate::event::{Event, unescape};
use nordpass_env::catalogue::{Entry, Schema, Target, entries, position};

/// The vendor in the rows.
pub const VENDOR: &str = "Nord Security";
/// The product in the rows.
pub const PRODUCT: &str = "NordPass";

/// The parts of rows that are the same for all events of a pair.
pub struct Parts {
    /// By schema: from the vendor to the opening quote of the event type.
    heads: [String; 3],
    /// By entry of the catalogue: everything fixed behind the event type.
    tails: Vec<String>,
}

impl Parts {
    pub fn new() -> Self {
        Self { heads: Schema::ALL.map(head), tails: entries().iter().map(tail).collect() }
    }
}

fn head(schema: Schema) -> String {
    let mut head = format!(r#","EventVendor":"{VENDOR}","EventProduct":"{PRODUCT}""#);
    // Only this table has the column; the parsers of the others add it.
    if schema == Schema::UserManagement {
        let _ = write!(head, r#","EventSchema":"{}""#, schema.name());
    }
    let _ = write!(head, r#","EventSchemaVersion":"{}","EventCount":1,"EventType":""#, schema.version());
    head
}

fn tail(entry: &Entry) -> String {
    let mut tail = format!(r#"","EventResult":"{}""#, entry.result);
    let mut optional = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = write!(tail, r#","{name}":"{value}""#);
        }
    };
    optional("EventResultDetails", entry.result_details);
    optional("EventSeverity", Some(entry.severity));
    optional("EventOriginalType", Some(&format!("{}.{}", entry.kind, entry.action)));
    match entry.schema {
        Schema::AuditEvent => {
            optional("Operation", Some(entry.action));
            optional("Object", entry.object);
            optional("ObjectType", entry.object_type);
        }
        Schema::Authentication => {
            optional("TargetAppName", entry.object);
            optional("TargetAppType", entry.object_type);
            optional("LogonMethod", entry.logon_method);
        }
        Schema::UserManagement => {}
    }
    tail
}

/// The event's entry in the catalogue.
pub fn position_of(event: &Event<'_>) -> Option<usize> {
    position(&event.text_of(&event.fields.kind), &event.text_of(&event.fields.action))
}

/// Appends the event's row.
pub fn write<'a>(
    out: &mut Out<'_>,
    parts: &Parts,
    position: Option<usize>,
    event: &Event<'a>,
    metadata: &Metadata<'a>,
    additional: &mut Additional<'a>,
) {
    let entry = position.map(|position| &entries()[position]);
    let schema = entry.map_or(Schema::AuditEvent, |entry| entry.schema);
    let target = entry.map_or(Target::None, |entry| entry.target);
    let people = People::of(event, metadata, target);
    let time = json::time(event.record.time);
    let time = json::ascii(&time);

    out.push_str(r#"{"TimeGenerated":""#);
    out.push_str(time);
    out.push_str(r#"","EventStartTime":""#);
    out.push_str(time);
    out.push_str(r#"","EventEndTime":""#);
    out.push_str(time);
    out.push_str("\"");
    out.push_str(&parts.heads[schema.index()]);
    match (entry, position.and_then(|position| parts.tails.get(position))) {
        (Some(entry), Some(tail)) => {
            out.push_str(event_type(entry, metadata));
            out.push_str(tail);
        }
        _ => unknown(out, event),
    }
    out.push_str(r#","EventOriginalUid":""#);
    out.push_str(json::ascii(&event.record.id.hex()));
    out.push_str("\"");
    match schema {
        Schema::AuditEvent => optional(out, r#","ObjectId":""#, metadata.item),
        Schema::Authentication => {}
        Schema::UserManagement => {
            if entry.is_some_and(is_status_update) {
                optional(out, r#","NewPropertyValue":""#, metadata.status);
            }
            if target == Target::Group {
                group(out, metadata);
            }
        }
    }
    let organization = scalar(event, &event.fields.organization);
    target_user(out, &people, organization);
    actor(out, &people, schema, organization);
    source(out, metadata, schema);
    out.push_str(r#","AdditionalFields":"#);
    additional.write(out, event, metadata, &people, time);
    out.push_str("}");
}

/// The one pair whose event type the metadata decides.
fn is_status_update(entry: &Entry) -> bool {
    entry.action == "user_status_updated" && entry.kind == "access"
}

fn event_type(entry: &Entry, metadata: &Metadata<'_>) -> &'static str {
    if !is_status_update(entry) {
        return entry.event_type;
    }
    let status = unescape(metadata.status.map(json::content).unwrap_or_default());
    let is = |word: &str| status.eq_ignore_ascii_case(word);
    if is("suspended") {
        "UserDisabled"
    } else if is("deleted") {
        "UserDeleted"
    } else if is("active") {
        "UserEnabled"
    } else {
        entry.event_type
    }
}

/// The columns of a pair that isn't in the catalogue: only what the event itself has.
fn unknown(out: &mut Out<'_>, event: &Event<'_>) {
    out.push_str(r#"Other","EventResult":"NA","EventSeverity":"Informational""#);
    let (kind, action) = (event.quoted_content(&event.fields.kind), event.quoted_content(&event.fields.action));
    if !kind.is_empty() || !action.is_empty() {
        out.push_str(r#","EventOriginalType":""#);
        out.copy(&kind, true);
        out.push_str(".");
        out.copy(&action, true);
        out.push_str("\"");
    }
    field_or_unknown(out, r#","Operation":""#, [&action, &kind]);
    field_or_unknown(out, r#","Object":""#, [&kind, ""]);
    out.push_str(r#","ObjectType":"Other""#);
}

fn field_or_unknown(out: &mut Out<'_>, opening: &str, choices: [&str; 2]) {
    out.field(opening, choices.into_iter().find(|choice| !choice.is_empty()).unwrap_or("Unknown"));
}

/// A field for a raw JSON value that is a string or a number.
fn optional(out: &mut Out<'_>, opening: &str, value: Option<&str>) {
    let content = value.map(json::content).unwrap_or_default();
    if !content.is_empty() {
        out.field(opening, content);
    }
}

fn group(out: &mut Out<'_>, metadata: &Metadata<'_>) {
    if metadata.group_name.is_some() {
        optional(out, r#","GroupName":""#, metadata.group_name);
        out.push_str(r#","GroupNameType":"Simple""#);
    }
    if metadata.group_uuid.is_some() {
        optional(out, r#","GroupId":""#, metadata.group_uuid);
        out.push_str(r#","GroupIdType":"UID""#);
    }
}

/// A user name and id with their types. The types are the same words in all three schemas.
fn person(out: &mut Out<'_>, person: Person<'_>, [name, name_type, id, id_type]: [&str; 4]) {
    let shown = person.shown_name();
    if !shown.is_empty() {
        out.field(name, shown);
        out.push_str(name_type);
        out.push_str(if is_address(shown) { r#"UPN""# } else { r#"Simple""# });
    }
    if !person.id.is_empty() {
        out.field(id, person.id);
        out.push_str(id_type);
    }
}

fn target_user(out: &mut Out<'_>, people: &People<'_>, organization: &str) {
    let Some(target) = people.target else { return };
    let columns = [
        r#","TargetUsername":""#,
        r#","TargetUsernameType":""#,
        r#","TargetUserId":""#,
        r#","TargetUserIdType":"Other""#,
    ];
    person(out, target, columns);
    if people.target_is_member && !organization.is_empty() {
        out.field(r#","TargetUserScopeId":""#, organization);
    }
}

fn actor(out: &mut Out<'_>, people: &People<'_>, schema: Schema, organization: &str) {
    let columns =
        [r#","ActorUsername":""#, r#","ActorUsernameType":""#, r#","ActorUserId":""#, r#","ActorUserIdType":"Other""#];
    person(out, people.actor.person(), columns);
    match people.actor {
        Actor::Member(_) => {}
        Actor::Msp(_, msp) => {
            if !msp.role.is_empty() {
                out.field(r#","ActorOriginalUserType":""#, msp.role);
            }
            if ["admin", "owner"].iter().any(|role| msp.role.eq_ignore_ascii_case(role)) {
                out.push_str(r#","ActorUserType":"Admin""#);
            }
            // Staff belong to the MSP: the organization isn't the scope of their names.
            return;
        }
        Actor::Initiator(initiator) => {
            if !is_address(initiator.name) {
                out.push_str(match schema {
                    Schema::UserManagement => r#","ActorUserType":"Service Principal""#,
                    Schema::AuditEvent | Schema::Authentication => r#","ActorUserType":"Service""#,
                });
            }
        }
        Actor::Nobody => {
            // Mandatory in this schema alone.
            if schema == Schema::UserManagement {
                out.push_str(r#","ActorUsername":"Unknown","ActorUsernameType":"Simple""#);
            }
            return;
        }
    }
    if !organization.is_empty() {
        out.field(r#","ActorScopeId":""#, organization);
    }
}

/// Writes the source: the app, the device, the address. `metadata.provider`, the identity provider of an SSO log-in, is only in
/// `AdditionalFields`: the schema has no column for it (`LogonProtocol` is a protocol, `ActorScope` the organization's name).
fn source(out: &mut Out<'_>, metadata: &Metadata<'_>, schema: Schema) {
    if let Some(value) = metadata.platform {
        let name = json::content(value);
        out.field(r#","ActingAppName":""#, name);
        let platform = platform(name);
        let authentication = schema == Schema::Authentication;
        match platform {
            Platform::Computer => out.push_str(r#","SrcDeviceType":"Computer""#),
            Platform::Mobile => out.push_str(r#","SrcDeviceType":"Mobile Device""#),
            // The other schemas' lists don't have this value.
            Platform::Browser if authentication => out.push_str(r#","ActingAppType":"Browser""#),
            Platform::Browser | Platform::Unknown => {}
        }
        if authentication && matches!(platform, Platform::Computer | Platform::Mobile) {
            out.field(r#","SrcDvcOs":""#, name);
        }
    }
    // Addresses only: parsers check the column's type, and rules match prefixes in it.
    if let Some(text) = metadata.ip_address.and_then(json::string).map(unescape)
        && let Some(address) = address(&text)
    {
        out.field(r#","SrcIpAddr":""#, address);
    }
}

/// Returns the address in a text, as it is spelled there.
fn address(text: &str) -> Option<&str> {
    if text.parse::<IpAddr>().is_ok() { Some(text) } else { address_of_proxy(text) }
}

/// Reads what proxies and load balancers write: an address with a port, in brackets, with spaces around it, or a list with
/// the client first. The KQL parsers read the same (`solution/tests/asim_parsers.py`), so both tables say the same.
#[cold]
fn address_of_proxy(text: &str) -> Option<&str> {
    let is_port = |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let first = text.split(',').next()?.trim_matches(|char: char| char.is_ascii_whitespace());
    if let Some(rest) = first.strip_prefix('[') {
        let (address, end) = rest.split_once(']')?;
        let is_end = end.is_empty() || end.strip_prefix(':').is_some_and(is_port);
        return (is_end && address.parse::<Ipv6Addr>().is_ok()).then_some(address);
    }
    match first.split_once(':') {
        Some((address, port)) if is_port(port) && address.parse::<Ipv4Addr>().is_ok() => Some(address),
        _ => first.parse::<IpAddr>().is_ok().then_some(first),
    }
}
