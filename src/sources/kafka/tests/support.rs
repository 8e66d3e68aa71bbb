//! Topics with events, processes that read them, and a judge of what is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use nordpass_env::{Env, MemoryDisk, Mutex, SeededRandom, TestClock};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::{Settings, TYPE, run};
use crate::component::{ComponentError, Context, Input, Output};
use crate::event::Chunk;
use crate::http::SystemNetwork;
use crate::settings::{Environment, Section};
use crate::state::MemoryStore;
use crate::telemetry::{ComponentKind, ComponentState, Telemetry};
use nordpass_simulator::kafka::MemoryBroker;

pub const TOPIC: &str = "nordpass";
pub const GROUP: &str = "sentinel";

pub fn settings(more: &str) -> Settings {
    let text =
        format!("bootstrap_servers = [\"127.0.0.1:9092\"]\ntopics = [\"{TOPIC}\"]\ngroup_id = \"{GROUP}\"\n{more}");
    let mut section = Section::parse(&text, TYPE.fields, Environment::of::<&str, &str>([]));
    let settings = Settings::read(&mut section);
    let wrong = section.diagnostics();
    assert!(wrong.is_empty(), "{}", wrong.iter().map(|wrong| wrong.human(false)).collect::<String>());
    settings
}

/// The numbers of events by partition, in the order of their offsets; those that were delivered, with how often.
#[derive(Default)]
struct Known {
    written: BTreeMap<i32, Vec<u64>>,
    delivered: BTreeMap<u64, usize>,
}

/// A topic with events that say a number each, and the judge.
pub struct World {
    pub broker: MemoryBroker,
    known: Arc<Mutex<Known>>,
    next: u64,
}

impl World {
    pub fn new(partitions: usize) -> Self {
        let broker = MemoryBroker::with_topic(TOPIC, partitions);
        let known: Arc<Mutex<Known>> = Arc::default();
        let seen = known.clone();
        broker.judge_commits(move |at, offset| {
            let known = seen.lock();
            let before = usize::try_from(offset).expect("not negative");
            let written = known.written.get(&at.partition).map(Vec::as_slice).unwrap_or_default();
            // What isn't an event is no number.
            let missing: Vec<_> =
                written.iter().take(before).filter(|n| **n > 0 && !known.delivered.contains_key(n)).collect();
            assert!(missing.is_empty(), "{at} is committed up to {offset}, and {missing:?} aren't delivered");
        });
        Self { broker, known, next: 0 }
    }

    /// Writes so many events, each to the next partition.
    pub fn write(&mut self, count: usize, partitions: i32) {
        for _ in 0..count {
            self.next += 1;
            let partition = i32::try_from(self.next).expect("few") % partitions;
            let event = format!(
                r#"{{"type":"t","action":"a","timestamp":1700000000,"organization_uuid":"o-1","metadata":{{"n":{}}}}}"#,
                self.next
            );
            self.known.lock().written.entry(partition).or_default().push(self.next);
            self.broker.append(TOPIC, partition, Some(&event), &[]);
        }
    }

    /// Writes something else.
    pub fn write_odd(&self, partition: i32, value: Option<&str>, headers: &[(&str, &str)]) {
        self.known.lock().written.entry(partition).or_default().push(0);
        self.broker.append(TOPIC, partition, value, headers);
    }

    /// The retention removes what is before an offset: nobody can deliver it any more.
    pub fn expire(&self, partition: i32, before: i64) {
        let mut known = self.known.lock();
        let written = known.written.get_mut(&partition).expect("a partition");
        written.iter_mut().take(usize::try_from(before).expect("not negative")).for_each(|number| *number = 0);
        drop(known);
        self.broker.expire(TOPIC, partition, before);
    }

    /// The topic is another one now: what was written before is no longer in it.
    pub fn forget_written(&self) {
        self.known.lock().written.clear();
    }

    /// The numbers that weren't delivered.
    pub fn missing(&self) -> Vec<u64> {
        let known = self.known.lock();
        let all: BTreeSet<u64> = known.written.values().flatten().copied().filter(|n| *n > 0).collect();
        all.into_iter().filter(|n| !known.delivered.contains_key(n)).collect()
    }

    /// How many deliveries were copies.
    pub fn copies(&self) -> usize {
        self.known.lock().delivered.values().map(|count| count - 1).sum()
    }

    /// How many events were delivered.
    pub fn delivered(&self) -> usize {
        self.known.lock().delivered.len()
    }

    /// What the group has committed of all partitions together.
    pub fn committed(&self, partitions: i32) -> i64 {
        (0..partitions).filter_map(|partition| self.broker.committed(GROUP, TOPIC, partition)).sum()
    }

    /// Starts a process.
    pub fn start(&self, more: &str) -> Process {
        self.start_with(settings(more), false)
    }

    pub fn start_with(&self, settings: Settings, once: bool) -> Process {
        let (telemetry, signal, disk) = (Telemetry::new(), CancellationToken::new(), MemoryDisk::new());
        let (sender, input) = Input::new();
        let component = telemetry.component(ComponentKind::Source, "topic");
        let output = Output::new(vec![sender], component.clone());
        let env = Env {
            clock: Arc::new(TestClock::starting_at("2026-11-30T12:00:00Z".parse().expect("a time"))),
            random: Arc::new(SeededRandom::new(1)),
            disk: Arc::new(disk.clone()),
            network: Arc::new(SystemNetwork::default()),
        };
        telemetry.set_clock(env.clock.clone());
        let context = Context {
            name: "topic".into(),
            dead_letters: Arc::new(crate::dead_letters::DeadLetterFolder::new(env.disk.clone(), "data".as_ref())),
            env,
            telemetry: component,
            data_dir: "data".into(),
            store: Arc::new(MemoryStore::default()),
            shutdown: signal.clone(),
            once,
        };
        let task = tokio::spawn(run(settings, Arc::new(self.broker.clone()), context, output));
        let sink = Arc::new(Sink {
            known: self.known.clone(),
            script: Mutex::new(Box::new(|_| Act::Deliver)),
            kept: Mutex::default(),
        });
        let sinking = tokio::spawn(sink.clone().run(input));
        Process { task, sinking, signal, telemetry, disk, sink }
    }

    /// Waits until all is delivered and committed, with the commits that follow.
    pub async fn settle(&self) {
        for _ in 0..600 {
            if self.missing().is_empty() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_secs(5)).await;
        assert_eq!(self.missing(), [0; 0]);
    }
}

/// What the sink does with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Deliver,
    /// Until it is released.
    Keep,
    Drop,
}

/// Decides by the chunk's numbers.
type Script = Box<dyn FnMut(&[u64]) -> Act + Send>;

/// The other end of a source.
pub struct Sink {
    known: Arc<Mutex<Known>>,
    script: Mutex<Script>,
    kept: Mutex<Vec<Chunk>>,
}

impl Sink {
    async fn run(self: Arc<Self>, mut input: Input) {
        while let Some((_, chunk)) = input.receive().await {
            let act = (self.script.lock())(&numbers(&chunk));
            match act {
                Act::Deliver => self.deliver(chunk),
                Act::Keep => self.kept.lock().push(chunk),
                Act::Drop => drop(chunk),
            }
        }
    }

    fn deliver(&self, chunk: Chunk) {
        for number in numbers(&chunk) {
            *self.known.lock().delivered.entry(number).or_default() += 1;
        }
        chunk.ack.done();
    }

    /// What is done with the chunks from now on.
    pub fn script(&self, script: impl FnMut(&[u64]) -> Act + Send + 'static) {
        *self.script.lock() = Box::new(script);
    }

    /// Delivers what was kept, and everything from now on.
    pub fn release(&self) {
        self.script(|_| Act::Deliver);
        let kept = std::mem::take(&mut *self.kept.lock());
        for chunk in kept {
            self.deliver(chunk);
        }
    }

    /// How many chunks are kept.
    pub fn kept(&self) -> usize {
        self.kept.lock().len()
    }
}

fn numbers(chunk: &Chunk) -> Vec<u64> {
    let number = |text: &str| serde_json::from_str::<Value>(text).ok()?["metadata"]["n"].as_u64();
    chunk.records.iter().filter_map(|record| number(chunk.body(record))).collect()
}

/// A process with the source.
pub struct Process {
    pub task: JoinHandle<Result<(), ComponentError>>,
    sinking: JoinHandle<()>,
    pub signal: CancellationToken,
    pub telemetry: Telemetry,
    pub disk: MemoryDisk,
    pub sink: Arc<Sink>,
}

impl Process {
    /// Ends it as SIGTERM does.
    pub async fn end(self) -> Result<(), ComponentError> {
        self.signal.cancel();
        let result = self.task.await.expect("no panic");
        self.sinking.await.expect("no panic");
        result
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&self) {
        self.task.abort();
        self.sinking.abort();
    }

    pub fn reason(&self) -> String {
        match self.telemetry.component(ComponentKind::Source, "topic").status().get() {
            ComponentState::Waiting { reason, .. } => reason,
            state => format!("{state:?}"),
        }
    }

    /// A metric's value over all labels.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.telemetry.render();
        let lines = text.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with('{'));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// The same of what is counted.
    pub fn count(&self, name: &str) -> u64 {
        // A sum of nothing is -0.
        (self.metric(name) + 0.0).to_string().parse().expect("a whole number")
    }

    pub fn dead(&self) -> Vec<Value> {
        let text = self.disk.content("data/dead-letters/topic.ndjson").unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
