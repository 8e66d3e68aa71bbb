//! Worlds whose pipelines change records: what is left out, changed, hidden and sent elsewhere on purpose, and what has to arrive
//! all the same.
//!
//! The oracle knows what becomes of each event from the event and the pipeline alone. It works on trees of JSON with code of its
//! own, where the product splices text: they can't share a mistake. Only the mapping to rows and the event's id are the
//! product's; both are judged elsewhere.
//!
//! | file | what it is |
//! |---|---|
//! | [`draw`] | which pipeline a seed has |
//! | [`text`] | its part of the pipeline file |
//! | [`conditions`] | what filters and routes choose by |
//! | [`change`] | what is set, renamed, removed and hidden |
//! | [`fate`] | an event's way through the pipeline |
//! | [`expected`] | what each destination must get, and whether an accepted row is that |
//! | [`judge`] | dead letters, files and counters at the end |
//! | [`silence`] | a transform that drops records in silence: the oracle has to find that |

pub mod change;
pub mod conditions;
mod draw;
pub mod expected;
pub mod fate;
pub mod judge;
pub mod silence;
mod text;

use std::sync::atomic::AtomicBool;

use change::{Hide, Modify};
use conditions::Conditions;

pub use crate::ledger::Destination;
use crate::receiver::Receiver;

/// Whether the pipelines of all worlds change records: `--shaped`.
pub static EVERYWHERE: AtomicBool = AtomicBool::new(false);

/// The part of a pipeline between its source and its sinks.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The transforms, each behind those that it reads.
    pub nodes: Vec<Node>,
    /// The outputs that each destination reads.
    pub readers: Vec<(Destination, String)>,
    /// The outputs that nobody wants.
    pub blackhole: Vec<String>,
}

/// A transform.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub inputs: Vec<String>,
    pub step: Step,
}

/// What a transform does.
#[derive(Clone, Debug)]
pub enum Step {
    Filter(Conditions),
    Route { routes: Vec<(&'static str, Conditions)>, all: bool },
    Modify(Modify),
    Pseudonymize(Hide),
    Asim,
    EventLog,
}

impl Shape {
    /// The pipeline of a world without shaping transforms.
    pub fn plain(second: bool, archive: bool) -> Self {
        let transform = |name: &str, step| Node { name: name.to_owned(), inputs: vec!["nordpass".to_owned()], step };
        let mut shape = Self { nodes: vec![transform("asim", Step::Asim)], ..Self::default() };
        let tables = ["asim.audit_event", "asim.authentication", "asim.user_management"];
        shape.readers.extend(tables.map(|table| (Destination::Sentinel, table.to_owned())));
        if second {
            shape.nodes.push(transform("event_log", Step::EventLog));
            shape.readers.push((Destination::Official, "event_log".to_owned()));
        }
        if archive {
            shape.readers.push((Destination::Archive, "nordpass".to_owned()));
        }
        shape
    }

    /// Adds what an `http` sink reads: the events as they came, or rows of them that show their ids.
    pub fn add_receiver(&mut self, receiver: Receiver) {
        let mut output = "nordpass".to_owned();
        if !receiver.sends_events() {
            let inputs = vec![std::mem::replace(&mut output, "records".to_owned())];
            self.nodes.push(Node { name: output.clone(), inputs, step: Step::EventLog });
        }
        self.readers.push((Destination::Receiver, output));
    }

    /// The outputs that a destination reads.
    pub fn read_by(&self, destination: Destination) -> Vec<&str> {
        let readers = self.readers.iter().filter(|(reader, _)| *reader == destination);
        readers.map(|(_, output)| output.as_str()).collect()
    }

    /// The shaping transforms.
    pub fn shaping(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| !matches!(node.step, Step::Asim | Step::EventLog))
    }

    /// For the report.
    pub fn kinds(&self) -> Vec<&'static str> {
        let has = |is: fn(&Step) -> bool| self.nodes.iter().any(|node| is(&node.step));
        let kinds = [
            ("shaping transforms", true),
            ("… filter", has(|step| matches!(step, Step::Filter(_)))),
            ("… modify", has(|step| matches!(step, Step::Modify(_)))),
            ("… pseudonymize", has(|step| matches!(step, Step::Pseudonymize(_)))),
            ("… route", has(|step| matches!(step, Step::Route { all: false, .. }))),
            ("… route to all that match", has(|step| matches!(step, Step::Route { all: true, .. }))),
            ("… several in a chain", self.shaping().count() > 1),
            ("… ASIM rows in two workspaces", !self.read_by(Destination::Urgent).is_empty()),
            ("… an output that nobody wants", !self.blackhole.is_empty()),
        ];
        kinds.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
    }
}
