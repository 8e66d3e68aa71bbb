//! The template without expressions in its names: checkov leaves out every failure of a resource whose name is one.

use serde_json::{Map, Value, json};
use tools_common::json::items;

/// Returns a template of the same resources, nested ones included, each with a plain name and what `variables` hold in its place.
pub fn plain(template: &Value) -> Value {
    let mut resources = Vec::new();
    collect(template, &template["variables"], &mut resources);
    json!({ "$schema": template["$schema"], "contentVersion": template["contentVersion"], "resources": resources })
}

fn collect(template: &Value, variables: &Value, plain: &mut Vec<Value>) {
    for resource in items(&template["resources"]) {
        if resource["type"] == "Microsoft.Resources/deployments" {
            let inner = &resource["properties"]["template"];
            collect(inner, &inner["variables"], plain);
            continue;
        }
        let mut copy = filled_in(resource, variables);
        if let Some(members) = copy.as_object_mut() {
            for name in ["comments", "condition", "dependsOn", "scope"] {
                members.remove(name);
            }
            members.insert("name".to_owned(), Value::String(format!("resource{}", plain.len())));
        }
        plain.push(copy);
    }
}

/// Returns a value with objects and lists in the place of the variables that hold them.
fn filled_in(value: &Value, variables: &Value) -> Value {
    match value {
        Value::String(text) => {
            let name = text.strip_prefix("[variables('").and_then(|rest| rest.strip_suffix("')]"));
            let held = name.map(|name| &variables[name]).filter(|held| held.is_object() || held.is_array());
            held.unwrap_or(value).clone()
        }
        Value::Array(items) => items.iter().map(|item| filled_in(item, variables)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), filled_in(member, variables)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_variables_filled_in() {
        let template = json!({
            "variables": { "acls": { "a": 1 }, "text": "t" },
            "resources": [
                { "type": "A/a", "name": "[x()]", "condition": "[y()]", "properties": { "p": "[variables('acls')]" } },
                { "type": "Microsoft.Resources/deployments", "properties": { "template": {
                    "resources": [{ "type": "B/b", "name": "[z()]", "tags": ["[variables('text')]"] }] } } },
            ],
        });
        let resources = json!([
            { "type": "A/a", "name": "resource0", "properties": { "p": { "a": 1 } } },
            { "type": "B/b", "name": "resource1", "tags": ["[variables('text')]"] },
        ]);
        assert_eq!(plain(&template)["resources"], resources);
    }
}
