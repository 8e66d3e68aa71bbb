//! The Sentinel workbook, `solution/Workbooks/NordPass.json`.
//!
//! People write `solution/Workbooks/source/`: a file for each tab, with the queries as they are typed into a query window.
//! `cargo xtask docs` makes the gallery template of it. The lists of actions come from the event catalogue, so an event
//! that is added there is in the workbook too.

pub mod check;
pub mod demo;
mod items;
mod lists;
mod pickers;
pub mod source;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

/// The workbook in the repository.
pub const PATH: &str = "solution/Workbooks/NordPass.json";

/// Returns the gallery template, as text.
pub fn text() -> Result<String, String> {
    Ok(tools_common::json::pretty(&template(&source::read()?)))
}

/// Returns the gallery template: pickers above, a bar of tabs, and a group for each tab.
fn template(source: &source::Source) -> Value {
    let mut items = vec![items::introduction(), pickers::parameters(source), items::tabs(source)];
    items.extend(source.tabs.iter().map(|tab| items::group(source, tab)));
    json!({
        "version": "Notebook/1.0",
        "items": items,
        "styleSettings": {},
        "fromTemplateId": format!("sentinel-{}", crate::package::WORKBOOK_KEY),
        "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json",
    })
}
