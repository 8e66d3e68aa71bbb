use super::super::asim::tests::generator::{Generator, chunk};
use super::super::shape::testing::{acknowledged, rows_of, run, texts};
use super::*;
use crate::event::AckOutcome;
use crate::settings::{Diagnostic, Environment};

fn read(text: &str) -> (Settings, Vec<Diagnostic>) {
    let mut section = Section::parse(text, TYPE.fields, Environment::default());
    let settings = Settings::read(&mut section);
    (settings, section.diagnostics())
}

fn built_with(program: &str, more: &str) -> Box<dyn Transform> {
    let (settings, found) = read(&format!("source = '''\n{program}\n'''\n{more}"));
    assert!(found.is_empty(), "{found:?}");
    settings.build(ComponentReporter::detached())
}

fn built(program: &str) -> Box<dyn Transform> {
    built_with(program, "")
}

/// What becomes of one event: its text, or the reason of its refusal.
fn made(program: &str, event: &str) -> Option<Result<String, String>> {
    let (out, mut refused) = run(built(program).as_mut(), chunk(&[event.to_owned()]));
    match out.first() {
        Some((_, chunk)) => Some(Ok(texts(chunk).remove(0))),
        None => refused.pop().map(|(_, reason)| Err(reason)),
    }
}

const EVENT: &str =
    r#"{"type":"item_access","action":"item_viewed","metadata":{"ip":"10.0.0.1"},"timestamp":1764400000,"user":null}"#;

#[test]
fn programs_change_drop_and_fail() {
    for (program, expected) in [
        (".tenant = \"acme\"", Some(Ok(r#""tenant":"acme""#))),
        ("if .type == \"item_access\" { .metadata.reviewed = true }", Some(Ok(r#""reviewed":true"#))),
        (".night = mod(int!(.timestamp), 86400) < 18000", Some(Ok(r#""night":false"#))),
        ("del(.metadata.ip)", Some(Ok(r#""metadata":{}"#))),
        (".at = from_unix_timestamp!(.timestamp)", Some(Ok(r#""at":"2025-11-29T07:06:40Z""#))),
        ("if ip_cidr_contains!(\"10.0.0.0/8\", .metadata.ip) { abort }", None),
        (".x = int!(.type)", Some(Err("the program fails on this record"))),
        (". = [1]", Some(Err("what the program makes of this record isn't an object"))),
        (". = null", Some(Err("what the program makes of this record isn't an object"))),
    ] {
        match (made(program, EVENT), expected) {
            (Some(Ok(text)), Some(Ok(part))) => assert!(text.contains(part), "{program}: {text}"),
            (Some(Err(reason)), Some(Err(expected))) => assert_eq!(reason, expected, "{program}"),
            (None, None) => {}
            (found, _) => panic!("{program}: {found:?}"),
        }
    }
}

#[test]
fn what_a_program_leaves_alone_keeps_its_value() {
    let event = r#"{"b":1.50,"a":"\u00e4\n","big":9223372036854775807,"list":[{},[],null,true,-0.1e-3],"type":""}"#;
    let text = made(".x = 1", event).expect("an event").expect("it is passed on");
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let mut expected = value(event);
    expected["x"] = 1.into();
    assert_eq!(value(&text), expected);
    let deep = format!(r#"{{"n":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for too_much in [r#"{"n":1e999}"#, &deep] {
        assert_eq!(
            made(".x = 1", too_much),
            Some(Err("the record has a number or nesting that a program can't hold".into())),
            "{too_much}"
        );
    }
}

/// The event is the same one, whatever its text says now.
#[test]
fn an_event_keeps_its_id_and_a_row_shows_it() {
    let events = vec![Generator::new(1).event()];
    let whole = chunk(&events);
    let (out, _) = run(built(". = {}").as_mut(), whole.clone());
    assert_eq!(out[0].1.records[0].id, whole.records[0].id);
    for rows in rows_of(&events) {
        for program in
            [".EventOriginalUid = \"x\"\n.event_id = \"x\"", "del(.EventOriginalUid)\ndel(.event_id)", ". = {}"]
        {
            let (out, refused) = run(built(program).as_mut(), rows.clone());
            assert!(out.is_empty());
            assert_eq!(refused[0].1, "the program changes the column that shows the event's id");
        }
        let (out, _) = run(built(".AdditionalFields.x = 1").as_mut(), rows);
        assert!(texts(&out[0].1)[0].contains(r#""x":1"#));
    }
}

#[test]
fn a_row_with_a_value_of_the_wrong_type_is_refused() {
    let rows = rows_of(&[EVENT.to_owned()]).remove(0);
    for (program, fits) in [
        (".EventCount = 2", true),
        (".EventCount = \"2\"", false),
        (".EventCount = 3000000000", false),
        (".EventStartTime = now()", true),
        (".EventStartTime = \"2026-01-01T00:00:00Z\"", true),
        (".EventStartTime = \"yesterday\"", false),
        (".EventSeverity = 1", false),
        (".EventSeverity = null", true),
        (".AdditionalFields = \"x\"", false),
        (".Own = {\"any\": 1}", true),
    ] {
        let (out, refused) = run(built(program).as_mut(), rows.clone());
        assert_eq!((out.len(), refused.len()), (usize::from(fits), usize::from(!fits)), "{program}: {refused:?}");
        assert!(refused.iter().all(|(_, reason)| reason == "the program gives a column a value of another type"));
    }
}

#[test]
fn a_failed_record_becomes_what_the_setting_says_and_is_counted() {
    let events = [EVENT.to_owned(), r#"{"type":1}"#.to_owned()];
    for (setting, passed, refused) in [("dead_letter", 1, 1), ("keep", 2, 0), ("drop", 1, 0)] {
        let mut transform = built_with(".type = upcase!(.type)", &format!("on_error = \"{setting}\""));
        let (out, letters) = run(transform.as_mut(), chunk(&events));
        let records = texts(&out[0].1);
        assert_eq!((records.len(), letters.len()), (passed, refused), "{setting}");
        assert!(setting != "keep" || records[1] == events[1], "as it came");
        assert!(letters.iter().all(|(records, _)| *records == events[1..]), "as it came");
    }
}

#[tokio::test]
async fn what_is_aborted_counts_as_delivered_and_as_left_out() {
    let (whole, ack_receiver) = acknowledged(&[EVENT.to_owned()]);
    let (settings, _) = read("source = 'abort'");
    let telemetry = ComponentReporter::detached();
    let (out, refused) = run(settings.build(telemetry.clone()).as_mut(), whole);
    assert!(out.is_empty() && refused.is_empty());
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    assert_eq!(telemetry.numbers().totals().left_out, 1);
}

/// Nested loops over what is there can still take longer than anybody waits.
#[test]
fn a_program_of_too_many_steps_is_ended() {
    let nested = "for_each([1,2,3,4,5,6,7,8,9,10]) -> |_i, _v| { NEXT }";
    let program = (0..7).fold(".n = to_int!(.n) + 1".to_owned(), |inner, _| nested.replace("NEXT", &inner));
    assert_eq!(made(&program, r#"{"n":1}"#), Some(Err("the program takes too many steps on this record".into())));
}

#[test]
fn a_program_is_there_once() {
    for (text, message) in [
        ("", "`remap` has no program"),
        ("source = '.a = 1'\nfile = \"x\"", "this `remap` has both `source` and `file`"),
        ("file = \"nowhere/x.vrl\"", "can't read the program: "),
        ("source = ' '", "`remap` has no program"),
    ] {
        let (_, found) = read(text);
        assert!(found.len() == 1 && found[0].message.starts_with(message), "{text}: {found:?}");
    }
}
