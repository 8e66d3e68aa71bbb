//! The published rules for a solution's files, as far as they can be told from the files. The rules' and queries' own
//! fields are checked beside them, by the solution's tests.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::archive::{Entries, Entry};

/// What Azure takes for one template.
const LARGEST_TEMPLATE: usize = 4 * 1024 * 1024;
/// What reviewers take for a logo.
const LARGEST_LOGO: usize = 5 * 1024;
/// The words for a solution's domains that Content Hub knows, as far as they could apply here.
const DOMAINS: [&str; 6] = [
    "Identity",
    "Security - Others",
    "Security - Threat Protection",
    "Security - Insider Threat",
    "Compliance",
    "IT Operations",
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

/// Names that don't exist, resources that are there twice, pieces that the solution doesn't name.
pub fn check_template(template: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut texts = Vec::new();
    strings(template, &mut texts);
    for (kind, list) in [("parameters", &template["parameters"]), ("variables", &template["variables"])] {
        let begin = format!("{kind}('");
        for text in texts.iter().filter(|text| text.starts_with('[')) {
            for part in text.split(&begin).skip(1) {
                let name = part.split('\'').next().unwrap_or_default();
                if list[name].is_null() {
                    wrong.push(format!("{kind}('{name}') is used and isn't there"));
                }
            }
        }
    }
    for text in texts.iter().filter(|text| text.starts_with('[') && !text.ends_with(']')) {
        wrong.push(format!(
            "a text begins as an expression and isn't one: {}",
            text.chars().take(60).collect::<String>()
        ));
    }
    let resources = template["resources"].as_array().cloned().unwrap_or_default();
    let mut names = BTreeSet::new();
    for resource in &resources {
        if !names.insert(format!("{} {}", resource["type"], resource["name"])) {
            wrong.push(format!("{} is there twice", resource["name"]));
        }
        if !resource["apiVersion"].is_string() {
            wrong.push(format!("{} has no apiVersion", resource["name"]));
        }
    }
    let of = |kind: &str| -> Vec<&Value> {
        resources
            .iter()
            .filter(|resource| resource["type"].as_str().is_some_and(|found| found.ends_with(kind)))
            .collect()
    };
    let pieces: BTreeSet<_> = of("contentTemplates")
        .iter()
        .map(|found| (found["properties"]["contentKind"].to_string(), found["properties"]["contentId"].to_string()))
        .collect();
    let packages = of("contentPackages");
    if packages.len() != 1 {
        wrong.push(format!("{} contentPackages instead of one", packages.len()));
    }
    let criteria =
        packages.first().map(|package| package["properties"]["dependencies"]["criteria"].clone()).unwrap_or_default();
    let named: BTreeSet<_> = criteria
        .as_array()
        .into_iter()
        .flatten()
        .filter(|found| found["kind"] != "Watchlist")
        .map(|found| (found["kind"].to_string(), found["contentId"].to_string()))
        .collect();
    for (kind, id) in pieces.symmetric_difference(&named) {
        wrong.push(format!("{kind} {id} is in the template or among the solution's pieces, and not in both"));
    }
    wrong
}

/// All texts below a value.
fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        Value::Object(object) => object.values().for_each(|value| strings(value, found)),
        _ => {}
    }
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
}

fn check_logo(logo: &str, wrong: &mut Vec<String>) {
    if logo.len() > LARGEST_LOGO || !logo.trim_start().starts_with("<svg") {
        wrong.push(format!("the logo has {} bytes, or is no SVG", logo.len()));
    }
    for part in ["<script", "<image", "<style", "xlink", "data:"] {
        if logo.contains(part) {
            wrong.push(format!("the logo has `{part}`"));
        }
    }
}
