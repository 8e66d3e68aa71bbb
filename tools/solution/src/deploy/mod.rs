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

use tools_common::{read_json, root};

/// Checks `deploy/` as far as that is possible without Azure.
pub fn check() -> Result<(), String> {
    let (template, form) = (read_json(generate::TEMPLATE)?, read_json("deploy/azure/createUiDefinition.json")?);
    let mut wrong = rules::check(&template);
    wrong.extend(form::check(&form, &template).into_iter().map(|words| format!("form: {words}")));
    wrong.extend(pipelines::check(&root(), &template)?);
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    println!("the template, the form and the pipeline files fit");
    checkers::check(&template)
}
