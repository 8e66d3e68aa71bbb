//! From files to a checked configuration: parse, read by fields, check the wiring, read the settings.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;

use super::Config;
use super::assemble::config;
use super::draft::{Component, Draft};
use super::feedback;
use super::files::STDIN;
use super::graph::{self, Graph};
use super::organizations;
use super::outputs;
use super::registry::Registry;
use super::unit_test::{self, Recordings};
use crate::component::{ReadSettings, STANDARD_INPUT, SinkSettings, SourceSettings, TransformSettings};
use crate::settings::Environment;
use crate::settings::document::Document;
use crate::settings::report::{Report, SourceSpan};
use crate::settings::{Diagnostic, Severity};

/// Where the state lives when no file says so.
pub(super) const DATA_DIR: &str = "./data";

/// Reads files as one pipeline set. Returns the configuration and the warnings, or everything that is wrong, warnings
/// included, in the order of the files.
pub fn load(files: &[(PathBuf, String)], environment: &Environment) -> Loaded {
    load_with(files, environment, Recordings::Optional)
}

/// The same for the command that runs the tests: their recordings must be there.
pub fn load_for_tests(files: &[(PathBuf, String)], environment: &Environment) -> Loaded {
    load_with(files, environment, Recordings::Required)
}

/// The configuration and the warnings, or everything that is wrong.
type Loaded = Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>>;

fn load_with(files: &[(PathBuf, String)], environment: &Environment, recordings: Recordings) -> Loaded {
    let documents = files.iter().map(|(path, text)| Document::new(path.clone(), text.clone())).collect();
    let report = Report::new(documents, environment.clone());
    let (mut draft, graph) = check(&report, &Registry::built_in());
    let settings = read_settings(&mut draft, &report);
    if let Some(graph) = &graph {
        organizations::check_destinations(&draft, graph, &report);
    }
    let organizations = organizations::read(&mut draft, &settings, graph.as_ref(), &report);
    check_takeover(&mut draft, &settings);
    check_feedback(&mut draft, &settings);
    check_standard_input(&draft, &settings, &report);
    let tests = graph.as_ref().map(|graph| unit_test::read(&mut draft, graph, &report, recordings)).unwrap_or_default();
    let found = report.found();
    match graph {
        Some(graph) if !has_errors(&found) => {
            let config = config(draft, graph, settings, &organizations);
            Ok((Config { tests, kept_out: organizations.kept_out, shard: organizations.shard, ..config }, found))
        }
        _ => Err(found),
    }
}

pub(super) fn has_errors(found: &[Diagnostic]) -> bool {
    found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Everything that needs no component's own code. The wiring is `None` when a file can't be parsed: whatever is
/// missing may be in it.
pub(super) fn check(report: &Report, registry: &Registry) -> (Draft, Option<Graph>) {
    let mut draft = Draft::default();
    let mut whole = true;
    let known = registry.words();
    let parsed: Vec<_> = report.documents().iter().map(Document::parse).collect();
    draft.may_have_templates = parsed
        .iter()
        .any(|table| table.as_ref().map_or(true, |table| table.iter().any(|entry| entry.key == "organizations")));
    for (index, table) in parsed.into_iter().enumerate() {
        match table {
            Ok(table) => draft.add(report, registry, index, table),
            Err(errors) => {
                whole = false;
                for error in errors {
                    let words = error.message.trim_end_matches(", expected literal string");
                    let message = format!("this isn't TOML: {words}");
                    let span = SourceSpan { document: index, span: error.span };
                    report.not_toml(&span, &known, message, syntax_hint(&error.message));
                }
            }
        }
    }
    outputs::find(&mut draft);
    let graph = whole.then(|| graph::check(&draft, report));
    (draft, graph)
}

/// What people usually get wrong.
fn syntax_hint(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "keep one of the two"
    } else if message.contains("string values must be quoted") || message.contains("invalid") {
        "put strings and durations in quotes: \"…\""
    } else {
        "see https://toml.io/en/v1.0.0 for the syntax"
    }
}

/// The settings of a component that has a type.
pub(super) enum Settings {
    Source(Arc<dyn SourceSettings>),
    Transform(Arc<dyn TransformSettings>),
    Sink(Arc<dyn SinkSettings>),
}

impl Settings {
    fn exclusive_resource(&self) -> Option<String> {
        match self {
            Self::Source(settings) => settings.exclusive_resource(),
            Self::Transform(_) => None,
            Self::Sink(settings) => settings.exclusive_resource(),
        }
    }

    fn can_take_over(&self) -> bool {
        matches!(self, Self::Source(settings) if settings.can_take_over())
    }
}

fn read_settings(draft: &mut Draft, report: &Report) -> Vec<Option<Settings>> {
    let mut taken: HashMap<String, String> = HashMap::new();
    let outputs = |component: &Component| {
        component.outputs().iter().map(|output| graph::address(component, output)).collect::<Vec<_>>()
    };
    let known: HashSet<String> = draft.components.iter().flat_map(outputs).collect();
    draft.components.iter_mut().map(|component| read_component(component, &known, &mut taken, report)).collect()
}

/// A source must not read what its own set writes.
fn check_feedback(draft: &mut Draft, settings: &[Option<Settings>]) {
    let data_dir = draft.data_dir.as_deref().unwrap_or(Path::new(DATA_DIR));
    let own = |folder: &str| Pattern::escape(&data_dir.join(folder).to_string_lossy()) + "/**/*";
    let mut written = vec![("`data_dir`".to_owned(), ["dead-letters", "sinks", "sources"].map(own).to_vec())];
    for (component, settings) in draft.components.iter().zip(settings) {
        if let Some(Settings::Sink(settings)) = settings {
            written.push((format!("`{}`", component.path()), settings.writes()));
        }
    }
    for (component, settings) in draft.components.iter_mut().zip(settings) {
        let (Some(Settings::Source(settings)), Some((_, section))) = (settings, &mut component.typed) else {
            continue;
        };
        for pattern in settings.reads() {
            if let Some((writer, _)) = written.iter().find(|(_, written)| feedback::reads(pattern, written)) {
                let message = format!("`{}` would read what this set writes: files of {writer}", component.name);
                section.error("paths", message, "write to a folder that no source of the set reads");
            }
        }
    }
}

/// A set that came from standard input has read all of it.
fn check_standard_input(draft: &Draft, settings: &[Option<Settings>], report: &Report) {
    if !report.documents().iter().any(|document| document.path() == Path::new(STDIN)) {
        return;
    }
    let reads = |settings: &Option<Settings>| {
        settings.as_ref().and_then(Settings::exclusive_resource).is_some_and(|resource| resource == STANDARD_INPUT)
    };
    for (component, _) in draft.components.iter().zip(settings).filter(|(_, settings)| reads(settings)) {
        let message = format!("`{}` reads standard input, from which a pipeline file was read", component.name);
        report.error(&component.span, &component.path(), message, "give the pipeline file by its name instead of `-`");
    }
}

/// The official connector's cursor belongs to one organization: exactly one source can go on from it.
fn check_takeover(draft: &mut Draft, settings: &[Option<Settings>]) {
    let Some((checkpoint, table)) = &mut draft.checkpoint else { return };
    let Some(takeover) = checkpoint.takeover() else { return };
    let sources: Vec<&str> = (draft.components.iter().zip(settings))
        .filter(|(component, settings)| {
            !component.is_template && settings.as_ref().is_some_and(Settings::can_take_over)
        })
        .map(|(component, _)| component.name.as_str())
        .collect();
    let mut table = table.table("takeover");
    match &takeover.source {
        Some(source) if !sources.contains(&source.as_str()) => {
            let hint = format!(
                "the sources of this type are {}",
                if sources.is_empty() { "none".into() } else { sources.join(", ") }
            );
            table.error("source", "no source of type `nordpass` has this name", hint);
        }
        None if sources.len() != 1 => {
            let message = format!("with {} sources of type `nordpass`, `takeover` needs `source`", sources.len());
            table.error("source", message, "set it to the one that reads what the official connector read");
        }
        _ => {}
    }
}

/// Reads a component's table. `None` only without a type, which is an error already. Inputs that aren't `known` have their
/// error, too, and their text may be anything.
fn read_component(
    component: &mut Component,
    known: &HashSet<String>,
    taken: &mut HashMap<String, String>,
    report: &Report,
) -> Option<Settings> {
    let path = component.path();
    let (component_type, section) = component.typed.as_mut()?;
    let settings = match component_type.read {
        ReadSettings::Source(read) => Settings::Source(read(section)),
        ReadSettings::Transform(read) => Settings::Transform(read(section)),
        ReadSettings::Sink(read) => {
            let inputs = component.inputs.iter().flatten().map(|input| input.text.clone());
            let inputs: Vec<String> = inputs.filter(|text| known.contains(text)).collect();
            Settings::Sink(read(section, &inputs))
        }
    };
    let resource = settings.exclusive_resource();
    // A set with errors may hold placeholders, and two of those are no clash.
    if let Some(resource) = resource.filter(|resource| !resource.is_empty())
        && let Some(other) = taken.insert(resource.clone(), path.clone())
    {
        let resource = match (section.declares("container"), section.declares("path")) {
            (true, _) => "the same blobs",
            (false, true) => "the same files",
            (false, false) => &resource,
        };
        let message = format!("`{}` and `{other}` both use {resource}", component.name);
        let hint = "give each its own, or use one component for both";
        if section.declares("path") {
            section.error("path", message, hint);
        } else {
            report.error(&component.span, &path, message, hint);
        }
    }
    Some(settings)
}
