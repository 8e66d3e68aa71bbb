//! The topic, what others write to it, and what is committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use nordpass_simulator::SimulatedEvent;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::kafka::MemoryBroker;
use tokio::time::Instant;

use super::files::{GROUP, TOPIC};
use crate::plan::Drawer;

/// What somebody else writes.
#[derive(Clone, Copy, Debug)]
pub enum Foreign {
    /// Events as NordPass gives them, without headers.
    Events(u64),
    /// An event with the id of another one.
    Forged(u64),
    /// No event.
    Poison(usize),
    /// A record without a value.
    Tombstone,
}

/// Values that are no events, and whether they claim to be.
const POISON: [(&str, &[(&str, &str)]); 5] = [
    ("no JSON", &[]),
    ("[1, 2]", &[("schema", "nordpass/1")]),
    ("{\"type\": \"audit\"}", &[]),
    ("{}", &[("schema", "row/1")]),
    ("", &[]),
];

impl Foreign {
    pub fn draw(draw: &mut Drawer) -> Self {
        match draw.between(0, 5) {
            0..=2 => Self::Events(draw.between(1, 20)),
            3 => Self::Forged(draw.between(0, 1_000)),
            4 => Self::Poison(draw.size(0, POISON.len() - 1)),
            _ => Self::Tombstone,
        }
    }
}

/// What is at an offset that this program's sink didn't write.
pub enum Written {
    /// An event with this probe.
    Event(String),
    /// Something that has to become a dead letter.
    Poison,
    /// Nothing that anything has to become of.
    Tombstone,
}

/// A commit: its partition and offset, and when.
pub type Commit = (i32, i64, Instant);

/// The topic.
pub struct Topic {
    pub broker: MemoryBroker,
    pub partitions: i32,
    others: Generator,
    /// The events of others, and where everything is that others have written.
    pub events: Vec<SimulatedEvent>,
    pub foreign: BTreeMap<(i32, i64), Written>,
    commits: Arc<Mutex<Vec<Commit>>>,
}

impl Topic {
    pub fn new(partitions: i32, seed: u64) -> Self {
        let broker = MemoryBroker::with_topic(TOPIC, usize::try_from(partitions).unwrap_or(1));
        let commits = Arc::<Mutex<Vec<Commit>>>::default();
        let seen = commits.clone();
        broker.judge_commits(move |at, offset| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push((at.partition, offset, Instant::now()));
        });
        let others = Generator::new(seed << 8 | 0xff, Options { members: 5, items: 4, ..Options::default() });
        Self { broker, partitions, others, events: Vec::new(), foreign: BTreeMap::new(), commits }
    }

    /// Somebody writes something, at this Unix second.
    pub fn write(&mut self, foreign: Foreign, now: i64) {
        match foreign {
            Foreign::Events(count) => {
                for event in self.others.history(now - 60, now, usize::try_from(count).unwrap_or(1)) {
                    self.append_event(&event, &[]);
                }
            }
            Foreign::Forged(number) => {
                let partition = i32::try_from(number).unwrap_or(0) % self.partitions;
                let id = self.broker.header(TOPIC, partition, 0, "event-id");
                let event = self.others.history(now - 60, now, 1).pop();
                if let (Some(id), Some(event)) = (id, event) {
                    self.append_event(&event, &[("schema", "nordpass/1"), ("event-id", &id)]);
                }
            }
            Foreign::Poison(number) => {
                let (value, headers) = POISON[number];
                self.append(Written::Poison, Some(value), headers);
            }
            Foreign::Tombstone => self.append(Written::Tombstone, None, &[]),
        }
    }

    fn append_event(&mut self, event: &SimulatedEvent, headers: &[(&str, &str)]) {
        let Some(probe) = event.probe().map(ToString::to_string) else { return };
        self.events.push(event.clone());
        self.append(Written::Event(probe), Some(event.json()), headers);
    }

    fn append(&mut self, what: Written, value: Option<&str>, headers: &[(&str, &str)]) {
        let partition = i32::try_from(self.foreign.len()).unwrap_or(0) % self.partitions;
        self.foreign.insert((partition, self.broker.end(TOPIC, partition)), what);
        self.broker.append(TOPIC, partition, value, headers);
    }

    /// How many records a partition has.
    pub fn end(&self, partition: i32) -> i64 {
        self.broker.end(TOPIC, partition)
    }

    /// The id that this program's sink has given to a record.
    pub fn id(&self, partition: i32, offset: i64) -> Option<String> {
        self.broker.header(TOPIC, partition, offset, "event-id")
    }

    /// Whether everything is committed.
    pub fn is_committed(&self) -> bool {
        (0..self.partitions).all(|partition| {
            let committed = self.broker.committed(GROUP, TOPIC, partition).unwrap_or(0);
            committed == self.end(partition)
        })
    }

    /// Somebody commits everything.
    pub fn commit_all(&self) {
        for partition in 0..self.partitions {
            self.broker.set_committed(GROUP, TOPIC, partition, self.end(partition));
        }
    }

    /// All commits so far, in their order.
    pub fn commits(&self) -> Vec<Commit> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
