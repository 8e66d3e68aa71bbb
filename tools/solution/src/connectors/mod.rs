//! The connector pages, `solution/Data Connectors/`: one that explains (`GenericUI`), and one that also makes what the
//! pipeline writes to (Push, of the Codeless Connector Framework).
//!
//! Both come from `source/page.toml`, where queries stand as they are typed into a query window. The data collection rule
//! and the table of the Push variant have the columns of `crates/env/src/catalogue/columns.rs`, as the Azure template has.

mod push;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::tables::streams;

/// The id of the page, which rules name in `requiredDataConnectors`.
pub const ID: &str = "NordPassSentinel";
/// That of the Push variant.
pub const PUSH_ID: &str = "NordPassSentinelPush";
/// The page in the repository.
pub const GENERIC: &str = "solution/Data Connectors/NordPass.json";
/// The files of the Push variant.
pub const DEFINITION: &str = "solution/Data Connectors/NordPassPush_ccf/ConnectorDefinition.json";
pub const CONNECTOR: &str = "solution/Data Connectors/NordPassPush_ccf/DataConnector.json";
pub const RULE: &str = "solution/Data Connectors/NordPassPush_ccf/DCR.json";
pub const TABLES: &str = "solution/Data Connectors/NordPassPush_ccf/Tables.json";

const SOURCE: &str = "solution/Data Connectors/source/page.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    title: String,
    publisher: String,
    description: String,
    connected: String,
    sample: Vec<Sample>,
    permission: Vec<Permission>,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    description: String,
    query: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    #[serde(default)]
    variant: Variant,
    name: String,
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    variant: Variant,
    title: String,
    description: String,
    instruction: Option<Instruction>,
}

/// The pages that a step or a permission is on.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Variant {
    Generic,
    Push,
    #[default]
    Both,
}

/// What a step of the Push page shows besides its text.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Instruction {
    /// The button that makes everything.
    Deploy,
    /// What it made, to copy.
    Values,
}

fn page() -> Result<Page, String> {
    toml::from_str(&tools_common::read(SOURCE)?).map_err(|error| format!("{SOURCE}: {error}"))
}

/// The page that explains.
pub fn generic() -> Result<String, String> {
    let page = page()?;
    let mut value = common(&page, ID, &page.title, Variant::Generic);
    // The spelling of this older kind of page.
    value["connectivityCriterias"] = json!([{"type": "IsConnectedQuery", "value": [page.connected.trim()]}]);
    value["metadata"] = json!({
        "version": "1.0.0",
        "kind": "dataConnector",
        "author": {"name": page.publisher},
        "source": {"kind": "community"},
        "support": {"name": page.publisher, "tier": "Community", "link": crate::package::SUPPORT},
    });
    text(&value)
}

/// The page of the Push variant.
pub fn definition() -> Result<String, String> {
    let page = page()?;
    let mut value = common(&page, PUSH_ID, &format!("{}, Push", page.title), Variant::Push);
    value["connectivityCriteria"] = json!([{"type": "IsConnectedQuery", "value": [page.connected.trim()]}]);
    value["availability"]["isPreview"] = json!(true);
    text(&json!({
        "name": PUSH_ID,
        "apiVersion": "2022-09-01-preview",
        "type": "Microsoft.SecurityInsights/dataConnectorDefinitions",
        "location": "{{location}}",
        "kind": "Customizable",
        "properties": {"connectorUiConfig": value},
    }))
}

pub use push::{connector, rule, tables};

fn text(value: &Value) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// A table's rows that are ours: the ASIM tables are shared.
fn ours(table: &str) -> String {
    if table.starts_with("ASim") {
        format!("{table}\n| where EventVendor == \"Nord Security\" and EventProduct == \"NordPass\"")
    } else {
        table.to_owned()
    }
}

/// What both pages have.
fn common(page: &Page, id: &str, title: &str, variant: Variant) -> Value {
    let names: Vec<_> = streams().iter().map(|stream| stream.table).collect();
    let graphs: Vec<_> = names
        .iter()
        .map(|name| json!({"metricName": format!("Rows in {name}"), "legend": name, "baseQuery": ours(name)}))
        .collect();
    let types: Vec<_> = names
        .iter()
        .map(|name| {
            let query = format!("{}\n| summarize Time = max(TimeGenerated)\n| where isnotempty(Time)", ours(name));
            json!({"name": name, "lastDataReceivedQuery": query})
        })
        .collect();
    let samples: Vec<_> = page
        .sample
        .iter()
        .map(|sample| json!({"description": sample.description, "query": sample.query.trim()}))
        .collect();
    let customs: Vec<_> = page
        .permission
        .iter()
        .filter(|permission| permission.variant == variant || permission.variant == Variant::Both)
        .map(|permission| json!({"name": permission.name, "description": permission.description}))
        .collect();
    let steps: Vec<_> = page
        .step
        .iter()
        .filter(|step| step.variant == variant || step.variant == Variant::Both)
        .map(|step| {
            let mut value = json!({"title": step.title, "description": step.description.trim()});
            if let Some(instruction) = step.instruction {
                value["instructions"] = push::instructions(instruction);
            }
            value
        })
        .collect();
    json!({
        "id": id,
        "title": title,
        "publisher": page.publisher,
        "descriptionMarkdown": page.description.trim(),
        "graphQueriesTableName": names[0],
        "graphQueries": graphs,
        "sampleQueries": samples,
        "dataTypes": types,
        "availability": {"status": 1, "isPreview": false},
        "permissions": {
            "resourceProvider": [{
                "provider": "Microsoft.OperationalInsights/workspaces",
                "permissionsDisplayText": "read and write permissions are required.",
                "providerDisplayName": "Workspace",
                "scope": "Workspace",
                "requiredPermissions": {"read": true, "write": true, "delete": true},
            }],
            "customs": customs,
        },
        "instructionSteps": steps,
    })
}
