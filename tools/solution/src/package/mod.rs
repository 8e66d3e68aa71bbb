//! The solution package: what Microsoft's V3 packager makes of a solution's folder, made here, because that packager is
//! PowerShell on a copy of the whole Azure-Sentinel repository.
//!
//! `target/package/solution/` then holds the folder that a pull request to Azure-Sentinel would add, and the same as a
//! zip. The rules' YAML is read by Python ([`content`]); everything else is here.

mod arm;
pub mod check;
pub mod content;
mod form;
mod resources;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tools_common::archive::{Entries, Entry, collect};
use tools_common::json::{items, pretty, text};
use tools_common::{read_json, root};

use content::Content;

/// The solution's name, which is that of its folder. Azure-Sentinel's check of the package refuses the word Sentinel where
/// Microsoft doesn't stand before it.
pub const NAME: &str = "NordPass Activity Logs";
/// The workbook's key. `NordPassWorkbook` is that of the vendor's solution, and two in a workspace would be taken for one.
pub const WORKBOOK_KEY: &str = "NordPassSentinelWorkbook";
/// Its version: that of the package, not of the program.
pub const VERSION: &str = "3.0.0";
/// Who publishes it. A publisher's own id has to stand here before it is offered.
pub const PUBLISHER: &str = "nordpass-sentinel";
/// The author, in the field's form.
const AUTHOR: &str = "nordpass-sentinel";
/// Where users find help: a solution of the tier Community has no other place.
pub const SUPPORT: &str = "https://github.com/Azure/Azure-Sentinel/issues";
/// The offer's id.
const OFFER: &str = "azure-sentinel-solution-nordpasssentinel";
const PUBLISHED: &str = "2026-11-27";

/// The description on the solution's page.
const DESCRIPTION: &str = "Detections, hunting queries, parsers and a workbook for the Activity Logs of NordPass Enterprise. \
     They read the ASIM tables that nordpass-sentinel fills, or the official connector's table NordPassEventLogs_CL. This \
     solution is made by the community; it isn't a product of Nord Security.";

/// Returns `SolutionMetadata.json`.
pub fn metadata() -> Value {
    json!({
        "publisherId": PUBLISHER,
        "offerId": OFFER,
        "firstPublishDate": PUBLISHED,
        "lastPublishDate": PUBLISHED,
        "providers": [AUTHOR],
        "categories": {"domains": ["Identity", "Security - Others"], "verticals": []},
        "support": support(),
    })
}

fn support() -> Value {
    json!({"name": "Community", "tier": "Community", "link": SUPPORT})
}

/// Returns the picture on the solution's page.
fn logo() -> String {
    "<img src=\"https://raw.githubusercontent.com/Azure/Azure-Sentinel/master/Logos/NordPassSentinel.svg\" width=\"75px\" height=\"75px\">".to_owned()
}

/// Returns `Data/Solution_NordPassSentinel.json`, the packager's input.
pub fn data(content: &Content) -> Value {
    let named = |folder: &str, items: &[content::Item]| -> Vec<String> {
        items.iter().map(|item| format!("{folder}/{}", item.file)).collect()
    };
    let watchlists: Vec<_> = content.watchlists.iter().map(|list| format!("Watchlists/{}.json", list.alias)).collect();
    json!({
        "Name": NAME,
        "Author": AUTHOR,
        "Logo": logo(),
        "Description": DESCRIPTION,
        "WorkbookBladeDescription": WORKBOOK,
        "Workbooks": ["Workbooks/NordPass.json"],
        "Analytic Rules": named("Analytic Rules", &content.rules),
        "Hunting Queries": named("Hunting Queries", &content.hunting),
        "Parsers": named("Parsers", &content.parsers),
        "Data Connectors": ["Data Connectors/NordPass.json"],
        "Watchlists": watchlists,
        "Playbooks": [],
        "BasePath": format!("C:\\GitHub\\Azure-Sentinel\\Solutions\\{NAME}"),
        "Version": VERSION,
        "Metadata": "SolutionMetadata.json",
        "TemplateSpec": true,
        "Is1PConnector": false,
    })
}

/// What the workbook is about.
const WORKBOOK: &str = "What happens in the organization's NordPass: administrative actions, vault activity, log-ins, sharing \
     and export, breaches, MSP staff, the connector's health and cost.";

/// Returns the entry of `Workbooks/WorkbooksMetadata.json`.
pub fn workbooks_metadata() -> Value {
    let tables = [
        "ASimAuditEventLogs",
        "ASimAuthenticationEventLogs",
        "ASimUserManagementActivityLogs",
        "NordPassConnectorHealth_CL",
    ];
    json!([{
        "workbookKey": WORKBOOK_KEY,
        "logoFileName": "NordPassSentinel.svg",
        "description": WORKBOOK,
        "dataTypesDependencies": tables,
        "dataConnectorsDependencies": [crate::connectors::ID],
        "previewImagesFileNames": ["NordPassSentinelWhite.png", "NordPassSentinelBlack.png"],
        "version": "1.0.0",
        "title": NAME,
        "templateRelativePath": "NordPass.json",
        "subtitle": "",
        "provider": AUTHOR,
    }])
}

/// Returns all files, by their paths in the solution's folder.
pub fn files(content: &Content) -> Result<Entries, String> {
    let solution = root().join("solution");
    let mut entries = Entries::new();
    for folder in ["Analytic Rules", "Hunting Queries", "Parsers", "Watchlists"] {
        if solution.join(folder).is_dir() {
            collect(&solution.join(folder), &format!("{folder}/"), &mut entries)?;
        }
    }
    let one = [
        "Data Connectors/NordPass.json",
        "Data Connectors/NordPassPush_ccf/ConnectorDefinition.json",
        "Data Connectors/NordPassPush_ccf/DataConnector.json",
        "Data Connectors/NordPassPush_ccf/DCR.json",
        "Data Connectors/NordPassPush_ccf/Tables.json",
        "Workbooks/NordPass.json",
        "Workbooks/Images/Logos/NordPassSentinel.svg",
        "Workbooks/Images/Preview/NordPassSentinelBlack.png",
        "Workbooks/Images/Preview/NordPassSentinelWhite.png",
        "Logos/NordPassSentinel.svg",
        "ReleaseNotes.md",
    ];
    for path in one {
        // One drawing, at the two places where Azure-Sentinel has them.
        let from = if path.ends_with(".svg") { "Logos/NordPassSentinel.svg" } else { path };
        let bytes = fs::read(solution.join(from)).map_err(|error| format!("can't read solution/{from}: {error}"))?;
        entries.insert(path.to_owned(), Entry::File(bytes));
    }
    for (path, value) in samples()? {
        entries.insert(path, file(&value));
    }
    let template = template::main(content)?;
    let form = form::create(content);
    let made = BTreeMap::from([
        ("Data/Solution_NordPassSentinel.json", data(content)),
        ("SolutionMetadata.json", metadata()),
        ("Workbooks/WorkbooksMetadata.json", workbooks_metadata()),
        ("Package/mainTemplate.json", template),
        ("Package/createUiDefinition.json", form),
        ("Package/testParameters.json", template::test_parameters()),
    ]);
    for (path, value) in &made {
        entries.insert((*path).to_owned(), file(value));
    }
    // What is uploaded to Partner Center: the template and its form alone.
    let package: Entries = ["mainTemplate.json", "createUiDefinition.json"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), entries.get(&format!("Package/{name}"))?.clone())))
        .collect();
    entries.insert(format!("Package/{VERSION}.zip"), Entry::File(tools_common::archive::zip(&package)?));
    Ok(entries)
}

fn file(value: &Value) -> Entry {
    Entry::File(pretty(value).into_bytes())
}

/// Returns sample rows for each ASIM table: those of the transform's golden test, one for each event of the catalogue.
fn samples() -> Result<Vec<(String, Value)>, String> {
    const GOLDEN: &str = "tests/fixtures/asim/golden.json";
    let mut tables: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in items(&read_json(GOLDEN)?) {
        let table = text(&entry["table"]).to_owned();
        tables.entry(table).or_default().push(entry["row"].clone());
    }
    Ok(tables.into_iter().map(|(table, rows)| (format!("Sample Data/{table}.json"), json!(rows))).collect())
}

/// Makes the package twice and checks it, without writing it anywhere.
pub fn verify() -> Result<(), String> {
    let entries = checked()?;
    if entries != checked()? {
        return Err("the solution's package isn't the same twice".to_owned());
    }
    println!("the solution's package: {} files, as the published rules want them", entries.len());
    Ok(())
}

/// Writes the package's files to `folder`. Returns them as a zip.
pub fn write(folder: &Path) -> Result<Vec<u8>, String> {
    let entries = checked()?;
    for (path, entry) in &entries {
        if let Entry::File(bytes) = entry {
            tools_common::write(&folder.join(path), bytes)?;
        }
    }
    tools_common::archive::zip(&entries)
}

fn checked() -> Result<Entries, String> {
    let entries = files(&content::read()?)?;
    let wrong = check::check(&entries);
    if wrong.is_empty() { Ok(entries) } else { Err(wrong.join("\n")) }
}
