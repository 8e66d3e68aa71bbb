//! The lists that come from the code's own registries.

use nordpass_env::catalogue::{Entry, Group, HEALTH_TABLE, columns, entries};

/// Returns hidden parameters: a name, and the text that replaces it in queries.
pub fn parameters() -> Vec<(&'static str, String)> {
    vec![
        ("AdminActions", events(|entry| entry.group == Group::Admin)),
        ("VaultActions", events(|entry| entry.group == Group::Vault)),
        ("LoginActions", events(|entry| entry.group == Group::Login)),
        ("FailedActions", events(|entry| entry.result == "Failure")),
        ("FindingActions", events(|entry| entry.result == "NA")),
        ("Catalogue", catalogue()),
    ]
}

/// Returns names of events as a list of KQL strings. The catalogue refuses characters that would have to be escaped.
fn events(chosen: impl Fn(&Entry) -> bool) -> String {
    let names: Vec<_> = entries()
        .iter()
        .filter(|entry| chosen(entry))
        .map(|entry| format!("\"{}.{}\"", entry.kind, entry.action))
        .collect();
    names.join(",")
}

/// Returns the cells of a `datatable` of event, severity and meaning.
fn catalogue() -> String {
    let cells: Vec<_> = entries()
        .iter()
        .map(|entry| format!("\"{}.{}\",\"{}\",\"{}\"", entry.kind, entry.action, entry.severity, entry.meaning))
        .collect();
    cells.join(",")
}

/// Returns the health table's columns, for a `datatable` that replaces a missing table.
pub fn health_columns() -> String {
    let columns: Vec<_> = columns(HEALTH_TABLE).iter().map(|(name, kind)| format!("{name}: {}", kind.name())).collect();
    columns.join(", ")
}
