//! The files in `pipelines/`: each is right as it stands, with the variables that it names and no others.

use std::{collections::BTreeSet, path::PathBuf};

use super::terminal;
use crate::pipeline::{Config, load, read_files};
use crate::settings::{Diagnostic, Environment, Severity};

const FILES: &[(&str, &[&str])] = &[
    (
        "demo.toml",
        &["NORDPASS_ENDPOINT_URL", "NORDPASS_TOKEN", "DATA_COLLECTION_ENDPOINT", "DCR_IMMUTABLE_ID", "AZURE_TOKEN"],
    ),
    (
        "drop-in.toml",
        &["NORDPASS_ENDPOINT_URL", "NORDPASS_TOKEN", "DATA_COLLECTION_ENDPOINT", "DCR_IMMUTABLE_ID", "TABLE_NAME"],
    ),
    ("nordpass-to-sentinel.toml", CLIENT_SECRET),
    ("nordpass-to-sentinel-and-files.toml", CLIENT_SECRET),
    ("with-health.toml", CLIENT_SECRET),
    ("replay-recording.toml", &[]),
    (
        "shared-checkpoint.toml",
        &[
            "NORDPASS_ENDPOINT_URL",
            "NORDPASS_TOKEN",
            "DATA_COLLECTION_ENDPOINT",
            "DCR_IMMUTABLE_ID",
            "CHECKPOINT_ENDPOINT",
        ],
    ),
    (
        "shape.toml",
        &[
            "NORDPASS_ENDPOINT_URL",
            "NORDPASS_TOKEN",
            "PSEUDONYM_KEY",
            "DATA_COLLECTION_ENDPOINT",
            "DCR_IMMUTABLE_ID",
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_ID",
            "AZURE_CLIENT_SECRET",
        ],
    ),
    ("console-for-vector.toml", &["NORDPASS_ENDPOINT_URL", "NORDPASS_TOKEN"]),
];

const CLIENT_SECRET: &[&str] = &[
    "NORDPASS_ENDPOINT_URL",
    "NORDPASS_TOKEN",
    "DATA_COLLECTION_ENDPOINT",
    "DCR_IMMUTABLE_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name)
}

fn environment(names: &[&str]) -> Environment {
    Environment::of(names.iter().map(|name| {
        let value = match *name {
            "NORDPASS_ENDPOINT_URL" => "https://api-activities.eu.nordpass.com/activities/query",
            "DATA_COLLECTION_ENDPOINT" => "https://nordpass-abcd.westeurope-1.ingest.monitor.azure.com",
            "DCR_IMMUTABLE_ID" => "dcr-00000000000000000000000000000000",
            "CHECKPOINT_ENDPOINT" => "https://account.blob.core.windows.net",
            "PSEUDONYM_KEY" => "0123456789abcdef0123456789abcdef",
            "TABLE_NAME" => "Custom-NordPassEventLogs_CL",
            "AZURE_TENANT_ID" | "AZURE_CLIENT_ID" => "00000000-0000-0000-0000-000000000001",
            _ => "secret",
        };
        (*name, value)
    }))
}

fn load_pipeline(name: &str, variables: &[&str]) -> Config {
    let files = read_files(&[path(name)]).unwrap();
    let (config, warnings) =
        load(&files, &environment(variables)).unwrap_or_else(|found| panic!("{name}:\n{}", terminal(&found)));
    assert!(warnings.is_empty(), "{name}:\n{}", terminal(&warnings));
    config
}

/// Everything that the loader has to say about a file.
fn all_found(name: &str, text: &str, environment: &Environment) -> Vec<Diagnostic> {
    match load(&[(name.into(), text.to_owned())], environment) {
        Ok((_, warnings)) => warnings,
        Err(found) => found,
    }
}

#[test]
fn the_list_is_complete() {
    let listed: BTreeSet<PathBuf> = FILES.iter().map(|(name, _)| path(name)).collect();
    let there: BTreeSet<PathBuf> = std::fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(listed, there);
}

#[test]
fn the_wiring_is_right_and_the_variables_are_all() {
    for (name, variables) in FILES {
        let text = std::fs::read_to_string(path(name)).unwrap();
        let name = path(name).display().to_string();
        let name = name.as_str();
        let found = all_found(name, &text, &environment(variables));
        assert!(found.is_empty(), "{name}:\n{}", terminal(&found));
        for left_out in *variables {
            let others: Vec<&str> = variables.iter().filter(|name| *name != left_out).copied().collect();
            let found = all_found(name, &text, &environment(&others));
            assert!(
                found.iter().any(|found| found.message == format!("the variable `{left_out}` isn't set")),
                "{name} doesn't need {left_out}"
            );
        }
    }
}

#[test]
fn each_loads_with_the_real_components() {
    for (name, variables) in FILES {
        let config = load_pipeline(name, variables);
        // The connector's own health aside, one source of events.
        let events = config.sources.iter().filter(|source| source.component_type.name != "health").count();
        assert_eq!(events, 1, "{name}");
        assert!(!config.sinks.is_empty(), "{name}");
    }
}

/// The hint listed what the reader writes itself, and not the source that was meant, because its type had a mistake, too.
#[test]
fn an_input_of_a_source_with_a_wrong_type_is_still_recognised() {
    let text = "[sources.nordpass]\ntype = \"nordpas\"\n[transforms.asim]\ntype = \"asim\"\ninputs = [\"nordpas\"]\n\
                [sinks.out]\ntype = \"console\"\ninputs = [\"asim.audit_event\", \"asim.authentication\", \
                \"asim.user_management\"]\n";
    let found = all_found("a.toml", text, &Environment::default());
    let hints: Vec<_> = found.iter().map(|found| found.hint.as_deref().unwrap_or_default()).collect();
    assert_eq!(found.len(), 2, "{}", terminal(&found));
    assert_eq!(hints[1], "did you mean \"nordpass\"?", "{}", terminal(&found));
}

/// NordPass called such a token revoked, expired or of the other data centre.
#[test]
fn a_secret_in_quotation_marks_is_a_warning() {
    let text = "[sources.nordpass]\ntype = \"nordpass\"\nendpoint = \"https://a.example/query\"\ntoken = \"${T}\"\n\
                [sinks.out]\ntype = \"console\"\ninputs = [\"nordpass\"]\n";
    let found = |token: &str| all_found("a.toml", text, &Environment::of([("T", token)]));
    assert_eq!(found("to\"ken\"").len(), 0);
    for token in ["\"token\"", "'token'"] {
        let found = found(token);
        assert_eq!(found.len(), 1, "{}", terminal(&found));
        assert!(found[0].message.contains("quotation mark") && found[0].severity == Severity::Warning);
        assert!(!terminal(&found).contains(token), "{}", terminal(&found));
    }
}

/// PowerShell's `>` writes UTF-16, and the hint was to check the path.
#[test]
fn a_file_in_another_encoding_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("utf-16.toml");
    std::fs::write(&path, [0xff, 0xfe, b'[', 0]).unwrap();
    let found = read_files(&[path]).unwrap_err();
    assert!(found[0].message.ends_with("it isn't UTF-8 text"), "{}", terminal(&found));
    assert_eq!(found[0].hint.as_deref(), Some("save it as UTF-8"));
}

#[test]
fn one_source_takes_over_from_the_official_connector() {
    let source = |name: &str| {
        format!("[sources.{name}]\ntype = \"nordpass\"\nendpoint = \"https://a.example/query\"\ntoken = \"${{T}}\"\n")
    };
    let rest = "[sinks.s]\ntype = \"blackhole\"\ninputs = [\"a\", \"b\"]\n[checkpoint]\nkind = \"azure_blob\"\n\
                endpoint = \"https://a.example\"\n[checkpoint.credential]\nkind = \"managed_identity\"\n[checkpoint.takeover]\n";
    let found = |line: &str| {
        let text = format!("{}{}{rest}{line}", source("a"), source("b"));
        all_found("a.toml", &text, &Environment::of([("T", "t")]))
    };
    assert_eq!(found("source = \"b\"").len(), 0);
    let missing = found("");
    assert_eq!(missing.len(), 1, "{}", terminal(&missing));
    assert_eq!(missing[0].message, "with 2 sources of type `nordpass`, `takeover` needs `source`");
    let wrong = found("source = \"s\"");
    assert_eq!(wrong.len(), 1, "{}", terminal(&wrong));
    let told = (&*wrong[0].path, wrong[0].hint.as_deref());
    assert_eq!(told, ("checkpoint.takeover.source", Some("the sources of this type are a, b")));
}

#[test]
fn two_sinks_with_one_path_are_an_error() {
    let sink =
        |name: &str| format!("[sinks.{name}]\ntype = \"file\"\ninputs = [\"in\"]\npath = \"out/{{date}}.ndjson\"\n");
    let text = format!("[sources.in]\ntype = \"stdin\"\n{}{}", sink("one"), sink("two"));
    let found = load(&[("pipeline.toml".into(), text)], &Environment::default()).unwrap_err();
    assert_eq!(found.len(), 1, "{}", terminal(&found));
    assert!(found[0].message.starts_with("`two` and `sinks.one` both use "), "{}", found[0].message);
    assert_eq!(found[0].path, "sinks.two.path");
}

/// Such a set used to be valid, and to grow at each start.
#[test]
fn a_source_that_reads_what_its_set_writes_is_an_error() {
    let text = |paths: &str, path: &str| {
        format!(
            "data_dir = \"state\"\n[sources.in]\ntype = \"file\"\npaths = [\"{paths}\"]\n[sinks.out]\ntype = \"file\"\n\
             inputs = [\"in\"]\npath = \"{path}\"\n"
        )
    };
    let found = |paths: &str, path: &str| match load(&[("a.toml".into(), text(paths, path))], &Environment::default()) {
        Ok(_) => None,
        Err(found) => Some((found[0].path.clone(), found[0].message.clone())),
    };
    for (paths, path, writer) in [
        ("logs/*.ndjson", "logs/out.ndjson", "`sinks.out`"),
        ("./x/../logs/**/*.gz", "logs/{date}/{organization}.ndjson.gz", "`sinks.out`"),
        ("logs/2026-*.gz", "logs/{date}.gz", "`sinks.out`"),
        ("logs/out.1.ndjson", "logs/out.ndjson", "`sinks.out`"),
        ("state/dead-letters/in.ndjson", "out.ndjson", "`data_dir`"),
    ] {
        let message = format!("`in` would read what this set writes: files of {writer}");
        assert_eq!(found(paths, path), Some(("sources.in.paths".to_owned(), message)), "{paths}");
    }
    for (paths, path) in [("logs/*.ndjson", "logs/out.ndjson.gz"), ("in/*", "out/{date}.gz"), ("state/*.gz", "out.gz")]
    {
        assert_eq!(found(paths, path), None, "{paths}");
    }
}

#[test]
fn two_sources_on_standard_input_are_an_error() {
    let text = "[sources.a]\ntype = \"stdin\"\n[sources.b]\ntype = \"stdin\"\n[sinks.s]\ntype = \"blackhole\"\ninputs = \
                [\"a\", \"b\"]";
    let found = load(&[("pipeline.toml".into(), text.into())], &Environment::default()).unwrap_err();
    assert_eq!(found[0].message, "`b` and `sources.a` both use standard input");
    assert_eq!(found.len(), 1);
}
