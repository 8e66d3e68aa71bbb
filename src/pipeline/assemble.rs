//! From what was read and checked to the configuration: each component with its settings and its fingerprint.

use std::collections::HashMap;
use std::path::PathBuf;

use super::draft::{Component, Draft};
use super::graph::Graph;
use super::load::{DATA_DIR, Settings};
use super::organizations::Organizations;
use super::outputs;
use super::{Config, KeptOut, SinkConfig, SourceConfig, TransformConfig};
use crate::component::Takes;
use crate::settings::section::fingerprint::Fingerprinter;
use crate::settings::{Fingerprint, Section};
use crate::state::Shard;

/// The configuration of a set without errors. A template becomes a source for each organization.
pub(super) fn config(
    draft: Draft,
    graph: Graph,
    settings: Vec<Option<Settings>>,
    organizations: &Organizations,
) -> Config {
    let has_organizations = !organizations.entries.is_empty();
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
        kept_out: KeptOut::default(),
        shard: Shard::default(),
    };
    let mut transforms: HashMap<usize, TransformConfig> = HashMap::new();
    let components = draft.components.into_iter().zip(graph.inputs).zip(settings).enumerate();
    for (index, ((component, inputs), settings)) in components {
        let Component { name, required, typed, inputs: read, found, is_template, .. } = component;
        // Without a type there is an error, and then no configuration is made.
        let (Some((component_type, section)), Some(settings)) = (typed, settings) else { continue };
        let read_texts = read.iter().flatten().map(|input| &input.text).collect::<Vec<_>>();
        let place = format!("{} {read_texts:?} {required} {found:?}", component_type.name);
        let fingerprint = fingerprint(&[&place], &section);
        match settings {
            Settings::Source(settings) => {
                let template = SourceConfig { feeds: name.clone(), name, component_type, fingerprint, settings };
                let own = organizations.entries.iter().filter(|_| is_template);
                let own: Vec<SourceConfig> = own.filter_map(|entry| template.for_organization(&entry.access)).collect();
                // Without organizations it stands for itself: only where the file may be missing, to check the rest.
                config.sources.extend(if own.is_empty() { vec![template] } else { own });
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
                // Also in a set without organizations: a reload may just have removed them, with their records on the way.
                let has_all = settings.destination_fields().is_empty();
                let takes = if has_all { Takes::All } else { Takes::WithoutDestination };
                let sink =
                    SinkConfig { name, template: None, takes, component_type, inputs, required, fingerprint, settings };
                let own = organizations.entries.iter().filter(|_| organizations.destinations_of == Some(index));
                let own = own.filter_map(|entry| {
                    Some(sink.for_organization(&entry.access.organization, entry.destination.as_ref()?))
                });
                let own: Vec<SinkConfig> = own.collect();
                // Each organization has its own: there is none for the others.
                if !(is_template && has_organizations) {
                    config.sinks.push(sink);
                }
                config.sinks.extend(own);
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
