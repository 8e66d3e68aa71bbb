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

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use serde_json::{Value, json};
use tools_common::archive::{Entries, Entry, zip};
use tools_common::json::{items, pretty, read, text};
use tools_common::passed;

use crate::data;
use content::{Content, Item};

/// The solution's name, which is that of its folder. Azure-Sentinel's check of the package refuses the word Sentinel where
/// Microsoft doesn't stand before it.
pub const NAME: &str = "NordPass Activity Logs";
/// The workbook's key. `NordPassWorkbook` is that of the vendor's solution, and two in a workspace would be taken for one.
pub const WORKBOOK_KEY: &str = "NordPassSentinelWorkbook";
/// Its version: that of the package, not of the program.
pub const VERSION: &str = "3.0.0";
/// The author, in the field's form.
const AUTHOR: &str = "nordpass-sentinel";
/// Where users find help: a solution of the tier Community has no other place.
pub const SUPPORT: &str = "https://github.com/Azure/Azure-Sentinel/issues";

/// The description on the solution's page.
const DESCRIPTION: &str = "Detections, hunting queries, parsers and a workbook for the Activity Logs of NordPass Enterprise. \
     They read the ASIM tables that nordpass-sentinel fills, or the official connector's table NordPassEventLogs_CL. This \
     solution is made by the community; it isn't a product of Nord Security.";

/// The picture on the solution's page.
const LOGO: &str = "<img src=\"https://raw.githubusercontent.com/Azure/Azure-Sentinel/master/Logos/NordPassSentinel.svg\" width=\"75px\" height=\"75px\">";

/// `SolutionMetadata.json`. A publisher's own id has to stand there before it is offered.
static METADATA: LazyLock<Value> = LazyLock::new(|| data(include_str!("../../../../solution/SolutionMetadata.json")));

/// The entry of `Workbooks/WorkbooksMetadata.json`.
static WORKBOOK: LazyLock<Value> = LazyLock::new(|| {
    let [entry] = data(include_str!("../../../../solution/Workbooks/WorkbooksMetadata.json"));
    entry
});

/// Returns `Data/Solution_NordPassSentinel.json`, the packager's input.
fn packager_input(content: &Content) -> Value {
    let named = |folder: &str, items: &[Item]| -> Vec<String> {
        items.iter().map(|item| format!("{folder}/{}", item.file)).collect()
    };
    let watchlists: Vec<_> = content.watchlists.iter().map(|list| format!("Watchlists/{}.json", list.alias)).collect();
    json!({
        "Name": NAME,
        "Author": AUTHOR,
        "Logo": LOGO,
        "Description": DESCRIPTION,
        "WorkbookBladeDescription": WORKBOOK["description"],
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

/// Returns all files, by their paths in the solution's folder.
pub fn files(content: &Content) -> Result<Entries, String> {
    const SHIPPED: [&str; 11] = [
        "Analytic Rules/",
        "Data Connectors/NordPass",
        "Hunting Queries/",
        "Logos/",
        "Parsers/",
        "ReleaseNotes.md",
        "SolutionMetadata.json",
        "Watchlists/",
        "Workbooks/Images/",
        "Workbooks/NordPass.json",
        "Workbooks/WorkbooksMetadata.json",
    ];
    let mut entries = Entries::new();
    for path in tools_common::files("solution")? {
        if SHIPPED.iter().any(|begin| path.starts_with(begin)) {
            let bytes = tools_common::bytes(format!("solution/{path}"))?;
            entries.insert(path, Entry::File(bytes));
        }
    }
    // One drawing, at the two places where Azure-Sentinel has them.
    let logo = entries.get("Logos/NordPassSentinel.svg").ok_or("the logo is missing")?.clone();
    entries.insert("Workbooks/Images/Logos/NordPassSentinel.svg".to_owned(), logo);
    let mut add = |path: String, value: &Value| entries.insert(path, Entry::File(pretty(value).into_bytes()));
    // Sample rows for each ASIM table: those of the transform's golden test, one for each event of the catalogue.
    let mut samples: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in items(&read("tests/fixtures/asim/golden.json")?) {
        samples.entry(text(&entry["table"]).to_owned()).or_default().push(entry["row"].clone());
    }
    for (table, rows) in samples {
        add(format!("Sample Data/{table}.json"), &json!(rows));
    }
    for (path, value) in [
        ("Data/Solution_NordPassSentinel.json", packager_input(content)),
        ("Package/mainTemplate.json", template::main(content)?),
        ("Package/createUiDefinition.json", form::create(content)),
        ("Package/testParameters.json", template::test_parameters()),
    ] {
        add(path.to_owned(), &value);
    }
    // What is uploaded to Partner Center: the template and its form alone.
    let package: Entries = ["mainTemplate.json", "createUiDefinition.json"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), entries.get(&format!("Package/{name}"))?.clone())))
        .collect();
    entries.insert(format!("Package/{VERSION}.zip"), Entry::File(zip(&package)?));
    Ok(entries)
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
            tools_common::write(folder.join(path), bytes)?;
        }
    }
    zip(&entries)
}

fn checked() -> Result<Entries, String> {
    let entries = files(&content::read()?)?;
    passed(&check::check(&entries))?;
    Ok(entries)
}
