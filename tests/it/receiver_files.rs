//! The configurations of the other sides, beside the recipes of the `http` sink: what can be checked of them without their programs.

use std::path::PathBuf;

use crate::support::repository;

/// The pipeline file of each, and what in it has to stand in the receiver's file too: port and path of the endpoint.
const PAIRS: [(&str, &str, &[&str]); 8] = [
    ("to-vector.toml", "vector.yaml", &["path: /nordpass", "username: nordpass"]),
    ("to-fluent-bit.toml", "fluent-bit.conf", &["storage.type              filesystem", "no_limits"]),
    ("to-logstash.toml", "logstash.conf", &["port => 8080", "user => \"nordpass\""]),
    ("to-cribl.toml", "cribl-inputs.yml", &["port: 10080", "criblAPI: /cribl"]),
    (
        "to-redpanda-connect.toml",
        "redpanda-connect.yaml",
        &["address: 127.0.0.1:4196", "path: /nordpass", "json_array"],
    ),
    (
        "to-otlp.toml",
        "otel-collector.yaml",
        &["endpoint: 0.0.0.0:4318", "max_elapsed_time: 0", "storage: file_storage"],
    ),
    ("to-splunk.toml", "splunk-inputs.conf", &["port = 8088", "useACK = 0"]),
    ("to-elastic.toml", "elastic-template.json", &["nordpass*"]),
];

fn recipe(name: &str) -> PathBuf {
    repository("docs/guide/recipes").join(name)
}

fn text(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn each_side_of_a_recipe_fits_the_other() {
    for (here, there, lines) in PAIRS {
        let pipeline = text(&recipe(here));
        assert!(pipeline.contains(&format!("receivers/{there}")), "{here} names the other side");
        let other = text(&recipe("receivers").join(there));
        for line in lines {
            assert!(other.contains(line), "{there} lacks `{line}`");
        }
        let says = other.contains("Not tried") || other.contains("as tried") || there.ends_with(".json");
        assert!(says, "{there} says whether it was tried");
    }
}

#[test]
fn the_guide_names_each_file_and_each_is_well_formed() {
    let guide = text(&repository("docs/guide/http.md"));
    let folder = std::fs::read_dir(recipe("receivers")).expect("a folder");
    let files: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    assert!(files.len() >= PAIRS.len());
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(guide.contains(&format!("recipes/receivers/{name}")), "the guide doesn't name {name}");
        let text = text(&file);
        match name.rsplit('.').next() {
            Some("yaml" | "yml") => {
                let read: Result<serde_json::Value, _> = serde_yaml_ng::from_str(&text);
                let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(read.is_object(), "{name}");
            }
            Some("json") => drop(serde_json::from_str::<serde_json::Value>(&text).expect(name)),
            Some("conf") if name == "logstash.conf" => {
                assert_eq!(text.matches('{').count(), text.matches('}').count(), "{name}");
            }
            Some("conf") => {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                for line in lines {
                    let is_section = line.starts_with('[') && line.ends_with(']');
                    assert!(is_section || line.contains('=') || line.split_whitespace().count() > 1, "{name}: {line}");
                }
            }
            _ => panic!("{name} is of no known kind"),
        }
    }
}
