//! A checked pipeline set: what the topology builds from.

use std::collections::{BTreeSet, HashSet};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use super::TestCase;
use crate::component::{
    ComponentType, OrganizationAccess, Records, SinkSettings, SourceSettings, Takes, TransformSettings,
};
use crate::event::Organization;
use crate::settings::Fingerprint;
use crate::settings::section::fingerprint::Fingerprinter;
use crate::state::{CheckpointSettings, Shard};

/// Everything that the files on one command line say, checked: every input exists, there is no cycle, every output has
/// a reader, no two sinks claim one path.
#[derive(Clone, Debug)]
pub struct Config {
    /// Checkpoints and dead letters.
    pub data_dir: PathBuf,
    /// Where the sources' states are kept.
    pub checkpoint: CheckpointSettings,
    /// Of the table `[checkpoint]`.
    pub checkpoint_fingerprint: Fingerprint,
    /// Whether a crash may leave a core dump.
    pub core_dumps: bool,
    /// Where `/health`, `/ready`, `/metrics` and the status page are served; off when absent.
    pub api_listen: Option<SocketAddr>,
    /// The host names that it answers to, besides this machine's own.
    pub api_allowed_hosts: Vec<String>,
    /// The sources, in the order of the files.
    pub sources: Vec<SourceConfig>,
    /// The transforms, in an order in which each comes after its inputs.
    pub transforms: Vec<TransformConfig>,
    /// The sinks, in the order of the files.
    pub sinks: Vec<SinkConfig>,
    /// The tests, in the order of the files.
    pub tests: Vec<TestCase>,
    /// The organizations whose entries in the organizations file are wrong. They aren't read.
    pub kept_out: KeptOut,
    /// This replica's share of the organizations.
    pub shard: Shard,
}

/// Organizations that are kept out, as far as their entries say which they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptOut {
    /// The organizations file.
    pub file: PathBuf,
    /// Their names.
    pub names: BTreeSet<String>,
    /// Their ids.
    pub ids: BTreeSet<String>,
}

impl KeptOut {
    /// Whether this organization is kept out.
    pub fn has(&self, organization: &Organization) -> bool {
        self.names.contains(&organization.name) || self.ids.contains(&organization.id)
    }
}

impl Config {
    /// A source by its name.
    pub fn source(&self, name: &str) -> Option<&SourceConfig> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// The sinks that take what this source sends, where they read it: not those of other organizations.
    pub fn sinks_for<'c>(&'c self, source: Option<&'c SourceConfig>) -> impl Iterator<Item = &'c SinkConfig> {
        let organization = source.and_then(|source| source.settings.organization());
        self.sinks.iter().filter(move |sink| sink.takes.takes(organization.map(AsRef::as_ref)))
    }

    /// The sinks of the files: one for all organizations' destinations.
    pub fn distinct_sinks(&self) -> impl Iterator<Item = &SinkConfig> {
        let mut seen = HashSet::new();
        self.sinks.iter().filter(move |sink| seen.insert(sink.template.as_ref().unwrap_or(&sink.name)))
    }

    /// At a reload: an organization whose entry has become wrong stays as it was in the running set. Returns the names of the
    /// sources that do.
    pub fn keep_as_they_were(&mut self, running: &Config) -> Vec<String> {
        let key = |source: &SourceConfig| source.settings.state_key(&source.name);
        let names: HashSet<String> = self.sources.iter().map(|source| source.name.clone()).collect();
        let keys: HashSet<_> = self.sources.iter().filter_map(key).collect();
        let stays = |source: &&SourceConfig| {
            let is_kept_out =
                source.settings.organization().is_some_and(|organization| self.kept_out.has(organization));
            is_kept_out && !names.contains(&source.name) && !key(source).is_some_and(|key| keys.contains(&key))
        };
        let kept: Vec<SourceConfig> = running.sources.iter().filter(stays).cloned().collect();
        // Only while their template is there: nothing else would read what they send.
        let fed: HashSet<String> = self.sources.iter().map(|source| source.feeds.clone()).collect();
        let begin = self.sources.len();
        self.sources.extend(kept.into_iter().filter(|source| fed.contains(&source.feeds)));
        let kept = &self.sources[begin..];
        let ids: HashSet<&str> = kept.iter().filter_map(|source| Some(&*source.settings.organization()?.id)).collect();
        let is_kept = |sink: &&SinkConfig| matches!(&sink.takes, Takes::Organization(id) if ids.contains(&**id));
        self.sinks.extend(running.sinks.iter().filter(is_kept).cloned());
        kept.iter().map(|source| source.name.clone()).collect()
    }
}

/// A source.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// Its name. That of an organization's source has the organization's name in it: `nordpass@acme`.
    pub name: String,
    /// The name by which `inputs` read it: its own, or its template's.
    pub feeds: String,
    /// Its type in the pipeline file; a command may have replaced the settings.
    pub component_type: &'static ComponentType,
    /// Of its table, its type and its place in the set.
    pub fingerprint: Fingerprint,
    /// Its settings.
    pub settings: Arc<dyn SourceSettings>,
}

impl SourceConfig {
    /// Its output, as its readers know it.
    pub fn output(&self) -> InputRef {
        InputRef { component: self.feeds.clone(), output: 0 }
    }

    /// The template of this source, for one organization; `None` for a type that can't be a template.
    pub(super) fn for_organization(&self, access: &OrganizationAccess) -> Option<Self> {
        let settings = self.settings.for_organization(access)?;
        let OrganizationAccess { organization, endpoint, token } = access;
        let mut fingerprinter = Fingerprinter::default();
        fingerprinter.also(self.fingerprint);
        fingerprinter.debug(organization);
        fingerprinter.add(endpoint);
        token.fingerprint(&mut fingerprinter);
        let (name, fingerprint) = (format!("{}@{}", self.name, organization.name), fingerprinter.finish());
        Some(Self { name, fingerprint, settings, ..self.clone() })
    }
}

/// A transform.
#[derive(Clone, Debug)]
pub struct TransformConfig {
    /// Its name.
    pub name: String,
    /// Its type.
    pub component_type: &'static ComponentType,
    /// What its outputs hold: events or rows.
    pub records: Records,
    /// What it reads.
    pub inputs: Vec<InputRef>,
    /// The same as the file says it, such as `asim.audit_event`.
    pub input_addresses: Vec<String>,
    /// The names of its outputs, in the order of their numbers; one that is empty is addressed by the transform's own name.
    pub outputs: Vec<String>,
    /// The number of the table that each input holds rows of; 0 for events.
    pub tables: Vec<usize>,
    /// How many tables there are; 1 for events.
    pub table_count: usize,
    /// Of its table, its type and its place in the set.
    pub fingerprint: Fingerprint,
    /// Its settings.
    pub settings: Arc<dyn TransformSettings>,
}

impl TransformConfig {
    /// The number of the output for what the transform itself calls its output number `own`, made of this input's records.
    pub fn output(&self, input: usize, own: usize) -> usize {
        own * self.table_count + self.tables.get(input).copied().unwrap_or_default()
    }

    /// Its outputs as `inputs` address them.
    pub fn output_addresses(&self) -> Vec<String> {
        self.outputs.iter().map(|output| address(&self.name, output)).collect()
    }
}

/// A sink.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// Its name. That of an organization's destination has the organization's name in it: `sentinel@acme`.
    pub name: String,
    /// The sink that it was made from, where it is the destination of one organization.
    pub template: Option<String>,
    /// Which chunks of its inputs it takes.
    pub takes: Takes,
    /// Its type.
    pub component_type: &'static ComponentType,
    /// What it reads, in the order of the file: a sink identifies its inputs by this order.
    pub inputs: Vec<InputRef>,
    /// Whether the state waits for it.
    pub required: bool,
    /// Of its table, its type and its place in the set.
    pub fingerprint: Fingerprint,
    /// Its settings.
    pub settings: Arc<dyn SinkSettings>,
}

impl SinkConfig {
    /// This sink with an organization's own destination.
    pub(super) fn for_organization(&self, organization: &Organization, destination: &OwnDestination) -> Self {
        let mut fingerprinter = Fingerprinter::default();
        fingerprinter.also(self.fingerprint);
        fingerprinter.also(destination.fingerprint);
        fingerprinter.add(&organization.id);
        Self {
            name: format!("{}@{}", self.name, organization.name),
            template: Some(self.name.clone()),
            takes: Takes::Organization(organization.id.as_str().into()),
            fingerprint: fingerprinter.finish(),
            settings: destination.settings.clone(),
            ..self.clone()
        }
    }
}

/// A sink's settings for one organization.
#[derive(Clone, Debug)]
pub(super) struct OwnDestination {
    /// Of the organization's table.
    pub fingerprint: Fingerprint,
    pub settings: Arc<dyn SinkSettings>,
}

/// An output as `inputs` address it.
pub(super) fn address(component: &str, output: &str) -> String {
    if output.is_empty() { component.to_owned() } else { format!("{component}.{output}") }
}

/// One output of a source or transform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputRef {
    /// The component's name.
    pub component: String,
    /// Which of its outputs; 0 for a source.
    pub output: usize,
}
