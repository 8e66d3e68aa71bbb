//! A wrong pipeline file never shows a secret, however it is written and whatever is wrong with it.

use std::path::PathBuf;

use proptest::prelude::*;

use crate::pipeline::load;
use crate::settings::{Diagnostic, Environment};

/// Nothing of it may be shown, also when it is cut in two: both halves are looked for.
const SECRET: &str = "Winter#2026/Kx9";
const HALVES: [&str; 3] = ["Winter", "2026", "Kx9"];

/// Ways to write a secret into the table of the source: right ones, and the mistakes that people make.
const SPELLINGS: &[&str] = &[
    "token = \"SECRET\"",
    "token = 'SECRET'",
    "token = SECRET",
    "token=SECRET",
    "token: \"SECRET\"",
    "token: SECRET",
    "token \"SECRET\"",
    "token SECRET",
    "token =\n\"SECRET\"",
    "token =\n  SECRET",
    "token =\nSECRET=\n",
    "token = \"\"\"SECRET\"\"\"",
    "token = \"\"\"\nSECRET\n\"\"\"",
    "token = '''\nSECRET",
    "token = \"SECRET",
    "token = SECRET\"",
    "token = \"SECRET'",
    "token = “SECRET”",
    "token = \"a\" \"SECRET\"",
    "token = \"a\"SECRET",
    "token = [\"SECRET\"]",
    "token = { value = \"SECRET\" }",
    "token.value = \"SECRET\"",
    "token = \"\\SECRET\"",
    "token = \"${SECRET}\"",
    "token = \"${SECRET\"",
    "token = \"${A:-SECRET\"",
    "token = \"${file:SECRET}\"",
    "token = \"${A:-SECRET}\" x",
    "token = \"${NORDPASS_TOKEN}\" # SECRET",
    "# token = \"SECRET\"\ntoken = 5",
    "tokne = \"SECRET\"",
    "Token = \"SECRET\"",
    "TOKEN = \"SECRET\"",
    "api_key = \"SECRET\"",
    "apikey = SECRET",
    "key: SECRET",
    "password = \"SECRET\"",
    "authorization = \"Bearer SECRET\"",
    "Authorization: Bearer SECRET",
    "NORDPASS_TOKEN=SECRET",
    "export NORDPASS_TOKEN=SECRET",
    "bearer = \"SECRET\"",
    "\"token\" = \"SECRET\"\ntoken = \"SECRET\"",
    "token = \"${NORDPASS_TOKEN}\"\ntoken = \"SECRET\"",
    "token = \"SECRET\"; page_size = 5",
    "page_size = \"SECRET\"",
    "page_size = SECRET",
    "poll_interval = \"SECRET\"",
    "proxy = \"http://user:SECRET@proxy.example.com:3128\"",
    "proxy = \"http://user:SECRET@:3128\"",
    "proxy = \"user:SECRET@proxy.example.com:3128\"",
    "proxy = \"SECRET://proxy.example.com\"",
    "proxy = \"socks5://user:SECRET@proxy.example.com\"",
    "proxy = http://user:SECRET@proxy.example.com",
    "endpoint = \"https://user:SECRET@host\"",
    "endpoint = \"https://SECRET@host/x\"",
    "endpoint = \"http://host/?token=SECRET\"",
    "endpoint = \"SECRET\"",
    "endpoint = https://user:SECRET@host",
    "type = \"SECRET\"",
    "tls = { ca_file = \"SECRET\" }",
    "tls = { ca_file = SECRET }",
    "tls = \"SECRET\"",
    "inputs = [\"SECRET\"]",
    "[sinks.x]\ntype = \"console\"\ninputs = [\"SECRET\"]",
    "[sinks.x]\ntype = \"sentinel\"\ninputs = [\"SECRET\", \"SECRET\", \"nordpass.SECRET\"]\nstreams = { nordpass = \"SECRET\" }\ncredential.kind = \"SECRET\"",
    "[sinks.x]\ntype = \"sentinel\"\ninputs = [\"nordpass\"]\nendpoint = \"ftp://SECRET\"\ndcr_immutable_id = \"SECRET\"\nstreams = { nordpass = \"SECRET\" }\ncredential = { kind = \"client_secret\", tenant_id = \"SECRET\", client_id = \"SECRET\", client_secret = \" SECRET\" }",
    "[sinks.x]\ntype = \"sentinel\"\ncredential = { kind = client_secret, client_secret = SECRET }",
    "[sinks.x]\ntype = \"file\"\ninputs = [\"nordpass\"]\npath = \"{SECRET}\"",
    "[sinks.x]\ntype = \"file\"\ninputs = [\"nordpass\"]\npath = \"SECRET\"\n[sinks.y]\ntype = \"file\"\ninputs = [\"nordpass\"]\npath = \"SECRET\"",
    "[transforms.x]\ntype = \"filter\"\ninputs = [\"nordpass\"]\ninclude = [\"SECRET\", \"a.SECRET\"]",
    "[sources.x]\ntype = \"file\"\npaths = [\"SECRET[\"]",
    "[checkpoint]\nkind = \"azure_blob\"\nendpoint = \"https://SECRET@x\"\ncontainer = \"SECRET\"\nprefix = \"SECRET?\"\ntakeover = { container = \"SECRET\", blob = \"SECRET?\", source = \"SECRET\" }",
    "[api]\nlisten = \"SECRET\"",
    "[SECRET",
    "SECRET",
    "= SECRET",
    "token = \"x\" \u{1b}[31mSECRET",
];

fn found(source: &str, before: bool) -> Vec<Diagnostic> {
    let table = "[sources.nordpass]\ntype = \"nordpass\"\nendpoint = \"https://host/path\"\n";
    let rest = "\n[sinks.out]\ntype = \"console\"\ninputs = [\"nordpass\"]\n";
    let text = if before { format!("{table}{source}{rest}") } else { format!("{source}\n{table}{rest}") };
    let environment = Environment::of([("NORDPASS_TOKEN", "hidden")]);
    match load(&[(PathBuf::from("pipeline.toml"), text)], &environment) {
        Ok((_, warnings)) => warnings,
        Err(found) => found,
    }
}

fn shows_nothing(spelling: &str, secret: &str, parts: &[&str]) {
    let source = spelling.replace("SECRET", secret);
    for before in [true, false] {
        for diagnostic in found(&source, before) {
            for shown in [diagnostic.human(false), diagnostic.human(true), diagnostic.json(), format!("{diagnostic:?}")]
            {
                for part in parts {
                    assert!(!shown.contains(part), "{source}\n{shown}");
                }
            }
        }
    }
}

#[test]
fn no_spelling_of_a_secret_is_shown() {
    for spelling in SPELLINGS {
        shows_nothing(spelling, SECRET, &HALVES);
        shows_nothing(spelling, "Winter2026Kx9", &HALVES);
        shows_nothing(spelling, "V2ludGVyMjAyNg==", &["V2lu", "yNg"]);
    }
}

#[test]
fn a_wrong_spelling_is_still_told_with_its_key_and_place() {
    for (spelling, line, column, excerpt) in [
        ("token: \"SECRET\"", 4, 6, "4 | token…"),
        ("token =\n\"SECRET\"", 4, 8, "4 | token ="),
        ("token = SECRET", 4, 9, "4 | token = …"),
        ("api_key = \"SECRET\"", 4, 1, "4 | api_key = \"…\""),
        ("proxy = \"user:SECRET@proxy:1\"", 4, 9, "4 | proxy = \"…\""),
    ] {
        let found = found(&spelling.replace("SECRET", SECRET), true);
        let at = |found: &&Diagnostic| found.location.as_ref().is_some_and(|at| (at.line, at.column) == (line, column));
        let told = found.iter().find(at).unwrap_or_else(|| panic!("{spelling}: {found:?}"));
        assert!(told.human(false).contains(excerpt), "{told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// One more mistake, anywhere in any spelling, shows nothing either.
    #[test]
    fn no_mutated_spelling_is_shown(
        spelling in prop::sample::select(SPELLINGS),
        at in any::<prop::sample::Index>(),
        cut in 0usize..3,
        snippet in prop::sample::select(vec!["", "\"", "'", "\n", "=", ":", "#", "[", "]", "{", "}", ",", ".", "${", " ", "\\", "\"\"\""]),
    ) {
        let (head, tail) = spelling.split_once("SECRET").unwrap();
        let mut head = head.to_owned();
        let boundary = |at: usize| (0..=at).rev().find(|at| head.is_char_boundary(*at)).unwrap_or(0);
        let start = boundary(at.index(head.len() + 1));
        let end = boundary((start + cut).min(head.len())).max(start);
        head.replace_range(start..end, snippet);
        shows_nothing(&format!("{head}SECRET{tail}"), SECRET, &HALVES);
    }
}
