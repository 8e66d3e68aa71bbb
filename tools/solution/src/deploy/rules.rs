//! Checks the Azure template as far as that is possible without Azure and without a schema.
//!
//! Each rule is about something that went wrong in another connector's template, or would fail only in a customer's
//! subscription.

pub mod access;

use std::collections::BTreeSet;

use serde_json::Value;
use tools_common::json::{self, items, members};

use super::expression::Expression;
use super::expressions;
use super::template::{Id, Resource, Scope, parts, read, scopes};
use crate::has_shape;

/// What the template may make. The workspace, its Sentinel onboarding and its data connector pages aren't in it.
const TYPES: &[&str] = &[
    "Microsoft.App/containerApps",
    "Microsoft.App/managedEnvironments",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Insights/components",
    "Microsoft.Insights/dataCollectionRules",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.KeyVault/vaults",
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.OperationalInsights/workspaces/tables",
    "Microsoft.Resources/deployments",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/extensions",
];

/// What exists before: it is named, and never made.
const EXISTING: &[&str] = &["microsoft.operationalinsights/workspaces", "microsoft.containerregistry/registries"];

/// The official connector's container, which exists before as well.
const OFFICIAL_CONTAINER: &str = "'nordpass-function-container'";

/// Checks a template. Returns what is wrong.
pub fn check(template: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    let scopes = scopes(template, "template", &mut errors);
    for scope in &scopes {
        errors
            .extend(expressions::check(scope.json, host).into_iter().map(|words| format!("{}{words}", scope.location)));
        nested_parameters(scope, &mut errors);
        for (number, resource) in scope.resources.iter().enumerate() {
            let location = format!("{}/{}[{number}]", scope.location, resource.kind);
            let wrong: Vec<String> = [
                shape(scope, resource),
                dependencies(scope, resource),
                access::roles(scope, resource),
                access::storage(resource),
                access::settings(scope, resource),
            ]
            .concat();
            errors.extend(wrong.into_iter().map(|words| format!("{location}: {words}")));
        }
    }
    access::secrets(&scopes, &mut errors);
    errors
}

/// Checks the expressions and texts of a template that makes nothing but apps for what exists. Returns what is wrong.
pub fn check_texts(template: &Value) -> Vec<String> {
    expressions::check(template, host)
}

/// Refuses hosts of one cloud: sovereign clouds have other names. The schema's own address isn't connected to.
fn host(path: &str, text: &str) -> Option<String> {
    let fixed = [".windows.net", ".azure.com", ".azure.net"].iter().any(|host| text.contains(host));
    (fixed && !path.ends_with("$schema")).then(|| format!("`{text}` is a host of one cloud: use environment()"))
}

/// Checks that a nested template gets exactly the parameters that it has.
fn nested_parameters(scope: &Scope<'_>, errors: &mut Vec<String>) {
    for resource in scope.resources.iter().filter(|resource| resource.kind == "Microsoft.Resources/deployments") {
        fn names(json: &Value) -> BTreeSet<&str> {
            members(&json["parameters"]).map(|(name, _)| name).collect()
        }
        let (given, has) = (names(&resource.json["properties"]), names(&resource.json["properties"]["template"]));
        let say =
            |name| format!("{}: the nested template's parameter `{name}` isn't given or isn't there", scope.location);
        errors.extend(given.symmetric_difference(&has).map(say));
    }
}

/// Checks type, version and name.
fn shape(scope: &Scope<'_>, resource: &Resource<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    if !TYPES.contains(&resource.kind) {
        wrong.push(format!("`{}` isn't among the types that the template makes", resource.kind));
    }
    let version = json::text(&resource.json["apiVersion"]);
    if !is_version(version) {
        wrong.push(format!("`{version}` is no fixed API version"));
    }
    // A resource of its own has a name of this deployment's own; one inside another is distinguished by that.
    let own = |id: &Id| id.names.iter().any(|name| name.contains("uniqueString(") || name.contains("parameters("));
    if !own(&resource.id) && !resource.id.of.as_deref().is_some_and(own) {
        wrong.push("its name is the same in each deployment".to_owned());
    }
    let parent = (resource.id.names.len() > 1).then(|| parent(&resource.id));
    if let Some(parent) = parent.filter(|parent| !EXISTING.contains(&&*parent.kind))
        && !depends(scope, resource).contains(&parent)
    {
        wrong.push(format!("it doesn't depend on its parent {}", parent.kind));
    }
    wrong
}

fn is_version(text: &str) -> bool {
    has_shape(text.strip_suffix("-preview").unwrap_or(text), "0000-00-00")
}

fn parent(id: &Id) -> Id {
    let kind = id.kind.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    let names = id.names.get(..id.names.len().saturating_sub(1)).unwrap_or_default().to_vec();
    Id { kind, names, of: None }
}

/// Returns the ids that a resource waits for.
fn depends(scope: &Scope<'_>, resource: &Resource<'_>) -> Vec<Id> {
    let texts = items(&resource.json["dependsOn"]).filter_map(Value::as_str);
    texts.filter_map(|text| scope.id(&read(text).ok()?)).collect()
}

/// Checks that what a resource depends on, refers to and is scoped to is in the template, or exists before.
fn dependencies(scope: &Scope<'_>, resource: &Resource<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let texts: Vec<_> = items(&resource.json["dependsOn"]).filter_map(Value::as_str).collect();
    let found = depends(scope, resource);
    if texts.len() != found.len() {
        wrong.push("an entry of `dependsOn` is no resource id".to_owned());
    }
    for id in found.iter().filter(|id| scope.resource(id).is_none()) {
        wrong.push(format!("it depends on {} {}, which isn't in the template", id.kind, id.names.join("/")));
    }
    for (_, part) in parts(resource.json) {
        let Expression::Call(name, arguments) = part else { continue };
        if name != "reference" {
            continue;
        }
        match arguments.first().and_then(|of| scope.id(of)) {
            Some(id) if scope.resource(&id).is_some() || EXISTING.contains(&&*id.kind) => {}
            _ => wrong.push("it refers to something that isn't in the template".to_owned()),
        }
        if !arguments.get(1).and_then(Expression::text).is_some_and(is_version) {
            wrong.push("`reference` needs a fixed API version".to_owned());
        }
    }
    if let Some(of) = resource.id.of.as_deref() {
        let official = of.names.last().is_some_and(|name| name == OFFICIAL_CONTAINER);
        if !EXISTING.contains(&&*of.kind) && !official && scope.resource(of).is_none() {
            wrong.push(format!("it is on {} {}, which isn't in the template", of.kind, of.names.join("/")));
        }
        if scope.resource(of).is_some() && !found.contains(of) {
            wrong.push(format!("it doesn't depend on {}, which it is on", of.kind));
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
