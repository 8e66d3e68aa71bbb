//! From files to a checked configuration: parse, read by fields, check the wiring, read the settings.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;

use super::draft::{Component, Draft};
use super::feedback;
use super::files::STDIN;
use super::graph::{self, Graph};
use super::outputs;
use super::registry::Registry;
use super::unit_test::{self, Recordings};
use super::{Config, SinkConfig, SourceConfig, TransformConfig};
use crate::component::{ReadSettings, STANDARD_INPUT, SinkSettings, SourceSettings, TransformSettings};
use crate::settings::Environment;
use crate::settings::document::Document;
use crate::settings::report::{Report, SourceSpan};
use crate::settings::section::fingerprint::Fingerprinter;
use crate::settings::{Diagnostic, Fingerprint, Section, Severity};

/// Where the state lives when no file says so.
const DATA_DIR: &str = "./data";

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
    check_takeover(&mut draft, &settings);
    check_feedback(&mut draft, &settings);
    check_standard_input(&draft, &settings, &report);
    let tests = graph.as_ref().map(|graph| unit_test::read(&mut draft, graph, &report, recordings)).unwrap_or_default();
    let found = report.found();
    match graph {
        Some(graph) if !has_errors(&found) => Ok((Config { tests, ..config(draft, graph, settings) }, found)),
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
    for (index, document) in report.documents().iter().enumerate() {
        match document.parse() {
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
enum Settings {
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
        .filter(|(_, settings)| settings.as_ref().is_some_and(Settings::can_take_over))
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

fn config(draft: Draft, graph: Graph, settings: Vec<Option<Settings>>) -> Config {
    let mut config = Config {
        data_dir: draft.data_dir.unwrap_or_else(|| PathBuf::from(DATA_DIR)),
        checkpoint_fingerprint: draft.checkpoint.as_ref().map(|(_, table)| fingerprint(&[], table)).unwrap_or_default(),
        checkpoint: draft.checkpoint.map(|(settings, _)| settings).unwrap_or_default(),
        core_dumps: draft.core_dumps,
        api_listen: draft.api_listen,
        api_allowed_hosts: draft.api_allowed_hosts,
        sources: Vec::new(),
        transforms: Vec::new(),
        sinks: Vec::new(),
        tests: Vec::new(),
    };
    let mut transforms: HashMap<usize, TransformConfig> = HashMap::new();
    let components = draft.components.into_iter().zip(graph.inputs).zip(settings).enumerate();
    for (index, ((component, inputs), settings)) in components {
        let Component { name, required, typed, inputs: read, found, .. } = component;
        // Without a type there is an error, and then no configuration is made.
        let (Some((component_type, section)), Some(settings)) = (typed, settings) else { continue };
        let read_texts = read.iter().flatten().map(|input| &input.text).collect::<Vec<_>>();
        let place = format!("{} {read_texts:?} {required} {found:?}", component_type.name);
        let fingerprint = fingerprint(&[&place], &section);
        match settings {
            Settings::Source(settings) => {
                config.sources.push(SourceConfig { name, component_type, fingerprint, settings });
            }
            Settings::Transform(settings) => {
                let input_addresses: Vec<String> = read.into_iter().flatten().map(|input| input.text).collect();
                let table = |address: &String| {
                    let table = found.tables.iter().position(|table| table == outputs::split(address).1);
                    table.unwrap_or_default()
                };
                let tables = input_addresses.iter().map(table).collect();
                let (outputs, table_count) = (found.names, found.tables.len());
                let config = TransformConfig {
                    name,
                    component_type,
                    records: found.records,
                    inputs,
                    input_addresses,
                    outputs,
                    tables,
                    table_count,
                    fingerprint,
                    settings,
                };
                transforms.insert(index, config);
            }
            Settings::Sink(settings) => {
                config.sinks.push(SinkConfig { name, component_type, inputs, required, fingerprint, settings });
            }
        }
    }
    config.transforms = graph.transforms.iter().filter_map(|index| transforms.remove(index)).collect();
    config
}

/// What a component is: its table, and what else makes it the component that it is.
fn fingerprint(place: &[&str], section: &Section) -> Fingerprint {
    let mut fingerprinter = Fingerprinter::default();
    for part in place {
        fingerprinter.add(part);
    }
    fingerprinter.section(section);
    fingerprinter.finish()
}
