//! The published rules for a solution's files, as far as they can be checked by the files. The rules' and queries' own
//! fields are checked beside them, by the solution's tests; what doesn't depend on them, by those of this crate.

use serde_json::Value;
use tools_common::archive::{Entries, Entry};
use tools_common::json::{items, members, parse, text};

use super::arm::{check_template, unbranded};

/// What Azure takes for one template.
const LARGEST_TEMPLATE: usize = 4 * 1024 * 1024;

/// What is wrong, in sentences.
#[derive(Default)]
pub struct Problems(pub Vec<String>);

impl Problems {
    /// Notes a problem unless `holds`.
    pub fn require(&mut self, holds: bool, problem: impl Into<String>) {
        if !holds {
            self.0.push(problem.into());
        }
    }
}

/// Reads a JSON file of the package.
pub fn json_of(entries: &Entries, path: &str, problems: &mut Problems) -> Value {
    parse(path, bytes(entries, path)).unwrap_or_else(|error| {
        problems.0.push(error);
        Value::Null
    })
}

fn bytes<'a>(entries: &'a Entries, path: &str) -> &'a [u8] {
    match entries.get(path) {
        Some(Entry::File(bytes)) => bytes,
        _ => &[],
    }
}

/// Checks the package's files. Returns what is wrong.
pub fn check(entries: &Entries) -> Vec<String> {
    let mut problems = Problems::default();
    let paths = ["Package/mainTemplate.json", "Package/createUiDefinition.json"];
    let [template, form] = paths.map(|path| json_of(entries, path, &mut problems));
    problems.0.extend(check_template(&template));
    let size = bytes(entries, paths[0]).len();
    problems.require(size <= LARGEST_TEMPLATE, format!("Package/mainTemplate.json has {size} bytes"));
    for path in paths {
        for place in unbranded(&String::from_utf8_lossy(bytes(entries, path))) {
            problems.0.push(format!("{path}: not \"Microsoft Sentinel\": …{place}"));
        }
    }
    for (output, _) in members(&form["parameters"]["outputs"]) {
        let asked = !template["parameters"][output].is_null();
        problems.require(asked, format!("the form gives `{output}`, which the template doesn't ask"));
    }
    check_data(&json_of(entries, "Data/Solution_NordPassSentinel.json", &mut problems), entries, &mut problems);
    problems.0
}

fn check_data(data: &Value, entries: &Entries, problems: &mut Problems) {
    for key in ["Name", "Author", "Logo", "Description", "BasePath", "Version", "Metadata"] {
        problems.require(!text(&data[key]).is_empty(), format!("Data: `{key}` is missing"));
    }
    for key in ["Workbooks", "Analytic Rules", "Hunting Queries", "Parsers", "Data Connectors", "Watchlists"] {
        for path in items(&data[key]).map(text) {
            problems.require(entries.contains_key(path), format!("Data: {key} names {path}, which isn't there"));
        }
    }
    for folder in ["Analytic Rules", "Hunting Queries", "Parsers"] {
        let prefix = format!("{folder}/");
        for path in entries.keys().filter(|path| path.starts_with(&prefix) && path.ends_with(".yaml")) {
            let named = items(&data[folder]).any(|named| text(named) == path);
            problems.require(named, format!("Data: {path} isn't named"));
        }
    }
    let rules = items(&data["Analytic Rules"]).count();
    problems.require(rules > 0, "a solution needs at least one analytic rule");
    let version: Vec<Option<u32>> = text(&data["Version"]).split('.').map(|part| part.parse().ok()).collect();
    let good = matches!(version.as_slice(), [Some(3), Some(_), Some(_)]);
    problems.require(good, format!("Data: the version is {}", data["Version"]));
}
