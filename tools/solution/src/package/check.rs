//! The published rules for a solution's files, as far as they can be told from the files. The rules' and queries' own
//! fields are checked beside them, by the solution's tests.

use serde_json::Value;

pub use super::arm::check_template;
use super::arm::unbranded;
use tools_common::archive::{Entries, Entry};

/// What Azure takes for one template.
const LARGEST_TEMPLATE: usize = 4 * 1024 * 1024;
/// What reviewers take for a logo.
const LARGEST_LOGO: usize = 5 * 1024;
/// The words for a solution's domains and verticals that Content Hub knows (`.script/SolutionValidations` there).
const DOMAINS: [&str; 23] = [
    "Application",
    "Cloud Provider",
    "Compliance",
    "DevOps",
    "IT Operations",
    "Identity",
    "Internet of Things (IoT)",
    "Migration",
    "Networking",
    "Platform",
    "Security - 0-day Vulnerability",
    "Security - Automation (SOAR)",
    "Security - Cloud Security",
    "Security - Information Protection",
    "Security - Insider Threat",
    "Security - Network",
    "Security - Others",
    "Security - Threat Intelligence",
    "Security - Threat Protection",
    "Security - Vulnerability Management",
    "Storage",
    "Training and Tutorials",
    "User Behavior (UEBA)",
];
const VERTICALS: [&str; 6] = ["Aeronautics", "Education", "Finance", "Healthcare", "Manufacturing", "Retail"];

/// The keys of a workbook's entry; another one is refused.
const WORKBOOK_KEYS: [&str; 11] = [
    "workbookKey",
    "logoFileName",
    "description",
    "dataTypesDependencies",
    "dataConnectorsDependencies",
    "previewImagesFileNames",
    "version",
    "title",
    "templateRelativePath",
    "subtitle",
    "provider",
];

/// What is wrong with the package's files.
pub fn check(entries: &Entries) -> Vec<String> {
    let mut wrong = Vec::new();
    let json = |path: &str, wrong: &mut Vec<String>| -> Value {
        match entries.get(path) {
            Some(Entry::File(bytes)) => serde_json::from_slice(bytes).unwrap_or_else(|error| {
                wrong.push(format!("{path}: {error}"));
                Value::Null
            }),
            _ => {
                wrong.push(format!("{path} is missing"));
                Value::Null
            }
        }
    };
    let template = json("Package/mainTemplate.json", &mut wrong);
    wrong.extend(check_template(&template));
    if let Some(Entry::File(bytes)) = entries.get("Package/mainTemplate.json")
        && bytes.len() > LARGEST_TEMPLATE
    {
        wrong.push(format!("Package/mainTemplate.json has {} bytes", bytes.len()));
    }
    for path in ["Package/mainTemplate.json", "Package/createUiDefinition.json"] {
        if let Some(Entry::File(bytes)) = entries.get(path) {
            let places = unbranded(&String::from_utf8_lossy(bytes));
            wrong.extend(places.iter().map(|place| format!("{path}: not \"Microsoft Sentinel\": …{place}")));
        }
    }
    let form = json("Package/createUiDefinition.json", &mut wrong);
    let outputs = form["parameters"]["outputs"].as_object().cloned().unwrap_or_default();
    for output in outputs.keys() {
        if template["parameters"][output].is_null() {
            wrong.push(format!("the form gives `{output}`, which the template doesn't ask"));
        }
    }
    check_metadata(&json("SolutionMetadata.json", &mut wrong), &mut wrong);
    check_data(&json("Data/Solution_NordPassSentinel.json", &mut wrong), entries, &mut wrong);
    check_workbook(
        &json("Workbooks/NordPass.json", &mut wrong),
        &json("Workbooks/WorkbooksMetadata.json", &mut wrong),
        entries,
        &mut wrong,
    );
    check_page(&json("Data Connectors/NordPass.json", &mut wrong), &mut wrong);
    match entries.get("Logos/NordPassSentinel.svg") {
        Some(Entry::File(bytes)) => check_logo(&String::from_utf8_lossy(bytes), &mut wrong),
        _ => wrong.push("the logo is missing".to_owned()),
    }
    wrong
}

fn check_metadata(metadata: &Value, wrong: &mut Vec<String>) {
    let text = |key: &str| metadata[key].as_str().unwrap_or_default();
    if !text("offerId").starts_with("azure-sentinel-solution-") || text("offerId").len() > 50 {
        wrong.push(format!("SolutionMetadata.json: the offerId is `{}`", text("offerId")));
    }
    for key in ["firstPublishDate", "lastPublishDate"] {
        let shape: String = text(key).chars().map(|sign| if sign.is_ascii_digit() { '0' } else { sign }).collect();
        if shape != "0000-00-00" {
            wrong.push(format!("SolutionMetadata.json: {key} is `{}`", text(key)));
        }
    }
    let tier = metadata["support"]["tier"].as_str().unwrap_or_default();
    if !["Microsoft", "Partner", "Community"].contains(&tier) {
        wrong.push(format!("SolutionMetadata.json: the tier is `{tier}`"));
    }
    let domains = metadata["categories"]["domains"].as_array().cloned().unwrap_or_default();
    if domains.is_empty() || !domains.iter().all(|domain| DOMAINS.iter().any(|known| domain == known)) {
        wrong.push(format!("SolutionMetadata.json: the domains are {domains:?}"));
    }
    let verticals = metadata["categories"]["verticals"].as_array().cloned().unwrap_or_default();
    if !verticals.iter().all(|vertical| VERTICALS.iter().any(|known| vertical == known)) {
        wrong.push(format!("SolutionMetadata.json: the verticals are {verticals:?}"));
    }
    let support = |key: &str| metadata["support"][key].as_str().unwrap_or_default().trim().to_owned();
    let (email, link) = (support("email"), support("link"));
    let reached = (email.is_empty() || email.contains('@')) && (link.is_empty() || link.starts_with("https://"));
    if support("name").is_empty() || (email.is_empty() && link.is_empty()) || !reached {
        wrong.push("SolutionMetadata.json: support wants a name, and an address or a link".to_owned());
    }
    for key in ["publisherId", "offerId"] {
        if text(key).is_empty()
            || text(key).contains(|sign: char| !(sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-'))
        {
            wrong.push(format!("SolutionMetadata.json: {key} is `{}`", text(key)));
        }
    }
}

fn check_data(data: &Value, entries: &Entries, wrong: &mut Vec<String>) {
    for key in ["Name", "Author", "Logo", "Description", "BasePath", "Version", "Metadata"] {
        if data[key].as_str().unwrap_or_default().is_empty() {
            wrong.push(format!("Data: `{key}` is missing"));
        }
    }
    let lists = ["Workbooks", "Analytic Rules", "Hunting Queries", "Parsers", "Data Connectors", "Watchlists"];
    for (key, path) in
        lists.iter().flat_map(|key| data[key].as_array().into_iter().flatten().map(move |path| (key, path)))
    {
        let path = path.as_str().unwrap_or_default();
        if !entries.contains_key(path) {
            wrong.push(format!("Data: {key} names {path}, which isn't there"));
        }
    }
    for folder in ["Analytic Rules", "Hunting Queries", "Parsers"] {
        let prefix = format!("{folder}/");
        for path in entries.keys().filter(|path| path.starts_with(&prefix) && path.ends_with(".yaml")) {
            if !data[folder].as_array().into_iter().flatten().any(|named| named == path.as_str()) {
                wrong.push(format!("Data: {path} isn't named"));
            }
        }
    }
    if data["Analytic Rules"].as_array().is_none_or(Vec::is_empty) {
        wrong.push("a solution needs at least one analytic rule".to_owned());
    }
    let version: Vec<_> = data["Version"].as_str().unwrap_or_default().split('.').collect();
    if version.len() != 3 || version[0] != "3" || version.iter().any(|part| part.parse::<u32>().is_err()) {
        wrong.push(format!("Data: the version is {}", data["Version"]));
    }
}

fn check_workbook(workbook: &Value, list: &Value, entries: &Entries, wrong: &mut Vec<String>) {
    let from = workbook["fromTemplateId"].as_str().unwrap_or_default();
    if workbook["version"] != "Notebook/1.0" || !from.starts_with("sentinel-") || from == "sentinel-UserWorkbook" {
        wrong.push(format!("the workbook's version is {} and its template {from}", workbook["version"]));
    }
    let metadata = &list[0];
    if from != format!("sentinel-{}", metadata["workbookKey"].as_str().unwrap_or_default()) {
        wrong.push(format!("the workbook comes from {from}, and its key is {}", metadata["workbookKey"]));
    }
    let keys: Vec<_> = metadata.as_object().into_iter().flat_map(|object| object.keys()).collect();
    if keys.len() != WORKBOOK_KEYS.len() || !keys.iter().all(|key| WORKBOOK_KEYS.contains(&key.as_str())) {
        wrong.push(format!("WorkbooksMetadata.json: the keys are {keys:?}"));
    }
    for key in ["dataTypesDependencies", "dataConnectorsDependencies"] {
        if metadata[key].as_array().is_none_or(|list| list.iter().any(|name| name.as_str().is_none_or(str::is_empty))) {
            wrong.push(format!("WorkbooksMetadata.json: {key} has an empty name"));
        }
    }
    if workbook.to_string().contains("subscriptions/") {
        wrong.push("the workbook names somebody's resource".to_owned());
    }
    for key in ["workbookKey", "logoFileName", "description", "version", "title", "templateRelativePath", "provider"] {
        if metadata[key].as_str().unwrap_or_default().is_empty() {
            wrong.push(format!("WorkbooksMetadata.json: `{key}` is missing"));
        }
    }
    if !metadata["workbookKey"].as_str().unwrap_or_default().ends_with("Workbook") {
        wrong.push("WorkbooksMetadata.json: the key doesn't end with Workbook".to_owned());
    }
    let images: Vec<_> =
        metadata["previewImagesFileNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for name in &images {
        if !name.ends_with(".png") || !["White", "Black"].iter().any(|colour| name.contains(colour)) {
            wrong.push(format!("WorkbooksMetadata.json: the preview {name}"));
        }
    }
    let logo = format!("Workbooks/Images/Logos/{}", metadata["logoFileName"].as_str().unwrap_or_default());
    if !entries.contains_key(&logo) {
        wrong.push(format!("{logo} is missing"));
    }
    for colour in ["White", "Black"] {
        let Some(image) = images.iter().find(|name| name.contains(colour)) else {
            wrong.push(format!("WorkbooksMetadata.json: no {colour} preview"));
            continue;
        };
        match entries.get(&format!("Workbooks/Images/Preview/{image}")) {
            Some(Entry::File(bytes)) if bytes.starts_with(b"\x89PNG") => {}
            _ => wrong.push(format!("{image} isn't there, or isn't a PNG")),
        }
    }
}

fn check_page(page: &Value, wrong: &mut Vec<String>) {
    let id = page["id"].as_str().unwrap_or_default();
    if id.is_empty() || !id.chars().all(|sign| sign.is_ascii_alphanumeric()) {
        wrong.push(format!("the connector page's id is `{id}`"));
    }
    for key in ["title", "publisher", "descriptionMarkdown"] {
        if page[key].as_str().unwrap_or_default().is_empty() {
            wrong.push(format!("the connector page has no {key}"));
        }
    }
    for key in ["graphQueries", "sampleQueries", "dataTypes", "connectivityCriterias", "instructionSteps"] {
        if page[key].as_array().is_none_or(Vec::is_empty) {
            wrong.push(format!("the connector page has no {key}"));
        }
    }
    for key in ["availability", "permissions"] {
        if !page[key].is_object() {
            wrong.push(format!("the connector page has no {key}"));
        }
    }
    for kind in page["dataTypes"].as_array().into_iter().flatten() {
        let name = kind["name"].as_str().unwrap_or_default();
        if name.is_empty() || name.contains(' ') {
            wrong.push(format!("the connector page has a data type `{name}`"));
        }
    }
    for criterion in page["connectivityCriterias"].as_array().into_iter().flatten() {
        if criterion["type"] != "IsConnectedQuery" || criterion["value"].as_array().is_none_or(Vec::is_empty) {
            wrong.push(format!("the connector page is connected by {criterion}"));
        }
    }
}

fn check_logo(logo: &str, wrong: &mut Vec<String>) {
    if logo.len() > LARGEST_LOGO || !logo.trim_start().starts_with("<svg") {
        wrong.push(format!("the logo has {} bytes, or is no SVG", logo.len()));
    }
    // An id has to be a GUID there; a drawing without ids has none to get wrong.
    for part in ["<script", "<image", "<style", "<title", "style=", "cls=", "data-name", "xlink", "data:", " id="] {
        if logo.contains(part) {
            wrong.push(format!("the logo has `{part}`"));
        }
    }
}
