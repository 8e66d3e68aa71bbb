use super::*;

fn template() -> Value {
    tools_common::json::read("deploy/azure/mainTemplate.json").expect("the template")
}

/// Checks the template with a text of it replaced everywhere.
fn spoilt(from: &str, to: &str) -> Vec<String> {
    let text = template().to_string();
    assert!(text.contains(from), "`{from}` isn't in the template");
    check(&serde_json::from_str(&text.replace(from, to)).expect("still JSON"))
}

#[test]
fn the_template_keeps_every_rule() {
    assert_eq!(check(&template()), Vec::<String>::new());
}

#[test]
fn a_subnet_closes_storage_and_vault_to_all_other_networks() {
    let template = template();
    let rules = &template["variables"]["networkAcls"];
    assert_eq!(rules["defaultAction"], "[if(empty(parameters('subnetId')), 'Allow', 'Deny')]");
    assert!(rules["virtualNetworkRules"].to_string().contains("createObject('id', parameters('subnetId'))"), "{rules}");
    assert_eq!(rules.get("ipRules"), None);
}

/// Each rule bites: the template with one thing wrong, and the words of the complaint about it.
#[test]
fn each_rule_bites() {
    let role = "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '3913510d";
    let cases = [
        // A parenthesis too much in role ids.
        (
            "guid(resourceId('Microsoft.Storage/storageAccounts', variables('hostStorageName'))",
            "guid(resourceId('Microsoft.Storage/storageAccounts', variables('hostStorageName')))",
            "is too much",
        ),
        (
            role,
            "concat('/subscriptions/', subscription().subscriptionId, '3913510d",
            "its role isn't subscriptionResourceId",
        ),
        (
            "3913510d-42f4-4e42-8a64-420c390055eb",
            "b24988ac-6180-42a0-ab88-20f7382dd24c",
            "a role that the template needs",
        ),
        // The workspace is written, or Sentinel's onboarding.
        (
            "Microsoft.OperationalInsights/workspaces/tables",
            "Microsoft.OperationalInsights/workspaces/savedSearches",
            "isn't among the types",
        ),
        (
            "\"Microsoft.Insights/components\"",
            "\"Microsoft.SecurityInsights/onboardingStates\"",
            "isn't among the types",
        ),
        // Keys.
        (
            "reference(variables('identityId'), '2024-11-30').clientId",
            "listKeys(variables('identityId'), '2024-11-30').keys[0]",
            "reads a key",
        ),
        ("\"allowSharedKeyAccess\":false", "\"allowSharedKeyAccess\":true", "allowSharedKeyAccess"),
        ("AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage", "a storage key"),
        ("\"networkAcls\":\"[variables('networkAcls')]\"", "\"networkAcls\":{}", "networkAcls"),
        ("\"days\":14,\"enabled\":true", "\"days\":14,\"enabled\":false", "deleteRetentionPolicy"),
        ("\"enableRbacAuthorization\":true", "\"enableRbacAuthorization\":false", "enableRbacAuthorization"),
        // Wrong or fixed names.
        ("APPLICATIONINSIGHTS_CONNECTION_STRING", "APPINSIGHTS_CONNECTION_STRING", "isn't set"),
        ("\"NORDPASS_ENDPOINT_URL\"", "\"NORDPASS_URL\"", "is missing"),
        ("[concat('kv-np-', variables('suffix'))]", "NordPass", "the same in each deployment"),
        ("'.blob.', environment().suffixes.storage, '/'", "'.blob.core.windows.net/'", "a host of one cloud"),
        // The token.
        ("@Microsoft.KeyVault(SecretUri=", "", "isn't taken from the key vault"),
        (
            "\"secretRef\":\"[variables('secretName')]\"",
            "\"value\":\"[parameters('nordpassToken')]\"",
            "doesn't belong here",
        ),
        ("\"secretRef\":\"[variables('secretName')]\"", "\"value\":\"x\"", "isn't taken from the key vault"),
        // References.
        ("parameters('instance')", "parameters('instances')", "isn't defined"),
        ("\"subnetId\":{", "\"other\":{},\"subnetId\":{", "parameters('other') isn't used"),
        ("toLower(", "lower(", "no function is called `lower`"),
        (
            "resourceId('Microsoft.Web/serverfarms', variables('planName'))",
            "resourceId('Microsoft.Web/serverfarms', 'plan')",
            "isn't in the template",
        ),
        (
            "reference(resourceId('Microsoft.KeyVault/vaults', variables('vaultName'))",
            "reference(resourceId('Microsoft.KeyVault/vaults', 'v')",
            "refers to something",
        ),
        ("'2024-11-30').principalId", "'latest').principalId", "a fixed API version"),
        ("\"apiVersion\":\"2023-03-11\"", "\"apiVersion\":\"latest\"", "no fixed API version"),
        ("\"scope\":\"Inner\"", "\"scope\":\"Outer\"", "a scope of its own"),
        ("\"createOfficialTable\":{\"value\"", "\"createTable\":{\"value\"", "isn't given or isn't there"),
        ("\"maxReplicas\":1", "\"maxReplicas\":2", "one replica"),
        ("\"principalType\":\"ServicePrincipal\"", "\"principalType\":\"User\"", "isn't found yet"),
        (
            "\"[variables('identityId')]\":{}",
            "\"[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'x')]\":{}",
            "its identity isn't",
        ),
    ];
    for (from, to, words) in cases {
        let errors = spoilt(from, to);
        assert!(errors.iter().any(|error| error.contains(words)), "{from} → {to}: {errors:#?}");
    }
}

#[test]
fn a_role_on_more_than_it_needs_is_refused() {
    let narrow = "\"scope\":\"[resourceId('Microsoft.Storage/storageAccounts/blobServices/containers', variables('storageName'), 'default', variables('containerName'))]\"";
    let wide = "\"scope\":\"[resourceId('Microsoft.Storage/storageAccounts', variables('storageName'))]\"";
    let errors = spoilt(narrow, wide);
    assert!(errors.iter().any(|error| error.contains("is given on microsoft.storage/storageaccounts,")), "{errors:#?}");
}

#[test]
fn a_dependency_that_is_taken_out_is_missed() {
    let mut template = template();
    let resources = template["resources"].as_array_mut().expect("resources");
    let secret = resources.iter_mut().find(|one| one["type"] == "Microsoft.KeyVault/vaults/secrets").expect("a secret");
    secret["dependsOn"] = serde_json::json!([]);
    let errors = check(&template);
    assert!(
        errors.iter().any(|error| error.contains("doesn't depend on its parent microsoft.keyvault/vaults")),
        "{errors:#?}"
    );
}

/// The tables are made where the workspace is, and the rule in its region, wherever that is.
#[test]
fn tables_and_rule_follow_the_workspace() {
    let template = template();
    let resources = template["resources"].as_array().expect("resources");
    let holding = |kind: &str| {
        let holds = |one: &&Value| one["properties"]["template"]["resources"].to_string().contains(kind);
        resources.iter().find(holds).expect("a nested deployment")
    };
    let tables = holding("Microsoft.OperationalInsights/workspaces/tables");
    assert_eq!(tables["subscriptionId"], "[variables('workspaceParts')[2]]");
    assert_eq!(tables["resourceGroup"], "[variables('workspaceParts')[4]]");
    let region = &tables["properties"]["template"]["outputs"]["location"]["value"];
    assert!(
        region.as_str().expect("an expression").contains("workspaces', parameters('workspaceName')), "),
        "{region}"
    );

    let rule = holding("Microsoft.Insights/dataCollectionRules");
    let given = rule["properties"]["parameters"]["location"]["value"].as_str().expect("an expression");
    assert!(given.contains("variables('tablesDeployment')") && given.ends_with(".outputs.location.value]"), "{given}");
    assert_eq!(rule["properties"]["template"]["resources"][0]["location"], "[parameters('location')]");
    // A name or a whole id: both end up as an id of which the parts are taken.
    let id = template["variables"]["workspaceId"].as_str().expect("an expression");
    assert!(id.contains("contains(parameters('workspace'), '/')"), "{id}");
}
