//! Measures what events become on their way to the sinks, by table and by type of event.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::cli::cost::billed_bytes;
use crate::component::Records;
use crate::event::{Chunk, EventId};
use crate::pipeline::{Chunks, Config, DryRun, Entry, InputRef, READ_AT, Seen, SourceConfig, outputs};

/// More types of event than this are counted as one: only a recording of nonsense has them.
const MOST_KINDS: usize = 2_000;
/// What those are called.
const OTHERS: &str = "(other types)";

/// Rows and their bytes: of a sample, then of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    /// Rows.
    pub rows: f64,
    /// Bytes of JSON, before compression.
    pub json: f64,
    /// Bytes that Azure bills.
    pub billed: f64,
}

/// What the events of one type become.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    pub events: f64,
    /// Events of which no row gets to a table in Azure.
    pub left_out: f64,
    /// Their rows in all tables.
    pub size: Size,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub events: f64,
    /// By sink and stream; those that Azure bills.
    pub tables: BTreeMap<String, Size>,
    /// By sink: those that cost something elsewhere, or nothing.
    pub others: BTreeMap<String, Size>,
    /// Records that a transform can't handle, by transform. When the pipeline runs, they become dead letters.
    pub refused: BTreeMap<String, f64>,
    /// By `type.action`.
    pub kinds: BTreeMap<String, Kind>,
}

impl Size {
    fn add(&mut self, other: Self, times: f64) {
        self.rows += other.rows * times;
        self.json += other.json * times;
        self.billed += other.billed * times;
    }
}

impl Tally {
    /// The events, before [`Tally::times`].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of whole events")]
    pub fn count(&self) -> u64 {
        self.events as u64
    }

    /// The same for this many times as many events.
    pub fn times(self, factor: f64) -> Self {
        let mut total = Self::default();
        total.add_times(self, factor);
        total
    }

    /// Adds another source's.
    pub fn add(&mut self, other: Self) {
        self.add_times(other, 1.0);
    }

    fn add_times(&mut self, other: Self, factor: f64) {
        self.events += other.events * factor;
        for (into, from) in [(&mut self.tables, other.tables), (&mut self.others, other.others)] {
            for (name, size) in from {
                into.entry(name).or_default().add(size, factor);
            }
        }
        for (name, records) in other.refused {
            *self.refused.entry(name).or_default() += records * factor;
        }
        for (name, kind) in other.kinds {
            let into = self.kinds.entry(name).or_default();
            into.events += kind.events * factor;
            into.left_out += kind.left_out * factor;
            into.size.add(kind.size, factor);
        }
    }

    /// All that Azure bills.
    pub fn billed(&self) -> Size {
        let mut total = Size::default();
        self.tables.values().for_each(|size| total.add(*size, 1.0));
        total
    }
}

/// A reader of an output.
struct Destination {
    name: String,
    is_billed: bool,
}

/// A pipeline set whose events of one source are measured.
pub(super) struct Meter {
    dry_run: DryRun,
    chunks: Chunks,
    entry: Entry,
    destinations: HashMap<InputRef, Vec<Destination>>,
    tally: Tally,
    span: Option<(i64, i64)>,
    others: u64,
}

impl Meter {
    /// For events of this source.
    pub fn new(config: &Config, source: &str) -> Self {
        let mut destinations: HashMap<InputRef, Vec<Destination>> = HashMap::new();
        let mut tally = Tally::default();
        let addresses: HashMap<InputRef, String> =
            outputs(config).into_iter().map(|(address, output)| (output, address)).collect();
        let of = config.source(source);
        for sink in config.sinks_for(of) {
            let streams = sink.settings.streams();
            for (index, input) in sink.inputs.iter().enumerate() {
                let stream = streams.get(index);
                let name = match stream {
                    // Its variable isn't set.
                    Some(stream) if stream.is_empty() => {
                        format!("{}: {}", sink.name, addresses.get(input).unwrap_or(&input.component))
                    }
                    Some(stream) => format!("{}: {stream}", sink.name),
                    None => sink.name.clone(),
                };
                destinations.entry(input.clone()).or_default().push(Destination { name, is_billed: stream.is_some() });
            }
        }
        let entry = of.map_or_else(|| InputRef { component: source.to_owned(), output: 0 }, SourceConfig::output);
        let entry = Entry::Output(entry);
        // Tables without a row are shown, too, but for those that no event gets to.
        for destination in reachable(config, &entry).iter().filter_map(|output| destinations.get(output)).flatten() {
            let into = if destination.is_billed { &mut tally.tables } else { &mut tally.others };
            into.entry(destination.name.clone()).or_default();
        }
        let (dry_run, chunks) = (DryRun::new(config), Chunks::default());
        Self { dry_run, chunks, entry, destinations, tally, span: None, others: 0 }
    }

    /// Measures whole lines.
    pub fn feed(&mut self, lines: Vec<u8>) {
        let read = self.chunks.read(lines, Records::Events);
        self.others += read.others as u64;
        let Some(chunk) = read.chunk else { return };
        let kinds = self.note_events(&chunk);
        let mut kept: HashSet<EventId> = HashSet::new();
        let (tally, destinations) = (&mut self.tally, &self.destinations);
        self.dry_run.feed(&self.entry, &chunk, |seen| {
            let (output, chunk) = match seen {
                Seen::Given(output, chunk) => (output, chunk),
                Seen::Refused(transform, refused) => {
                    *tally.refused.entry(transform.to_owned()).or_default() += refused.chunk.records.len() as f64;
                    return;
                }
            };
            for Destination { name, is_billed } in destinations.get(output).into_iter().flatten() {
                for record in chunk.records.iter() {
                    let body = chunk.body(record);
                    let billed = if *is_billed { billed_bytes(body) as f64 } else { 0.0 };
                    let size = Size { rows: 1.0, json: body.len() as f64, billed };
                    let into = if *is_billed { &mut tally.tables } else { &mut tally.others };
                    into.entry(name.clone()).or_default().add(size, 1.0);
                    if *is_billed {
                        kept.insert(record.id);
                        if let Some(kind) = kinds.get(&record.id).and_then(|kind| tally.kinds.get_mut(kind)) {
                            kind.size.add(size, 1.0);
                        }
                    }
                }
            }
        });
        for (_, kind) in kinds.iter().filter(|(id, _)| !kept.contains(id)) {
            if let Some(kind) = self.tally.kinds.get_mut(kind) {
                kind.left_out += 1.0;
            }
        }
    }

    /// Counts the events by type. Returns each event's type.
    fn note_events(&mut self, chunk: &Chunk) -> HashMap<EventId, String> {
        let mut kinds = HashMap::with_capacity(chunk.records.len());
        for event in chunk.events() {
            let mut kind = format!("{}.{}", event.text_of(&event.fields.kind), event.text_of(&event.fields.action));
            if self.tally.kinds.len() >= MOST_KINDS && !self.tally.kinds.contains_key(&kind) {
                OTHERS.clone_into(&mut kind);
            }
            self.tally.events += 1.0;
            self.tally.kinds.entry(kind.clone()).or_default().events += 1.0;
            // An event without a time says nothing about when it was.
            if let Some(time) = Some(event.record.time).filter(|time| *time != READ_AT) {
                let (from, to) = self.span.unwrap_or((time, time));
                self.span = Some((from.min(time), to.max(time)));
            }
            kinds.insert(event.record.id, kind);
        }
        kinds
    }

    /// What was measured, the Unix times of the earliest and the latest event, and how many lines are no events.
    pub fn finish(self) -> (Tally, Option<(i64, i64)>, u64) {
        (self.tally, self.span, self.others)
    }
}

/// The outputs that events can get to.
fn reachable(config: &Config, entry: &Entry) -> HashSet<InputRef> {
    let mut reached = HashSet::new();
    if let Entry::Output(output) = entry {
        reached.insert(output.clone());
    }
    for transform in &config.transforms {
        if transform.inputs.iter().any(|input| reached.contains(input)) {
            let all = 0..transform.outputs.len();
            reached.extend(all.map(|output| InputRef { component: transform.name.clone(), output }));
        }
    }
    reached
}
