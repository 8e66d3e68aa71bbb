use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::asim::tests::generator::{Generator, chunk};
use super::super::shape::testing::{acknowledged, rows_of, run, texts};
use super::*;
use crate::event::{AckOutcome, parse_event};
use crate::settings::{Diagnostic, Environment};

fn read(text: &str) -> (Settings, Vec<Diagnostic>) {
    let mut section = Section::parse(text, TYPE.fields, Environment::default());
    let settings = Settings::read(&mut section);
    (settings, section.diagnostics())
}

fn built(text: &str) -> Box<dyn Transform> {
    let (settings, found) = read(text);
    assert!(found.is_empty(), "{found:?}");
    settings.build(ComponentReporter::detached())
}

/// The one record that is made of one.
fn made(text: &str, record: &str) -> String {
    let (out, refused) = run(built(text).as_mut(), chunk(&[record.to_owned()]));
    assert!(refused.is_empty(), "{refused:?}");
    texts(&out[0].1).remove(0)
}

/// What stays is spelled as it was, with the space between neighbours.
#[test]
fn fields_are_set_renamed_and_removed() {
    let record = r#"{"type":"a", "metadata":{"x":1,"y":{"z":[1, 2]}},"user":{"email":"e","uuid":"u"},"n":1.50}"#;
    for (text, expected) in [
        (
            r#"set = { tenant = "acme" }"#,
            r#"{"type":"a", "metadata":{"x":1,"y":{"z":[1, 2]}},"user":{"email":"e","uuid":"u"},"n":1.50,"tenant":"acme"}"#,
        ),
        (
            r#"set = { "metadata.x" = "new" }"#,
            r#"{"type":"a","metadata":{"x":"new","y":{"z":[1, 2]}},"user":{"email":"e","uuid":"u"},"n":1.50}"#,
        ),
        (
            r#"set = { "a.b.c" = "d" }"#,
            r#"{"type":"a", "metadata":{"x":1,"y":{"z":[1, 2]}},"user":{"email":"e","uuid":"u"},"n":1.50,"a":{"b":{"c":"d"}}}"#,
        ),
        (r#"remove = ["user", "metadata.y", "nothing", "n.m"]"#, r#"{"type":"a","metadata":{"x":1},"n":1.50}"#),
        (
            r#"rename = { "user.email" = "user.mail" }"#,
            r#"{"type":"a", "metadata":{"x":1,"y":{"z":[1, 2]}},"user":{"uuid":"u","mail":"e"},"n":1.50}"#,
        ),
        (
            r#"rename = { "metadata.y.z" = "list", "nothing" = "else" }"#,
            r#"{"type":"a","metadata":{"x":1,"y":{}},"user":{"email":"e","uuid":"u"},"n":1.50,"list":[1, 2]}"#,
        ),
        ("rename = { type = \"n\", n = \"type\" }\nremove = [\"metadata\", \"user\"]", r#"{"type":1.50,"n":"a"}"#),
        (
            "remove = [\"metadata\", \"user\", \"n\"]\nset = { \"metadata.t\" = \"x\" }",
            r#"{"type":"a","metadata":{"t":"x"}}"#,
        ),
        (
            "rename = { n = \"m\" }\nset = { n = \"new\" }\nremove = [\"metadata\", \"user\"]",
            r#"{"type":"a","n":"new","m":1.50}"#,
        ),
    ] {
        assert_eq!(made(text, record), expected, "{text}");
    }
}

#[test]
fn odd_objects_are_edited_too() {
    for (text, record, expected) in [
        // Keys with escapes, and twice.
        (r#"set = { type = "b" }"#, r#"{"typ\u0065":"a","type":"c","x":1}"#, r#"{"typ\u0065":"b","x":1}"#),
        (r#"remove = ["x"]"#, r#"{"x":1,"\u0078":2,"y":3}"#, r#"{"y":3}"#),
        (r#"set = { "metadata.t" = "x" }"#, r#"{"metadata":null,"a":1}"#, r#"{"a":1,"metadata":{"t":"x"}}"#),
        (r#"remove = ["metadata.t"]"#, r#"{"metadata":null,"a":1}"#, r#"{"metadata":null,"a":1}"#),
        (r#"remove = ["metadata.t"]"#, r#"{"metadata":"t"}"#, r#"{"metadata":"t"}"#),
        (r#"set = { a = "b" }"#, "{}", r#"{"a":"b"}"#),
        (r#"set = { "q\"\\" = "b" }"#, "{ }", r#"{"q\"\\":"b"}"#),
    ] {
        assert_eq!(made(text, record), expected, "{text}");
    }
}

#[tokio::test]
async fn what_can_not_be_set_is_refused_and_the_rest_goes_on() {
    let events = [r#"{"metadata":"text","n":1}"#.to_owned(), r#"{"metadata":{"a":1}}"#.to_owned()];
    let set = r#"set = { "metadata.t" = "x" }"#;
    let (whole, ack_receiver) = acknowledged(&events);
    let (out, refused) = run(built(set).as_mut(), whole);
    assert_eq!(texts(&out[0].1), [r#"{"metadata":{"a":1,"t":"x"}}"#]);
    let reason = "`metadata` isn't an object, so nothing can be set in it".to_owned();
    assert_eq!(refused, [(vec![events[0].clone()], reason)], "as it came");
    for (_, chunk) in out {
        chunk.ack.done();
    }
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    for (on_error, left) in [("keep", 2), ("drop", 1)] {
        let (out, refused) = run(built(&format!("on_error = \"{on_error}\"\n{set}")).as_mut(), chunk(&events));
        assert_eq!((out[0].1.records.len(), refused.len()), (left, 0), "{on_error}");
    }
}

#[tokio::test]
async fn a_dead_letter_that_is_not_written_is_no_delivery() {
    let (whole, ack_receiver) = acknowledged(&[r#"{"metadata":"text"}"#.to_owned()]);
    let mut transform = built(r#"set = { "metadata.t" = "x" }"#);
    let mut out = Vec::new();
    transform.transform(whole, &mut out);
    assert!(out.is_empty());
    drop(transform.take_refused());
    assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
}

#[test]
fn an_event_keeps_its_id_and_has_new_fields() {
    let whole = chunk(&[r#"{"type":"a","action":"b","user":{"email":"e"},"organization_uuid":"org"}"#.to_owned()]);
    let id = whole.records[0].id;
    let text = "set = { type = \"c\", \"metadata.of\" = \"{organization}\" }\nremove = [\"user\"]";
    let (out, _) = run(built(text).as_mut(), whole);
    let made = &out[0].1;
    assert_eq!(made.records[0].id, id);
    let event = made.events().next().expect("an event");
    assert_eq!(event.text_of(&event.fields.kind), "c");
    assert!(event.fields.user_email.is_blank());
    let entries = event.metadata_entries().expect("noted");
    assert_eq!(event.json_of(&entries[0].1), format!("\"{}\"", made.records[0].organization));
}

#[test]
fn rows_are_rows_again() {
    let events: Vec<String> = (0..20).map(|_| Generator::new(3).event()).collect();
    for rows in rows_of(&events) {
        let before: Vec<_> = rows.records.iter().map(|record| record.id).collect();
        let text = "set = { \"AdditionalFields.Tenant\" = \"acme\", \"metadata.Tenant\" = \"acme\" }\nremove = [\"EventCount\"]\non_error = \"keep\"";
        let (out, refused) = run(built(text).as_mut(), rows);
        assert!(refused.is_empty());
        let made = &out[0].1;
        assert!(made.events.is_none());
        assert_eq!(made.records.iter().map(|record| record.id).collect::<Vec<_>>(), before);
        let all = made.records.iter().fold(0, |length, record| length + record.body.len() + 1) - 1;
        assert_eq!(made.text.len(), all, "with commas between them, as a batch takes them");
        for text in texts(made) {
            let row: Value = serde_json::from_str(&text).expect("JSON");
            assert!(row.get("EventCount").is_none());
            assert_eq!(row["AdditionalFields"]["Tenant"], "acme");
        }
    }
}

#[test]
fn what_changes_nothing_copies_nothing() {
    let whole = chunk(&[r#"{"a":1}"#.to_owned()]);
    let place = whole.text.as_ptr();
    let (out, _) = run(built(r#"remove = ["b"]"#).as_mut(), whole);
    assert_eq!(out[0].1.text.as_ptr(), place);
}

#[test]
fn wrong_edits_are_told_with_their_place() {
    for (text, message) in [
        ("", "`modify` needs `set`, `rename` or `remove`"),
        (
            r#"set = { EventOriginalUid = "x" }"#,
            "`EventOriginalUid` can't be changed: it is how two copies of an event are known to be one",
        ),
        (
            r#"remove = ["event_id"]"#,
            "`event_id` can't be changed: it is how two copies of an event are known to be one",
        ),
        (
            r#"rename = { EventOriginalUid = "x" }"#,
            "`EventOriginalUid` can't be changed: it is how two copies of an event are known to be one",
        ),
        (
            r#"rename = { x = "EventOriginalUid" }"#,
            "`EventOriginalUid` can't be changed: it is how two copies of an event are known to be one",
        ),
        (r#"remove = ["a..b"]"#, "\"a..b\" has an empty part beside a dot"),
        (r#"remove = ["a", "a"]"#, "`a`, or a field in it or around it, is removed twice"),
        (r#"rename = { a = "a" }"#, "`a` keeps its name"),
        (r#"rename = { a = "a.b" }"#, "`a` can't move into or out of itself, to `a.b`"),
        (r#"rename = { a = "c", b = "c" }"#, "`c`, or a field in it or around it, is set twice"),
        (r#"set = { a = "x", "a.b" = "y" }"#, "`a.b`, or a field in it or around it, is set twice"),
        (r#"set = { "a.b" = "y", a = "x" }"#, "`a`, or a field in it or around it, is set twice"),
        (r#"set = { a = "{org}" }"#, "a brace in this value stands for nothing"),
        ("set = { a = 5 }", "`a` must be a string, not a whole number"),
        (r#"on_error = "dead""#, "`on_error` can't have this value"),
    ] {
        let (_, found) = read(text);
        assert!(found.iter().any(|found| found.message == message), "{text}: {found:?}");
    }
    let many: Vec<String> = (0..70).map(|number| format!("\"f{number}\"")).collect();
    let (_, found) = read(&format!("remove = [{}]", many.join(", ")));
    assert!(found[0].message.starts_with("more than 64 fields"), "{found:?}");
}

/// The same edit on a tree.
fn on_a_tree(mut record: Value) -> Value {
    if let Some(map) = record.as_object_mut() {
        let from = map.get_mut("a").and_then(Value::as_object_mut).and_then(|within| within.remove("b"));
        map.remove("c");
        if let Some(from) = from {
            map.insert("d".into(), from);
        }
        map.insert("e".into(), "x".into());
    }
    record
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(null)), Just(json!(1)), ".{0,4}".prop_map(Value::from)];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop::collection::hash_map("[a-e]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    prop::collection::hash_map("[a-f\"\\\\]{1,2}", value, 0..6).prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn spliced_text_is_what_a_tree_would_be(record in tree(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&record) } else { serde_json::to_string(&record) }.expect("JSON");
        let made = made("set = { e = \"x\" }\nrename = { \"a.b\" = \"d\" }\nremove = [\"c\"]", &text);
        prop_assert!(parse_event(&made, &made).is_ok());
        prop_assert_eq!(serde_json::from_str::<Value>(&made).expect("JSON"), on_a_tree(record));
    }
}
