//! What the pipeline leaves out on purpose: each event that a comparison sees goes through the transforms, as they are now,
//! without anything around them.

use std::collections::{BTreeMap, HashMap};

use nordpass_env::Mutex;

use crate::event::Chunk;
use crate::pipeline::{Config, DryRun, Entry, InputRef, Seen, SourceConfig};
use crate::sinks::blackhole;
use crate::sources::nordpass::Examine;

/// The events that a pipeline leaves out on purpose.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Events that were acknowledged, and that a transform leaves out or only a `blackhole` gets.
    pub acknowledged: u64,
    /// Events that weren't acknowledged and are to arrive nowhere.
    pub others: u64,
    /// All of these by component and reason. Two transforms on two ways may leave out the same event.
    pub reasons: BTreeMap<(String, String), u64>,
}

/// Counts what the pipeline leaves out of the events of one source.
pub(super) struct LeftOut(Mutex<Inner>);

struct Inner {
    dry_run: DryRun,
    /// What the dry run had left out when somebody last asked for the reasons.
    before: BTreeMap<(String, String), u64>,
    entry: Entry,
    /// The sinks that read an output: the name, and whether it is a `blackhole`.
    sinks: HashMap<InputRef, Vec<(String, bool)>>,
    counted: Counted,
}

/// What becomes of an event.
struct Fate {
    /// A sink keeps it, or a transform keeps it as a dead letter.
    arrives: bool,
    /// Who leaves it out and why; empty if nobody does.
    reasons: Vec<(String, String)>,
}

impl LeftOut {
    /// For the events of this source.
    pub fn new(config: &Config, source: &str) -> Self {
        let mut sinks: HashMap<InputRef, Vec<(String, bool)>> = HashMap::new();
        let of = config.source(source);
        for sink in config.sinks_for(of) {
            let is_blackhole = sink.component_type.name == blackhole::TYPE.name;
            for input in &sink.inputs {
                sinks.entry(input.clone()).or_default().push((sink.name.clone(), is_blackhole));
            }
        }
        let entry = of.map_or_else(|| InputRef { component: source.to_owned(), output: 0 }, SourceConfig::output);
        let entry = Entry::Output(entry);
        let (dry_run, before, counted) = (DryRun::new(config), BTreeMap::new(), Counted::default());
        Self(Mutex::new(Inner { dry_run, before, entry, sinks, counted }))
    }

    /// What was counted.
    pub fn counted(&self) -> Counted {
        self.0.lock().counted.clone()
    }
}

impl Inner {
    fn follow(&mut self, event: &Chunk) -> Fate {
        let Self { dry_run, entry, sinks, .. } = self;
        let (mut arrives, mut blackholes) = (false, Vec::new());
        let before = dry_run.left_out();
        dry_run.feed(entry, event, |seen| match seen {
            Seen::Refused(..) => arrives = true,
            Seen::Given(output, _) => {
                for (name, is_blackhole) in sinks.get(output).into_iter().flatten() {
                    if *is_blackhole { blackholes.push(name.clone()) } else { arrives = true }
                }
            }
        });
        let mut reasons = Vec::new();
        if dry_run.left_out() > before {
            let now = dry_run.left_out_by_reason();
            let is_new = |(reason, count): &(&(String, String), &u64)| self.before.get(*reason) != Some(*count);
            reasons.extend(now.iter().filter(is_new).map(|(reason, _)| reason.clone()));
            self.before = now;
        } else if !arrives {
            reasons.extend(blackholes.into_iter().map(|name| (name, "a blackhole".to_owned())));
        }
        Fate { arrives, reasons }
    }

    fn count(&mut self, fate: Fate, copies: u64) {
        for reason in fate.reasons {
            *self.counted.reasons.entry(reason).or_default() += copies;
        }
    }
}

impl Examine for LeftOut {
    fn acknowledged(&self, event: &Chunk, copies: u64) {
        let mut inner = self.0.lock();
        let fate = inner.follow(event);
        if !fate.reasons.is_empty() {
            inner.counted.acknowledged += copies;
            inner.count(fate, copies);
        }
    }

    fn is_unwanted(&self, event: &Chunk) -> bool {
        let mut inner = self.0.lock();
        let fate = inner.follow(event);
        let is_unwanted = !fate.arrives && !fate.reasons.is_empty();
        if is_unwanted {
            inner.counted.others += 1;
            inner.count(fate, 1);
        }
        is_unwanted
    }
}
