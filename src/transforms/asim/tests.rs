//! What rows look like: the rules one by one, then everything over many events.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::conformance::Tester;
use super::generator::{Generator, READ_AT, chunk, noted_chunk, typical};
use super::*;
use crate::event::AckOutcome;
use nordpass_env::catalogue::{columns, find};

/// The rows of events with their schemas, in no particular order; each output's rows keep the events' order.
pub fn rows(events: &[String]) -> Vec<(Schema, Map<String, Value>)> {
    let mut out = Vec::new();
    let mut asim = build(Settings {}, ComponentReporter::detached());
    asim.transform(chunk(events), &mut out);
    let mut rows = Vec::new();
    for (index, chunk) in out {
        assert!(chunk.events.is_none());
        for record in &*chunk.records {
            let body = chunk.body(record);
            assert!(!body.contains(['\n', '\r']), "one line: {body}");
            let Unique(row) = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
            rows.push((Schema::ALL[index], row));
        }
    }
    rows
}

/// The row of one event.
fn row(event: &str) -> (Schema, Map<String, Value>) {
    let mut rows = rows(&[event.to_owned()]);
    assert_eq!(rows.len(), 1, "exactly one row");
    rows.remove(0)
}

/// An event of a pair with this metadata (JSON) and usual other fields.
fn event(pair: &str, metadata: &str) -> String {
    let (kind, action) = pair.split_once('.').expect("type.action");
    format!(
        r#"{{"type":"{kind}","action":"{action}","timestamp":1738255186,"organization_uuid":"org","user":{{"uuid":"u-1","email":"anna@example.com"}},"metadata":{metadata},"initiator":""}}"#
    )
}

/// An object whose keys are unique, at the top and in `AdditionalFields`: `serde_json` alone would keep the last one.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor(bool);
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Map<String, Value>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with unique keys")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Map::new();
                while let Some((key, raw)) = map.next_entry::<String, &RawValue>()? {
                    let value = if self.0 && key == "AdditionalFields" {
                        let mut inner = serde_json::Deserializer::from_str(raw.get());
                        serde::Deserializer::deserialize_map(&mut inner, Visitor(false))
                            .map(Value::Object)
                            .map_err(serde::de::Error::custom)?
                    } else {
                        lenient(raw.get())
                    };
                    if object.insert(key.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!("{key} is there twice")));
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Visitor(true)).map(Self)
    }
}

/// A value; where it holds a number that `f64` can't, its text.
fn lenient(raw: &str) -> Value {
    serde_json::from_str(raw).unwrap_or_else(|_| Value::from(raw))
}

fn text<'a>(row: &'a Map<String, Value>, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or("")
}

#[test]
fn the_common_columns() {
    let (schema, row) = row(&event("item_access.vault_exported", r#"{"platform":"macos"}"#));
    assert_eq!(schema, Schema::AuditEvent);
    for (column, expected) in [
        ("TimeGenerated", "2025-01-30T16:39:46Z"),
        ("EventStartTime", "2025-01-30T16:39:46Z"),
        ("EventEndTime", "2025-01-30T16:39:46Z"),
        ("EventVendor", "Nord Security"),
        ("EventProduct", "NordPass"),
        ("EventSchemaVersion", "0.1.2"),
        ("EventOriginalType", "item_access.vault_exported"),
        ("Operation", "vault_exported"),
        ("ActorUsername", "anna@example.com"),
        ("ActorUsernameType", "UPN"),
        ("ActorUserId", "u-1"),
        ("ActorUserIdType", "Other"),
        ("ActorScopeId", "org"),
        ("ActingAppName", "macos"),
        ("SrcDeviceType", "Computer"),
    ] {
        assert_eq!(text(&row, column), expected, "{column}");
    }
    assert_eq!(row["EventCount"], 1);
    assert_eq!(row["AdditionalFields"]["OriginalTime"], "2025-01-30T16:39:46Z");
    assert_eq!(row["AdditionalFields"]["platform"], "macos");
    assert_eq!(row["AdditionalFields"]["Organization"], "org");
    assert!(!row.contains_key("EventSchema"));
    assert_eq!(text(&row, "EventOriginalUid").len(), 32);
}

#[test]
fn the_original_uid_is_the_record_id_in_hex() {
    let chunk = chunk(&[event("lock.master_failed", "{}")]);
    let id = chunk.records[0].id.to_string();
    let mut out = Vec::new();
    build(Settings {}, ComponentReporter::detached()).transform(chunk, &mut out);
    let (index, rows) = out.pop().expect("one");
    assert_eq!(index, 1);
    assert_eq!(rows.records[0].id.to_string(), id);
    assert!(rows.body(&rows.records[0]).contains(&format!(r#""EventOriginalUid":"{id}""#)));
}

#[test]
fn a_failed_login_has_its_address() {
    let metadata = r#"{"ip_address":"203.0.113.7","platform":"ios","provider":"azure_ad"}"#;
    let (schema, row) = row(&event("login.user_login_failed", metadata));
    assert_eq!(schema, Schema::Authentication);
    for (column, expected) in [
        ("EventType", "Logon"),
        ("EventResult", "Failure"),
        ("EventResultDetails", "Other"),
        ("SrcIpAddr", "203.0.113.7"),
        ("TargetUsername", "anna@example.com"),
        ("TargetUsernameType", "UPN"),
        ("TargetUserId", "u-1"),
        ("TargetAppName", "NordPass"),
        ("TargetAppType", "SaaS application"),
        ("SrcDvcOs", "ios"),
        ("SrcDeviceType", "Mobile Device"),
        ("EventSchemaVersion", "0.1.4"),
    ] {
        assert_eq!(text(&row, column), expected, "{column}");
    }
    assert_eq!(row["AdditionalFields"]["provider"], "azure_ad");
}

#[test]
fn unlocks_are_log_ins_to_the_vault() {
    let (_, row) = row(&event("lock.master_failed", r#"{"platform":"chrome"}"#));
    assert_eq!(text(&row, "TargetAppName"), "NordPass vault");
    assert_eq!(text(&row, "EventResultDetails"), "Incorrect password");
    assert_eq!(text(&row, "LogonMethod"), "Username & Password");
    assert_eq!(text(&row, "ActingAppType"), "Browser");
}

#[test]
fn what_is_no_address_stays_out_of_the_column() {
    for address in [r#""203.0.113.7:443""#, r#""unknown""#, "null", "5", r#"["192.0.2.1"]"#] {
        let (_, row) = row(&event("login.user_login_failed", &format!(r#"{{"ip_address":{address}}}"#)));
        assert!(!row.contains_key("SrcIpAddr"), "{address}");
        assert_eq!(row["AdditionalFields"]["ip_address"], lenient(address));
    }
    let (_, row) = row(&event("login.user_login_failed", r#"{"ip_address":"2001:db8::7"}"#));
    assert_eq!(text(&row, "SrcIpAddr"), "2001:db8::7");
}

#[test]
fn the_status_decides_what_happened_to_a_member() {
    for (metadata, expected) in [
        (r#"{"status":"suspended"}"#, "UserDisabled"),
        (r#"{"status":"deleted"}"#, "UserDeleted"),
        (r#"{"status":"active"}"#, "UserEnabled"),
        (r#"{"status":"sus\u0070ended"}"#, "UserDisabled"),
        (r#"{"status":"something new"}"#, "UserModified"),
        (r#"{"status":null}"#, "UserModified"),
        ("{}", "UserModified"),
        ("null", "UserModified"),
    ] {
        let (schema, row) = row(&event("access.user_status_updated", metadata));
        assert_eq!((schema, text(&row, "EventType")), (Schema::UserManagement, expected), "{metadata}");
        assert_eq!(text(&row, "EventSchema"), "UserManagement");
    }
}

#[test]
fn msp_staff_are_the_actor_and_the_member_stays_visible() {
    let msp = r#""msp":{"user_email":"staff@msp.example","user_role":"admin","user_uuid":"m-1"}"#;
    for pair in
        ["item_access.vault_exported", "lock.master_validated", "access.user_status_updated", "invites.user_invited"]
    {
        let (schema, row) = row(&event(pair, &format!("{{{msp}}}")));
        assert_eq!(text(&row, "ActorUsername"), "staff@msp.example", "{pair}");
        assert_eq!(text(&row, "ActorUserId"), "m-1");
        assert_eq!(text(&row, "ActorOriginalUserType"), "admin");
        assert_eq!(text(&row, "ActorUserType"), "Admin");
        assert!(!row.contains_key("ActorScopeId"), "staff don't belong to the organization");
        assert_eq!(row["AdditionalFields"]["msp"]["user_uuid"], "m-1");
        if schema == Schema::AuditEvent {
            assert_eq!(row["AdditionalFields"]["User"]["email"], "anna@example.com");
            assert_eq!(row["AdditionalFields"]["User"]["uuid"], "u-1");
        } else {
            assert_eq!(text(&row, "TargetUsername"), "anna@example.com");
            assert_eq!(text(&row, "TargetUserScopeId"), "org");
        }
    }
    // The invitee is the target; the member moves over.
    let (_, row) = row(&event("invites.user_invited", &format!(r#"{{"emails":["new@example.com"],{msp}}}"#)));
    assert_eq!(text(&row, "TargetUsername"), "new@example.com");
    assert_eq!(row["AdditionalFields"]["User"]["email"], "anna@example.com");
}

#[test]
fn invitees() {
    let (_, one) = row(&event("invites.user_invited", r#"{"emails":["new@example.com"]}"#));
    assert_eq!((text(&one, "EventType"), text(&one, "TargetUsername")), ("UserCreated", "new@example.com"));
    assert_eq!(text(&one, "ActorUsername"), "anna@example.com");
    let (_, two) = row(&event("invites.user_invited", r#"{"emails":["a@example.com","b@example.com"]}"#));
    assert!(!two.contains_key("TargetUsername") && !two.contains_key("TargetUsernameType"));
    assert_eq!(two["AdditionalFields"]["emails"].as_array().map(Vec::len), Some(2));
}

#[test]
fn without_a_user_the_initiator_is_the_actor() {
    let scim = |pair: &str, user: &str, initiator: &str| {
        let (kind, action) = pair.split_once('.').expect("type.action");
        row(&format!(r#"{{"type":"{kind}","action":"{action}","timestamp":1738255186,"organization_uuid":"org","user":{user},"metadata":{{}},"initiator":{initiator}}}"#)).1
    };
    for user in ["null", "{}", r#"{"uuid":"","email":null}"#] {
        let management = scim("invites.user_converted_to_provisioned", user, r#""azure_ad""#);
        assert_eq!(text(&management, "ActorUsername"), "azure_ad");
        assert_eq!(text(&management, "ActorUsernameType"), "Simple");
        assert_eq!(text(&management, "ActorUserType"), "Service Principal");
        assert!(!management["AdditionalFields"].as_object().expect("object").contains_key("Initiator"));
        let audit = scim("item_access.item_viewed", user, r#""azure_ad""#);
        assert_eq!(text(&audit, "ActorUserType"), "Service");
    }
    let address = scim("groups.group_created", "null", r#""boss@example.com""#);
    assert_eq!((text(&address, "ActorUsernameType"), text(&address, "ActorUserType")), ("UPN", ""));
    // Beside a user it is shown, not lost.
    let both = scim("groups.group_created", r#"{"uuid":"u","email":"anna@example.com"}"#, r#""azure_ad""#);
    assert_eq!(text(&both, "ActorUsername"), "anna@example.com");
    assert_eq!(both["AdditionalFields"]["Initiator"], "azure_ad");
    // An object is no name.
    let object = scim("groups.group_created", "null", r#"{"kind":"scim"}"#);
    assert_eq!(text(&object, "ActorUsername"), "Unknown");
    assert_eq!(object["AdditionalFields"]["Initiator"]["kind"], "scim");
}

#[test]
fn a_login_that_names_its_user_only_as_initiator() {
    let (_, row) = row(
        r#"{"type":"login","action":"user_login_failed","user":null,"initiator":"anna@example.com","timestamp":1}"#,
    );
    assert_eq!(text(&row, "TargetUsername"), "anna@example.com");
}

#[test]
fn groups() {
    let (_, row) = row(&event(
        "groups.group_users_added",
        r#"{"group":{"uuid":"g-1","name":"Finance"},"emails":["b@example.com"]}"#,
    ));
    for (column, expected) in [
        ("EventType", "UserAddedToGroup"),
        ("GroupName", "Finance"),
        ("GroupNameType", "Simple"),
        ("GroupId", "g-1"),
        ("GroupIdType", "UID"),
        ("TargetUsername", "b@example.com"),
    ] {
        assert_eq!(text(&row, column), expected, "{column}");
    }
}

#[test]
fn an_unknown_pair_is_an_audit_event() {
    let (schema, row) = row(&event("brand_new.thing_happened", r#"{"a":1}"#));
    assert_eq!(schema, Schema::AuditEvent);
    assert_eq!(text(&row, "EventType"), "Other");
    assert_eq!(text(&row, "EventResult"), "NA");
    assert_eq!(text(&row, "Operation"), "thing_happened");
    assert_eq!(text(&row, "Object"), "brand_new");
    assert_eq!(text(&row, "EventOriginalType"), "brand_new.thing_happened");
    assert_eq!(row["AdditionalFields"]["a"], 1);
}

#[test]
fn odd_events_become_rows_too() {
    let tester = Tester::new();
    for event in [
        "{}",
        r#"{"type":null,"action":null}"#,
        r#"{"type":"","action":"","user":5,"metadata":7,"timestamp":null}"#,
        r#"{"type":5,"action":["x"],"user":"someone","metadata":"text","initiator":{"a":1},"organization_uuid":{}}"#,
        r#"{"type":"lock","action":"master_failed","user":[],"metadata":[],"timestamp":"soon"}"#,
        r#"{"type":"groups","action":"group_created"}"#,
    ] {
        let (schema, row) = row(event);
        assert_eq!(tester.row_findings(schema, &row), Vec::<String>::new(), "{event}");
    }
}

#[test]
fn an_unusable_timestamp_stays_readable() {
    for (timestamp, time) in
        [("\"soon\"", READ_AT), ("0", READ_AT), ("1738255186000", 1_738_255_186), ("\"1738255186\"", 1_738_255_186)]
    {
        let (_, row) = row(&format!(r#"{{"type":"a","action":"b","timestamp":{timestamp}}}"#));
        assert_eq!(row["AdditionalFields"]["OriginalTimestamp"], lenient(timestamp));
        assert_eq!(text(&row, "TimeGenerated"), json::ascii(&json::time(time)));
    }
    let (_, row) = row(r#"{"type":"a","action":"b","timestamp":1738255186}"#);
    assert!(!row["AdditionalFields"].as_object().expect("object").contains_key("OriginalTimestamp"));
}

#[test]
fn colliding_keys_lose_nothing() {
    let metadata = r#"{"OriginalTime":"mine","note":1,"note":2,"n\u006fte":3,"\u004fser":4,"\u0055ser":5}"#;
    let (_, row) = row(&event("item_access.item_viewed", metadata));
    let additional = &row["AdditionalFields"];
    assert_eq!(additional["OriginalTime"], "2025-01-30T16:39:46Z");
    assert_eq!(additional["note"], 1);
    assert_eq!(additional["Oser"], 4);
    assert_eq!(
        additional["MetadataCollisions"],
        lenient(r#"[{"OriginalTime":"mine"},{"note":2},{"note":3},{"User":5}]"#)
    );
}

#[test]
fn unknown_fields_and_further_user_fields_are_kept() {
    let (_, row) = row(
        r#"{"type":"a","action":"b","session":{"id":1},"x":1,"x":2,"user":{"uuid":"u","email":"e@x.y","name":"N"}}"#,
    );
    assert_eq!(row["AdditionalFields"]["UnknownFields"], lenient(r#"{"session":{"id":1},"x":1}"#));
    assert_eq!(row["AdditionalFields"]["UnknownFieldCollisions"], lenient(r#"[{"x":2}]"#));
    assert_eq!(row["AdditionalFields"]["User"]["name"], "N");
    assert_eq!(text(&row, "ActorUsername"), "e@x.y");
}

#[test]
fn spelling_is_copied_faithfully() {
    let metadata =
        r#"{"big":123456789012345678901234567890,"fraction":1.50,"huge":1e400,"text":"\u00e9 \"q\" \\ é 😀 \/"}"#;
    let mut out = Vec::new();
    build(Settings {}, ComponentReporter::detached())
        .transform(chunk(&[event("item_access.item_viewed", metadata)]), &mut out);
    let rows = &out[0].1;
    let body = rows.body(&rows.records[0]);
    assert!(body.contains(metadata.trim_matches(['{', '}'])), "{body}");
    let Unique(_) = serde_json::from_str(body).expect("valid");
}

#[tokio::test]
async fn one_event_one_row_and_the_chunk_is_acknowledged_by_its_rows() {
    let events: Vec<String> = entries().iter().enumerate().map(|(number, entry)| typical(entry, number)).collect();
    let chunk = chunk(&events);
    let text = chunk.text.clone();
    let (records, fields) = (chunk.records.to_vec(), chunk.events.as_deref().expect("events").to_vec());
    let (chunk, ack_receiver) = Chunk::of_events(text, records, fields, chunk.origin.clone(), None);
    let ids: Vec<_> = chunk.records.iter().map(|record| record.id).collect();
    let mut out = Vec::new();
    build(Settings {}, ComponentReporter::detached()).transform(chunk, &mut out);
    assert_eq!(out.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
    let mut seen: HashMap<_, usize> = HashMap::new();
    for (_, rows) in &out {
        for record in &*rows.records {
            *seen.entry(record.id).or_default() += 1;
        }
    }
    assert!(ids.iter().all(|id| seen[id] == 1) && seen.len() == ids.len());
    for (_, rows) in out {
        rows.ack.done();
    }
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[test]
fn every_pair_with_every_metadata_conforms() {
    let tester = Tester::new();
    let shapes = [
        "{}",
        "null",
        "[]",
        r#"{"platform":"web"}"#,
        r#"{"platform":"android","ip_address":"203.0.113.7","provider":"okta"}"#,
        r#"{"platform":"fridge","ip_address":"nowhere"}"#,
        r#"{"emails":["new@example.com"],"msp":{"user_email":"staff@msp.example","user_role":"admin","user_uuid":"m"}}"#,
        r#"{"msp":{"user_uuid":"m"}}"#,
        r#"{"group_name":"Finance","group_uuid":"g","user_uuid":"v","status":"deleted"}"#,
        r#"{"items":["i"],"status":"suspended"}"#,
    ];
    for entry in entries() {
        for shape in shapes {
            let (schema, row) = row(&event(&format!("{}.{}", entry.kind, entry.action), shape));
            assert_eq!(schema, entry.schema);
            assert_eq!(
                tester.row_findings(schema, &row),
                Vec::<String>::new(),
                "{}.{} {shape}",
                entry.kind,
                entry.action
            );
        }
    }
}

/// The large set: 100,000 events of every odd shape.
#[test]
fn generated_events_conform_and_lose_nothing() {
    let tester = Tester::new();
    let generator = Generator::new(2025);
    let allowed: [HashMap<&str, _>; 3] = Schema::ALL.map(|schema| columns(schema.table()).iter().copied().collect());
    let mut asim = build(Settings {}, ComponentReporter::detached());
    let mut used: [std::collections::HashSet<String>; 3] = Default::default();
    for _ in 0..100 {
        let events: Vec<String> = (0..1_000).map(|_| generator.event()).collect();
        let chunk = chunk(&events);
        let mut out = Vec::new();
        asim.transform(chunk.clone(), &mut out);
        chunk.ack.done();
        let mut made: HashMap<_, Vec<(Schema, Map<String, Value>)>> = HashMap::new();
        for (index, rows) in &out {
            for record in &*rows.records {
                let body = rows.body(record);
                let Unique(row) = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
                for name in row.keys() {
                    assert!(allowed[*index].contains_key(name.as_str()), "{name} isn't in the list of columns");
                    if !used[*index].contains(name) {
                        used[*index].insert(name.clone());
                    }
                }
                made.entry(record.id).or_default().push((Schema::ALL[*index], row));
            }
        }
        assert_eq!(made.values().map(Vec::len).sum::<usize>(), events.len());
        for (record, raw) in chunk.records.iter().zip(&events) {
            let (schema, row) = made.get_mut(&record.id).and_then(Vec::pop).expect("a row");
            assert_eq!(tester.row_findings(schema, &row), Vec::<String>::new(), "{raw}");
            nothing_is_lost(raw, schema, &row);
        }
    }
    // The list of columns is neither too short (above) nor too long.
    for (schema, used) in Schema::ALL.iter().zip(&used) {
        for (name, _) in columns(schema.table()) {
            assert!(used.contains(*name), "{} is never sent to {}", name, schema.table());
        }
    }
}

/// The transform takes what the parse noted of the metadata, or walks through it again: the rows are the same.
#[test]
fn what_the_parse_noted_makes_no_difference() {
    let generator = Generator::new(11);
    let events: Vec<String> = (0..5_000).map(|_| generator.event()).collect();
    let (noted, plain) = (noted_chunk(&events), chunk(&events));
    let with_notes = noted.events().filter(|event| event.metadata_entries().is_some()).count();
    assert!(with_notes > 1_000, "{with_notes} of {}", events.len());
    assert!(plain.events().all(|event| event.metadata_entries().is_none()));
    let rows = |chunk: Chunk| {
        let mut out = Vec::new();
        build(Settings {}, ComponentReporter::detached()).transform(chunk, &mut out);
        let body = |(index, rows): &(usize, Chunk), record| (*index, rows.body(record).to_owned());
        out.iter().flat_map(|part| part.1.records.iter().map(|record| body(part, record))).collect::<Vec<_>>()
    };
    assert_eq!(rows(noted), rows(plain));
}

/// Every metadata entry, every unknown field, the user and the initiator are in the row.
fn nothing_is_lost(raw: &str, schema: Schema, row: &Map<String, Value>) {
    let additional = row["AdditionalFields"].as_object().expect("an object");
    let raw = raw.replace("half \\ud83d of", "half \\ufffd of");
    let fields: Vec<(String, &RawValue)> = pairs(&raw);
    let value = |name: &str| fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.get());
    let (kind, action) = (value("type").unwrap_or("\"\""), value("action").unwrap_or("\"\""));
    let known = find(kind.trim_matches('"'), action.trim_matches('"'));
    assert_eq!(schema, known.map_or(Schema::AuditEvent, |entry| entry.schema), "{raw}");
    let kept = |list: &str, key: &str, wanted: &Value| {
        let flat =
            if list == "MetadataCollisions" { Some(additional) } else { additional["UnknownFields"].as_object() };
        let collision = || additional.get(list)?.as_array()?.iter().find(|one| one.get(key) == Some(wanted));
        (!additional::RESERVED.contains(&key) || list != "MetadataCollisions")
            && flat.and_then(|flat| flat.get(key)) == Some(wanted)
            || collision().is_some()
    };
    if let Some(metadata) = value("metadata").filter(|metadata| *metadata != "null") {
        if metadata.starts_with('{') {
            for (key, value) in pairs(metadata) {
                assert!(kept("MetadataCollisions", &key, &lenient(value.get())), "{key}: {raw}");
            }
        } else {
            assert_eq!(additional["Metadata"], lenient(metadata), "{raw}");
        }
    }
    for (key, value) in &fields {
        if !["type", "action", "timestamp", "user", "organization_uuid", "initiator", "metadata"]
            .contains(&key.as_str())
        {
            assert!(kept("UnknownFieldCollisions", key, &lenient(value.get())), "{key}: {raw}");
        }
    }
    let shown = |wanted: &Value| {
        let texts = ["ActorUsername", "ActorUserId", "TargetUsername", "TargetUserId"].map(|column| text(row, column));
        let user = additional.get("User").unwrap_or(&Value::Null);
        wanted.as_str().is_some_and(|wanted| wanted.is_empty() || texts.contains(&wanted))
            || wanted.is_null()
            || [&user["uuid"], &user["email"], &user["name"], user, additional.get("Initiator").unwrap_or(&Value::Null)]
                .contains(&wanted)
    };
    for field in ["user", "initiator"] {
        let field = lenient(value(field).unwrap_or("null"));
        match field.as_object().filter(|object| object.contains_key("email")) {
            Some(user) => assert!(user.values().all(shown), "{raw}"),
            None => assert!(shown(&field) || field == lenient("{}"), "{field} {raw}"),
        }
    }
}

fn pairs(object: &str) -> Vec<(String, &RawValue)> {
    struct Pairs<'a>(Vec<(String, &'a RawValue)>);
    impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Vec<(String, &'de RawValue)>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut all = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        all.push(pair);
                    }
                    Ok(all)
                }
            }
            deserializer.deserialize_map(Visitor).map(Pairs)
        }
    }
    serde_json::from_str::<Pairs<'_>>(object).expect("an object").0
}
