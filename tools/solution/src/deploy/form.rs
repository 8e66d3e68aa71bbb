//! Checks the portal's form, `createUiDefinition.json`: its outputs have to be the template's parameters.

use std::collections::BTreeSet;

use serde_json::Value;
use tools_common::json::{self, items, members};

use super::expression::Expression;
use super::template::strings;

const FUNCTIONS: &[&str] = &["and", "empty", "equals", "if", "location", "not", "steps"];

/// Checks the form. Returns what is wrong.
pub fn check(form: &Value, template: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    let names = |json: &Value| -> BTreeSet<String> {
        json.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let (outputs, parameters) = (names(&form["parameters"]["outputs"]), names(&template["parameters"]));
    errors.extend(outputs.difference(&parameters).map(|name| format!("the template has no parameter `{name}`")));
    errors.extend(parameters.difference(&outputs).map(|name| format!("the form has no output `{name}`")));

    let steps = items(&form["parameters"]["steps"]);
    let mut known = BTreeSet::new();
    for step in steps {
        for element in items(&step["elements"]) {
            let (step, name) = (json::text(&step["name"]), json::text(&element["name"]));
            if !known.insert(format!("steps('{step}').{name}")) {
                errors.push(format!("step `{step}` has two elements `{name}`"));
            }
        }
    }
    let mut used = BTreeSet::new();
    strings(&form["parameters"]["outputs"], "outputs", &mut |_, text| references(text, &known, &mut used, &mut errors));
    errors.extend(known.difference(&used).map(|element| format!("nothing comes of {element}")));
    strings(&form["parameters"]["steps"], "steps", &mut |_, text| references(text, &known, &mut used, &mut errors));
    errors.extend(choices(form, template));
    errors
}

/// Checks what a string of the form refers to.
fn references(text: &str, known: &BTreeSet<String>, used: &mut BTreeSet<String>, errors: &mut Vec<String>) {
    let expression = match Expression::read(text) {
        Ok(Some(expression)) => expression,
        Ok(None) => return,
        Err(error) => return errors.push(format!("`{text}`: {error}")),
    };
    for part in expression.parts() {
        match part {
            Expression::Call(name, _) if !FUNCTIONS.contains(&name.as_str()) => {
                errors.push(format!("`{text}`: no function is called `{name}`"));
            }
            Expression::Member(of, _) if of.name_in("steps").is_some() => {
                let element = part.to_string();
                if !known.contains(&element) {
                    errors.push(format!("`{text}`: there is no {element}"));
                }
                used.insert(element);
            }
            _ => {}
        }
    }
}

/// Checks that a choice in the form offers what the template allows.
fn choices(form: &Value, template: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    for (name, parameter) in members(&template["parameters"]) {
        let Some(allowed) = parameter["allowedValues"].as_array() else { continue };
        let allowed: BTreeSet<_> = allowed.iter().filter_map(Value::as_str).collect();
        let steps = items(&form["parameters"]["steps"]);
        let elements = steps.flat_map(|step| items(&step["elements"]));
        let offered = elements.filter(|element| element["name"] == name).flat_map(|element| {
            let values = items(&element["constraints"]["allowedValues"]);
            values.filter_map(|value| value["value"].as_str()).collect::<Vec<_>>()
        });
        if offered.collect::<BTreeSet<_>>() != allowed {
            errors.push(format!("the form's choices for `{name}` aren't those that the template allows"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Value {
        tools_common::read_json(&format!("deploy/azure/{name}")).expect("a file")
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
