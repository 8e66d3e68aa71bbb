//! The workbook's parameters.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::source::Source;
use super::{items, lists};

/// The query type and resource of everything here: a Log Analytics workspace, which is where the workbook is opened.
pub const LOGS: (u8, &str) = (0, "microsoft.operationalinsights/workspaces");

/// Returns the item above the tabs: the pickers, and hidden ones with the catalogue's lists.
pub fn parameters(source: &Source) -> Value {
    let mut parameters = vec![time(), tables()];
    parameters.extend(source.pickers.iter().map(|picker| {
        let mut parameter = start(&picker.name, &picker.label, 2);
        let more = json!({
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
        });
        extend(&mut parameter, more);
        parameter
    }));
    parameters.extend(lists::parameters().into_iter().map(|(name, text)| hidden(name, &text)));
    item("pickers", &parameters)
}

/// Returns a text field for one tab.
pub fn text(tab: &str, name: &str, label: &str, value: &str) -> Value {
    let mut parameter = start(name, label, 1);
    extend(&mut parameter, json!({"value": value}));
    item(&format!("{tab} - {name}"), &[parameter])
}

fn item(name: &str, parameters: &[Value]) -> Value {
    json!({
        "type": 9,
        "content": {
            "version": "KqlParameterItem/1.0",
            "parameters": parameters,
            "style": "pills",
            "queryType": LOGS.0,
            "resourceType": LOGS.1,
        },
        "name": name,
    })
}

fn start(name: &str, label: &str, kind: u8) -> Value {
    json!({"id": id(name), "version": "KqlParameterItem/1.0", "name": name, "label": label, "type": kind})
}

fn time() -> Value {
    const HOUR: u64 = 3_600_000;
    const HOURS: [u64; 9] = [1, 4, 12, 24, 48, 72, 24 * 7, 24 * 14, 24 * 30];
    let mut parameter = start("TimeRange", "Time range", 4);
    let choices: Vec<_> = HOURS.iter().map(|hours| json!({"durationMs": hours * HOUR})).collect();
    let more = json!({
        "isRequired": true,
        "value": {"durationMs": 24 * 7 * HOUR},
        "typeSettings": {"selectableValues": choices, "allowCustom": true},
    });
    extend(&mut parameter, more);
    parameter
}

fn tables() -> Value {
    let choices = json!([
        {"value": "asim", "label": "ASIM tables", "selected": true},
        {"value": "official", "label": "NordPassEventLogs_CL"},
    ]);
    let mut parameter = start("Tables", "Tables", 2);
    extend(&mut parameter, json!({"isRequired": true, "jsonData": choices.to_string(), "value": "asim"}));
    parameter
}

fn hidden(name: &str, text: &str) -> Value {
    let mut parameter = start(name, name, 1);
    extend(&mut parameter, json!({"value": text, "isHiddenWhenLocked": true}));
    parameter
}

fn extend(parameter: &mut Value, more: Value) {
    if let (Some(parameter), Value::Object(more)) = (parameter.as_object_mut(), more) {
        parameter.extend(more);
    }
}

/// Returns an id that is always the same for the same name.
pub fn id(name: &str) -> String {
    let digest = Sha256::digest(format!("{}/{name}", items::WORKBOOK));
    let hex = digest.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    // The form of a version 8 UUID: its content is free.
    format!("{}-{}-8{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
