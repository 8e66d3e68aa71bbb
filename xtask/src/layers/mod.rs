//! `cargo xtask test layers`: a layer of `src` uses only those below it, and nothing goes in a circle.
//!
//! It reads the paths in the source text (`crate::…`, `super::…`), tests and fuzz targets left out: these may build what they need.

mod graph;
mod imports;

use std::collections::BTreeMap;

use tools_common::{files, passed};

use self::graph::Graph;
use self::imports::{Import, imports};

/// The folders of `src`, from the top down. Those of one row may use each other, in one direction.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["pipeline"],
    &["sources", "transforms", "sinks"],
    &["kafka"],
    &["azure", "dead_letters", "state"],
    &["component"],
    &["event"],
    &["settings"],
    &["telemetry", "http"],
];

/// Folders whose files must not import each other in a circle.
const CIRCLE_FREE: &[&str] = &["sources/nordpass", "sinks/delivery", "sinks/sentinel"];

/// Folders that must not use the folder around them.
const LEAVES: &[&str] = &["event/json"];

/// Checks the repository.
pub fn check() -> Result<(), String> {
    let mut sources = read("src")?;
    sources.retain(|path, _| path.contains('/'));
    let mut wrong = problems(&sources);
    let named = read("crates")?.into_iter().filter(|(_, text)| text.contains("nordpass_sentinel"));
    wrong.extend(
        named.map(|(path, _)| format!("crates/{path} names the product: the simulators would agree with its mistakes")),
    );
    passed(&wrong)
}

/// Reads the Rust files below a folder, by their paths in it.
fn read(folder: &str) -> Result<BTreeMap<String, String>, String> {
    let names = files(folder)?.into_iter().filter(|path| path.ends_with(".rs"));
    names.map(|path| Ok((path.clone(), tools_common::read(format!("{folder}/{path}"))?))).collect()
}

/// Returns a sentence for each arrow that goes up and each circle.
fn problems(files: &BTreeMap<String, String>) -> Vec<String> {
    let imports: Vec<Import> = files.iter().flat_map(|(path, text)| imports(path, text)).collect();
    let mut wrong = Vec::new();
    let mut folders = Graph::default();
    for import in &imports {
        let (from, to) = (import.user_layer(), import.to_layer());
        if from == to {
            continue;
        }
        match (layer(from), layer(to)) {
            (Some(above), Some(below)) if above > below => {
                wrong.push(format!("{} uses `{}`, which is above it", import.file, import.path()));
            }
            (Some(_), Some(_)) => folders.add(from, to, &import.file),
            _ => wrong.push(format!("{} uses `{}`: a folder that is in no layer", import.file, import.path())),
        }
    }
    wrong.extend(folders.circles("folders"));
    for folder in CIRCLE_FREE {
        let mut inside = Graph::default();
        for import in &imports {
            if let Some((from, to)) = import.files_of(folder, files) {
                inside.add(&from, &to, &import.file);
            }
        }
        wrong.extend(inside.circles("files"));
    }
    for leaf in LEAVES {
        let around = leaf.rsplit_once('/').map_or(*leaf, |(around, _)| around);
        for import in imports.iter().filter(|import| import.file.starts_with(&format!("{leaf}/"))) {
            if import.to_layer() == around && !import.path().starts_with(&leaf.replace('/', "::")) {
                wrong.push(format!("{} uses `{}`, which is around it", import.file, import.path()));
            }
        }
    }
    wrong.dedup();
    wrong
}

fn layer(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        problems(&files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn an_arrow_down_is_fine_and_one_up_is_not() {
        assert_eq!(found(&[("sinks/a.rs", "use crate::event::{Chunk, json};\n")]), [""; 0]);
        let up = found(&[("event/id.rs", "use crate::{\n    http::retry,\n    sinks::{a, b},\n};\n")]);
        assert_eq!(
            up,
            ["event/id.rs uses `sinks::a`, which is above it", "event/id.rs uses `sinks::b`, which is above it"]
        );
        let inline = found(&[("http/mod.rs", "fn f() { crate::event::id() }\n")]);
        assert_eq!(inline, ["http/mod.rs uses `event::id`, which is above it"]);
    }

    #[test]
    fn comments_tests_and_fuzz_targets_may_name_everything() {
        let text = "//! [`crate::sinks::a`]\n#[cfg(test)]\nmod tests {\n    use crate::sinks::a;\n}\n";
        assert_eq!(
            found(&[
                ("event/id.rs", text),
                ("event/tests.rs", "use crate::cli;"),
                ("event/fuzz.rs", "use crate::cli;")
            ]),
            [""; 0]
        );
    }

    #[test]
    fn folders_of_one_row_are_no_circle() {
        let files = [("state/a.rs", "use crate::azure::b;\n"), ("azure/b.rs", "use crate::state::a;\n")];
        assert_eq!(found(&files), ["a circle of folders: azure (azure/b.rs) -> state (state/a.rs) -> azure"]);
    }

    #[test]
    fn files_of_a_folder_are_no_circle_whoever_hands_the_name_on() {
        let files = [
            ("sinks/sentinel/mod.rs", "mod a;\nmod b;\npub use b::B;\n"),
            ("sinks/sentinel/a.rs", "use super::B;\npub struct A;\n"),
            ("sinks/sentinel/b.rs", "use super::a::A;\npub struct B;\n"),
        ];
        assert_eq!(found(&files).len(), 1, "{:?}", found(&files));
        let own = [
            ("sources/nordpass/mod.rs", "mod a;\nuse a::A;\npub struct Own;\n"),
            ("sources/nordpass/a.rs", "use super::Own;\npub struct A;\n"),
        ];
        assert_eq!(found(&own).len(), 1, "{:?}", found(&own));
    }

    #[test]
    fn json_knows_no_event() {
        let files = [("event/json/scan.rs", "use super::Shape;\nuse super::super::Chunk;\n")];
        assert_eq!(found(&files), ["event/json/scan.rs uses `event::Chunk`, which is around it"]);
    }

    #[test]
    fn a_folder_without_a_layer_is_found() {
        assert_eq!(found(&[("sinks/a.rs", "use crate::drawer::b;\n")]).len(), 1);
    }
}
