use super::super::asim::tests::generator::{chunk, typical};
use super::super::shape::testing::{acknowledged, rows_of, texts};
use super::*;
use crate::event::AckOutcome;
use crate::settings::{Diagnostic, Environment};
use nordpass_env::catalogue::entries;

fn read(text: &str) -> (Settings, Vec<Diagnostic>) {
    let mut section = Section::parse(text, TYPE.fields, Environment::default());
    let settings = Settings::read(&mut section);
    (settings, section.diagnostics())
}

fn settings(text: &str) -> Settings {
    let (settings, found) = read(text);
    assert!(found.is_empty(), "{found:?}");
    settings
}

/// The texts that pass.
fn passed(text: &str, chunk: Chunk) -> Vec<String> {
    let mut out = Vec::new();
    settings(text).build(ComponentReporter::detached()).transform(chunk, &mut out);
    out.iter().flat_map(|(_, chunk)| texts(chunk)).collect()
}

fn event(pair: &str, email: &str, metadata: &str) -> String {
    let (kind, action) = pair.split_once('.').expect("a pair");
    format!(
        r#"{{"type":"{kind}","action":"{action}","timestamp":1738255186,"organization_uuid":"ORG-1","user":{{"uuid":"u-{email}","email":"{email}"}},"metadata":{metadata},"initiator":""}}"#
    )
}

#[test]
fn each_condition_sees_events_and_rows_alike() {
    let one = event("login.user_login_failed", "Anna@Example.com", r#"{"platform":"web","ip_address":"10.1.2.3"}"#);
    let two = event("roles.user_role_updated", "svc-1@example.com", r#"{"platform":"iOS","ip_address":"2001:db8::7"}"#);
    let of = |pair: &str| entries().iter().find(|entry| format!("{}.{}", entry.kind, entry.action) == pair);
    let both = [one.clone(), two.clone()];
    let severity = of("login.user_login_failed").expect("a pair").severity;
    for (condition, first, second) in [
        ("include = [\"login.*\"]".to_owned(), true, false),
        ("exclude = [\"login.*\"]".to_owned(), false, true),
        ("include_users = [\"anna@*\"]".to_owned(), true, false),
        ("exclude_users = [\"SVC-*@example.com\"]".to_owned(), true, false),
        ("include_users = [\"u-svc*\"]".to_owned(), false, true),
        ("include_platforms = [\"WEB\"]".to_owned(), true, false),
        ("include_addresses = [\"10.0.0.0/8\"]".to_owned(), true, false),
        ("exclude_addresses = [\"10.0.0.0/8\", \"2001:db8::/32\"]".to_owned(), false, false),
        ("include_organizations = [\"org-*\"]".to_owned(), true, true),
        ("exclude_organizations = [\"org-2\"]".to_owned(), true, true),
        (format!("include_severities = [\"{severity}\"]"), true, false),
        ("include_groups = [\"login\"]".to_owned(), true, false),
        ("exclude_groups = [\"login\", \"admin\"]".to_owned(), false, false),
        ("include_groups = [\"login\"]\ninclude_users = [\"svc*\"]".to_owned(), false, false),
    ] {
        // Roles have another severity than failed log-ins, which the catalogue decides.
        let expected = usize::from(first) + usize::from(second);
        if !condition.contains("severities") {
            assert_eq!(passed(&condition, chunk(&both)).len(), expected, "events: {condition}");
        }
        for (text, passes) in [(&one, first), (&two, second)] {
            if condition.contains("severities") && text == &two {
                continue;
            }
            assert_eq!(passed(&condition, chunk(std::slice::from_ref(text))).len(), usize::from(passes), "{condition}");
            for rows in rows_of(std::slice::from_ref(text)) {
                assert_eq!(passed(&condition, rows).len(), usize::from(passes), "rows: {condition}");
            }
        }
    }
}

#[test]
fn a_record_without_the_field_is_not_included_and_not_excluded() {
    let bare = r#"{"type":"new","action":"thing","timestamp":1738255186}"#.to_owned();
    for subject in ["users", "platforms", "organizations"] {
        assert_eq!(
            passed(&format!("include_{subject} = [\"*\"]"), chunk(std::slice::from_ref(&bare))).len(),
            0,
            "{subject}"
        );
        assert_eq!(
            passed(&format!("exclude_{subject} = [\"*\"]"), chunk(std::slice::from_ref(&bare))).len(),
            1,
            "{subject}"
        );
    }
    assert_eq!(passed("include_addresses = [\"0.0.0.0/0\", \"::/0\"]", chunk(std::slice::from_ref(&bare))).len(), 0);
    assert_eq!(
        passed("include_groups = [\"admin\", \"vault\", \"login\"]", chunk(std::slice::from_ref(&bare))).len(),
        0
    );
    assert_eq!(passed("include_severities = [\"Informational\"]", chunk(&[bare])).len(), 1);
}

#[test]
fn what_is_wrong_is_said_at_its_element() {
    for (text, message, hint) in [
        (
            "exclude_addresses = [\"::1\", \"10.0.0.1/8\"]",
            "element 2 of `exclude_addresses` has bits behind its first 8",
            "did you mean 10.0.0.0/8?",
        ),
        (
            "include_severities = [\"high\"]",
            "element 1 of `include_severities` isn't a severity",
            "did you mean \"High\"?",
        ),
        ("include_groups = [\"valt\"]", "element 1 of `include_groups` isn't a group", "did you mean \"vault\"?"),
        ("include_users = []", "an empty `include_users` would drop every event", "remove `include_users`"),
        ("", "a filter needs `include`, `exclude` or another condition", "list the events"),
        ("excluded_users = [\"a\"]", "unknown key `excluded_users`", "did you mean `exclude_users`?"),
    ] {
        let (_, found) = read(text);
        let found = found.iter().find(|found| found.message == message).unwrap_or_else(|| panic!("{text}: {found:?}"));
        assert!(found.hint.as_deref().unwrap_or_default().starts_with(hint), "{found:?}");
    }
    let (_, found) = read("exclude_addresses = [\"::1\", \"x\"]");
    assert_eq!(found[0].location.as_ref().map(|location| location.column), Some(29), "the caret is at the element");
}

#[test]
fn what_is_dropped_has_a_reason_for_each_pattern_and_no_names() {
    let settings = settings(
        "include = [\"*.*\"]\nexclude = [\"login.*\", \"totp.*\"]\nexclude_users = [\"anna@example.com\", \"bob@example.com\"]",
    );
    assert_eq!(
        settings.conditions.reasons(),
        [
            "filtered: not in include",
            "filtered: exclude login.*",
            "filtered: exclude totp.*",
            "filtered: exclude_users 1",
            "filtered: exclude_users 2"
        ]
    );
    let facts = chunk(&[event("a.b", "bob@example.com", "{}")]);
    let facts = Facts::of(&facts, 0).expect("a record");
    assert_eq!(settings.conditions.refusal(&facts), Some(4));
}

#[tokio::test]
async fn a_part_of_a_chunk_stays_raw_and_acknowledges() {
    let events: Vec<String> = entries().iter().enumerate().map(|(number, entry)| typical(entry, number)).collect();
    let (whole, ack_receiver) = acknowledged(&events);
    let mut out = Vec::new();
    settings("include = [\"lock.*\"]").build(ComponentReporter::detached()).transform(whole, &mut out);
    let (index, kept) = out.pop().expect("some");
    assert_eq!((index, kept.records.len()), (0, 3));
    for event in kept.events() {
        assert_eq!(event.text_of(&event.fields.kind), "lock");
        assert!(events.iter().any(|raw| raw == event.body()));
    }
    kept.ack.done();
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test]
async fn a_chunk_of_which_nothing_is_kept_is_dealt_with() {
    let (whole, ack_receiver) = acknowledged(&[typical(&entries()[0], 0)]);
    let mut out = Vec::new();
    settings("exclude = [\"*.*\"]").build(ComponentReporter::detached()).transform(whole, &mut out);
    assert!(out.is_empty());
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}
