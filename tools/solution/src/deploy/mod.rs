//! Generates a part of the Azure template, and checks `deploy/`. Those of the project's own need
//! nothing but the repository; the other checkers are installed, pinned.

mod checkers;
pub mod expression;
pub mod expressions;
mod findings;
mod form;
pub mod generate;
mod pipelines;
mod plain;
mod rules;
pub mod template;

use serde_json::Value;
use tools_common::json::read;
use tools_common::passed;

/// The template of several apps that share organizations.
const REPLICAS: &str = "deploy/azure/replicas.json";

/// Checks `deploy/` as far as that is possible without Azure.
pub fn check() -> Result<(), String> {
    let [template, form, replicas]: [Value; 3] =
        [read(generate::TEMPLATE)?, read("deploy/azure/createUiDefinition.json")?, read(REPLICAS)?];
    let mut wrong = rules::check(&template);
    wrong.extend(rules::check_texts(&replicas).into_iter().map(|words| format!("{REPLICAS}: {words}")));
    wrong.extend(form::check(&form, &template).into_iter().map(|words| format!("form: {words}")));
    wrong.extend(pipelines::check(&template)?);
    passed(&wrong)?;
    println!("the template, the form and the pipeline files fit");
    checkers::check(&template, &replicas)
}
