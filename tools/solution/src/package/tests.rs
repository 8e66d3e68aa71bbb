mod published;

use super::content::Watchlist;
use super::*;

fn item(file: &str, data: Value) -> Item {
    Item { file: file.to_owned(), data, query: "NordPassEvents\n| where EventName == \"a.b\"\n".to_owned() }
}

fn content() -> Content {
    let rule = json!({
        "id": "00000000-0000-4000-8000-000000000001", "name": "A rule", "description": "'Identifies a thing.'", "severity": "Low",
        "status": "Available", "requiredDataConnectors": [], "queryFrequency": "15m", "queryPeriod": "2d", "triggerOperator": "gt",
        "triggerThreshold": 0, "tactics": ["Impact"], "relevantTechniques": ["T1496.001", "T1496.004"], "entityMappings": [], "version": "1.0.0",
        "kind": "Scheduled", "customDetails": {"A": "B"},
    });
    let hunting = json!({
        "id": "00000000-0000-4000-8000-000000000002", "name": "A query", "description": "'Identifies another.'",
        "tactics": ["Impact", "Exfiltration"], "relevantTechniques": ["T1496"], "version": "1.0.1",
    });
    let parser = json!({
        "id": "00000000-0000-4000-8000-000000000003", "Function": {"Title": "A parser", "Version": "1.2.3"},
        "FunctionName": "NordPassEvents", "FunctionAlias": "NordPassEvents", "FunctionParams": "pack:bool=false",
    });
    let watchlist = Watchlist {
        alias: "People".to_owned(),
        display_name: "People".to_owned(),
        description: "Some".to_owned(),
        provider: "somebody".to_owned(),
        source: "People.csv".to_owned(),
        content_type: "text/csv".to_owned(),
        items_search_key: "Name".to_owned(),
        raw_content: "Name\na@example.com\n".to_owned(),
    };
    Content {
        rules: vec![item("A.yaml", rule)],
        hunting: vec![item("B.yaml", hunting)],
        parsers: vec![item("C.yaml", parser)],
        watchlists: vec![watchlist],
    }
}

fn of<'a>(template: &'a Value, kind: &str) -> &'a Value {
    let resources = template["resources"].as_array().expect("resources");
    resources.iter().find(|found| found["properties"]["contentKind"] == kind).expect(kind)
}

#[test]
fn each_piece_has_a_template_with_its_resource_and_its_metadata() {
    let template = template::main(&content()).expect("the template");
    assert_eq!(arm::check_template(&template), Vec::<String>::new());
    for (kind, id, resource) in [
        ("AnalyticsRule", "00000000-0000-4000-8000-000000000001", "Microsoft.SecurityInsights/AlertRuleTemplates"),
        ("HuntingQuery", "00000000-0000-4000-8000-000000000002", "Microsoft.OperationalInsights/savedSearches"),
        ("Parser", "NordPassEvents-Parser", "Microsoft.OperationalInsights/workspaces/savedSearches"),
        ("Workbook", WORKBOOK_KEY, "Microsoft.Insights/workbooks"),
        ("DataConnector", crate::connectors::ID, "Microsoft.OperationalInsights/workspaces/providers/dataConnectors"),
    ] {
        let found = &of(&template, kind)["properties"];
        assert_eq!(found["contentId"], id);
        assert_eq!(found["mainTemplate"]["resources"][0]["type"], resource);
        assert_eq!(found["mainTemplate"]["resources"][1]["properties"]["contentId"], id);
    }
}

#[test]
fn a_rule_is_put_into_the_words_of_its_template() {
    let template = template::main(&content()).expect("the template");
    let rule = &of(&template, "AnalyticsRule")["properties"]["mainTemplate"]["resources"][0]["properties"];
    assert_eq!([&rule["queryFrequency"], &rule["queryPeriod"]], ["PT15M", "P2D"]);
    assert_eq!(rule["triggerOperator"], "GreaterThan");
    assert_eq!(rule["description"], "Identifies a thing.");
    assert_eq!(rule["techniques"], json!(["T1496"]));
    assert_eq!(rule["subTechniques"], json!(["T1496.001", "T1496.004"]));
    assert_eq!(rule["customDetails"], json!({"A": "B"}));
    assert!(rule.get("alertDetailsOverride").is_none(), "what the rule doesn't have isn't there as null");
    let hunting = &of(&template, "HuntingQuery")["properties"]["mainTemplate"]["resources"][0]["properties"];
    assert_eq!(hunting["tags"][1], json!({"name": "tactics", "value": "Impact,Exfiltration"}));
}

#[test]
fn the_form_shows_every_piece_that_is_installed() {
    let form = form::create(&content());
    let steps = form["parameters"]["steps"].as_array().expect("steps");
    for (name, label) in
        [("workbooks", NAME), ("analytics", "A rule"), ("huntingqueries", "A query"), ("watchlists", "People")]
    {
        let step = steps.iter().find(|step| step["name"] == name).expect(name);
        assert!(step["elements"].as_array().expect("elements").iter().any(|part| part["label"] == label), "{step}");
    }
}

#[test]
fn the_workbook_in_the_template_is_the_one_in_the_repository() {
    let template = template::main(&content()).expect("the template");
    let inside =
        of(&template, "Workbook")["properties"]["mainTemplate"]["resources"][0]["properties"]["serializedData"].clone();
    let inside: Value = serde_json::from_str(inside.as_str().expect("a text")).expect("JSON");
    assert_eq!(inside, read::<Value>(crate::workbook::PATH).expect("the workbook"));
}

#[test]
fn the_check_sees_what_would_not_deploy() {
    let good = template::main(&content()).expect("the template");
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut template = good.clone();
        change(&mut template);
        arm::check_template(&template)
    };
    assert!(
        !broken(&|template| template["variables"]["_solutionId"] = Value::Null).is_empty(),
        "a variable that isn't there"
    );
    assert!(!broken(&|template| template["resources"][0]["location"] = json!("[parameters('place')]")).is_empty());
    assert!(!broken(&|template| template["resources"][1] = template["resources"][0].clone()).is_empty(), "one twice");
    assert!(!broken(&|template| template["resources"][0]["properties"]["displayName"] = json!("[sic")).is_empty());
    assert!(!broken(&|template| template["resources"][2]["properties"]["contentId"] = json!("other")).is_empty());
    let name = |text: &'static str| move |template: &mut Value| template["resources"][0]["name"] = json!(text);
    assert!(!broken(&name("[concatenate(parameters('workspace'))]")).is_empty(), "no such function");
    assert!(!broken(&name("[concat(parameters('workspace')]")).is_empty(), "a bracket too few");
    assert!(
        !broken(&|template| template["parameters"]["spare"] = json!({"type": "string"})).is_empty(),
        "used by nobody"
    );
    assert!(
        !broken(&|template| template["resources"][0]["apiVersion"] = json!("2019-01-01")).is_empty(),
        "no such version"
    );
    let inside = |key: &'static str, value: Value| {
        move |template: &mut Value| {
            template["resources"][3]["properties"]["mainTemplate"]["resources"][1]["properties"][key] = value.clone();
        }
    };
    assert!(!broken(&inside("version", json!("9.9.9"))).is_empty(), "two versions of one piece");
    assert!(!broken(&inside("kind", json!("Playbook"))).is_empty(), "two kinds of one piece");
    let criteria = |template: &mut Value| {
        let package = template["resources"].as_array_mut().and_then(|list| list.last_mut()).expect("the package");
        package["properties"]["dependencies"]["criteria"][0]["version"] = json!("9.9.9");
    };
    assert!(!broken(&criteria).is_empty(), "the solution wants another version");
    assert!(!broken(&|template| template["variables"]["solutionId"] = json!("Publisher.offer")).is_empty());
}

#[test]
fn the_product_is_called_by_its_whole_name() {
    for good in ["Microsoft Sentinel", "Azure-Sentinel/Solutions", "NordPassSentinel", "sentinel", "Sentinels_"] {
        assert_eq!(arm::unbranded(good), Vec::<String>::new(), "{good}");
    }
    for bad in ["NordPass Sentinel", "Sentinel", "(Splunk, Sentinel)", "in Microsoft  Sentinel"] {
        assert_eq!(arm::unbranded(bad).len(), 1, "{bad}");
    }
}

#[test]
fn the_files_pass_the_published_rules_and_are_the_same_twice() {
    let mut content = content();
    // Only what is in the repository can be named.
    content.rules.clear();
    content.hunting.clear();
    content.parsers.clear();
    content.watchlists.clear();
    let entries = files(&content).expect("the files");
    assert_eq!(entries, files(&content).expect("the files again"));
    assert_eq!(published::check(&entries), Vec::<String>::new());
    let wrong = check::check(&entries);
    let expected = |words: &String| words.contains("isn't named") || words.contains("at least one analytic rule");
    assert!(wrong.iter().all(expected), "{wrong:?}");
    let mut without = entries.clone();
    without.remove("Workbooks/Images/Preview/NordPassSentinelBlack.png");
    assert_eq!(published::check(&without).len(), 1);
}
