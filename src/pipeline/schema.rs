//! The JSON Schema of pipeline files, from the same tables of fields that the loader checks by.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::draft::{TOP_FIELDS, common_fields};
use super::registry::{KINDS, Registry, table_name};
use crate::component::ComponentType;
use crate::settings::duration::PATTERN;
use crate::settings::section::default_list;
use crate::settings::size::PATTERN as SIZE_PATTERN;
use crate::settings::{Field, Kind, Presence};
use crate::telemetry::ComponentKind;

/// What a string with a reference looks like; such a string can replace a number or a flag.
const REFERENCE: &str = r"\$\{";

/// The JSON Schema (draft 2020-12) of a pipeline file, as indented JSON with a line end.
pub fn json_schema() -> String {
    let mut text = serde_json::to_string_pretty(&schema(&Registry::built_in())).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn schema(registry: &Registry) -> Value {
    let mut properties = properties_of(TOP_FIELDS.iter());
    let mut definitions = Map::new();
    for kind in KINDS {
        let mut choices = Vec::new();
        for component_type in registry.of(kind) {
            let name = format!("{}.{}", kind.as_str(), component_type.name);
            choices.push(json!({ "$ref": format!("#/$defs/{name}") }));
            definitions.insert(name, component(kind, component_type));
        }
        let table = json!({
            "type": "object",
            "description": format!("The {} by name.", table_name(kind)),
            "propertyNames": { "pattern": "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$" },
            "additionalProperties": { "oneOf": choices },
        });
        properties.insert(table_name(kind).into(), table);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nordpass-sentinel pipeline file",
        "description": "Several files on one command line make one pipeline set.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

fn component(kind: ComponentKind, component_type: &ComponentType) -> Value {
    let common = common_fields(kind).iter().copied();
    let mut schema = table(common.chain(component_type.fields));
    schema["description"] = component_type.doc.into();
    schema["properties"]["type"] = json!({ "const": component_type.name, "description": "The type of component." });
    if kind != ComponentKind::Source {
        schema["properties"]["inputs"]["uniqueItems"] = true.into();
    }
    schema
}

fn table<'a>(fields: impl Iterator<Item = &'a Field> + Clone) -> Value {
    let required: Vec<&str> =
        fields.clone().filter(|field| matches!(field.presence, Presence::Required)).map(|field| field.name).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties_of(fields.clone()),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    // All of them, or none in a template. Whether the set has organizations is in another table, or another file.
    let given = fields.filter(|field| matches!(field.presence, Presence::PerOrganization)).map(|field| field.name);
    let given: Vec<&str> = given.collect();
    if !given.is_empty() {
        let others = |name: &&str| given.iter().filter(|other| *other != name).copied().collect::<Vec<_>>();
        let dependent: Map<String, Value> =
            given.iter().map(|name| ((*name).to_owned(), others(name).into())).collect();
        schema["dependentRequired"] = dependent.into();
    }
    schema
}

fn properties_of<'a>(fields: impl Iterator<Item = &'a Field>) -> Map<String, Value> {
    fields.map(|field| (field.name.to_owned(), property(field))).collect()
}

fn property(field: &Field) -> Value {
    let needed = !matches!(field.presence, Presence::Optional);
    let mut schema = match &field.kind {
        Kind::Text | Kind::Program | Kind::Secret if needed => json!({ "type": "string", "minLength": 1 }),
        Kind::Text | Kind::Program | Kind::Secret => json!({ "type": "string" }),
        Kind::Choice(choices) => json!({ "anyOf": [{ "enum": choices }, reference()] }),
        Kind::Duration { .. } => json!({ "anyOf": [{ "type": "string", "pattern": PATTERN }, reference()] }),
        Kind::Integer { min, max } => {
            json!({ "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, reference()] })
        }
        Kind::Size { min, max } => json!({ "anyOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": SIZE_PATTERN },
            reference(),
        ] }),
        Kind::Flag => json!({ "anyOf": [{ "type": "boolean" }, reference()] }),
        Kind::List => {
            let mut list = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
            if field.presence.is_required() {
                list["minItems"] = 1.into();
            }
            list
        }
        Kind::Integers { min, max } => {
            json!({ "type": "array", "items": { "anyOf": [
                { "type": "integer", "minimum": min, "maximum": max },
                reference(),
            ] } })
        }
        Kind::Map => json!({ "type": "object", "additionalProperties": { "type": "string", "minLength": 1 } }),
        Kind::Table(fields) => table(fields.iter()),
        Kind::Tables(fields) => json!({ "type": "array", "items": table(fields.iter()) }),
        Kind::NamedTables(fields) => json!({ "type": "object", "additionalProperties": table(fields.iter()) }),
        Kind::Object => json!({ "type": "object" }),
        Kind::Objects => {
            json!({ "anyOf": [{ "type": "object" }, { "type": "array", "items": { "type": "object" } }] })
        }
    };
    let mut description = field.doc.to_owned();
    if let Kind::Duration { min, max } = &field.kind {
        let _ = write!(description, " From {min} to {max}.");
    }
    if !description.is_empty() {
        schema["description"] = description.into();
    }
    if let Presence::Default(default) = field.presence {
        schema["default"] = default_value(&field.kind, default);
    }
    schema
}

fn reference() -> Value {
    json!({ "type": "string", "pattern": REFERENCE })
}

fn default_value(kind: &Kind, default: &str) -> Value {
    match kind {
        Kind::Integer { .. } | Kind::Size { .. } => default.parse::<i64>().map_or(Value::Null, Value::from),
        Kind::Flag => (default == "true").into(),
        Kind::List => default_list(default).into(),
        _ => default.into(),
    }
}
