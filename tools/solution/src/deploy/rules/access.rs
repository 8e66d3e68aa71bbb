//! Who may do what, and where secrets go: roles, keys, settings.

use serde_json::Value;
use tools_common::json::{self, members};

use super::super::expression::Expression;
use super::super::template::{Resource, Scope, read, strings};

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

/// Checks that storage and vault use no keys, aren't public, and can restore what was deleted.
pub fn storage(resource: &Resource<'_>) -> Vec<String> {
    let properties = &resource.json["properties"];
    let wanted: &[(&str, Value)] = match resource.kind {
        "Microsoft.Storage/storageAccounts" => &[
            ("/allowSharedKeyAccess", Value::Bool(false)),
            ("/allowBlobPublicAccess", Value::Bool(false)),
            ("/supportsHttpsTrafficOnly", Value::Bool(true)),
            ("/networkAcls", networks()),
        ],
        "Microsoft.Storage/storageAccounts/blobServices" => &[("/deleteRetentionPolicy/enabled", Value::Bool(true))],
        "Microsoft.KeyVault/vaults" => &[
            ("/enableRbacAuthorization", Value::Bool(true)),
            ("/enableSoftDelete", Value::Bool(true)),
            ("/enablePurgeProtection", Value::Bool(true)),
            ("/networkAcls", networks()),
        ],
        _ => &[],
    };
    let unmet = wanted.iter().filter(|(path, value)| properties.pointer(path) != Some(value));
    unmet.map(|(path, value)| format!("`properties{path}` has to be {value}")).collect()
}

/// Returns the network rules of storage and vault, which depend on the parameter `subnetId`.
fn networks() -> Value {
    Value::from("[variables('networkAcls')]")
}

/// Checks the settings that the program and the Functions host read.
pub fn settings(scope: &Scope<'_>, resource: &Resource<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(list) = environment(resource) else { return wrong };
    let find = |name: &str| list.iter().find(|entry| entry["name"] == name);
    for name in ["NORDPASS_ENDPOINT_URL", "NORDPASS_TOKEN"] {
        if find(name).is_none() {
            wrong.push(format!("the setting {name}, which the guide has people edit, is missing"));
        }
    }
    let token = find("NORDPASS_TOKEN");
    let reference = token.and_then(|entry| entry["value"].as_str()).and_then(|text| read(text).ok());
    let vault = reference.is_some_and(|value| value.to_string().contains("'@Microsoft.KeyVault(SecretUri='"));
    if !vault && token.is_none_or(|entry| entry["secretRef"].is_null()) {
        wrong.push("NORDPASS_TOKEN isn't taken from the key vault".to_owned());
    }
    let secrets = resource.json.pointer("/properties/configuration/secrets").and_then(Value::as_array);
    if secrets.into_iter().flatten().any(|secret| secret["keyVaultUrl"].is_null() || secret["identity"].is_null()) {
        wrong.push("a secret of the app isn't a reference to the key vault".to_owned());
    }
    if resource.kind == "Microsoft.Web/sites" && find("APPLICATIONINSIGHTS_CONNECTION_STRING").is_none() {
        wrong.push("the host reads APPLICATIONINSIGHTS_CONNECTION_STRING, and it isn't set".to_owned());
    }
    if find("AzureWebJobsStorage").is_some() || list.iter().any(|entry| entry.to_string().contains("AccountKey")) {
        wrong.push("a storage key is in the settings".to_owned());
    }
    if let Some(scale) = resource.json.pointer("/properties/template/scale")
        && (scale["minReplicas"] != 1 || scale["maxReplicas"] != 1)
    {
        wrong.push("one replica: a second one would wait for the first one's lease".to_owned());
    }
    let identities = members(&resource.json["identity"]["userAssignedIdentities"]);
    for (key, _) in identities {
        if read(key).ok().and_then(|key| scope.id(&key)).is_none_or(|id| scope.resource(&id).is_none()) {
            wrong.push("its identity isn't in the template".to_owned());
        }
    }
    wrong
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
    let mut look = |kind: &str, json: &Value| {
        strings(json, "", &mut |path, text| {
            let Ok(Some(expression)) = Expression::read(text) else { return };
            for name in expression.parts().into_iter().filter_map(|part| part.name_in("parameters")) {
                if secret(name) && !SECRET_PLACES.contains(&(name, kind, path)) {
                    errors.push(format!("template/{kind}{path}: the secret `{name}` doesn't belong here"));
                }
            }
        });
    };
    for resource in &template.resources {
        look(resource.kind, resource.json);
    }
    look("outputs", &template.json["outputs"]);
    look("variables", &template.json["variables"]);
    for name in ["nordpassToken", "packageUri"] {
        if !secret(name) {
            errors.push(format!("template: the parameter `{name}` has to be a securestring"));
        }
    }
}
