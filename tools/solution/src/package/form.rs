//! `Package/createUiDefinition.json`: what is asked at installation.

use serde_json::{Value, json};

use super::content::{Content, Item, Watchlist};
use super::{DESCRIPTION, NAME, WORKBOOK, logo, template};

/// Returns the form.
pub fn create(content: &Content) -> Value {
    let description = format!(
        "{}\n\n{DESCRIPTION}\n\n{}",
        logo(),
        template::counts(content).replace("<strong>", "**").replace("</strong>", "**")
    );
    json!({
        "$schema": "https://schema.management.azure.com/schemas/0.1.2-preview/CreateUIDefinition.MultiVm.json#",
        "handler": "Microsoft.Azure.CreateUIDef",
        "version": "0.1.2-preview",
        "parameters": {
            "config": {
                "isWizard": false,
                "basics": {
                    "description": description,
                    "subscription": {
                        "resourceProviders": [
                            "Microsoft.OperationsManagement/solutions",
                            "Microsoft.OperationalInsights/workspaces/providers/alertRules",
                            "Microsoft.Insights/workbooks",
                        ],
                    },
                    "location": {"metadata": {"hidden": "Hiding location, we get it from the log analytics workspace"}, "visible": false},
                    "resourceGroup": {"allowExisting": true},
                },
            },
            "basics": basics(),
            "steps": [
                step("dataconnectors", "Data Connectors", "The connector page says how to deploy the pipeline, and whether it delivers. Its parsers are installed with it.", &[]),
                step("workbooks", "Workbooks", WORKBOOK, &[section("workbook1", NAME, WORKBOOK)]),
                step("analytics", "Analytics", "Rules are installed as templates: make a rule of those that you want.", &sections("analytic", &content.rules)),
                step("huntingqueries", "Hunting Queries", "Queries for threat hunters.", &sections("huntingquery", &content.hunting)),
                step("watchlists", "Watchlists", "Each comes with an example: replace it with your own entries.", &watchlists(content)),
            ],
            "outputs": {
                "workspace-location": "[first(map(filter(basics('getLAWorkspace').value, (filter) => and(contains(toLower(filter.id), toLower(resourceGroup().name)), equals(filter.name, basics('workspace')))), (item) => item.location))]",
                "location": "[location()]",
                "workspace": "[basics('workspace')]",
            },
        },
    })
}

/// Returns the workspace, chosen among those of the resource group.
fn basics() -> Value {
    json!([
        {
            "name": "getLAWorkspace",
            "type": "Microsoft.Solutions.ArmApiControl",
            "toolTip": "This filters by workspaces that exist in the Resource Group selected",
            "condition": "[greater(length(resourceGroup().name),0)]",
            "request": {
                "method": "GET",
                "path": "[concat(subscription().id,'/providers/Microsoft.OperationalInsights/workspaces?api-version=2020-08-01')]",
            },
        },
        {
            "name": "workspace",
            "type": "Microsoft.Common.DropDown",
            "label": "Workspace",
            "placeholder": "Select a workspace",
            "toolTip": "This dropdown will list only workspace that exists in the Resource Group selected",
            "constraints": {
                "allowedValues": "[map(filter(basics('getLAWorkspace').value, (filter) => contains(toLower(filter.id), toLower(resourceGroup().name))), (item) => parse(concat('{\"label\":\"', item.name, '\",\"value\":\"', item.name, '\"}')))]",
                "required": true,
            },
            "visible": true,
        },
    ])
}

fn step(name: &str, label: &str, text: &str, sections: &[Value]) -> Value {
    let mut elements =
        vec![json!({"name": format!("{name}-text"), "type": "Microsoft.Common.TextBlock", "options": {"text": text}})];
    elements.extend_from_slice(sections);
    json!({
        "name": name,
        "label": label,
        "bladeTitle": label,
        "subLabel": {"preValidation": "Configure", "postValidation": "Done"},
        "elements": elements,
    })
}

fn sections(prefix: &str, items: &[Item]) -> Vec<Value> {
    items
        .iter()
        .enumerate()
        .map(|(place, item)| section(&format!("{prefix}{}", place + 1), item.text("name"), item.description()))
        .collect()
}

fn watchlists(content: &Content) -> Vec<Value> {
    let of = |(place, list): (usize, &Watchlist)| {
        section(&format!("watchlist{}", place + 1), &list.display_name, &list.description)
    };
    content.watchlists.iter().enumerate().map(of).collect()
}

fn section(name: &str, label: &str, text: &str) -> Value {
    json!({
        "name": name,
        "type": "Microsoft.Common.Section",
        "label": label,
        "elements": [{"name": format!("{name}-text"), "type": "Microsoft.Common.TextBlock", "options": {"text": text}}],
    })
}
