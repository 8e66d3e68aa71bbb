//! A fuzz target: a pipeline file.

use super::load::load;
use crate::fuzz::{is_marked, marked, silent, text};
use crate::settings::Environment;
use crate::settings::document::{Document, Node, Table, Value};

/// A pipeline file, read by the components' own settings.
pub(crate) fn file(data: &[u8]) {
    // Files of this machine aren't read.
    let text = text(&marked(data)).replace("file:", "FILE:").replace("_file", "_fife");
    // A key and a program may be shown, any other value never.
    let document = Document::new("pipeline.toml".into(), text.clone());
    let is_silent = document.parse().map_or(true, |table| !shows_mark(&table));
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
        if is_silent {
            silent(&shown);
            silent(&json);
        }
    }
}

/// Whether a mark is where an error may show it.
fn shows_mark(table: &Table) -> bool {
    table.iter().any(|entry| {
        let is_program = ["source", "vrl"].contains(&&*entry.key);
        is_marked(&entry.key) || shows_mark_inside(&entry.node, is_program)
    })
}

fn shows_mark_inside(node: &Node, is_program: bool) -> bool {
    match &node.value {
        Value::Table(table) => shows_mark(table),
        Value::List(nodes) => nodes.iter().any(|node| shows_mark_inside(node, is_program)),
        Value::Text(text) => is_program && is_marked(text),
        _ => false,
    }
}
