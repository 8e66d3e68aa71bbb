//! Who may do what, and where secrets go: roles, keys, settings.

use serde_json::Value;
use tools_common::json::{self, items, members};

use super::super::expression::Expression;
use super::super::template::{Resource, Scope, parts, read};

/// Each role with the one type that it may be given on.
const ROLES: &[(&str, &str)] = &[
    // Monitoring Metrics Publisher
    ("3913510d-42f4-4e42-8a64-420c390055eb", "microsoft.insights/datacollectionrules"),
    // Key Vault Secrets User
    ("4633458b-17de-408a-b874-0445c86b69e6", "microsoft.keyvault/vaults/secrets"),
    // Storage Blob Data Contributor
    ("ba92f5b4-2d11-453d-a403-e96b0029c9fe", "microsoft.storage/storageaccounts/blobservices/containers"),
    // Storage Blob Data Reader
    ("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "microsoft.storage/storageaccounts/blobservices/containers"),
    // Storage Blob Data Owner
    ("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "microsoft.storage/storageaccounts"),
    // AcrPull
    ("7f951dda-4ed3-4680-a7ca-43fe172d538d", "microsoft.containerregistry/registries"),
];

/// Where a `securestring` may go.
const SECRET_PLACES: &[(&str, &str, &str)] = &[
    ("nordpassToken", "Microsoft.KeyVault/vaults/secrets", ".properties.value"),
    ("packageUri", "Microsoft.Web/sites/extensions", ".properties.packageUri"),
    ("packageUri", "Microsoft.Web/sites/extensions", ".condition"),
];

/// Checks that each role is assigned at the narrowest scope.
pub fn roles(scope: &Scope<'_>, resource: &Resource<'_>) -> Vec<String> {
    if resource.kind != "Microsoft.Authorization/roleAssignments" {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let properties = &resource.json["properties"];
    let role = properties["roleDefinitionId"].as_str().and_then(|text| Some(scope.filled_in(&read(text).ok()?)));
    let role = match &role {
        Some(Expression::Call(name, arguments)) if name == "subscriptionResourceId" => match arguments.as_slice() {
            [Expression::Text(kind), Expression::Text(role)] if kind == "Microsoft.Authorization/roleDefinitions" => {
                role
            }
            _ => "",
        },
        _ => "",
    };
    let on = resource.id.of.as_deref().map_or("the whole resource group", |of| &of.kind);
    match ROLES.iter().find(|(id, _)| *id == role) {
        None => wrong.push("its role isn't subscriptionResourceId(…) of a role that the template needs".to_owned()),
        Some((_, narrow)) if *narrow != on => wrong.push(format!("the role {role} is given on {on}, not on {narrow}")),
        Some(_) => {}
    }
    if properties["principalType"] != "ServicePrincipal" {
        wrong.push("without principalType `ServicePrincipal` a new identity isn't found yet".to_owned());
    }
    wrong
}

/// What storage and vault have to say in their properties: no keys, not public, and what was deleted can be restored. The
/// network rules depend on the parameter `subnetId`.
const SAFE: &[(&str, &str, &str)] = &[
    ("Microsoft.Storage/storageAccounts", "/allowSharedKeyAccess", "false"),
    ("Microsoft.Storage/storageAccounts", "/allowBlobPublicAccess", "false"),
    ("Microsoft.Storage/storageAccounts", "/supportsHttpsTrafficOnly", "true"),
    ("Microsoft.Storage/storageAccounts", "/networkAcls", "\"[variables('networkAcls')]\""),
    ("Microsoft.Storage/storageAccounts/blobServices", "/deleteRetentionPolicy/enabled", "true"),
    ("Microsoft.KeyVault/vaults", "/enableRbacAuthorization", "true"),
    ("Microsoft.KeyVault/vaults", "/enableSoftDelete", "true"),
    ("Microsoft.KeyVault/vaults", "/enablePurgeProtection", "true"),
    ("Microsoft.KeyVault/vaults", "/networkAcls", "\"[variables('networkAcls')]\""),
];

/// Checks that storage and vault are safe.
pub fn storage(resource: &Resource<'_>) -> Vec<String> {
    let properties = &resource.json["properties"];
    let is = |path: &str| properties.pointer(path).map(Value::to_string).unwrap_or_default();
    let unmet = SAFE.iter().filter(|(kind, path, value)| *kind == resource.kind && is(path) != *value);
    unmet.map(|(_, path, value)| format!("`properties{path}` has to be {value}")).collect()
}

/// Checks the settings that the program and the Functions host read.
pub fn settings(scope: &Scope<'_>, resource: &Resource<'_>) -> Vec<String> {
    let Some(list) = environment(resource) else { return Vec::new() };
    let find = |name: &str| list.iter().find(|entry| entry["name"] == name);
    let token = find("NORDPASS_TOKEN");
    let reference = token.and_then(|entry| read(entry["value"].as_str()?).ok());
    let vault = reference.is_some_and(|value| value.to_string().contains("'@Microsoft.KeyVault(SecretUri='"));
    let secrets = &resource.json["properties"]["configuration"]["secrets"];
    let scale = resource.json.pointer("/properties/template/scale");
    let is_there = |key: &str| read(key).ok().and_then(|key| scope.resource(&scope.id(&key)?)).is_some();
    let checks = [
        (find("NORDPASS_ENDPOINT_URL").is_none(), "NORDPASS_ENDPOINT_URL, which the guide has people edit, is missing"),
        (token.is_none(), "NORDPASS_TOKEN, which the guide has people edit, is missing"),
        (
            !vault && token.is_none_or(|entry| entry["secretRef"].is_null()),
            "NORDPASS_TOKEN isn't taken from the key vault",
        ),
        (
            items(secrets).any(|secret| secret["keyVaultUrl"].is_null() || secret["identity"].is_null()),
            "a secret of the app isn't a reference to the key vault",
        ),
        (
            resource.kind == "Microsoft.Web/sites" && find("APPLICATIONINSIGHTS_CONNECTION_STRING").is_none(),
            "the host reads APPLICATIONINSIGHTS_CONNECTION_STRING, and it isn't set",
        ),
        (
            find("AzureWebJobsStorage").is_some() || list.iter().any(|entry| entry.to_string().contains("AccountKey")),
            "a storage key is in the settings",
        ),
        (
            scale.is_some_and(|scale| scale["minReplicas"] != 1 || scale["maxReplicas"] != 1),
            "one replica: a second one would wait for the first one's lease",
        ),
        (
            members(&resource.json["identity"]["userAssignedIdentities"]).any(|(key, _)| !is_there(key)),
            "its identity isn't in the template",
        ),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, words)| words.to_owned()).collect()
}

/// Returns the environment of a host, if the resource is one.
pub fn environment<'a>(resource: &Resource<'a>) -> Option<&'a Vec<Value>> {
    let path = match resource.kind {
        "Microsoft.App/containerApps" => "/properties/template/containers/0/env",
        "Microsoft.Web/sites" => "/properties/siteConfig/appSettings",
        _ => return None,
    };
    resource.json.pointer(path)?.as_array()
}

/// Checks that a secret is used in its one place, and in no output, name, tag or setting.
pub fn secrets(scopes: &[Scope<'_>], errors: &mut Vec<String>) {
    let Some(template) = scopes.first() else { return };
    let secret = |name: &str| {
        let kind = json::text(&template.json["parameters"][name]["type"]);
        kind.eq_ignore_ascii_case("securestring") || kind.eq_ignore_ascii_case("secureobject")
    };
    let resources = template.resources.iter().map(|resource| (resource.kind, resource.json));
    let rest = ["outputs", "variables"].map(|section| (section, &template.json[section]));
    for (kind, json) in resources.chain(rest) {
        for (path, part) in parts(json) {
            let name = part.name_in("parameters").unwrap_or_default();
            if secret(name) && !SECRET_PLACES.contains(&(name, kind, path.as_str())) {
                errors.push(format!("template/{kind}{path}: the secret `{name}` doesn't belong here"));
            }
        }
    }
    for name in ["nordpassToken", "packageUri"] {
        if !secret(name) {
            errors.push(format!("template: the parameter `{name}` has to be a securestring"));
        }
    }
}
