//! `[[tests]]` in pipeline files: what goes in, and what has to come out. Read and checked with every pipeline file; run
//! only by the command `test`.

mod compare;
mod read;
mod run;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::InputRef;
use super::dry_run::Entry;
use crate::component::Records;
use crate::settings::{Field, Kind};
use crate::transforms::program::Program;

pub use self::compare::{Difference, differences, unwanted};
pub(super) use self::read::{Recordings, read};
pub use self::run::{Outcome, Problem, Refusal, outputs, run_test, unreached};

/// A table with any content, as a test expects it.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// The fields of `[[tests]]`.
pub(super) static FIELDS: &[Field] = &[
    Field::required("name", Kind::Text).doc("What holds if the test passes, as a sentence."),
    Field::required("inputs", Kind::Tables(INPUT_FIELDS)).doc("What goes in, in this order."),
    Field::optional("outputs", Kind::Tables(OUTPUT_FIELDS))
        .doc("What has to come out. `nordpass-sentinel test --record` adds what comes out now."),
    Field::with_default("refused", Kind::Integer { min: 0, max: 1_000_000_000 }, "0")
        .doc("How many records the transforms can't handle: they become dead letters when the pipeline runs."),
];

static INPUT_FIELDS: &[Field] = &[
    Field::required("at", Kind::Text).doc(
        "Where the events go in: at a source, to all components that read it; at a transform, into the transform. With \
         `NAME.OUTPUT`, rows go in as if the transform had output them.",
    ),
    Field::optional("event", Kind::Object).doc(
        "An event, as NordPass sends it. Its strings are taken as they are: `${VAR}` isn't resolved. An event without \
         `timestamp` gets 2026-01-01T00:00:00Z.",
    ),
    Field::optional("recording", Kind::Text).doc(
        "A file with events instead, relative to the pipeline file: raw events or whole API pages, one per line, plain or \
         as .gz or .zst.",
    ),
];

static OUTPUT_FIELDS: &[Field] = &[
    Field::required("from", Kind::Text)
        .doc("The output to look at: a source, a transform, or `NAME.OUTPUT`."),
    Field::optional("records", Kind::Integer { min: 0, max: 1_000_000_000 })
        .doc("How many records it gives."),
    Field::optional("equals", Kind::Objects).doc(
        "Keys and values that each of its records has, of which there must be one at least. Other keys don't matter, inside \
         of tables neither. A list of tables describes the records in their order, all of them.",
    ),
    Field::optional("without", Kind::List)
        .doc("Keys that none of its records has, of which there must be one at least. A dot leads into a table."),
    Field::with_default("none", Kind::Flag, "false").doc("`true`: it gives no record."),
    Field::optional("vrl", Kind::Program).doc(
        "A program in VRL that each of its records passes, of which there must be one at least, such as \
         `assert!(.timestamp > 0)`. It fails by an error, or by ending with `false`. A build from source needs \
         `--features remap`.",
    ),
];

/// One test of a pipeline file.
#[derive(Clone)]
pub struct TestCase {
    /// What holds if it passes.
    pub name: String,
    /// The pipeline file.
    pub file: PathBuf,
    /// The line at which it begins, from 1.
    pub line: usize,
    /// What goes in.
    pub inputs: Vec<TestInput>,
    /// What has to come out.
    pub outputs: Vec<TestOutput>,
    /// How many records transforms have to refuse.
    pub refused: usize,
    /// Where it ends, in bytes of the file: behind its last value.
    pub end: usize,
}

/// Tests contain events, which aren't shown.
impl fmt::Debug for TestCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCase").field("file", &self.file).field("line", &self.line).finish_non_exhaustive()
    }
}

/// What goes in at one place.
#[derive(Clone)]
pub struct TestInput {
    /// The place.
    pub at: Entry,
    /// What goes in there: events, or rows of a table.
    pub records: Records,
    /// The records.
    pub feed: Feed,
}

/// Records of a test.
#[derive(Clone)]
pub enum Feed {
    /// One, as a line of JSON.
    Event(String),
    /// All of a file.
    Recording(PathBuf),
}

/// What has to come out of one output.
#[derive(Clone)]
pub struct TestOutput {
    /// The output.
    pub from: InputRef,
    /// Its name in the pipeline file.
    pub address: String,
    /// The line at which it begins, from 1.
    pub line: usize,
    /// Where it ends, in bytes of the file.
    pub end: usize,
    /// What is expected; empty: nothing yet.
    pub expected: Vec<Expected>,
}

/// One thing that a test expects of an output.
#[derive(Clone)]
pub enum Expected {
    /// This many records.
    Records(usize),
    /// Each record has these keys and values, and there is at least one.
    Each(Object),
    /// No record has one of these keys, and there is at least one record.
    Without(Vec<String>),
    /// There is one record for each of these, in this order, with its keys and values.
    InOrder(Vec<Object>),
    /// Each record passes this program, and there is at least one.
    Holds(Arc<Program>),
}
