//! A pipeline's transforms with nothing around them: no source, no sink, no channel, no state.
//!
//! Pipeline tests, `estimate` and `validate --dcr` put events in and look at what each output gives. The transforms are
//! the very ones that run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use nordpass_env::Clock;

use super::{Config, InputRef, TransformConfig};
use crate::component::{Records, Refused, Transform};
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
    /// Which transforms read an output, and as which of their inputs.
    readers: HashMap<InputRef, Vec<(usize, usize)>>,
}

struct Node {
    config: TransformConfig,
    transform: Box<dyn Transform>,
    reporter: ComponentReporter,
    /// What it has yet to handle, by the number of its input.
    waiting: Vec<(usize, Chunk)>,
}

/// What a dry run shows.
pub enum Seen<'a> {
    /// An output gives this.
    Given(&'a InputRef, &'a Chunk),
    /// The transform of this name can't handle this; when the pipeline runs, it becomes dead letters.
    Refused(&'a str, &'a Refused),
}

impl DryRun {
    /// Builds the transforms of a set.
    pub fn new(config: &Config) -> Self {
        let telemetry = Telemetry::new();
        let mut readers: HashMap<InputRef, Vec<(usize, usize)>> = HashMap::new();
        let mut nodes = Vec::with_capacity(config.transforms.len());
        for (index, transform) in config.transforms.iter().enumerate() {
            for (number, input) in transform.inputs.iter().enumerate() {
                readers.entry(input.clone()).or_default().push((index, number));
            }
            let reporter = telemetry.component(ComponentKind::Transform, &transform.name);
            let built = transform.settings.build(reporter.clone());
            nodes.push(Node { config: transform.clone(), transform: built, reporter, waiting: Vec::new() });
        }
        Self { nodes, readers }
    }

    /// Puts a chunk in, and shows what every output gives because of it, also the output that it was put into, and what
    /// transforms refuse.
    pub fn feed(&mut self, entry: &Entry, chunk: &Chunk, mut seen: impl FnMut(Seen<'_>)) {
        match entry {
            Entry::Output(output) => self.give(output, chunk, &mut seen),
            Entry::Transform(name) => {
                if let Some(node) = self.nodes.iter_mut().find(|node| node.config.name == *name) {
                    node.waiting.push((0, chunk.clone()));
                }
            }
        }
        let mut out = Vec::new();
        for index in 0..self.nodes.len() {
            for (input, chunk) in std::mem::take(&mut self.nodes[index].waiting) {
                let node = &mut self.nodes[index];
                node.transform.transform(chunk, &mut out);
                for refused in node.transform.take_refused() {
                    seen(Seen::Refused(&node.config.name, &refused));
                }
                for (own, chunk) in out.drain(..) {
                    let config = &self.nodes[index].config;
                    let output = InputRef { component: config.name.clone(), output: config.output(input, own) };
                    self.give(&output, &chunk, &mut seen);
                }
            }
        }
    }

    /// How many records its transforms have left out on purpose.
    pub fn left_out(&self) -> u64 {
        self.nodes.iter().map(|node| node.reporter.numbers().totals().left_out).sum()
    }

    /// The same by transform and reason.
    pub fn left_out_by_reason(&self) -> BTreeMap<(String, String), u64> {
        let of = |node: &Node| {
            let name = node.config.name.clone();
            node.reporter.numbers().left_out().into_iter().map(move |(reason, count)| ((name.clone(), reason), count))
        };
        self.nodes.iter().flat_map(of).collect()
    }

    /// Shows what an output gives, and puts it before the output's readers.
    fn give(&mut self, output: &InputRef, chunk: &Chunk, seen: &mut impl FnMut(Seen<'_>)) {
        seen(Seen::Given(output, chunk));
        for &(reader, input) in self.readers.get(output).into_iter().flatten() {
            self.nodes[reader].waiting.push((input, chunk.clone()));
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
            Records::Events | Records::AsInputs => Chunk::of_events(text, events, fields, origin, None),
            Records::Rows => Chunk::of_rows(text, events, origin, None),
        };
        Read { chunk: Some(chunk), others }
    }
}
