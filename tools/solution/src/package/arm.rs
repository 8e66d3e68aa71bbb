//! The package's template as Azure Resource Manager reads it, and as Azure-Sentinel's checks of it do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::deploy::expressions;

/// Each type of resource with the version of its API, as published packages have them.
const VERSIONS: [(&str, &str); 9] = [
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

/// Expressions that say nothing, names that don't exist or that nobody uses, resources that are there twice or of an unknown
/// kind, pieces that the solution doesn't name or names otherwise.
pub fn check_template(template: &Value) -> Vec<String> {
    let mut wrong = expressions::check(template, |_, _| None);
    let resources = template["resources"].as_array().cloned().unwrap_or_default();
    let mut names = BTreeSet::new();
    for resource in &resources {
        if !names.insert(format!("{} {}", resource["type"], resource["name"])) {
            wrong.push(format!("{} is there twice", resource["name"]));
        }
        version(resource, &mut wrong);
        for inner in resource["properties"]["mainTemplate"]["resources"].as_array().into_iter().flatten() {
            version(inner, &mut wrong);
        }
    }
    pieces(&resources, &mut wrong);
    let id = template["variables"]["solutionId"].as_str().unwrap_or_default();
    let parts: Vec<_> = id.split('.').collect();
    if parts.len() != 2 || parts.iter().any(|part| part.is_empty()) || id != id.to_lowercase() {
        wrong.push(format!("the solution's id is `{id}`, not publisher.offer"));
    }
    wrong
}

/// Whether Azure has such a resource.
fn version(resource: &Value, wrong: &mut Vec<String>) {
    let (kind, version) =
        (resource["type"].as_str().unwrap_or_default(), resource["apiVersion"].as_str().unwrap_or_default());
    if !VERSIONS.contains(&(kind, version)) {
        wrong.push(format!("{} is of type `{kind}` and version `{version}`", resource["name"]));
    }
}

/// The pieces' ids, kinds and versions: in their templates, in these templates' metadata, and in what the solution names.
fn pieces(resources: &[Value], wrong: &mut Vec<String>) {
    let of = |kind: &str| -> Vec<&Value> {
        resources
            .iter()
            .filter(|resource| resource["type"].as_str().is_some_and(|found| found.ends_with(kind)))
            .collect()
    };
    let mut pieces = BTreeMap::new();
    for found in of("contentTemplates") {
        let properties = &found["properties"];
        let piece = (properties["contentKind"].to_string(), properties["contentId"].to_string());
        let inside = properties["mainTemplate"]["resources"].as_array().into_iter().flatten();
        let metadata =
            inside.filter(|resource| resource["type"].as_str().is_some_and(|kind| kind.ends_with("/metadata")));
        for found in metadata {
            let said = &found["properties"];
            for (key, own) in [("contentId", "contentId"), ("kind", "contentKind"), ("version", "version")] {
                if said[key] != properties[own] {
                    wrong.push(format!("{}: {key} is {} in its metadata, not {}", piece.1, said[key], properties[own]));
                }
            }
        }
        pieces.insert(piece, properties["version"].to_string());
    }
    let packages = of("contentPackages");
    if packages.len() != 1 {
        wrong.push(format!("{} contentPackages instead of one", packages.len()));
    }
    let criteria =
        packages.first().map(|package| package["properties"]["dependencies"]["criteria"].clone()).unwrap_or_default();
    let named: BTreeMap<_, _> = criteria
        .as_array()
        .into_iter()
        .flatten()
        .filter(|found| found["kind"] != "Watchlist")
        .map(|found| ((found["kind"].to_string(), found["contentId"].to_string()), found["version"].to_string()))
        .collect();
    for (kind, id) in pieces.keys().chain(named.keys()).collect::<BTreeSet<_>>() {
        let key = (kind.clone(), id.clone());
        match (pieces.get(&key), named.get(&key)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => {
                wrong.push(format!("{kind} {id} has version {one}, and {other} for the solution"));
            }
            _ => wrong.push(format!("{kind} {id} is in the template or among the solution's pieces, and not in both")),
        }
    }
}

/// Where a file says "Sentinel" and not "Microsoft Sentinel": that fails Azure-Sentinel's check of template and form. A word
/// behind a hyphen is part of a name.
pub fn unbranded(text: &str) -> Vec<String> {
    let word = |sign: char| sign.is_alphanumeric() || sign == '_';
    let mut found = Vec::new();
    for (place, name) in text.match_indices("Sentinel") {
        let (before, after) = (&text[..place], &text[place + name.len()..]);
        let inside = before.ends_with(word) || before.ends_with('-') || after.starts_with(word);
        let named = before.strip_suffix(char::is_whitespace).is_some_and(|rest| rest.ends_with("Microsoft"));
        if !inside && !named {
            found.push(before.chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<String>() + name);
        }
    }
    found
}
