//! The workbook's parameters.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tools_common::json::{text, with};

use super::source::Source;
use super::{items, lists};

/// The query type and resource of everything here: a Log Analytics workspace, which is where the workbook is opened.
pub const LOGS: (u8, &str) = (0, "microsoft.operationalinsights/workspaces");

/// Returns the item above the tabs: the pickers, and hidden ones with the catalogue's lists.
pub fn parameters(source: &Source) -> Value {
    let looked_up = source.pickers.looked_up.iter().map(|picker| {
        json!({
            "name": picker.name,
            "label": picker.label,
            "type": 2,
            "isRequired": true,
            "multiSelect": true,
            "quote": "'",
            "delimiter": ",",
            "query": source.choices(picker),
            // Queries get "All" as '*', whatever the choices are.
            "typeSettings": {
                "additionalResourceOptions": ["value::all"],
                "selectAllValue": "*",
                "showDefault": false,
            },
            "defaultValue": "value::all",
            "value": ["value::all"],
            "queryType": LOGS.0,
            "resourceType": LOGS.1,
        })
    });
    let hidden = lists::parameters()
        .into_iter()
        .map(|(name, text)| json!({"name": name, "label": name, "type": 1, "value": text, "isHiddenWhenLocked": true}));
    item("pickers", source.pickers.parameters.iter().cloned().chain(looked_up).chain(hidden))
}

/// Returns an item of parameters.
pub fn item(name: &str, parameters: impl IntoIterator<Item = Value>) -> Value {
    let parameters = parameters.into_iter().map(|parameter| {
        let id = id(text(&parameter["name"]));
        with(parameter, json!({"id": id, "version": "KqlParameterItem/1.0"}))
    });
    json!({
        "type": 9,
        "content": {
            "version": "KqlParameterItem/1.0",
            "parameters": parameters.collect::<Vec<_>>(),
            "style": "pills",
            "queryType": LOGS.0,
            "resourceType": LOGS.1,
        },
        "name": name,
    })
}

/// Returns an id that is always the same for the same name.
pub fn id(name: &str) -> String {
    let digest = Sha256::digest(format!("{}/{name}", items::WORKBOOK));
    let hex = digest.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    // The form of a version 8 UUID: its content is free.
    format!("{}-{}-8{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
