use super::super::asim::tests::generator::chunk;
use super::super::shape::testing::{acknowledged, rows_of, run, texts};
use super::*;
use crate::event::AckOutcome;
use crate::settings::{Diagnostic, Environment};

fn read(text: &str) -> (Settings, Vec<Diagnostic>) {
    let mut section = Section::parse(text, TYPE.fields, Environment::default());
    let settings = Settings::read(&mut section);
    (settings, section.diagnostics())
}

const ROUTES: &str = r#"
[routes]
first = { include = ["login.*"] }
second = { include = ["login.*", "lock.*"], exclude_users = ["b@example.com"] }
"#;

fn built(text: &str) -> Box<dyn Transform> {
    let (settings, found) = read(text);
    assert!(found.is_empty(), "{found:?}");
    settings.build(ComponentReporter::detached())
}

fn event(kind: &str, email: &str) -> String {
    format!(r#"{{"type":"{kind}","action":"x","timestamp":1738255186,"user":{{"email":"{email}"}}}}"#)
}

fn events() -> [String; 4] {
    [event("login", "a@example.com"), event("lock", "a@example.com"), event("lock", "b@example.com"), event("z", "c")]
}

#[tokio::test]
async fn the_first_route_that_matches_gets_the_record_and_the_rest_is_unmatched() {
    let events = events();
    let (whole, ack_receiver) = acknowledged(&events);
    let place = whole.text.as_ptr();
    let (out, _) = run(built(ROUTES).as_mut(), whole);
    let found: Vec<_> = out.iter().map(|(output, chunk)| (*output, texts(chunk))).collect();
    assert_eq!(found, [(0, events[..1].to_vec()), (1, events[1..2].to_vec()), (2, events[2..].to_vec())]);
    assert!(out.iter().all(|(_, chunk)| chunk.text.as_ptr() == place), "no text is copied");
    for (_, chunk) in out {
        chunk.ack.done();
    }
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test]
async fn with_all_every_route_that_matches_gets_it_and_each_has_to_acknowledge() {
    let (whole, ack_receiver) = acknowledged(&events()[..1]);
    let (mut out, _) = run(built(&format!("all = true\n{ROUTES}")).as_mut(), whole);
    assert_eq!(out.iter().map(|(output, _)| *output).collect::<Vec<_>>(), [0, 1]);
    out.pop().expect("two").1.ack.done();
    drop(out);
    assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
}

#[test]
fn rows_are_routed_by_what_they_show() {
    for rows in rows_of(&events()) {
        let count = rows.records.len();
        let (out, _) = run(built(ROUTES).as_mut(), rows);
        assert_eq!(out.iter().map(|(_, chunk)| chunk.records.len()).sum::<usize>(), count);
    }
    let (out, _) = run(built(ROUTES).as_mut(), rows_of(&events()[2..3]).remove(0));
    assert_eq!(out[0].0, 2, "b@example.com is excluded by the row's ActorUsername");
}

#[test]
fn wrong_routes_are_told() {
    for (text, message) in [
        ("", "`routes` is missing"),
        ("routes = {}", "`routes` is empty"),
        ("routes = { a = {} }", "the route \"a\" has no condition"),
        ("routes = { a = 1 }", "`a` must be a table, not a whole number"),
        (
            "routes = { _unmatched = { include = [\"login.*\"] } }",
            "`_unmatched` is the output of what meets no condition",
        ),
        ("routes = { \"a.b\" = { include = [\"login.*\"] } }", "\"a.b\" isn't a valid name of a route"),
        ("routes = { a = { includes = [\"login.*\"] } }", "unknown key `includes`"),
        ("routes = { a = { include = [\"login\"] } }", "pattern 1 of `include` has no dot between type and action"),
    ] {
        let (_, found) = read(text);
        assert!(found.iter().any(|found| found.message == message), "{text}: {found:?}");
    }
}

#[test]
fn one_chunk_does_not_leak_into_the_next() {
    let mut transform = built(ROUTES);
    let _first = run(transform.as_mut(), chunk(&events()));
    let (out, _) = run(transform.as_mut(), chunk(&events()[3..]));
    assert_eq!(out.iter().map(|(output, chunk)| (*output, chunk.records.len())).collect::<Vec<_>>(), [(2, 1)]);
}
