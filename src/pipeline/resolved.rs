//! A checked pipeline set: what the topology builds from.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use super::TestCase;
use crate::component::{ComponentType, Records, SinkSettings, SourceSettings, TransformSettings};
use crate::settings::Fingerprint;
use crate::state::CheckpointSettings;

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
}

/// A source.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// Its name.
    pub name: String,
    /// Its type in the pipeline file; a command may have replaced the settings.
    pub component_type: &'static ComponentType,
    /// Of its table, its type and its place in the set.
    pub fingerprint: Fingerprint,
    /// Its settings.
    pub settings: Arc<dyn SourceSettings>,
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
    /// Its name.
    pub name: String,
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
