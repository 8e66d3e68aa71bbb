//! What the Push page makes: the data collection rule, the custom tables, and the connection.

use nordpass_env::catalogue::Schema;
use serde_json::{Map, Value, json};

use super::{Instruction, PUSH_ID};
use crate::tables::{CUSTOM, schema, streams};

/// The rule's name; the portal puts what is between braces.
const RULE_NAME: &str = "nordpass-sentinel-push";

/// Returns what a step shows besides its text.
pub fn instructions(instruction: Instruction) -> Value {
    match instruction {
        Instruction::Deploy => json!([{
            "type": "DeployPushConnectorButton",
            "parameters": {"label": "Make them", "applicationDisplayName": "nordpass-sentinel"},
        }]),
        Instruction::Values => {
            let values = [
                ("AZURE_TENANT_ID", "TenantId"),
                ("AZURE_CLIENT_ID", "ApplicationId"),
                ("AZURE_CLIENT_SECRET", "ApplicationSecret"),
                ("DATA_COLLECTION_ENDPOINT", "DataCollectionEndpoint"),
                ("DCR_IMMUTABLE_ID", "DataCollectionRuleId"),
            ];
            let labels = values.map(
                |(label, made)| json!({"type": "CopyableLabel", "parameters": {"label": label, "fillWith": [made]}}),
            );
            json!(labels)
        }
    }
}

/// Returns the rule, with every input stream declared.
pub fn rule() -> Value {
    let streams = streams();
    // A stream has no 32-bit whole number apart; the catalogue's types are its types otherwise.
    let declarations: Map<_, _> =
        streams.iter().map(|stream| (stream.name.clone(), json!({"columns": schema(stream.table)}))).collect();
    let flows: Vec<_> = streams
        .iter()
        .map(|stream| {
            json!({
                "streams": [stream.name],
                "destinations": ["workspace"],
                "transformKql": "source",
                "outputStream": stream.output,
            })
        })
        .collect();
    json!([{
        "name": RULE_NAME,
        "apiVersion": "2023-03-11",
        "type": "Microsoft.Insights/dataCollectionRules",
        "location": "{{location}}",
        "properties": {
            "dataCollectionEndpointId": "{{dataCollectionEndpointId}}",
            "streamDeclarations": declarations,
            "destinations": {
                "logAnalytics": [{"workspaceResourceId": "{{workspaceResourceId}}", "name": "workspace"}],
            },
            "dataFlows": flows,
        },
    }])
}

/// Returns the custom tables; the ASIM tables are there with Microsoft Sentinel.
pub fn tables() -> Value {
    let tables = CUSTOM.map(|(_, table)| {
        json!({
            "name": table,
            "apiVersion": "2025-07-01",
            "type": "Microsoft.OperationalInsights/workspaces/tables",
            "properties": {"schema": {"name": table, "columns": schema(table)}},
        })
    });
    json!(tables)
}

/// Returns the connection, which ties the application to the rule.
pub fn connector() -> Value {
    json!([{
        "name": PUSH_ID,
        "apiVersion": "2024-09-01",
        "type": "Microsoft.SecurityInsights/dataConnectors",
        "location": "{{location}}",
        "kind": "Push",
        "properties": {
            "connectorDefinitionName": PUSH_ID,
            "dcrConfig": {
                "streamName": Schema::AuditEvent.stream(),
                "dataCollectionEndpoint": "{{dataCollectionEndpoint}}",
                "dataCollectionRuleImmutableId": "{{dataCollectionRuleImmutableId}}",
            },
            "auth": {
                "type": "Push",
                "AppId": "[[parameters('auth').appId]",
                "ServicePrincipalId": "[[parameters('auth').servicePrincipalId]",
            },
            "request": {"RetryCount": 1},
            "response": {"eventsJsonPaths": ["$"]},
        },
    }])
}
