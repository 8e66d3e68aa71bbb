//! What the Push page makes, as far as it depends on columns: the data collection rule, and the custom tables.

use serde_json::{Map, Value, json};
use tools_common::json::read;

use super::RULE;
use crate::tables::{CUSTOM, schema, streams};

/// Returns the rule with every stream declared: the rest of its file is written by hand.
pub fn rule() -> Result<Value, String> {
    let streams = streams();
    // A stream has no 32-bit whole number apart; the catalogue's types are its types otherwise.
    let columns = streams.iter().map(|stream| (stream.name.clone(), json!({"columns": schema(stream.table)})));
    let flow = |name: &str, output: &str| json!({"streams": [name], "destinations": ["workspace"], "transformKql": "source", "outputStream": output});
    let mut rule: Value = read(RULE)?;
    let properties = &mut rule[0]["properties"];
    properties["dataFlows"] = streams.iter().map(|stream| flow(&stream.name, &stream.output)).collect();
    properties["streamDeclarations"] = json!(columns.collect::<Map<_, _>>());
    Ok(rule)
}

/// Returns the custom tables; the ASIM tables are there with Microsoft Sentinel.
pub fn tables() -> Value {
    let tables = CUSTOM.map(|table| {
        json!({
            "name": table,
            "apiVersion": "2025-07-01",
            "type": "Microsoft.OperationalInsights/workspaces/tables",
            "properties": {"schema": {"name": table, "columns": schema(table)}},
        })
    });
    json!(tables)
}
