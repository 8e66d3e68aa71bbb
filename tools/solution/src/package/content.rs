//! The solution's YAML. Python reads it, as the tests do: it takes no time that matters, and no YAML crate.

use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tools_common::json::{items, parse, text};
use tools_common::process::output;
use tools_common::root;

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
        text(&self.data[key])
    }

    /// Returns the description without the quotes that Azure-Sentinel's rules have around it.
    pub fn description(&self) -> &str {
        self.text("description").trim().trim_matches('\'')
    }

    /// Returns a list of texts.
    pub fn list(&self, key: &str) -> Vec<&str> {
        items(&self.data[key]).map(text).collect()
    }
}

/// A watchlist with its rows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watchlist {
    /// Its name as a resource.
    #[serde(skip_serializing)]
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
    let output = output(Command::new(tools::kql_python()?).arg(root().join("solution/tests/export.py")))?;
    parse("the solution's YAML", output.stdout)
}
