//! `docs/reference/configuration.md`, from the same tables of fields that the loader checks by.

use std::fmt::Write;

use super::draft::{TOP_FIELDS, common_fields};
use super::registry::{KINDS, Registry, table_name};
use crate::component::{ComponentType, Outputs};
use crate::settings::{Field, Kind, Presence};
use crate::telemetry::ComponentKind;

const INTRODUCTION: &str = "<!-- Generated from src/ by `cargo xtask docs`. Don't edit. -->

# The pipeline file

A pipeline file is TOML. Each component is a named table: `[sources.NAME]`, `[transforms.NAME]`, `[sinks.NAME]`. Names
consist of letters, digits, `_` and `-`. All files on one command line make one set, in which names are unique. `inputs`
connect the components; address a transform with several outputs as `NAME.OUTPUT`. Every output needs a reader: connect
outputs that you don't need to a `blackhole`.

Strings can contain `${VAR}`, `${VAR:-default}` and `${file:PATH}`; write `$${` for a plain `${`. References are resolved
after parsing, so a value never changes the structure. Paths and defaults can contain references too. A string that
consists of references can also provide a number or a flag. A secret file is read again when the secret is refused.

Durations are whole numbers with `ms`, `s`, `m`, `h` or `d`, and can be combined: `1h30m`.

To print the JSON Schema of this page, run `nordpass-sentinel schema`.
";

/// The reference page of all fields.
pub fn reference_page() -> String {
    page(&Registry::built_in())
}

pub(super) fn page(registry: &Registry) -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## The set\n");
    fields(&mut page, TOP_FIELDS.iter());
    for kind in KINDS {
        let title = match kind {
            ComponentKind::Source => "Sources",
            ComponentKind::Transform => "Transforms",
            ComponentKind::Sink => "Sinks",
        };
        let _ = write!(page, "\n## {title}\n\nEvery table `[{}.NAME]` has:\n", table_name(kind));
        fields(&mut page, common_fields(kind).iter().copied());
        for component_type in registry.of(kind) {
            component(&mut page, kind, component_type);
        }
    }
    page
}

fn component(page: &mut String, kind: ComponentKind, component_type: &ComponentType) {
    let _ = write!(page, "\n### `{}` {}\n\n{}\n", component_type.name, kind.as_str(), component_type.doc);
    match component_type.outputs {
        Outputs::Named(names) if names.len() > 1 => {
            let outputs: Vec<String> = names.iter().map(|output| format!("`NAME.{output}`")).collect();
            let _ = write!(page, "\nOutputs: {}.\n", outputs.join(", "));
        }
        Outputs::Named(_) => {}
        Outputs::OfInputs => {
            page.push_str(
                "\nOutputs: `NAME` for events; for table rows one for each table, such as `NAME.audit_event` for \
                 `asim.audit_event`.\n",
            );
        }
        Outputs::OfField { field, rest } => {
            let _ = write!(
                page,
                "\nOutputs: `NAME.KEY` for each key of `{field}`, and `NAME.{rest}`; for table rows one of each for each \
                 table, such as `NAME.KEY.audit_event`.\n"
            );
        }
    }
    fields(page, component_type.fields.iter());
}

fn fields<'a>(page: &mut String, fields: impl Iterator<Item = &'a Field>) {
    let mut rows = Vec::new();
    for field in fields {
        push_rows(&mut rows, "", field);
    }
    if !rows.is_empty() {
        let _ = write!(page, "\n| key | value | default | meaning |\n|---|---|---|---|\n{}", rows.concat());
    }
}

fn push_rows(rows: &mut Vec<String>, prefix: &str, field: &Field) {
    let key = format!("{prefix}{}", field.name);
    let default = match field.presence {
        Presence::Required => "required".to_owned(),
        Presence::PerOrganization => "required, or from `[organizations]`".to_owned(),
        Presence::Optional => "–".to_owned(),
        Presence::Default(default) => format!("`{default}`"),
    };
    let doc = field.doc.replace('|', "\\|").replace('\n', " ");
    rows.push(format!("| `{key}` | {} | {default} | {doc} |\n", value(&field.kind).replace('|', "\\|")));
    let prefix = if matches!(field.kind, Kind::NamedTables(_)) { format!("{key}.NAME.") } else { format!("{key}.") };
    for field in field.kind.fields().unwrap_or_default() {
        push_rows(rows, &prefix, field);
    }
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Text => "string".into(),
        Kind::Program => "program".into(),
        Kind::Secret => "secret".into(),
        Kind::Choice(choices) => format!("`\"{}\"`", choices.join("\"`, `\"")),
        Kind::Duration { min, max } => format!("duration, {min} to {max}"),
        Kind::Integer { min, max } if *max == i64::MAX => format!("whole number from {min}"),
        Kind::Integer { min, max } => format!("whole number, {min} to {max}"),
        Kind::Size { min, max } if *max == i64::MAX => format!("size from {min} B"),
        Kind::Size { min, max } => format!("size, {min} to {max} B"),
        Kind::Flag => "`true` or `false`".into(),
        Kind::List => "list of strings".into(),
        Kind::Integers { min, max } => format!("list of whole numbers, {min} to {max}"),
        Kind::Map => "table of strings".into(),
        Kind::Table(_) => "table".into(),
        Kind::Tables(_) => "list of tables".into(),
        Kind::NamedTables(_) => "table of tables".into(),
        Kind::Object => "table with any content".into(),
        Kind::Objects => "table with any content, or a list of them".into(),
    }
}
