//! The solution's YAML. Python reads it, as the tests do: it takes no time that matters, and no YAML crate.

use std::process::Command;

use serde::Deserialize;
use serde_json::Value;
use tools_common::json;

use crate::tools;

/// All of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Content {
    pub rules: Vec<Item>,
    pub hunting: Vec<Item>,
    pub parsers: Vec<Item>,
    pub watchlists: Vec<Watchlist>,
}

/// A rule, a hunting query or a parser.
#[derive(Clone, Debug, Deserialize)]
pub struct Item {
    /// Its file's name.
    pub file: String,
    /// The YAML.
    pub data: Value,
    pub query: String,
}

impl Item {
    /// Returns a text of the YAML, empty where it isn't there.
    pub fn text(&self, key: &str) -> &str {
        json::text(&self.data[key])
    }

    /// Returns the description without the quotes that Azure-Sentinel's rules have around it.
    pub fn description(&self) -> &str {
        self.text("description").trim().trim_matches('\'')
    }

    /// Returns a list of texts.
    pub fn list(&self, key: &str) -> Vec<&str> {
        self.data[key].as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }
}

/// A watchlist with its rows.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watchlist {
    pub alias: String,
    pub display_name: String,
    pub description: String,
    pub provider: String,
    pub source: String,
    pub content_type: String,
    pub items_search_key: String,
    pub raw_content: String,
}

/// Reads it.
pub fn read() -> Result<Content, String> {
    let python = tools::kql_python()?;
    let script = tools_common::root().join("solution/tests/export.py");
    let output = Command::new(python).arg(script).output().map_err(|error| format!("can't run Python: {error}"))?;
    if !output.status.success() {
        return Err(format!("can't read the solution's YAML:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the solution's YAML: {error}"))
}
