//! What stands in `deploy/`: the generated part of the Azure template, and the checks. Those of the project's own need
//! nothing but the repository; the other checkers are installed, pinned.

mod checkers;
pub mod expression;
mod findings;
mod form;
pub mod generate;
mod pipelines;
mod plain;
mod rules;
mod template;

use serde_json::Value;

/// Everything that can be told about `deploy/` without Azure.
pub fn check() -> Result<(), String> {
    let (template, form) = (json(generate::TEMPLATE)?, json("deploy/azure/createUiDefinition.json")?);
    let mut wrong = rules::check(&template);
    wrong.extend(form::check(&form, &template).into_iter().map(|words| format!("form: {words}")));
    wrong.extend(pipelines::check(&crate::root(), &template)?);
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    println!("the template, the form and the pipeline files fit");
    checkers::check(&template)
}

fn json(path: &str) -> Result<Value, String> {
    let text =
        std::fs::read_to_string(crate::root().join(path)).map_err(|error| format!("can't read {path}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
}
