//! `Package/mainTemplate.json`.

use serde_json::{Value, json};
use tools_common::json::{items, text};
use tools_common::read_json;

use super::content::{Content, Item};
use super::resources::{self, BELOW, Piece};
use super::{AUTHOR, DESCRIPTION, NAME, OFFER, PUBLISHED, PUBLISHER, SUPPORT, VERSION, logo, support};

/// The workbook's content id.
pub const WORKBOOK: &str = super::WORKBOOK_KEY;

/// Returns the whole template.
pub fn main(content: &Content) -> Result<Value, String> {
    let (page, workbook) = (read_json(crate::connectors::GENERIC)?, read_json(crate::workbook::PATH)?);
    let pieces = pieces(content, &page, &workbook.to_string());
    let mut resources: Vec<Value> = pieces.iter().map(Piece::template).collect();
    // As the packager has it, these are also made at once: without them the rest has nothing to show or to call.
    for piece in pieces.iter().filter(|piece| ["DataConnector", "Parser"].contains(&piece.kind)) {
        resources.push(piece.resource.clone());
        let mut metadata = piece.metadata();
        metadata["dependsOn"] = json!([format!("[{}]", piece.parent)]);
        resources.push(metadata);
    }
    resources.extend(content.watchlists.iter().map(resources::watchlist));
    resources.push(package(content, &pieces));
    Ok(json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "metadata": {"author": AUTHOR, "comments": format!("Solution template for {NAME}")},
        "parameters": parameters(),
        "variables": {
            "_solutionName": NAME,
            "_solutionVersion": VERSION,
            "solutionId": format!("{PUBLISHER}.{OFFER}"),
            "_solutionId": "[variables('solutionId')]",
            "workspaceResourceId": "[resourceId('microsoft.OperationalInsights/Workspaces', parameters('workspace'))]",
            "_solutioncontentProductId": "[concat(take(variables('_solutionId'),50),'-','sl','-', uniqueString(concat(variables('_solutionId'),'-','Solution','-',variables('_solutionId'),'-', variables('_solutionVersion'))))]",
        },
        "resources": resources,
        "outputs": {},
    }))
}

fn parameters() -> Value {
    json!({
        "location": {
            "type": "string",
            "minLength": 1,
            "defaultValue": "[resourceGroup().location]",
            "metadata": {"description": "Not used; arm-ttk wants it. What counts is workspace-location."},
        },
        "workspace-location": {
            "type": "string",
            "defaultValue": "",
            "metadata": {"description": "[concat('Region to deploy solution resources -- separate from location selection',parameters('location'))]"},
        },
        "workspace": {
            "type": "string",
            "defaultValue": "",
            "metadata": {"description": "Workspace name for Log Analytics where Microsoft Sentinel is setup"},
        },
        "workbook1-name": {
            "type": "string",
            "defaultValue": NAME,
            "minLength": 1,
            "metadata": {"description": "Name for the workbook"},
        },
    })
}

/// Returns parameters for the template's checkers.
pub fn test_parameters() -> Value {
    json!({
        "location": {"type": "string", "minLength": 1, "defaultValue": "[resourceGroup().location]"},
        "workspace-location": {"type": "string", "defaultValue": ""},
        "workspace": {"type": "string", "defaultValue": ""},
        "workbook1-name": {"type": "string", "defaultValue": NAME, "minLength": 1},
    })
}

fn pieces<'a>(content: &'a Content, page: &'a Value, workbook: &str) -> Vec<Piece<'a>> {
    let mut pieces = vec![connector(page), workbook_piece(workbook)];
    pieces.extend(content.parsers.iter().map(parser));
    pieces.extend(content.rules.iter().map(rule));
    pieces.extend(content.hunting.iter().enumerate().map(|(place, item)| hunting(item, place + 1)));
    pieces
}

fn connector(page: &Value) -> Piece<'_> {
    let id = crate::connectors::ID;
    let parent = format!(
        "extensionResourceId(resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace')), 'Microsoft.SecurityInsights/dataConnectors', '{id}')"
    );
    let title = page["title"].as_str().unwrap_or(NAME);
    Piece::new(["DataConnector", "dc"], id, "1.0.0", title, parent, resources::connector(page))
}

fn workbook_piece<'a>(serialized: &str) -> Piece<'a> {
    let metadata = &super::workbooks_metadata()[0];
    let list = |kind, key| items(&metadata[key]).map(move |id| json!({"kind": kind, "contentId": id}));
    let types = list("DataType", "dataTypesDependencies");
    let criteria: Vec<_> = types.chain(list("DataConnector", "dataConnectorsDependencies")).collect();
    let (title, parent) = ("NordPass Activity Logs workbook", resource_id("Microsoft.Insights/workbooks", WORKBOOK));
    let mut piece = Piece::new(["Workbook", "wb"], WORKBOOK, "1.0.0", title, parent, resources::workbook(serialized));
    piece.dependencies = Some(json!({"operator": "AND", "criteria": criteria}));
    piece
}

fn parser(item: &Item) -> Piece<'_> {
    // Of this form in every package.
    let id = format!("{}-Parser", item.text("FunctionAlias"));
    let (version, title) = (text(&item.data["Function"]["Version"]), text(&item.data["Function"]["Title"]));
    let parent = format!(
        "resourceId('Microsoft.OperationalInsights/workspaces/savedSearches', parameters('workspace'), '{}')",
        item.text("FunctionName")
    );
    Piece::new(["Parser", "pr"], &id, version, title, parent, resources::parser(item))
}

fn rule(item: &Item) -> Piece<'_> {
    let parent = resource_id("Microsoft.SecurityInsights/AlertRuleTemplates", item.text("id"));
    Piece::of(["AnalyticsRule", "ar"], item, parent, resources::rule(item))
}

fn hunting(item: &Item, number: usize) -> Piece<'_> {
    let parent = resource_id("Microsoft.OperationalInsights/savedSearches", item.text("id"));
    Piece::of(["HuntingQuery", "hq"], item, parent, resources::hunting(item, number))
}

fn resource_id(kind: &str, name: &str) -> String {
    format!("resourceId('{kind}', '{name}')")
}

/// Returns the solution itself, which names all its pieces.
fn package(content: &Content, pieces: &[Piece<'_>]) -> Value {
    let mut criteria: Vec<_> = pieces.iter().map(Piece::criterion).collect();
    criteria.extend(
        content.watchlists.iter().map(|list| json!({"kind": "Watchlist", "contentId": list.alias, "version": VERSION})),
    );
    json!({
        "type": "Microsoft.OperationalInsights/workspaces/providers/contentPackages",
        "apiVersion": "2023-04-01-preview",
        "location": "[parameters('workspace-location')]",
        "name": format!("[{BELOW}, variables('_solutionId'))]"),
        "properties": {
            "version": VERSION,
            "kind": "Solution",
            "contentSchemaVersion": "3.0.0",
            "displayName": NAME,
            "publisherDisplayName": "Community",
            "descriptionHtml": format!("<p>{DESCRIPTION}</p>\n<p>{}</p>\n<p>Help: <a href=\"{SUPPORT}\">{SUPPORT}</a></p>\n", counts(content)),
            "contentKind": "Solution",
            "contentProductId": "[variables('_solutioncontentProductId')]",
            "id": "[variables('_solutioncontentProductId')]",
            "icon": logo(),
            "contentId": "[variables('_solutionId')]",
            "parentId": "[variables('_solutionId')]",
            "source": {"kind": "Solution", "name": NAME, "sourceId": "[variables('_solutionId')]"},
            "author": {"name": AUTHOR},
            "support": support(),
            "dependencies": {"operator": "AND", "criteria": criteria},
            "firstPublishDate": PUBLISHED,
            "lastPublishDate": PUBLISHED,
            "providers": [AUTHOR],
            "categories": super::metadata()["categories"],
        },
    })
}

/// Returns what the solution contains, in a line.
pub fn counts(content: &Content) -> String {
    format!(
        "<strong>Data Connectors:</strong> 1, <strong>Parsers:</strong> {}, <strong>Workbooks:</strong> 1, \
         <strong>Analytic Rules:</strong> {}, <strong>Hunting Queries:</strong> {}, <strong>Watchlists:</strong> {}",
        content.parsers.len(),
        content.rules.len(),
        content.hunting.len(),
        content.watchlists.len()
    )
}
