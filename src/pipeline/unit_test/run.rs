//! Runs a test: its inputs through the transforms of its set, and what comes out against what it expects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde_json::Value;

use super::{Difference, Expected, Feed, TestCase, TestInput, TestOutput, differences, unwanted};
use crate::component::{ComponentError, Records, Refused};
use crate::pipeline::dry_run::{Chunks, DryRun, Seen};
use crate::pipeline::{Config, InputRef};
use crate::sources::recording_file::{Locations, RecordingFile};
use crate::transforms::program::Runner;

/// What a test gave.
#[derive(Default)]
pub struct Outcome {
    /// What isn't as expected, with the line that says so; empty if the test passes.
    pub problems: Vec<(usize, Problem)>,
    /// The records of each output that gave some, in their order.
    pub given: HashMap<InputRef, Vec<Value>>,
    /// The records that transforms refused.
    pub refused: Vec<Refusal>,
}

/// Records that a transform can't handle: dead letters, when the pipeline runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The transform.
    pub transform: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub records: usize,
}

/// Something that isn't as expected.
pub enum Problem {
    /// An output gave another number of records.
    Count {
        /// The output.
        output: String,
        /// How many it should give; `None`: at least one.
        expected: Option<usize>,
        /// How many it gave.
        given: usize,
    },
    /// A record isn't as expected.
    Record {
        /// The output.
        output: String,
        /// Which of its records, from 1.
        number: usize,
        /// How many it gave.
        given: usize,
        /// In what it differs.
        differences: Vec<Difference>,
    },
    /// A record doesn't pass a program.
    Program {
        /// The output.
        output: String,
        /// Which of its records, from 1.
        number: usize,
        /// How many it gave.
        given: usize,
        /// Why, in the program's words.
        reason: String,
    },
    /// Transforms refused another number of records.
    Refused {
        /// How many they should refuse.
        expected: usize,
        /// What they refused.
        refused: Vec<Refusal>,
    },
    /// The test, or one of its outputs, expects nothing yet.
    ExpectsNothing,
    /// An input can't be read.
    Unreadable(String),
}

/// Runs a test of a set.
pub async fn run_test(config: &Config, test: &TestCase, recordings: &Locations) -> Outcome {
    let mut outcome = Outcome::default();
    let mut dry_run = DryRun::new(config);
    let mut chunks = Chunks::default();
    for input in &test.inputs {
        let read = match &input.feed {
            Feed::Event(line) => Ok(vec![line.clone().into_bytes()]),
            Feed::Recording(path) => recording(recordings, path).await,
        };
        let blocks = match read {
            Ok(blocks) => blocks,
            Err(reason) => {
                outcome.problems.push((test.line, Problem::Unreadable(reason)));
                continue;
            }
        };
        for block in blocks {
            feed(&mut dry_run, &mut chunks, input, block, &mut outcome);
        }
    }
    let refused = outcome.refused.iter().map(|refusal| refusal.records).sum::<usize>();
    if refused != test.refused {
        let problem = Problem::Refused { expected: test.refused, refused: outcome.refused.clone() };
        outcome.problems.push((test.line, problem));
    }
    if test.outputs.is_empty() {
        outcome.problems.push((test.line, Problem::ExpectsNothing));
    }
    for output in &test.outputs {
        let given = outcome.given.get(&output.from).map_or(&[][..], Vec::as_slice);
        let problems = judge(output, given).into_iter().map(|problem| (output.line, problem));
        outcome.problems.extend(problems);
    }
    outcome
}

fn feed(dry_run: &mut DryRun, chunks: &mut Chunks, input: &TestInput, lines: Vec<u8>, outcome: &mut Outcome) {
    // What is no object never gets into a pipeline: a source writes it to its dead letters.
    let Some(chunk) = chunks.read(lines, input.records).chunk else { return };
    dry_run.feed(&input.at, &chunk, |seen| match seen {
        Seen::Given(output, chunk) => {
            let records = chunk.records.iter().map(|record| {
                let body = chunk.body(record);
                serde_json::from_str(body).unwrap_or_else(|_| body.into())
            });
            outcome.given.entry(output.clone()).or_default().extend(records);
        }
        Seen::Refused(transform, Refused { chunk, reason }) => outcome.refuse(transform, reason, chunk.records.len()),
    });
}

impl Outcome {
    fn refuse(&mut self, transform: &str, reason: &str, records: usize) {
        let is_same = |known: &&mut Refusal| known.transform == transform && known.reason == reason;
        match self.refused.iter_mut().find(is_same) {
            Some(known) => known.records += records,
            None => self.refused.push(Refusal { transform: transform.into(), reason: reason.into(), records }),
        }
    }
}

async fn recording(recordings: &Locations, path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let read = async {
        let mut file = RecordingFile::open(recordings, &path.to_string_lossy()).await?;
        let mut blocks = Vec::new();
        while let Some(block) = file.next().await? {
            blocks.push(block.bytes);
        }
        Ok(blocks)
    };
    read.await.map_err(|error: ComponentError| match error.hint {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message,
    })
}

/// What an output should have given and hasn't.
fn judge(output: &TestOutput, given: &[Value]) -> Vec<Problem> {
    let name = || output.address.clone();
    if output.expected.is_empty() {
        return vec![Problem::ExpectsNothing];
    }
    let count = |expected| Problem::Count { output: name(), expected, given: given.len() };
    let record = |number: usize, differences: Vec<Difference>| {
        let is_wrong = !differences.is_empty();
        is_wrong.then(|| Problem::Record { output: name(), number: number + 1, given: given.len(), differences })
    };
    let each = |differences: &dyn Fn(&Value) -> Vec<Difference>| {
        given.iter().enumerate().filter_map(|(number, given)| record(number, differences(given))).collect::<Vec<_>>()
    };
    let mut problems = Vec::new();
    for expected in &output.expected {
        match expected {
            Expected::Records(number) if *number == given.len() => {}
            Expected::Records(number) => problems.push(count(Some(*number))),
            // Said once.
            Expected::Each(_) | Expected::Without(_) | Expected::Holds(_) if given.is_empty() => {
                if problems.is_empty() {
                    problems.push(count(None));
                }
            }
            Expected::Each(object) => problems.extend(each(&|given| differences(object, given))),
            Expected::Without(keys) => problems.extend(each(&|given| unwanted(keys, given))),
            Expected::Holds(program) => {
                let mut runner = Runner::new(program.clone());
                problems.extend(given.iter().enumerate().filter_map(|(number, record)| {
                    let reason = runner.check(record).err()?;
                    Some(Problem::Program { output: name(), number: number + 1, given: given.len(), reason })
                }));
            }
            Expected::InOrder(objects) => {
                if objects.len() != given.len() && problems.is_empty() {
                    problems.push(count(Some(objects.len())));
                }
                let pairs = objects.iter().zip(given).enumerate();
                problems
                    .extend(pairs.filter_map(|(number, (object, given))| record(number, differences(object, given))));
            }
        }
    }
    problems
}

/// The outputs of a set that events can reach, by name: those of the transforms, and of the sources of events.
pub fn outputs(config: &Config) -> BTreeMap<String, InputRef> {
    let mut outputs = BTreeMap::new();
    for source in config.sources.iter().filter(|source| source.component_type.records == Records::Events) {
        outputs.insert(source.feeds.clone(), source.output());
    }
    for transform in &config.transforms {
        for (output, address) in transform.output_addresses().into_iter().enumerate() {
            outputs.insert(address, InputRef { component: transform.name.clone(), output });
        }
    }
    outputs
}

/// The outputs of a set that none of these outcomes reaches.
pub fn unreached<'o>(config: &Config, outcomes: impl IntoIterator<Item = &'o Outcome>) -> Vec<String> {
    let reached: BTreeSet<InputRef> = outcomes.into_iter().flat_map(|outcome| outcome.given.keys().cloned()).collect();
    outputs(config).into_iter().filter(|(_, output)| !reached.contains(output)).map(|(address, _)| address).collect()
}
