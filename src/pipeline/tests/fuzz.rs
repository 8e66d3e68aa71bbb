//! No text makes the loader panic.

use proptest::prelude::*;

use super::{diagnose, terminal};

const GOOD: &str = r#"
data_dir = "./data"
[api]
listen = "127.0.0.1:8686"
[sources.nordpass]
type = "nordpass"
endpoint = "https://example.com"
token = "sEcReT"
poll_interval = "60s"
[transforms.asim]
type = "asim"
inputs = ["nordpass"]
[sinks.sentinel]
type = "sentinel"
inputs = ["asim.audit_event", "asim.authentication", "asim.user_management"]
endpoint = "https://example.com"
dcr_immutable_id = "dcr-0"
streams = { "asim.audit_event" = "A", "asim.authentication" = "B", "asim.user_management" = "C" }
credential = { kind = "client_secret", client_secret = "${NORDPASS_TOKEN}" }
[sinks.sentinel.batch]
max_bytes = 1000
timeout = "5s"
"#;

/// What people and programs put into the middle of a file.
const SNIPPETS: &[&str] = &[
    "",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    "\r\n",
    "\t",
    "#",
    "${",
    "}",
    "$${",
    "-",
    "0",
    "99999999999999999999",
    "1e999",
    "0x",
    "nan",
    "true",
    "1979-05-27",
    "ü",
    "\u{0}",
    "\u{1b}",
    "\u{feff}",
    "\\u",
    "type",
    "inputs",
    "[sinks.x]",
    "sources = 1",
    "${A:-${B:-${C:-}}}",
    "${file:/}",
    "a.b.c.d = 1\n",
];

fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0usize..12, prop::sample::select(SNIPPETS));
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text = GOOD.to_owned();
        for (index, length, snippet) in edits {
            let boundary = |at: usize, text: &str| (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
            let start = boundary(index.index(text.len() + 1), &text);
            let end = boundary((start + length).min(text.len()), &text);
            text.replace_range(start..end, snippet);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_of_a_good_file_never_panic(text in mutated()) {
        for found in diagnose(&text) {
            prop_assert!(!found.message.is_empty());
            let shown = found.human(true);
            prop_assert!(!shown.replace("\u{1b}[", "").contains('\u{1b}'), "{:?}", shown);
            serde_json::from_str::<serde_json::Value>(&found.json()).unwrap();
        }
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,200}") {
        terminal(&diagnose(&text));
    }
}

#[test]
fn the_good_file_is_good() {
    let found = diagnose(GOOD);
    assert_eq!(found.len(), 1, "{}", terminal(&found));
    assert_eq!(found[0].message, "the pipeline file contains a secret");
}

#[test]
fn deep_nesting_is_refused_politely() {
    for text in ["a.".repeat(100_000) + "a = 1", "a = ".to_owned() + &"[".repeat(100_000), "x = { ".repeat(10_000)] {
        assert!(!diagnose(&text).is_empty());
    }
}

/// A megabyte of errors took 87 seconds: each was looked up from the file's beginning. Now the number that is looked up has a
/// bound, and what isn't shown still makes the file wrong.
#[test]
fn a_file_of_errors_shows_the_first_and_counts_the_rest() {
    let wrong = (0..2_000).fold(String::new(), |text, number| text + &format!("key{number} = 1\n"));
    for text in ["= 1\n".repeat(2_000), format!("{wrong}{GOOD}")] {
        let found = diagnose(&text);
        // The good part has a warning.
        assert!(found.len() <= 102, "{}", found.len());
        let last = found.last().map(|last| last.message.as_str());
        assert_eq!(last, Some("1900 more errors aren't shown"));
        assert_eq!(found[99].location.as_ref().map(|location| location.line), Some(100));
    }
}
