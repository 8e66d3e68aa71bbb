//! The connector pages, `solution/Data Connectors/`: one that explains (`GenericUI`), and one that also makes what the
//! pipeline writes to (Push, of the Codeless Connector Framework).
//!
//! Both come from `source/page.toml`, where queries stand as they are typed into a query window. The data collection rule
//! and the table of the Push variant have the columns of `crates/env/src/catalogue/columns.rs`, as the Azure template has.

mod push;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::tables::streams;

/// The id of the page, which rules name in `requiredDataConnectors`.
pub const ID: &str = "NordPassSentinel";
/// That of the Push variant.
pub const PUSH_ID: &str = "NordPassSentinelPush";
/// The page in the repository.
pub const GENERIC: &str = "solution/Data Connectors/NordPass.json";
/// The generated files of the Push variant. `DataConnector.json` beside them ties the application to the rule.
pub const DEFINITION: &str = "solution/Data Connectors/NordPassPush_ccf/ConnectorDefinition.json";
pub const RULE: &str = "solution/Data Connectors/NordPassPush_ccf/DCR.json";
pub const TABLES: &str = "solution/Data Connectors/NordPassPush_ccf/Tables.json";

const SOURCE: &str = "solution/Data Connectors/source/page.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    title: String,
    publisher: String,
    #[serde(deserialize_with = "trimmed")]
    description: String,
    #[serde(deserialize_with = "trimmed")]
    connected: String,
    sample: Vec<Sample>,
    /// What the page needs in Azure, as it is written there.
    provider: Vec<Value>,
    permission: Vec<Permission>,
    step: Vec<Step>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    description: String,
    #[serde(deserialize_with = "trimmed")]
    query: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    #[serde(default, skip_serializing)]
    variant: Variant,
    name: String,
    description: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(skip_serializing)]
    variant: Variant,
    title: String,
    #[serde(deserialize_with = "trimmed")]
    description: String,
    /// What a step of the Push page shows besides its text.
    #[serde(default, rename(serialize = "instructions"), skip_serializing_if = "Vec::is_empty")]
    instruction: Vec<Value>,
}

fn trimmed<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    String::deserialize(source).map(|text| text.trim().to_owned())
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

fn page() -> Result<Page, String> {
    toml::from_str(&tools_common::read(SOURCE)?).map_err(|error| format!("{SOURCE}: {error}"))
}

/// Returns the page that explains.
pub fn generic() -> Result<Value, String> {
    let page = page()?;
    let mut value = common(&page, ID, &page.title, Variant::Generic);
    // The spelling of this older kind of page.
    value["connectivityCriterias"] = json!([{"type": "IsConnectedQuery", "value": [page.connected]}]);
    value["metadata"] = json!({
        "version": "1.0.0",
        "kind": "dataConnector",
        "author": {"name": page.publisher},
        "source": {"kind": "community"},
        "support": {"name": page.publisher, "tier": "Community", "link": crate::package::SUPPORT},
    });
    Ok(value)
}

/// Returns the page of the Push variant.
pub fn definition() -> Result<Value, String> {
    let page = page()?;
    let mut value = common(&page, PUSH_ID, &format!("{}, Push", page.title), Variant::Push);
    value["connectivityCriteria"] = json!([{"type": "IsConnectedQuery", "value": [page.connected]}]);
    value["availability"]["isPreview"] = json!(true);
    Ok(json!({
        "name": PUSH_ID,
        "apiVersion": "2022-09-01-preview",
        "type": "Microsoft.SecurityInsights/dataConnectorDefinitions",
        "location": "{{location}}",
        "kind": "Customizable",
        "properties": {"connectorUiConfig": value},
    }))
}

pub use push::{rule, tables};

/// Returns a table's rows that are ours: the ASIM tables are shared.
fn ours(table: &str) -> String {
    if table.starts_with("ASim") {
        format!("{table}\n| where EventVendor == \"Nord Security\" and EventProduct == \"NordPass\"")
    } else {
        table.to_owned()
    }
}

/// Returns what both pages have.
fn common(page: &Page, id: &str, title: &str, variant: Variant) -> Value {
    let names: Vec<_> = streams().iter().map(|stream| stream.table).collect();
    let graph = |name| json!({"metricName": format!("Rows in {name}"), "legend": name, "baseQuery": ours(name)});
    let kind = |name| {
        let query = format!("{}\n| summarize Time = max(TimeGenerated)\n| where isnotempty(Time)", ours(name));
        json!({"name": name, "lastDataReceivedQuery": query})
    };
    let here = |wanted: Variant| wanted == variant || wanted == Variant::Both;
    let customs: Vec<_> = page.permission.iter().filter(|permission| here(permission.variant)).collect();
    let steps: Vec<_> = page.step.iter().filter(|step| here(step.variant)).collect();
    json!({
        "id": id,
        "title": title,
        "publisher": page.publisher,
        "descriptionMarkdown": page.description,
        "graphQueriesTableName": names[0],
        "graphQueries": names.iter().copied().map(graph).collect::<Value>(),
        "sampleQueries": page.sample,
        // The rules and hunting queries require the view; the tables are what it reads.
        "dataTypes": names.iter().copied().chain(["NordPassEvents"]).map(kind).collect::<Value>(),
        "availability": {"status": 1, "isPreview": false},
        "permissions": {"resourceProvider": page.provider, "customs": customs},
        "instructionSteps": steps,
    })
}
