//! The published rules for what the repository has of a solution: its metadata, the workbook, the connector page, the logo.

use tools_common::json::members;

use super::super::check::{Problems, json_of};
use super::*;

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

/// Checks the package's files. Returns what is wrong.
pub fn check(entries: &Entries) -> Vec<String> {
    let mut problems = Problems::default();
    let mut json = |path: &str| json_of(entries, path, &mut problems);
    let (metadata, page) = (json("SolutionMetadata.json"), json("Data Connectors/NordPass.json"));
    let (workbook, list) = (json("Workbooks/NordPass.json"), json("Workbooks/WorkbooksMetadata.json"));
    check_metadata(&metadata, &mut problems);
    check_workbook(&workbook, &list[0], entries, &mut problems);
    check_page(&page, &mut problems);
    let logo = match entries.get("Logos/NordPassSentinel.svg") {
        Some(Entry::File(bytes)) => String::from_utf8_lossy(bytes),
        _ => "".into(),
    };
    check_logo(&logo, &mut problems);
    problems.0
}

fn check_metadata(metadata: &Value, problems: &mut Problems) {
    let mut require = |holds, key: &str, found: &Value| {
        problems.require(holds, format!("SolutionMetadata.json: {key} is {found}"));
    };
    let (offer, support) = (text(&metadata["offerId"]), &metadata["support"]);
    require(offer.starts_with("azure-sentinel-solution-") && offer.len() <= 50, "offerId", &metadata["offerId"]);
    for key in ["firstPublishDate", "lastPublishDate"] {
        let shape: String =
            text(&metadata[key]).chars().map(|sign| if sign.is_ascii_digit() { '0' } else { sign }).collect();
        require(shape == "0000-00-00", key, &metadata[key]);
    }
    let tier = text(&support["tier"]);
    require(["Microsoft", "Partner", "Community"].contains(&tier), "the tier", &support["tier"]);
    let (domains, verticals) = (&metadata["categories"]["domains"], &metadata["categories"]["verticals"]);
    let known = items(domains).all(|domain| DOMAINS.contains(&text(domain)));
    require(known && items(domains).next().is_some(), "domains", domains);
    require(items(verticals).all(|vertical| VERTICALS.contains(&text(vertical))), "verticals", verticals);
    let [name, email, link] = ["name", "email", "link"].map(|key| text(&support[key]).trim());
    let reached = (email.is_empty() || email.contains('@')) && (link.is_empty() || link.starts_with("https://"));
    let complete = !name.is_empty() && (!email.is_empty() || !link.is_empty());
    require(reached && complete, "support, which needs a name, and an address or a link,", support);
    for key in ["publisherId", "offerId"] {
        let allowed = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
        let id = text(&metadata[key]);
        require(!id.is_empty() && id.chars().all(allowed), key, &metadata[key]);
    }
}

fn check_workbook(workbook: &Value, metadata: &Value, entries: &Entries, problems: &mut Problems) {
    let (from, key) = (text(&workbook["fromTemplateId"]), text(&metadata["workbookKey"]));
    let good =
        workbook["version"] == "Notebook/1.0" && from.starts_with("sentinel-") && from != "sentinel-UserWorkbook";
    problems.require(good, format!("the workbook's version is {} and its template {from}", workbook["version"]));
    let same = from == format!("sentinel-{key}");
    problems.require(same, format!("the workbook comes from {from}, and its key is {key}"));
    problems
        .require(!workbook.to_string().contains("subscriptions/"), "the workbook names a resource of a subscription");
    let mut require = |holds, problem: String| problems.require(holds, format!("WorkbooksMetadata.json: {problem}"));
    let keys: Vec<_> = members(metadata).map(|(key, _)| key).collect();
    let known = keys.len() == WORKBOOK_KEYS.len() && keys.iter().all(|key| WORKBOOK_KEYS.contains(key));
    require(known, format!("the keys are {keys:?}"));
    for key in ["dataTypesDependencies", "dataConnectorsDependencies"] {
        let named = metadata[key].is_array() && items(&metadata[key]).all(|name| !text(name).is_empty());
        require(named, format!("{key} has an empty name"));
    }
    for key in ["workbookKey", "logoFileName", "description", "version", "title", "templateRelativePath", "provider"] {
        require(!text(&metadata[key]).is_empty(), format!("`{key}` is missing"));
    }
    require(key.ends_with("Workbook"), "the key doesn't end with Workbook".to_owned());
    let logo = format!("Workbooks/Images/Logos/{}", text(&metadata["logoFileName"]));
    require(entries.contains_key(&logo), format!("{logo} is missing"));
    let images: Vec<_> = items(&metadata["previewImagesFileNames"]).map(text).collect();
    for name in &images {
        let good = name.ends_with(".png") && ["White", "Black"].iter().any(|colour| name.contains(colour));
        require(good, format!("the preview {name}"));
    }
    for colour in ["White", "Black"] {
        let image = images.iter().find(|name| name.contains(colour));
        let file = image.and_then(|image| entries.get(&format!("Workbooks/Images/Preview/{image}")));
        let good = matches!(file, Some(Entry::File(bytes)) if bytes.starts_with(b"\x89PNG"));
        require(good, format!("the {colour} preview isn't named, isn't there, or isn't a PNG"));
    }
}

fn check_page(page: &Value, problems: &mut Problems) {
    let id = text(&page["id"]);
    let good = !id.is_empty() && id.chars().all(|sign| sign.is_ascii_alphanumeric());
    problems.require(good, format!("the connector page's id is `{id}`"));
    let texts = ["title", "publisher", "descriptionMarkdown"].map(|key| (key, !text(&page[key]).is_empty()));
    let lists = ["graphQueries", "sampleQueries", "dataTypes", "connectivityCriterias", "instructionSteps"]
        .map(|key| (key, items(&page[key]).next().is_some()));
    let objects = ["availability", "permissions"].map(|key| (key, page[key].is_object()));
    for (key, there) in texts.into_iter().chain(lists).chain(objects) {
        problems.require(there, format!("the connector page has no {key}"));
    }
    for name in items(&page["dataTypes"]).map(|kind| text(&kind["name"])) {
        let good = !name.is_empty() && !name.contains(' ');
        problems.require(good, format!("the connector page has a data type `{name}`"));
    }
    for criterion in items(&page["connectivityCriterias"]) {
        let good = criterion["type"] == "IsConnectedQuery" && items(&criterion["value"]).next().is_some();
        problems.require(good, format!("the connector page is connected by {criterion}"));
    }
}

fn check_logo(logo: &str, problems: &mut Problems) {
    let good = logo.len() <= LARGEST_LOGO && logo.trim_start().starts_with("<svg");
    problems.require(good, format!("the logo has {} bytes, or is no SVG", logo.len()));
    // An id has to be a GUID there; a drawing without ids has none to get wrong.
    for part in ["<script", "<image", "<style", "<title", "style=", "cls=", "data-name", "xlink", "data:", " id="] {
        problems.require(!logo.contains(part), format!("the logo has `{part}`"));
    }
}
