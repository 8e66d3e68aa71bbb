//! The schema and the reference page say what the loader does. A small validator of our own reads the schema: it knows
//! exactly the keywords that the schema uses and fails on any other.

use serde_json::{Value, json};

use super::registry::registry;
use super::{diagnose, terminal};
use crate::pipeline::registry::{KINDS, Registry};
use crate::pipeline::{json_schema, page, reference_page, schema};
use crate::settings::{Field, Kind, Presence, Section, Severity};

/// What is wrong with a value, by the schema; empty when it is valid.
fn violations(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut complain = |what: String| found.push(format!("{path}: {what}"));
    let mut inner = Vec::new();
    for (keyword, argument) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let target = root.pointer(argument.as_str().unwrap().trim_start_matches('#')).unwrap();
                inner.extend(violations(root, target, value, path));
            }
            "type" => {
                let right = match argument.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    other => panic!("unknown type {other}"),
                };
                if !right {
                    complain(format!("not of type {argument}"));
                }
            }
            "const" if argument != value => complain(format!("not {argument}")),
            "enum" if !argument.as_array().unwrap().contains(value) => complain("not in enum".into()),
            "minimum" if value.as_i64().is_some_and(|v| v < argument.as_i64().unwrap()) => complain("too small".into()),
            "maximum" if value.as_i64().is_some_and(|v| v > argument.as_i64().unwrap()) => complain("too big".into()),
            "minLength" if value.as_str() == Some("") => complain("empty".into()),
            "minItems" if value.as_array().is_some_and(Vec::is_empty) => complain("empty".into()),
            "uniqueItems" => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                if (1..items.len()).any(|at| items[..at].contains(&items[at])) {
                    complain("not unique".into());
                }
            }
            "pattern" if value.as_str().is_some_and(|text| !matches(argument.as_str().unwrap(), text)) => {
                complain(format!("doesn't match {argument}"));
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    inner.extend(violations(root, argument, item, path));
                }
            }
            "required" => {
                for key in argument.as_array().unwrap() {
                    if value.get(key.as_str().unwrap()).is_none() {
                        complain(format!("{key} is missing"));
                    }
                }
            }
            "dependentRequired" => {
                let present = argument.as_object().unwrap().iter().filter(|(key, _)| value.get(key).is_some());
                for key in present.flat_map(|(_, others)| others.as_array().unwrap()) {
                    if value.get(key.as_str().unwrap()).is_none() {
                        complain(format!("{key} is missing"));
                    }
                }
            }
            "properties" | "additionalProperties" | "propertyNames" => {
                inner.extend(object_violations(root, schema, keyword, value, path));
            }
            "anyOf" | "oneOf" => {
                let fits = |schema: &&Value| violations(root, schema, value, path).is_empty();
                let number = argument.as_array().unwrap().iter().filter(fits).count();
                if number == 0 || keyword == "oneOf" && number > 1 {
                    complain(format!("{number} of {keyword} fit"));
                }
            }
            "$schema" | "$defs" | "title" | "description" | "default" | "const" | "enum" | "minimum" | "maximum"
            | "minLength" | "minItems" | "pattern" => {}
            other => panic!("the validator doesn't know {other}"),
        }
    }
    found.extend(inner);
    found
}

fn object_violations(root: &Value, schema: &Value, keyword: &str, value: &Value, path: &str) -> Vec<String> {
    let argument = &schema[keyword];
    let known = |key: &String| schema.get("properties").is_some_and(|properties| properties.get(key).is_some());
    let mut found = Vec::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        match keyword {
            "properties" if known(key) => found.extend(violations(root, &argument[key], value, &path)),
            "additionalProperties" if !known(key) && argument == &Value::Bool(false) => {
                found.push(format!("{path}: unknown key"));
            }
            "additionalProperties" if !known(key) => found.extend(violations(root, argument, value, &path)),
            "propertyNames" => found.extend(violations(root, argument, &json!(key), &path)),
            _ => {}
        }
    }
    found
}

/// The four patterns that the schema uses, by hand.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        r"\$\{" => text.contains("${"),
        r"^([0-9]+(ms|[smhd]))+$" => crate::settings::parse_duration(text).is_ok_and(|_| text == text.trim()),
        r"^[0-9]+ ?([kKMG]B|[KMG]iB|B)?$" => crate::settings::size::parse_size(text).is_some() && text == text.trim(),
        "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$" => {
            (1..=64).contains(&text.len())
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        }
        other => panic!("the validator doesn't know the pattern {other}"),
    }
}

/// The schema's verdict on a TOML text.
fn verdict(registry: &Registry, text: &str) -> Vec<String> {
    let schema = schema::schema(registry);
    let value = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    violations(&schema, &schema, &value, "")
}

const GOOD: &str = r#"
[api]
listen = "127.0.0.1:1"
[sources.nordpass]
type = "nordpass"
endpoint = "https://example.com"
token = "${NORDPASS_TOKEN}"
page_size = "${PAGE_SIZE:-100}"
poll_interval = "1m30s"
[sinks.out]
type = "console"
inputs = ["nordpass"]
required = false
"#;

#[test]
fn loader_and_schema_agree() {
    for (from, to) in [
        ("", ""),
        ("poll_interval", "poll_intervall"),
        ("1m30s", "-60s"),
        ("1m30s", "60"),
        ("\"1m30s\"", "60"),
        ("\"${PAGE_SIZE:-100}\"", "0"),
        ("\"${PAGE_SIZE:-100}\"", "1000"),
        ("\"${PAGE_SIZE:-100}\"", "\"100\""),
        ("endpoint = \"https://example.com\"", ""),
        ("https://example.com", ""),
        ("\"console\"", "\"consul\""),
        ("type = \"console\"", ""),
        ("inputs = [\"nordpass\"]", "inputs = \"nordpass\""),
        ("[\"nordpass\"]", "[\"nordpass\", \"nordpass\"]"),
        ("required = false", "required = \"no\""),
        ("[api]", "[apis]"),
        ("[sinks.out]", "[sinks.\"o u t\"]"),
        ("[sources.nordpass]", "[sources.nordpass]\ninputs = [\"x\"]"),
        ("[sources.nordpass]", "[sources.nordpass]\ntls = { ca_fil = \"x\" }"),
        ("[sources.nordpass]", "[sources.nordpass]\nproxy = 1"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        let loader = diagnose(&text);
        let schema = verdict(&registry(), &text);
        let wrong = loader.iter().any(|found| found.severity == Severity::Error);
        assert_eq!(wrong, !schema.is_empty(), "{from} -> {to}\n{}\n{schema:#?}", terminal(&loader));
        assert_eq!(wrong, !from.is_empty() && to != "1000", "{from} -> {to}");
    }
}

#[test]
fn the_runnable_files_fit_the_schema() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(verdict(&Registry::built_in(), &text), [""; 0], "{}", path.display());
    }
}

#[test]
fn the_built_in_schema_is_json() {
    let schema: Value = serde_json::from_str(&json_schema()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["$defs"]["sink.sentinel"].is_object());
}

#[test]
fn the_reference_page_lists_every_field() {
    let page = reference_page();
    for kind in KINDS {
        for component_type in Registry::built_in().of(kind) {
            assert!(page.contains(&format!("### `{}` {}", component_type.name, kind.as_str())));
            for field in component_type.fields {
                assert!(page.contains(&format!("| `{}` |", field.name)), "{}", field.name);
            }
        }
    }
    for field in crate::state::FIELDS {
        assert!(page.contains(&format!("| `checkpoint.{}` |", field.name)), "{}", field.name);
    }
    // The checkpoint's fields change with those of the credentials, and say nothing about the page that others don't.
    let page = page::page(&registry());
    let lines: Vec<&str> = page.lines().filter(|line| !line.starts_with("| `checkpoint")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Defaults are right by their own bounds, and every field is explained.
#[test]
fn the_registry_is_sound() {
    fn check(path: &str, fields: &'static [Field]) {
        for field in fields {
            let path = format!("{path}.{}", field.name);
            assert!(!field.doc.trim().is_empty(), "{path} has no doc");
            let Presence::Default(default) = field.presence else {
                if let Some(fields) = field.kind.fields() {
                    check(&path, fields);
                }
                continue;
            };
            let written = match &field.kind {
                Kind::Integer { .. } | Kind::Size { .. } | Kind::Flag | Kind::List => default.to_owned(),
                Kind::Text | Kind::Program | Kind::Secret | Kind::Choice(_) | Kind::Duration { .. } => {
                    format!("{default:?}")
                }
                Kind::Integers { .. }
                | Kind::Map
                | Kind::Table(_)
                | Kind::Tables(_)
                | Kind::NamedTables(_)
                | Kind::Object
                | Kind::Objects => {
                    panic!("{path} can't have a default")
                }
            };
            let section =
                Section::parse(&format!("{} = {written}", field.name), fields, crate::settings::Environment::default());
            let about = |found: &&crate::settings::Diagnostic| found.path == field.name;
            let wrong: Vec<String> = section.diagnostics().iter().filter(about).map(ToString::to_string).collect();
            assert!(wrong.is_empty(), "{path}: {wrong:?}");
        }
    }
    for kind in KINDS {
        for component_type in Registry::built_in().of(kind) {
            check(&format!("{}.{}", kind.as_str(), component_type.name), component_type.fields);
        }
    }
    check("", crate::pipeline::draft::TOP_FIELDS);
}
