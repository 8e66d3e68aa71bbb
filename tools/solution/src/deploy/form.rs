//! Checks the portal's form, `createUiDefinition.json`: its outputs have to be the template's parameters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tools_common::json::{items, members, text};

use super::expression::Expression;
use super::template::strings;

const FUNCTIONS: &[&str] = &["and", "empty", "equals", "if", "location", "not", "steps"];

/// Checks the form. Returns what is wrong.
pub fn check(form: &Value, template: &Value) -> Vec<String> {
    fn names(json: &Value) -> BTreeSet<&str> {
        members(json).map(|(name, _)| name).collect()
    }
    let (mut errors, mut known, mut used) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    let [outputs, steps] = ["outputs", "steps"].map(|key| &form["parameters"][key]);
    let (given, asked) = (names(outputs), names(&template["parameters"]));
    errors.extend(given.difference(&asked).map(|name| format!("the template has no parameter `{name}`")));
    errors.extend(asked.difference(&given).map(|name| format!("the form has no output `{name}`")));

    for step in items(steps) {
        for element in items(&step["elements"]) {
            let name = format!("steps('{}').{}", text(&step["name"]), text(&element["name"]));
            if known.insert(name.clone(), element).is_some() {
                errors.push(format!("there are two elements {name}"));
            }
        }
    }
    for (json, is_output) in [(outputs, true), (steps, false)] {
        for (_, text) in strings(json) {
            let expression = Expression::read(text).unwrap_or_else(|error| {
                errors.push(format!("`{text}`: {error}"));
                None
            });
            for part in expression.iter().flat_map(Expression::parts) {
                match part {
                    Expression::Call(name, _) if !FUNCTIONS.contains(&name.as_str()) => {
                        errors.push(format!("`{text}`: no function is called `{name}`"));
                    }
                    Expression::Member(of, _) if of.name_in("steps").is_some() => {
                        if !known.contains_key(&part.to_string()) {
                            errors.push(format!("`{text}`: there is no {part}"));
                        }
                        if is_output {
                            used.insert(part.to_string());
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    let unused = known.keys().filter(|element| !used.contains(*element));
    errors.extend(unused.map(|element| format!("nothing comes of {element}")));

    // A choice offers what the template allows.
    for (name, parameter) in members(&template["parameters"]) {
        let allowed: BTreeSet<_> = items(&parameter["allowedValues"]).map(text).collect();
        let elements = known.values().filter(|element| element["name"] == name);
        let offered = elements.flat_map(|element| items(&element["constraints"]["allowedValues"]));
        if !allowed.is_empty() && offered.map(|value| text(&value["value"])).collect::<BTreeSet<_>>() != allowed {
            errors.push(format!("the form's choices for `{name}` aren't those that the template allows"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Value {
        tools_common::json::read(&format!("deploy/azure/{name}")).expect("a file")
    }

    #[test]
    fn the_form_fits_the_template() {
        assert_eq!(check(&file("createUiDefinition.json"), &file("mainTemplate.json")), Vec::<String>::new());
    }

    #[test]
    fn the_example_names_parameters_that_there_are() {
        let (example, template) = (file("parameters.example.json"), file("mainTemplate.json"));
        for (name, _) in example["parameters"].as_object().expect("parameters") {
            assert!(!template["parameters"][name].is_null(), "{name}");
        }
        for (name, parameter) in template["parameters"].as_object().expect("parameters") {
            assert!(!parameter["defaultValue"].is_null() || !example["parameters"][name].is_null(), "{name} is needed");
        }
    }

    #[test]
    fn each_rule_bites() {
        let text = file("createUiDefinition.json").to_string();
        for (from, to, words) in [
            ("\"instance\":\"[", "\"name\":\"[", "no parameter `name`"),
            ("\"instance\":\"[", "\"name\":\"[", "no output `instance`"),
            ("[steps('host').instance]", "[steps('host').name]", "there is no steps('host').name"),
            ("[steps('host').instance]", "", "nothing comes of steps('host').instance"),
            ("[location()]", "[region()]", "no function"),
            ("[location()]", "[location(]", "missing"),
            ("\"value\":\"both\"", "\"value\":\"all\"", "choices for `tables`"),
            ("\"name\":\"url\"", "\"name\":\"token\"", "two elements"),
        ] {
            assert!(text.contains(from), "{from}");
            let form: Value = serde_json::from_str(&text.replacen(from, to, 1)).expect("JSON");
            let errors = check(&form, &file("mainTemplate.json"));
            assert!(errors.iter().any(|error| error.contains(words)), "{from} → {to}: {errors:#?}");
        }
    }
}
