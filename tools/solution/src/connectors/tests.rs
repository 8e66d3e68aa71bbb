use super::*;

#[test]
fn every_query_on_a_shared_table_is_ours_alone() {
    let page = generic().expect("the page");
    let lists = [("dataTypes", "lastDataReceivedQuery"), ("graphQueries", "baseQuery"), ("sampleQueries", "query")];
    let mut seen = 0;
    for (list, key) in lists {
        for entry in page[list].as_array().expect(list) {
            let query = entry[key].as_str().expect(key);
            assert_eq!(query.contains("ASim"), query.contains("EventVendor == \"Nord Security\""), "{query}");
            seen += usize::from(query.contains("ASim"));
        }
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn the_push_page_makes_a_stream_and_a_flow_for_every_table() {
    let rule = rule().expect("the rule");
    let properties = &rule[0]["properties"];
    let declared: Vec<_> = properties["streamDeclarations"].as_object().expect("streams").keys().cloned().collect();
    let flows = properties["dataFlows"].as_array().expect("flows");
    assert_eq!(declared.len(), 5);
    assert_eq!(flows.len(), 5);
    for flow in flows {
        // A stream with a transformation that isn't declared is refused by Azure since 2026.
        assert!(declared.iter().any(|name| flow["streams"][0] == name.as_str()), "{flow}");
    }
    let connector: Value = tools_common::json::read("solution/Data Connectors/NordPassPush_ccf/DataConnector.json")
        .expect("the connection");
    assert_eq!([&connector[0]["name"], &connector[0]["properties"]["connectorDefinitionName"]], [PUSH_ID, PUSH_ID]);
    let stream = &connector[0]["properties"]["dcrConfig"]["streamName"];
    assert!(declared.iter().any(|name| stream == name.as_str()), "{stream}");
}

#[test]
fn each_page_has_its_own_steps_and_the_spelling_of_its_kind() {
    let (generic, push) = (generic().expect("the page"), definition().expect("the page"));
    let push = &push["properties"]["connectorUiConfig"];
    assert!(generic["connectivityCriterias"].is_array() && push["connectivityCriteria"].is_array());
    let steps = generic["instructionSteps"].to_string();
    assert!(
        steps.contains("docs/guide/azure.md") && !push["instructionSteps"].to_string().contains("docs/guide/azure.md")
    );
    assert!(push["permissions"].to_string().contains("Application Developer"));
    assert!(!generic["permissions"].to_string().contains("Application Developer"));
    let kinds = push["instructionSteps"].to_string();
    assert!(kinds.contains("DeployPushConnectorButton") && kinds.contains("CopyableLabel"));
    assert!(!generic.to_string().contains("DeployPushConnectorButton"));
    assert_ne!(generic["id"], push["id"]);
}

#[test]
fn the_pages_name_what_the_azure_template_and_the_pipeline_have() {
    let template = tools_common::json::read::<Value>("deploy/azure/mainTemplate.json").expect("the template");
    let pipeline = tools_common::read("pipelines/with-health.toml").expect("the pipeline file");
    let (generic, push) = (generic().expect("the page"), definition().expect("the page"));
    let push = &push["properties"]["connectorUiConfig"];
    let mut seen = 0;
    for page in [&generic, push] {
        let steps = page["instructionSteps"].to_string();
        for name in steps.split('`').skip(1).step_by(2) {
            let is_variable = name.contains('_') && name.chars().all(|sign| sign.is_ascii_uppercase() || sign == '_');
            let is_name = name.chars().all(char::is_alphanumeric) && name.chars().any(char::is_uppercase);
            if is_variable {
                assert!(pipeline.contains(&format!("${{{name}}}")), "{name} isn't in the pipeline file");
            } else if is_name {
                let there = template["parameters"][name].is_object() || template["outputs"][name].is_object();
                assert!(there, "{name} is no parameter and no output of the template");
            } else if name.contains('/') && !name.contains(' ') {
                assert!(tools_common::root().join(name).exists(), "{name} isn't there");
            } else {
                continue;
            }
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
    // The values to copy are labelled with the variables that they go into.
    let steps = push["instructionSteps"].as_array().expect("steps");
    let parts = steps.iter().filter_map(|step| step["instructions"].as_array()).flatten();
    let labels: Vec<_> = parts.filter(|part| part["type"] == "CopyableLabel").collect();
    assert_eq!(labels.len(), 5);
    for part in labels {
        let label = part["parameters"]["label"].as_str().expect("a label");
        assert!(pipeline.contains(&format!("${{{label}}}")), "{label} isn't in the pipeline file");
    }
    for value in ["asim", "official", "both"] {
        assert!(template["parameters"]["tables"]["allowedValues"].to_string().contains(value), "{value}");
    }
    assert!(template["parameters"]["hosting"]["allowedValues"].to_string().contains("none"));
}
