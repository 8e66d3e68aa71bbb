//! A pipeline's transforms with nothing around them: no source, no sink, no channel, no state.
//!
//! Pipeline tests, `estimate` and `validate --dcr` put events in and look at what each output gives. The transforms are
//! the very ones that run.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use nordpass_env::Clock;

use super::{Config, InputRef};
use crate::component::{Records, Transform};
use crate::event::{Chunk, Origin};
use crate::sources::recording::{Parsed, Parser, Position};
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry};

/// Where records go in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// As if this output had given them.
    Output(InputRef),
    /// Into the transform of this name.
    Transform(String),
}

/// The transforms of a pipeline set, ready to be fed.
pub struct DryRun {
    /// Each after those that it reads.
    nodes: Vec<Node>,
    /// Which transforms read an output.
    readers: HashMap<InputRef, Vec<usize>>,
}

struct Node {
    name: String,
    transform: Box<dyn Transform>,
}

impl DryRun {
    /// Builds the transforms of a set.
    pub fn new(config: &Config) -> Self {
        let telemetry = Telemetry::new();
        let mut readers: HashMap<InputRef, Vec<usize>> = HashMap::new();
        let mut nodes = Vec::with_capacity(config.transforms.len());
        for (index, transform) in config.transforms.iter().enumerate() {
            for input in &transform.inputs {
                readers.entry(input.clone()).or_default().push(index);
            }
            let reporter = telemetry.component(ComponentKind::Transform, &transform.name);
            nodes.push(Node { name: transform.name.clone(), transform: transform.settings.build(reporter) });
        }
        Self { nodes, readers }
    }

    /// Puts a chunk in, and shows what every output gives because of it: the output that it was put into, too.
    pub fn feed(&mut self, entry: &Entry, chunk: &Chunk, mut seen: impl FnMut(&InputRef, &Chunk)) {
        let mut waiting: Vec<Vec<Chunk>> = self.nodes.iter().map(|_| Vec::new()).collect();
        match entry {
            Entry::Output(output) => {
                seen(output, chunk);
                for &reader in self.readers.get(output).into_iter().flatten() {
                    waiting[reader].push(chunk.clone());
                }
            }
            Entry::Transform(name) => {
                let found = self.nodes.iter().position(|node| node.name == *name);
                if let Some(index) = found {
                    waiting[index].push(chunk.clone());
                }
            }
        }
        let mut out = Vec::new();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            for chunk in std::mem::take(&mut waiting[index]) {
                node.transform.transform(chunk, &mut out);
                for (output, chunk) in out.drain(..) {
                    let output = InputRef { component: node.name.clone(), output };
                    seen(&output, &chunk);
                    for &reader in self.readers.get(&output).into_iter().flatten() {
                        waiting[reader].push(chunk.clone());
                    }
                }
            }
        }
    }
}

/// Makes chunks of lines, as the sources of recordings do.
pub struct Chunks {
    parser: Parser,
    offset: u64,
    sequence: u64,
}

/// What a text gave.
pub struct Read {
    /// Its records; `None` if there are none.
    pub chunk: Option<Chunk>,
    /// How many lines, or elements of pages, are no JSON objects.
    pub others: usize,
}

/// A time that stands still, so that what a test gives doesn't change from one day to the next.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(READ_AT).unwrap_or_default()
    }
}

/// The time of an event without one, which otherwise gets the time at which it is read: 2026-01-01, midnight UTC.
pub const READ_AT: i64 = 1_767_225_600;

impl Default for Chunks {
    fn default() -> Self {
        Self { parser: Parser::new(Arc::new(Standing), ComponentReporter::detached()), offset: 0, sequence: 0 }
    }
}

impl Chunks {
    /// Reads whole lines: raw events, whole API pages, or rows.
    pub fn read(&mut self, lines: Vec<u8>, records: Records) -> Read {
        let length = lines.len() as u64;
        let parsed = self.parser.parse(lines, self.offset, Position::default());
        self.offset += length;
        let Parsed { text, records: events, fields, dead_letters, .. } = parsed;
        let others = dead_letters.len();
        if events.is_empty() {
            return Read { chunk: None, others };
        }
        let origin = Origin { source: "dry run".into(), run: 0, sequence: self.sequence };
        self.sequence += 1;
        // Nobody waits for the acknowledgement.
        let (chunk, _) = match records {
            Records::Events => Chunk::of_events(text, events, fields, origin, None),
            Records::Rows => Chunk::of_rows(text, events, origin, None),
        };
        Read { chunk: Some(chunk), others }
    }
}
