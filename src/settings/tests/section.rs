//! A section's getters and the messages of one table.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::settings::{Environment, Field, Kind, Presence, Section, http_fields, read_http};
use nordpass_env::SystemDisk;

static BATCH: &[Field] = &[
    field("max_bytes", Kind::Integer { min: 1_000, max: 1_048_576 }, Presence::Default("1000000")),
    field("timeout", Kind::Duration { min: "10ms", max: "5m" }, Presence::Default("5s")),
];

static CREDENTIAL: &[Field] = &[
    field("kind", Kind::Choice(&["managed_identity", "client_secret"]), Presence::Required),
    field("client_secret", Kind::Secret, Presence::Optional),
];

static FIELDS: &[Field] = &[
    field("endpoint", Kind::Text, Presence::Required),
    field("token", Kind::Secret, Presence::Required),
    field("name", Kind::Text, Presence::Default("none")),
    field("loop", Kind::Flag, Presence::Default("false")),
    field("paths", Kind::List, Presence::Default("[\"a\", \"b\"]")),
    field("streams", Kind::Map, Presence::Optional),
    field("limit", Kind::Size { min: 1_000, max: 8 << 20 }, Presence::Default("4000000")),
    field("batch", Kind::Table(BATCH), Presence::Optional),
    field("credential", Kind::Table(CREDENTIAL), Presence::Required),
    http_fields::TLS,
    http_fields::PROXY,
    http_fields::REQUEST_TIMEOUT,
];

const fn field(name: &'static str, kind: Kind, presence: Presence) -> Field {
    Field { name, kind, presence, doc: "" }
}

const GOOD: &str = r#"
endpoint = "https://example.com/query"
token = "${TOKEN}"
streams = { "b.x" = "B", "a.y" = "A" }
credential = { kind = "client_secret", client_secret = "${TOKEN}" }
"#;

fn section(text: &str) -> Section {
    Section::parse(text, FIELDS, Environment::of([("TOKEN", "hidden"), ("SIZE", "2000"), ("EMPTY", "")]))
}

fn messages(section: &Section) -> Vec<String> {
    section.diagnostics().into_iter().map(|found| format!("{}: {}", found.path, found.message)).collect()
}

/// What reading `text` after the good lines complains about.
fn complaint(text: &str) -> Vec<String> {
    messages(&section(&format!("{GOOD}\n{text}")))
}

#[test]
fn a_size_is_a_number_of_bytes_or_has_a_unit() {
    for (text, bytes) in [
        ("", 4_000_000),
        ("limit = 2000", 2_000),
        ("limit = \"1MB\"", 1_000_000),
        ("limit = \"8 MiB\"", 8 << 20),
        ("limit = \"${SIZE}\"", 2_000),
        ("limit = \"${SIZE}kB\"", 2_000_000),
    ] {
        let mut section = section(&format!("{GOOD}\n{text}"));
        assert_eq!(section.integer("limit"), bytes, "{text}");
        assert_eq!(messages(&section), Vec::<String>::new(), "{text}");
    }
    for (text, message) in [
        ("limit = \"1 megabyte\"", "limit: `limit` isn't a size"),
        ("limit = \"9MiB\"", "limit: `limit` must be at most 8388608, not 9437184"),
        ("limit = true", "limit: `limit` must be a size, not `true` or `false`"),
    ] {
        assert_eq!(complaint(text), [message], "{text}");
    }
}

#[tokio::test]
async fn getters_answer_values_and_defaults() {
    let mut section = section(GOOD);
    assert_eq!(section.url("endpoint"), "https://example.com/query");
    assert_eq!(section.secret("token").load(&SystemDisk).await.unwrap().expose_secret(), "hidden");
    assert_eq!(section.text("name"), "none");
    assert!(!section.flag("loop"));
    assert_eq!(section.list("paths"), ["a", "b"]);
    assert_eq!(section.map("streams"), [("b.x".into(), "B".into()), ("a.y".into(), "A".into())]);
    let mut batch = section.table("batch");
    assert_eq!(batch.integer("max_bytes"), 1_000_000);
    assert_eq!(batch.duration("timeout"), Duration::from_secs(5));
    assert!(!section.has("batch") && section.has("token"));
    let http = read_http(&mut section, Duration::from_secs(1));
    assert_eq!(http.request_timeout, Duration::from_secs(30));
    assert!(section.diagnostics().is_empty(), "{:?}", messages(&section));
}

#[test]
fn numbers_and_flags_may_come_from_variables() {
    let mut section = section(&format!("loop = \"${{LOOP:-true}}\"\nbatch.max_bytes = \"${{SIZE}}\"{GOOD}"));
    assert!(section.flag("loop"));
    assert_eq!(section.table("batch").integer("max_bytes"), 2_000);
    assert!(section.diagnostics().is_empty(), "{:?}", messages(&section));
}

#[test]
fn an_empty_optional_value_counts_as_none() {
    let mut section = section(&format!("proxy = \"${{EMPTY}}\"{GOOD}"));
    assert!(!section.has("proxy"));
    assert_eq!(read_http(&mut section, Duration::ZERO).proxy, None);
    assert!(section.diagnostics().is_empty(), "{:?}", messages(&section));
}

#[test]
fn each_wrong_value_has_its_message() {
    for (line, message) in [
        ("nam = \"x\"", "nam: unknown key `nam`"),
        ("name = 1", "name: `name` must be a string, not a whole number"),
        ("name = \"\"", "name: `name` is empty"),
        ("name = \"${MISSING}\"", "name: the variable `MISSING` isn't set"),
        ("loop = \"yes\"", "loop: `loop` must be `true` or `false`, not a string"),
        ("paths = \"a\"", "paths: `paths` must be a list, not a string"),
        ("paths = [\"a\", 1]", "paths.1: each element of the list must be a string, not a whole number"),
        ("batch = 1", "batch: `batch` must be a table, not a whole number"),
        ("batch.max_bytes = 0", "batch.max_bytes: `max_bytes` must be at least 1000, not 0"),
        ("batch.max_bytes = 99999999999999999999", "batch.max_bytes: `max_bytes` is beyond all bounds"),
        ("batch.max_bytes = 1.5", "batch.max_bytes: `max_bytes` must be a whole number, not a number with a fraction"),
        ("batch.max_bytes = \"2000\"", "batch.max_bytes: `max_bytes` must be a whole number, not a string"),
        ("batch.max_bytes = \"${TOKEN}\"", "batch.max_bytes: `max_bytes` gives no whole number"),
        ("batch.timeout = 5", "batch.timeout: `timeout` must be a duration, not a whole number"),
        ("batch.timeout = \"-5s\"", "batch.timeout: `timeout` isn't a duration: a duration can't be negative"),
        ("batch.timeout = \"0s\"", "batch.timeout: `timeout` must be at least 10ms, not 0s"),
        ("batch.timeout = \"1h\"", "batch.timeout: `timeout` must be at most 5m, not 1h"),
    ] {
        assert_eq!(complaint(line), [message], "{line}");
    }
}

#[test]
fn a_missing_table_is_one_error() {
    let mut section = section("endpoint = \"https://example.com\"\ntoken = \"${TOKEN}\"");
    let mut credential = section.table("credential");
    assert_eq!(credential.text("kind"), "managed_identity");
    credential.secret("client_secret");
    credential.error("kind", "never shown", "");
    assert_eq!(messages(&section), ["credential: `credential` is missing"]);
}

#[test]
fn a_field_has_one_error_only() {
    let mut section = section(&format!("name = 1\n{GOOD}"));
    assert_eq!(section.text("name"), "");
    section.error("name", "a second error", "");
    section.error("endpoint", "an error of the component's own", "");
    section.error("endpoint", "a second error", "");
    section.error("streams.a.y", "about one entry", "");
    assert_eq!(
        messages(&section),
        [
            "name: `name` must be a string, not a whole number",
            "endpoint: an error of the component's own",
            "streams.\"a.y\": about one entry",
        ]
    );
}

#[test]
fn an_optional_field_that_is_needed_after_all_is_missing() {
    let mut section = section("endpoint = \"https://x\"\ntoken = \"${TOKEN}\"\n[credential]\nkind = \"client_secret\"");
    section.table("credential").secret("client_secret");
    assert_eq!(messages(&section), ["credential.client_secret: `client_secret` is missing"]);
}

#[test]
fn keys_of_a_map_are_the_inputs() {
    let mut section = section(GOOD);
    section.keys_are_inputs("streams", &["a.y".into(), "c.z".into()]);
    assert_eq!(
        messages(&section),
        ["streams: `streams` has no stream for `c.z`", "streams.\"b.x\": `b.x` isn't one of this sink's inputs",]
    );
}

#[test]
fn secrets_stay_out_of_all_messages() {
    let text = "token = \"sEcReT\"\nclient_secret = \"sEcReT\"\nendpoint = \"http://sEcReT:sEcReT@example.com\"\n[credential]\nkind = \"x\"\nclient_secret = 5";
    let mut section = section(text);
    section.url("endpoint");
    for found in section.diagnostics() {
        assert!(!found.human(false).contains("sEcReT") && !found.json().contains("sEcReT"), "{found}");
    }
    assert_eq!(section.diagnostics().len(), 5);
    assert!(!format!("{section:?}").contains("sEcReT"));
}
