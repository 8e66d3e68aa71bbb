//! The package's template as Azure Resource Manager reads it, and as Azure-Sentinel's checks of it do.

use std::collections::BTreeSet;

use serde_json::Value;
use tools_common::json::{items, text};

use crate::deploy::expressions;

/// Each type of resource with the version of its API, as published packages have them.
pub const VERSIONS: [(&str, &str); 9] = [
    ("Microsoft.Insights/workbooks", "2021-08-01"),
    ("Microsoft.OperationalInsights/savedSearches", "2022-10-01"),
    ("Microsoft.OperationalInsights/workspaces/providers/Watchlists", "2021-03-01-preview"),
    ("Microsoft.OperationalInsights/workspaces/providers/contentPackages", "2023-04-01-preview"),
    ("Microsoft.OperationalInsights/workspaces/providers/contentTemplates", "2023-04-01-preview"),
    ("Microsoft.OperationalInsights/workspaces/providers/dataConnectors", "2021-03-01-preview"),
    ("Microsoft.OperationalInsights/workspaces/providers/metadata", "2023-04-01-preview"),
    ("Microsoft.OperationalInsights/workspaces/savedSearches", "2022-10-01"),
    ("Microsoft.SecurityInsights/AlertRuleTemplates", "2023-02-01-preview"),
];

/// Checks expressions, names, types and versions of resources, and the list of the solution's pieces. Returns what is wrong.
pub fn check_template(template: &Value) -> Vec<String> {
    let mut wrong = expressions::check(template, |_, _| None);
    let resources = template["resources"].as_array().cloned().unwrap_or_default();
    let mut names = BTreeSet::new();
    for resource in &resources {
        if !names.insert(format!("{} {}", resource["type"], resource["name"])) {
            wrong.push(format!("{} is there twice", resource["name"]));
        }
        version(resource, &mut wrong);
        for inner in items(&resource["properties"]["mainTemplate"]["resources"]) {
            version(inner, &mut wrong);
        }
    }
    pieces(&resources, &mut wrong);
    let id = text(&template["variables"]["solutionId"]);
    let parts: Vec<_> = id.split('.').collect();
    if parts.len() != 2 || parts.iter().any(|part| part.is_empty()) || id != id.to_lowercase() {
        wrong.push(format!("the solution's id is `{id}`, not publisher.offer"));
    }
    wrong
}

/// Checks that Azure has such a resource.
fn version(resource: &Value, wrong: &mut Vec<String>) {
    let (kind, version) = (text(&resource["type"]), text(&resource["apiVersion"]));
    if !VERSIONS.contains(&(kind, version)) {
        wrong.push(format!("{} is of type `{kind}` and version `{version}`", resource["name"]));
    }
}

/// Checks kind, id and version of each piece: in its template, in that template's metadata, and in what the solution names.
fn pieces(resources: &[Value], wrong: &mut Vec<String>) {
    let of = |kind| resources.iter().filter(move |resource| text(&resource["type"]).ends_with(kind));
    let piece = |found: &Value, keys: [&str; 3]| keys.map(|key| text(&found[key]).to_owned());
    let mut installed = BTreeSet::new();
    for template in of("contentTemplates") {
        let own = piece(&template["properties"], ["contentKind", "contentId", "version"]);
        let inside = items(&template["properties"]["mainTemplate"]["resources"]);
        for metadata in inside.filter(|resource| text(&resource["type"]).ends_with("/metadata")) {
            let said = piece(&metadata["properties"], ["kind", "contentId", "version"]);
            if said != own {
                wrong.push(format!("{} is {} in its metadata", own.join(" "), said.join(" ")));
            }
        }
        installed.insert(own);
    }
    let packages: Vec<_> = of("contentPackages").collect();
    if packages.len() != 1 {
        wrong.push(format!("{} contentPackages instead of one", packages.len()));
    }
    let criteria = packages.iter().flat_map(|package| items(&package["properties"]["dependencies"]["criteria"]));
    let named = criteria.filter(|found| found["kind"] != "Watchlist");
    let named = named.map(|found| piece(found, ["kind", "contentId", "version"])).collect();
    let differ = installed.symmetric_difference(&named).map(|piece| piece.join(" "));
    wrong.extend(differ.map(|piece| format!("{piece} is in the template or among the solution's pieces, not in both")));
}

/// Finds "Sentinel" without "Microsoft" before it, which fails Azure-Sentinel's check of template and form. A word
/// behind a hyphen is part of a name.
pub fn unbranded(whole: &str) -> Vec<String> {
    let word = |sign: char| sign.is_alphanumeric() || sign == '_';
    let mut found = Vec::new();
    for (place, name) in whole.match_indices("Sentinel") {
        let (before, after) = (&whole[..place], &whole[place + name.len()..]);
        let inside = before.ends_with(word) || before.ends_with('-') || after.starts_with(word);
        let named = before.strip_suffix(char::is_whitespace).is_some_and(|rest| rest.ends_with("Microsoft"));
        if !inside && !named {
            found.push(before.chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<String>() + name);
        }
    }
    found
}
