use serde_json::Value;

use super::*;

fn parsed(text: Result<String, String>) -> Value {
    serde_json::from_str(&text.expect("the page")).expect("JSON")
}

#[test]
fn every_query_on_a_shared_table_is_ours_alone() {
    let page = parsed(generic());
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
    let rule = parsed(rule());
    let properties = &rule[0]["properties"];
    let declared: Vec<_> = properties["streamDeclarations"].as_object().expect("streams").keys().cloned().collect();
    let flows = properties["dataFlows"].as_array().expect("flows");
    assert_eq!(declared.len(), 5);
    assert_eq!(flows.len(), 5);
    for flow in flows {
        // A stream with a transformation that isn't declared is refused by Azure since 2026.
        assert!(declared.iter().any(|name| flow["streams"][0] == name.as_str()), "{flow}");
    }
    let connector = parsed(connector());
    let stream = &connector[0]["properties"]["dcrConfig"]["streamName"];
    assert!(declared.iter().any(|name| stream == name.as_str()), "{stream}");
}

#[test]
fn each_page_has_its_own_steps_and_the_spelling_of_its_kind() {
    let (generic, push) = (parsed(generic()), parsed(definition()));
    let push = &push["properties"]["connectorUiConfig"];
    assert!(generic["connectivityCriterias"].is_array() && push["connectivityCriteria"].is_array());
    assert!(
        generic["instructionSteps"][0]["description"].as_str().is_some_and(|text| text.contains("docs/guide/azure.md"))
    );
    let kinds = push["instructionSteps"].to_string();
    assert!(kinds.contains("DeployPushConnectorButton") && kinds.contains("CopyableLabel"));
    assert!(!generic.to_string().contains("DeployPushConnectorButton"));
    assert_ne!(generic["id"], push["id"]);
}
