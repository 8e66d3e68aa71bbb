//! `Package/mainTemplate.json`.

use serde_json::{Value, json};
use tools_common::json::{members, read, text, with};

use super::content::Content;
use super::resources::{self, BELOW, Piece, resource};
use super::{AUTHOR, DESCRIPTION, LOGO, METADATA, NAME, SUPPORT, VERSION};

/// Returns the file beside this one, with the solution's name.
fn skeleton() -> Value {
    let mut template: Value = crate::data(include_str!("mainTemplate.json"));
    template["parameters"]["workbook1-name"]["defaultValue"] = json!(NAME);
    template
}

/// Returns the whole template.
pub fn main(content: &Content) -> Result<Value, String> {
    let (page, workbook): (Value, Value) = (read(crate::connectors::GENERIC)?, read(crate::workbook::PATH)?);
    let mut pieces = vec![resources::connector(&page), resources::workbook(&workbook.to_string())];
    pieces.extend(content.parsers.iter().map(resources::parser));
    pieces.extend(content.rules.iter().map(resources::rule));
    pieces.extend((1..).zip(&content.hunting).map(|(number, item)| resources::hunting(number, item)));
    let mut resources: Vec<Value> = pieces.iter().map(Piece::template).collect();
    // As the packager has it, these are also made at once: without them the rest has nothing to show or to call.
    for piece in pieces.iter().filter(|piece| ["DataConnector", "Parser"].contains(&piece.kind)) {
        let parent = json!({"dependsOn": [format!("[{}]", piece.parent)]});
        resources.extend([piece.resource.clone(), with(piece.metadata(), parent)]);
    }
    resources.extend(content.watchlists.iter().map(resources::watchlist));
    resources.push(package(content, &pieces));
    let mut template = skeleton();
    template["metadata"] = json!({"author": AUTHOR, "comments": format!("Solution template for {NAME}")});
    template["variables"]["_solutionName"] = json!(NAME);
    template["variables"]["_solutionVersion"] = json!(VERSION);
    let [publisher, offer] = ["publisherId", "offerId"].map(|key| text(&METADATA[key]));
    template["variables"]["solutionId"] = json!(format!("{publisher}.{offer}"));
    template["resources"] = json!(resources);
    Ok(template)
}

/// Returns parameters for the template's checkers: those of the template, without what is for people.
pub fn test_parameters() -> Value {
    let mut parameters = skeleton()["parameters"].take();
    for (_, parameter) in parameters.as_object_mut().into_iter().flatten() {
        parameter.as_object_mut().map(|members| members.remove("metadata"));
    }
    parameters
}

/// Returns the solution itself, which names all its pieces.
fn package(content: &Content, pieces: &[Piece]) -> Value {
    let watchlist = |alias| json!({"kind": "Watchlist", "contentId": alias, "version": VERSION});
    let watchlists = content.watchlists.iter().map(|list| watchlist(&list.alias));
    let criteria: Vec<_> = pieces.iter().map(Piece::criterion).chain(watchlists).collect();
    let own = members(&METADATA).filter(|(key, _)| !["publisherId", "offerId"].contains(key));
    let own: Value = own.map(|(key, value)| (key.to_owned(), value.clone())).collect();
    let properties = json!({
        "version": VERSION,
        "kind": "Solution",
        "contentSchemaVersion": "3.0.0",
        "displayName": NAME,
        "publisherDisplayName": "Community",
        "descriptionHtml": format!("<p>{DESCRIPTION}</p>\n<p>{}</p>\n<p>Help: <a href=\"{SUPPORT}\">{SUPPORT}</a></p>\n", counts(content)),
        "contentKind": "Solution",
        "contentProductId": "[variables('_solutioncontentProductId')]",
        "id": "[variables('_solutioncontentProductId')]",
        "icon": LOGO,
        "contentId": "[variables('_solutionId')]",
        "parentId": "[variables('_solutionId')]",
        "source": {"kind": "Solution", "name": NAME, "sourceId": "[variables('_solutionId')]"},
        "author": {"name": AUTHOR},
        "dependencies": {"operator": "AND", "criteria": criteria},
    });
    let kind = "Microsoft.OperationalInsights/workspaces/providers/contentPackages";
    resource(kind, format!("[{BELOW}, variables('_solutionId'))]"), json!({"properties": with(properties, own)}))
}

/// Returns what the solution contains, in a line.
pub fn counts(content: &Content) -> String {
    let counts = [
        ("Data Connectors", 1),
        ("Parsers", content.parsers.len()),
        ("Workbooks", 1),
        ("Analytic Rules", content.rules.len()),
        ("Hunting Queries", content.hunting.len()),
        ("Watchlists", content.watchlists.len()),
    ];
    counts.map(|(kind, number)| format!("<strong>{kind}:</strong> {number}")).join(", ")
}
