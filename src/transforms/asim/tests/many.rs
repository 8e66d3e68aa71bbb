//! What holds for the rows of all events, over many of them.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::*;
use super::conformance::Tester;
use super::generator::{Generator, chunk, noted_chunk};
use super::support::{Unique, event, lenient, row, text};
use nordpass_env::catalogue::{columns, find};

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
    let mut asim = Settings.build(ComponentReporter::detached());
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
        Settings.build(ComponentReporter::detached()).transform(chunk, &mut out);
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
