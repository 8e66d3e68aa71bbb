//! The loader as its users meet it: texts in, settings or messages out.

mod fuzz;
mod graph;
mod messages;
mod outputs;
mod pipelines;
mod registry;
mod schema;
mod shaped_tests;
mod spellings;
mod unit_tests;

use crate::pipeline::load;
use crate::settings::document::Document;
use crate::settings::report::Report;
use crate::settings::{Diagnostic, Environment};

/// What the loader says about these files, with the tests' registry. (The components' settings aren't read.)
fn diagnose_files(files: &[(&str, &str)]) -> Vec<Diagnostic> {
    diagnose_in(files, Environment::of([("NORDPASS_TOKEN", "hidden"), ("EMPTY", ""), ("SIZE", "many")]))
}

fn diagnose_in(files: &[(&str, &str)], environment: Environment) -> Vec<Diagnostic> {
    let documents = files.iter().map(|(path, text)| Document::new((*path).into(), (*text).to_owned())).collect();
    let report = Report::new(documents, environment);
    let (mut draft, _) = load::check(&report, &registry::registry());
    for component in &mut draft.components {
        let inputs: Vec<String> = component.inputs.iter().flatten().map(|input| input.text.clone()).collect();
        if let Some((_, section)) = &mut component.typed {
            section.keys_are_inputs("streams", &inputs);
            if section.declares("endpoint") {
                section.url("endpoint");
            }
        }
    }
    report.found()
}

fn diagnose(text: &str) -> Vec<Diagnostic> {
    diagnose_files(&[("pipeline.toml", text)])
}

/// As a terminal shows it.
fn terminal(found: &[Diagnostic]) -> String {
    found.iter().map(|diagnostic| diagnostic.human(false)).collect::<Vec<_>>().join("\n")
}
