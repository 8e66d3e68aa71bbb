//! A fuzz target: a pipeline file.

use super::load::load;
use crate::fuzz::{is_marked, marked, silent, text};
use crate::settings::Environment;
use crate::settings::document::{Document, Node, Table, Value};

/// A pipeline file, read by the components' own settings.
pub(crate) fn file(data: &[u8]) {
    // Files of this machine aren't read.
    let text = text(&marked(data)).replace("file:", "FILE:").replace("_file", "_fife");
    // A key may be shown, a value never.
    let document = Document::new("pipeline.toml".into(), text.clone());
    let keys_are_plain = document.parse().map_or(true, |table| !has_marked_key(&table));
    let environment = Environment::of([("NORDPASS_TOKEN", "a value"), ("EMPTY", "")]);
    let found = match load(&[("pipeline.toml".into(), text)], &environment) {
        Ok((config, warnings)) => {
            silent(&format!("{:?}", config.sources.len()));
            warnings
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            errors
        }
    };
    assert!(found.len() <= 202, "{} diagnostics", found.len());
    for diagnostic in &found {
        assert!(!diagnostic.message.is_empty());
        let shown = diagnostic.human(false);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        let json = serde_json::to_string(diagnostic).expect("serialises");
        assert!(crate::fuzz::is_json(&json));
        if keys_are_plain {
            silent(&shown);
            silent(&json);
        }
    }
}

fn has_marked_key(table: &Table) -> bool {
    table.iter().any(|entry| is_marked(&entry.key) || has_marked_key_inside(&entry.node))
}

fn has_marked_key_inside(node: &Node) -> bool {
    match &node.value {
        Value::Table(table) => has_marked_key(table),
        Value::List(nodes) => nodes.iter().any(has_marked_key_inside),
        _ => false,
    }
}
