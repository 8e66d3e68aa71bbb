//! The resources of the package's template, in the forms of Microsoft's V3 packager: for each piece of content a
//! `contentTemplates` resource, which holds the piece and its metadata.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tools_common::json::{items, text, with};

use super::arm::VERSIONS;
use super::content::{Item, Watchlist};
use super::{AUTHOR, METADATA, NAME, VERSION, WORKBOOK, WORKBOOK_KEY};
use crate::connectors;

/// How the packager writes the workspace's name into the name of a resource below it.
pub const BELOW: &str = "concat(parameters('workspace'),'/Microsoft.SecurityInsights/'";

const SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";
/// What stands before the kinds of resources that only a workspace with Sentinel has.
const PROVIDERS: &str = "Microsoft.OperationalInsights/workspaces/providers";

/// A piece of content, by the words that stand for it.
pub struct Piece {
    /// `AnalyticsRule`, `HuntingQuery`, `Parser`, `DataConnector` or `Workbook`.
    pub kind: &'static str,
    /// Two letters in names: `ar`, `hq`, `pr`, `dc`, `wb`.
    short: &'static str,
    id: String,
    version: String,
    title: String,
    /// An ARM expression: what the metadata belongs to.
    pub parent: String,
    pub resource: Value,
    /// More of its metadata.
    more: Value,
}

/// Returns a resource; its type says which version of the API it has.
pub fn resource(kind: &str, name: impl Into<String>, more: Value) -> Value {
    let version = VERSIONS.iter().find(|(known, _)| *known == kind).map(|(_, version)| version);
    let location = "[parameters('workspace-location')]";
    with(json!({"type": kind, "apiVersion": version, "name": name.into(), "location": location}), more)
}

impl Piece {
    /// Describes a piece; `names` are its kind and the two letters.
    fn new(names: [&'static str; 2], id: &str, version: &str, title: &str, resource: Value) -> Self {
        let [kind, short] = names;
        let parent = format!("resourceId('{}', '{id}')", text(&resource["type"]));
        let [id, version, title] = [id, version, title].map(str::to_owned);
        Self { kind, short, id, version, title, parent, resource, more: json!({}) }
    }

    /// Describes a rule or a hunting query.
    fn of(names: [&'static str; 2], item: &Item, resource: Value) -> Self {
        Self::new(names, item.text("id"), item.text("version"), item.text("name"), resource)
    }

    /// Returns the `contentTemplates` resource.
    pub fn template(&self) -> Value {
        let Self { kind, short, id, version, title, .. } = self;
        let product = format!(
            "[concat(take(variables('_solutionId'),50),'-','{short}','-', uniqueString(concat(variables('_solutionId'),'-','{kind}','-','{id}','-', '{version}')))]"
        );
        let name = format!("[{BELOW},concat(parameters('workspace'),'-{short}-',uniquestring('{id}')))]");
        let more = json!({
            "dependsOn": ["[extensionResourceId(resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace')), 'Microsoft.SecurityInsights/contentPackages', variables('_solutionId'))]"],
            "properties": {
                "description": format!("{title} with template version {VERSION}"),
                "mainTemplate": {
                    "$schema": SCHEMA,
                    "contentVersion": version,
                    "parameters": {},
                    "variables": {},
                    "resources": [self.resource, self.metadata()],
                },
                "packageKind": "Solution",
                "packageVersion": "[variables('_solutionVersion')]",
                "packageName": "[variables('_solutionName')]",
                "packageId": "[variables('_solutionId')]",
                "contentSchemaVersion": "3.0.0",
                "contentId": id,
                "contentKind": kind,
                "displayName": title,
                "contentProductId": product,
                "id": product,
                "version": version,
            },
        });
        resource(&format!("{PROVIDERS}/contentTemplates"), name, more)
    }

    /// Returns the metadata that tie the piece to the solution.
    pub fn metadata(&self) -> Value {
        let properties = json!({
            "parentId": format!("[{}]", self.parent),
            "contentId": self.id,
            "kind": self.kind,
            "version": self.version,
            "source": {"kind": "Solution", "name": NAME, "sourceId": "[variables('_solutionId')]"},
            "author": {"name": AUTHOR},
            "support": METADATA["support"],
        });
        let name = format!("[{BELOW},concat('{}-', last(split({},'/'))))]", self.kind, self.parent);
        resource(&format!("{PROVIDERS}/metadata"), name, json!({"properties": with(properties, self.more.clone())}))
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

/// Returns an analytics rule's template.
pub fn rule(item: &Item) -> Piece {
    let (id, kind) = (item.text("id"), item.text("kind"));
    // Sentinel has a list for techniques, which has the sub-techniques' parents, and one for sub-techniques.
    let mut techniques = item.list("relevantTechniques");
    let sub_techniques: Vec<_> = techniques.iter().filter(|name| name.contains('.')).copied().collect();
    let mut seen = BTreeSet::new();
    for name in &mut techniques {
        *name = name.split('.').next().unwrap_or_default();
    }
    techniques.retain(|name| seen.insert(*name));
    let mut properties = json!({
        "description": item.description(),
        "displayName": item.text("name"),
        "enabled": false,
        "query": item.query,
        "suppressionDuration": "PT1H",
        "suppressionEnabled": false,
        "techniques": techniques,
    });
    if !sub_techniques.is_empty() {
        properties["subTechniques"] = json!(sub_techniques);
    }
    if kind == "Scheduled" {
        properties["queryFrequency"] = json!(duration(item.text("queryFrequency")));
        properties["queryPeriod"] = json!(duration(item.text("queryPeriod")));
        properties["triggerThreshold"] = item.data["triggerThreshold"].clone();
        properties["triggerOperator"] = match item.text("triggerOperator") {
            "gt" => json!("GreaterThan"),
            "lt" => json!("LessThan"),
            "eq" => json!("Equal"),
            other => json!(other),
        };
    }
    let always = ["severity", "status", "requiredDataConnectors", "tactics", "entityMappings"];
    let some = ["eventGroupingSettings", "customDetails", "alertDetailsOverride", "incidentConfiguration"];
    for key in always.into_iter().chain(some.into_iter().filter(|key| !item.data[key].is_null())) {
        properties[key] = item.data[key].clone();
    }
    let more = json!({"kind": kind, "properties": properties});
    Piece::of(["AnalyticsRule", "ar"], item, resource("Microsoft.SecurityInsights/AlertRuleTemplates", id, more))
}

/// Returns a hunting query, which is a saved search of a category of its own.
pub fn hunting(number: usize, item: &Item) -> Piece {
    let properties = json!({
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
    });
    let name = format!("NordPass_Activity_Logs_Hunting_Query_{number}");
    let query = resource("Microsoft.OperationalInsights/savedSearches", name, json!({"properties": properties}));
    Piece::of(["HuntingQuery", "hq"], item, query)
}

/// Returns a parser: a saved search with an alias. It is in its template and beside it, as the packager does it.
pub fn parser(item: &Item) -> Piece {
    let (function, name, alias) = (&item.data["Function"], item.text("FunctionName"), item.text("FunctionAlias"));
    let properties = json!({
        "eTag": "*",
        "displayName": function["Title"],
        "category": "Microsoft Sentinel Parser",
        "functionAlias": alias,
        "query": item.query,
        "functionParameters": item.text("FunctionParams"),
        "version": 2,
        "tags": [{"name": "description", "value": ""}],
    });
    let kind = "Microsoft.OperationalInsights/workspaces/savedSearches";
    let search =
        resource(kind, format!("[concat(parameters('workspace'),'/','{name}')]"), json!({"properties": properties}));
    // Ids are of this form in every package.
    let id = format!("{alias}-Parser");
    let parent = format!("resourceId('{kind}', parameters('workspace'), '{name}')");
    let piece = Piece::new(["Parser", "pr"], &id, text(&function["Version"]), text(&function["Title"]), search);
    Piece { parent, ..piece }
}

/// Returns the workbook, its content as a text inside the template.
pub fn workbook(serialized: &str) -> Piece {
    let list = |kind, key| items(&WORKBOOK[key]).map(move |id| json!({"kind": kind, "contentId": id}));
    let types = list("DataType", "dataTypesDependencies");
    let criteria: Vec<_> = types.chain(list("DataConnector", "dataConnectorsDependencies")).collect();
    let more = json!({
        "kind": "shared",
        "metadata": {"description": WORKBOOK["description"]},
        "properties": {
            "displayName": "[parameters('workbook1-name')]",
            "serializedData": serialized,
            "version": "1.0",
            "sourceId": "[variables('workspaceResourceId')]",
            "category": "sentinel",
        },
    });
    let workbook = resource("Microsoft.Insights/workbooks", WORKBOOK_KEY, more);
    let title = "NordPass Activity Logs workbook";
    Piece {
        more: json!({"dependencies": {"operator": "AND", "criteria": criteria}}),
        ..Piece::new(["Workbook", "wb"], WORKBOOK_KEY, "1.0.0", title, workbook)
    }
}

/// Returns the connector page. Its id alone makes the page unique in a workspace.
pub fn connector(page: &Value) -> Piece {
    let id = connectors::ID;
    let mut config = page.clone();
    if let Some(config) = config.as_object_mut() {
        // Of the file in the repository alone.
        config.retain(|key, _| key != "metadata" && key != "graphQueriesTableName");
    }
    let more = json!({"kind": "GenericUI", "properties": {"connectorUiConfig": config}});
    let page = resource(&format!("{PROVIDERS}/dataConnectors"), format!("[{BELOW},'{id}')]"), more);
    let parent = format!(
        "extensionResourceId(resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace')), 'Microsoft.SecurityInsights/dataConnectors', '{id}')"
    );
    let title = text(&config["title"]);
    Piece { parent, ..Piece::new(["DataConnector", "dc"], id, "1.0.0", title, page) }
}

/// Returns a watchlist with its rows. It has no template of its own: it is made at installation.
pub fn watchlist(list: &Watchlist) -> Value {
    let fixed = json!({"isDeleted": false, "defaultDuration": "P1000Y", "numberOfLinesToSkip": 0});
    json!({
        "type": "Microsoft.OperationalInsights/workspaces/providers/Watchlists",
        "apiVersion": "2021-03-01-preview",
        "name": format!("[{BELOW},'{}')]", list.alias),
        "properties": with(json!(list), fixed),
    })
}
