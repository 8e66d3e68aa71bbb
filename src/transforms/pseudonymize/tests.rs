use proptest::prelude::*;
use serde_json::Value;

use super::super::asim::tests::generator::{Generator, chunk};
use super::super::asim::{self};
use super::super::shape::testing::{rows_of, run, texts};
use super::*;
use crate::settings::{Diagnostic, Environment};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn read(text: &str) -> (Settings, Vec<Diagnostic>) {
    let environment = Environment::of([("KEY", KEY), ("SHORT", &KEY[1..])]);
    let mut section = Section::parse(text, TYPE.fields, environment);
    let settings = Settings::read(&mut section);
    (settings, section.diagnostics())
}

fn built(fields: &str, method: &str) -> Box<dyn Transform> {
    let (settings, found) = read(&format!("fields = {fields}\nmethod = \"{method}\"\nkey = \"${{KEY}}\""));
    assert!(found.is_empty(), "{found:?}");
    settings.build(ComponentReporter::detached())
}

fn made(fields: &str, method: &str, record: &str) -> String {
    let (out, refused) = run(built(fields, method).as_mut(), chunk(&[record.to_owned()]));
    assert!(refused.is_empty(), "{refused:?}");
    texts(&out[0].1).remove(0)
}

fn pseudonym(value: &str) -> String {
    String::from_utf8(Key::new(KEY.as_bytes()).expect("a key").pseudonym(value).to_vec()).expect("hex")
}

#[test]
fn values_are_replaced_where_they_are() {
    let record = r#"{"type":"a","user":{"email":"Anna@Example.com","uuid":"u"},"metadata":{"a_email":"b@x","n":7,"emails":["c@x",null,{"d":1},["e@x"]],"ip":""}}"#;
    let anna = pseudonym("anna@example.com");
    for (fields, method, expected) in [
        (r#"["user.email"]"#, "hmac", record.replace("Anna@Example.com", &anna)),
        (r#"["user.email"]"#, "mask", record.replace("Anna@Example.com", "***")),
        (
            r#"["metadata.*_email", "metadata.n"]"#,
            "hmac",
            record.replace("b@x", &pseudonym("b@x")).replace("\"n\":7", &format!("\"n\":\"{}\"", pseudonym("7"))),
        ),
        (
            r#"["*.emails"]"#,
            "hmac",
            record.replace("c@x", &pseudonym("c@x")).replace(r#"{"d":1}"#, "\"***\"").replace("e@x", &pseudonym("e@x")),
        ),
        (r#"["user"]"#, "hmac", record.replace(r#"{"email":"Anna@Example.com","uuid":"u"}"#, "\"***\"")),
        (
            r#"["user.*"]"#,
            "mask",
            record.replace("Anna@Example.com", "***").replace(r#""uuid":"u""#, r#""uuid":"***""#),
        ),
        (r#"["metadata.ip", "nothing", "type.x.y"]"#, "hmac", record.replace(r#""type":"a""#, r#""type":"***""#)),
    ] {
        assert_eq!(made(fields, method, record), expected, "{fields}");
    }
}

#[test]
fn what_can_not_be_read_is_masked_whole() {
    for (record, expected) in [
        (r#"{"metadata":"someone@example.com"}"#, r#"{"metadata":"***"}"#),
        (
            r#"{"metadata":[{"x_email":"a"},"someone@example.com"]}"#,
            &format!(r#"{{"metadata":[{{"x_email":"{}"}},"***"]}}"#, pseudonym("a")),
        ),
        (r#"{"metadata":{"x_email":"half \ud83d of a pair"}}"#, r#"{"metadata":{"x_email":"***"}}"#),
        (r#"{"metadata":null}"#, r#"{"metadata":null}"#),
        (
            r#"{"metadata":{"x\u005femail":"a","x_email":"a"}}"#,
            &format!(r#"{{"metadata":{{"x\u005femail":"{0}","x_email":"{0}"}}}}"#, pseudonym("a")),
        ),
        (r#"{"metadata":{"x_email":"\u0061"}}"#, &format!(r#"{{"metadata":{{"x_email":"{}"}}}}"#, pseudonym("a"))),
    ] {
        assert_eq!(made(r#"["metadata.*_email"]"#, "hmac", record), expected, "{record}");
    }
}

#[test]
fn rows_show_another_id_whether_made_before_or_behind() {
    let events: Vec<String> = vec![Generator::new(5).event()];
    let key = Key::new(KEY.as_bytes()).expect("a key");
    let whole = chunk(&events);
    let (inner, shown) = (whole.records[0].id, key.shown_id(whole.records[0].id).to_string());
    let (out, _) = run(built(r#"["user.email"]"#, "mask").as_mut(), whole);
    assert_eq!(out[0].1.records[0].id, inner, "the state goes by the event's own id");
    let mut behind = Vec::new();
    asim::Settings.build(ComponentReporter::detached()).transform(out[0].1.clone(), &mut behind);
    super::super::event_log::Settings.build(ComponentReporter::detached()).transform(out[0].1.clone(), &mut behind);
    let before =
        rows_of(&events).into_iter().flat_map(|rows| run(built(r#"["ActorUsername"]"#, "hmac").as_mut(), rows).0);
    for (_, rows) in behind.into_iter().chain(before) {
        let text = texts(&rows).remove(0);
        let row: Value = serde_json::from_str(&text).expect("JSON");
        let id = row.get("EventOriginalUid").or_else(|| row.get("event_id")).expect("an id");
        assert_eq!(id, &Value::from(shown.clone()));
        assert!(!text.contains(&inner.to_string()), "the inner id is nowhere");
        assert_eq!(rows.records[0].id, inner);
    }
}

#[test]
fn wrong_settings_are_told_before_anything_is_sent() {
    let all = "fields = [\"user.email\"]\nkey = ";
    for (text, message) in [
        (format!("{all}\"${{SHORT}}\""), "`key` is shorter than 32 bytes, so pseudonyms could be guessed"),
        ("fields = [\"user.email\"]".to_owned(), "`key` is missing"),
        ("key = \"${KEY}\"".to_owned(), "`fields` is missing"),
        ("fields = []\nkey = \"${KEY}\"".to_owned(), "`fields` is empty"),
        ("fields = [\"a.\"]\nkey = \"${KEY}\"".to_owned(), "\"a.\" has an empty part beside a dot"),
        (
            "fields = [\"EventOriginalUid\"]\nkey = \"${KEY}\"".to_owned(),
            "`EventOriginalUid` can't be changed: it is how two copies of an event are known to be one",
        ),
        (format!("{all}\"${{KEY}}\"\non_error = \"keep\""), "unknown key `on_error`"),
        (format!("{all}\"${{file:/nowhere/at/all}}\""), "can't read"),
    ] {
        let (_, found) = read(&text);
        assert!(found.iter().any(|found| found.message.contains(message)), "{text}: {found:?}");
        assert!(!format!("{found:?}").contains(&KEY[1..]), "no error shows a key");
    }
}

/// As `test` reads it, where nothing leaves the program: with and without a key. What has an error hides everything.
#[test]
fn without_its_secrets_it_has_the_same_key_everywhere() {
    for environment in [Environment::default(), Environment::of([("KEY", KEY)])] {
        let text = "fields = [\"a\"]\nkey = \"${KEY}\"";
        let mut section = Section::parse(text, TYPE.fields, environment.may_be_absent());
        let settings = Settings::read(&mut section);
        assert!(section.diagnostics().is_empty());
        let (out, _) = run(settings.build(ComponentReporter::detached()).as_mut(), chunk(&[r#"{"a":"b"}"#.to_owned()]));
        let pseudonym = Key::new(b"00000000000000000000000000000000").expect("a key").pseudonym("b");
        let pseudonym = std::str::from_utf8(&pseudonym).expect("hex");
        assert_eq!(texts(&out[0].1), [format!(r#"{{"a":"{pseudonym}"}}"#)]);
    }
    let mut out = String::new();
    assert!(Hide::new(vec![vec!["a".into()]], None).record(r#"{"a":"b"}"#, None, &mut out).is_some());
    assert_eq!(out, r#"{"a":"***"}"#);
}

proptest! {
    /// Nothing of a value is left, wherever it is and however it is spelled.
    #[test]
    fn no_value_is_left(value in "[a-z]{12}", odd in 0..6usize, method in prop_oneof![Just("hmac"), Just("mask")]) {
        let spelled = match odd {
            0 => format!("\"{value}\""),
            1 => format!("[\"{value}\",[\"{value}\"]]"),
            2 => format!("{{\"x\":\"{value}\"}}"),
            3 => format!("[{{\"x\":[\"{value}\"]}}]"),
            4 => format!("\"{value}\\ud800\""),
            _ => format!("\"\\u0041{value}\""),
        };
        let record = format!(r#"{{"user":{{"email":{spelled}}},"metadata":{{"list":[{{"email":{spelled}}}]}}}}"#);
        let text = made(r#"["user.email", "metadata.list.email"]"#, method, &record);
        prop_assert!(!text.contains(&value), "{}", text);
        prop_assert!(serde_json::from_str::<Value>(&text.replace("\\ud800", "")).is_ok());
    }
}

/// A hostile event: its metadata may have megabytes of brackets.
#[test]
fn a_value_that_is_nested_without_end_is_masked() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
        for depth in [99, 1_000, 200_000] {
            let deep = format!("{}\"x\"{}", open.repeat(depth), close.repeat(depth));
            let record = format!(r#"{{"type":"a","metadata":{{"deep":{deep}}}}}"#);
            for fields in [r#"["metadata.deep"]"#, r#"["metadata.*.a"]"#, r#"["metadata.deep.a"]"#] {
                assert!(
                    !made(fields, "hmac", &record).contains("\"x\"") || depth == 99,
                    "{fields}, {open} {depth} times"
                );
            }
        }
    }
}
