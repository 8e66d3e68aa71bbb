//! The resources of the package's template, in the forms of Microsoft's V3 packager: for each piece of content a
//! `contentTemplates` resource, which holds the piece and its metadata.

use serde_json::{Value, json};

use super::content::{Item, Watchlist};
use super::{AUTHOR, NAME, VERSION, WORKBOOK, support};

/// How the packager writes the workspace's name into the name of a resource below it.
pub const BELOW: &str = "concat(parameters('workspace'),'/Microsoft.SecurityInsights/'";
const LOCATION: &str = "[parameters('workspace-location')]";
const SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";

/// A piece of content, by the words that stand for it.
pub struct Piece<'a> {
    /// `AnalyticsRule`, `HuntingQuery`, `Parser`, `DataConnector` or `Workbook`.
    pub kind: &'static str,
    /// Two letters in names: `ar`, `hq`, `pr`, `dc`, `wb`.
    pub short: &'static str,
    pub id: String,
    pub version: &'a str,
    pub title: &'a str,
    /// An ARM expression: what the metadata belongs to.
    pub parent: String,
    pub resource: Value,
    /// Only the workbook's metadata say what it depends on.
    pub dependencies: Option<Value>,
}

impl<'a> Piece<'a> {
    /// Describes a piece; `names` are its kind and the two letters.
    pub fn new(
        names: [&'static str; 2],
        id: &str,
        version: &'a str,
        title: &'a str,
        parent: String,
        resource: Value,
    ) -> Self {
        let [kind, short] = names;
        Self { kind, short, id: id.to_owned(), version, title, parent, resource, dependencies: None }
    }

    /// Describes a rule or a hunting query.
    pub fn of(names: [&'static str; 2], item: &'a Item, parent: String, resource: Value) -> Self {
        Self::new(names, item.text("id"), item.text("version"), item.text("name"), parent, resource)
    }

    /// Returns the `contentTemplates` resource.
    pub fn template(&self) -> Value {
        let product = format!(
            "[concat(take(variables('_solutionId'),50),'-','{}','-', uniqueString(concat(variables('_solutionId'),'-','{}','-','{}','-', '{}')))]",
            self.short, self.kind, self.id, self.version
        );
        json!({
            "type": "Microsoft.OperationalInsights/workspaces/providers/contentTemplates",
            "apiVersion": "2023-04-01-preview",
            "name": format!("[{BELOW},concat(parameters('workspace'),'-{}-',uniquestring('{}')))]", self.short, self.id),
            "location": LOCATION,
            "dependsOn": ["[extensionResourceId(resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace')), 'Microsoft.SecurityInsights/contentPackages', variables('_solutionId'))]"],
            "properties": {
                "description": format!("{} with template version {VERSION}", self.title),
                "mainTemplate": {
                    "$schema": SCHEMA,
                    "contentVersion": self.version,
                    "parameters": {},
                    "variables": {},
                    "resources": [self.resource, self.metadata()],
                },
                "packageKind": "Solution",
                "packageVersion": "[variables('_solutionVersion')]",
                "packageName": "[variables('_solutionName')]",
                "packageId": "[variables('_solutionId')]",
                "contentSchemaVersion": "3.0.0",
                "contentId": self.id,
                "contentKind": self.kind,
                "displayName": self.title,
                "contentProductId": product,
                "id": product,
                "version": self.version,
            },
        })
    }

    /// Returns the metadata that tie the piece to the solution.
    pub fn metadata(&self) -> Value {
        let mut properties = json!({
            "parentId": format!("[{}]", self.parent),
            "contentId": self.id,
            "kind": self.kind,
            "version": self.version,
            "source": {"kind": "Solution", "name": NAME, "sourceId": "[variables('_solutionId')]"},
            "author": {"name": AUTHOR},
            "support": support(),
        });
        if let Some(dependencies) = &self.dependencies {
            properties["dependencies"] = dependencies.clone();
        }
        json!({
            "type": "Microsoft.OperationalInsights/workspaces/providers/metadata",
            "apiVersion": "2023-04-01-preview",
            "name": format!("[{BELOW},concat('{}-', last(split({},'/'))))]", self.kind, self.parent),
            "location": LOCATION,
            "properties": properties,
        })
    }

    /// Returns the piece's entry in the solution's own resource.
    pub fn criterion(&self) -> Value {
        json!({"kind": self.kind, "contentId": self.id, "version": self.version})
    }
}

/// Returns a duration of a rule, `47h`, as ISO 8601.
fn duration(text: &str) -> String {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    match unit {
        "d" => format!("P{number}D"),
        unit => format!("PT{number}{}", unit.to_uppercase()),
    }
}

/// Returns the techniques and the sub-techniques: Sentinel has a list for each, and the first has the others' parents.
fn techniques(item: &Item) -> (Vec<&str>, Vec<&str>) {
    let all = item.list("relevantTechniques");
    let mut parents = Vec::new();
    for parent in all.iter().filter_map(|name| name.split('.').next()) {
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }
    (parents, all.into_iter().filter(|name| name.contains('.')).collect())
}

/// Returns an analytics rule's template.
pub fn rule(item: &Item) -> Value {
    let operator = match item.text("triggerOperator") {
        "gt" => "GreaterThan",
        "lt" => "LessThan",
        "eq" => "Equal",
        other => other,
    };
    let (techniques, sub_techniques) = techniques(item);
    let mut properties = json!({
        "description": item.description(),
        "displayName": item.text("name"),
        "enabled": false,
        "query": item.query,
        "severity": item.text("severity"),
        "status": item.text("status"),
        "suppressionDuration": "PT1H",
        "suppressionEnabled": false,
        "requiredDataConnectors": item.data["requiredDataConnectors"],
        "tactics": item.data["tactics"],
        "techniques": techniques,
        "entityMappings": item.data["entityMappings"],
    });
    if !sub_techniques.is_empty() {
        properties["subTechniques"] = json!(sub_techniques);
    }
    if item.text("kind") == "Scheduled" {
        properties["queryFrequency"] = json!(duration(item.text("queryFrequency")));
        properties["queryPeriod"] = json!(duration(item.text("queryPeriod")));
        properties["triggerOperator"] = json!(operator);
        properties["triggerThreshold"] = item.data["triggerThreshold"].clone();
    }
    for key in ["eventGroupingSettings", "customDetails", "alertDetailsOverride", "incidentConfiguration"] {
        if !item.data[key].is_null() {
            properties[key] = item.data[key].clone();
        }
    }
    json!({
        "type": "Microsoft.SecurityInsights/AlertRuleTemplates",
        "name": item.text("id"),
        "apiVersion": "2023-02-01-preview",
        "kind": item.text("kind"),
        "location": LOCATION,
        "properties": properties,
    })
}

/// Returns a hunting query, which is a saved search of a category of its own.
pub fn hunting(item: &Item, number: usize) -> Value {
    json!({
        "type": "Microsoft.OperationalInsights/savedSearches",
        "apiVersion": "2022-10-01",
        "name": format!("NordPass_Activity_Logs_Hunting_Query_{number}"),
        "location": LOCATION,
        "properties": {
            "eTag": "*",
            "displayName": item.text("name"),
            "category": "Hunting Queries",
            "query": item.query,
            "version": 2,
            "tags": [
                {"name": "description", "value": item.description()},
                {"name": "tactics", "value": item.list("tactics").join(",")},
                {"name": "techniques", "value": item.list("relevantTechniques").join(",")},
            ],
        },
    })
}

/// Returns a parser: a saved search with an alias. It is in its template and beside it, as the packager does it.
pub fn parser(item: &Item) -> Value {
    json!({
        "type": "Microsoft.OperationalInsights/workspaces/savedSearches",
        "apiVersion": "2022-10-01",
        "name": format!("[concat(parameters('workspace'),'/','{}')]", item.text("FunctionName")),
        "location": LOCATION,
        "properties": {
            "eTag": "*",
            "displayName": item.data["Function"]["Title"],
            "category": "Microsoft Sentinel Parser",
            "functionAlias": item.text("FunctionAlias"),
            "query": item.query,
            "functionParameters": item.text("FunctionParams"),
            "version": 2,
            "tags": [{"name": "description", "value": ""}],
        },
    })
}

/// Returns the workbook, its content as a text inside the template.
pub fn workbook(serialized: &str) -> Value {
    json!({
        "type": "Microsoft.Insights/workbooks",
        "name": super::template::WORKBOOK,
        "location": LOCATION,
        "kind": "shared",
        "apiVersion": "2021-08-01",
        "metadata": {"description": WORKBOOK},
        "properties": {
            "displayName": "[parameters('workbook1-name')]",
            "serializedData": serialized,
            "version": "1.0",
            "sourceId": "[variables('workspaceResourceId')]",
            "category": "sentinel",
        },
    })
}

/// Returns the connector page. Its id alone makes the page unique in a workspace.
pub fn connector(page: &Value) -> Value {
    let mut config = page.clone();
    if let Some(config) = config.as_object_mut() {
        // Of the file in the repository alone.
        config.remove("metadata");
        config.remove("graphQueriesTableName");
    }
    json!({
        "name": format!("[{BELOW},'{}')]", crate::connectors::ID),
        "apiVersion": "2021-03-01-preview",
        "type": "Microsoft.OperationalInsights/workspaces/providers/dataConnectors",
        "location": LOCATION,
        "kind": "GenericUI",
        "properties": {"connectorUiConfig": config},
    })
}

/// Returns a watchlist with its rows. It has no template of its own: it is made at installation.
pub fn watchlist(list: &Watchlist) -> Value {
    json!({
        "type": "Microsoft.OperationalInsights/workspaces/providers/Watchlists",
        "apiVersion": "2021-03-01-preview",
        "name": format!("[{BELOW},'{}')]", list.alias),
        "properties": {
            "displayName": list.display_name,
            "source": list.source,
            "description": list.description,
            "provider": list.provider,
            "isDeleted": false,
            "defaultDuration": "P1000Y",
            "contentType": list.content_type,
            "numberOfLinesToSkip": 0,
            "itemsSearchKey": list.items_search_key,
            "rawContent": list.raw_content,
        },
    })
}
