//! The small state of a source: its key, its runs, its document, and how much of the stored ids counts.
//!
//! It is the same in every storage. Only what it says about stored ids ([`Ids`]), and where its bytes go, differs:
//!
//! | payload | storage | content |
//! |---|---|---|
//! | `S` | on disk, in `state.log`, for each commit | the current run, the lengths of the files of ids, the document |
//! | `R` | on disk, in `runs`, for each run | the folder's key, and the runs before this one |
//! | `B` | in a blob, for each commit | everything; written whole by compare-and-set, so it needs no log |

use std::collections::BTreeMap;

use super::bytes::{Reader, byte_string, varint};
use super::{frame::check, ids::Bucket, intents::Intents, intervals::Intervals, recent::Recent};
use crate::component::{Commit, KnownId, SourceKey};
use nordpass_env::Random;

/// The newest version of a payload that this program reads. It writes it only where the older one isn't enough: for a state
/// that lists intents. So a program of an older version reads every state but those.
pub const VERSION: u8 = 2;
/// The version of a state without intents.
const WITHOUT_INTENTS: u8 = 1;

/// Minimum number of earlier runs remembered for [`crate::component::Store::is_committed`]. On a process's own disk
/// that is plenty: its sinks resolve what a run has left before the next one begins.
pub const KEPT_RUNS: usize = 16;

/// Maximum days that a state lists. Ids of further days go to [`Bucket::Other`]. A source that forgets what is older
/// than 90 days never has as many.
pub const MOST_DAYS: usize = 128;

const LOG: u8 = b'S';
const RUNS: u8 = b'R';
const BLOB: u8 = b'B';

/// Why a payload is unusable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A newer version wrote it.
    Newer(u8),
    /// It belongs to another source.
    Foreign(Option<SourceKey>),
    /// It is whole but malformed.
    Malformed,
}

/// What a state says about the stored ids of one bucket.
pub trait Ids: Clone + Default + PartialEq {
    /// Maximum bytes of earlier runs beyond [`KEPT_RUNS`].
    const RUNS_BYTES: usize;
    /// Appends it.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads what `encode` wrote.
    fn decode(reader: &mut Reader) -> Option<Self>;
}

/// The committed length of a file of ids, on disk.
impl Ids for u64 {
    const RUNS_BYTES: usize = 0;

    fn encode(&self, out: &mut Vec<u8>) {
        varint(out, *self);
    }

    fn decode(reader: &mut Reader) -> Option<Self> {
        reader.varint()
    }
}

/// An append-only blob of ids. A run continues the last part of a bucket if it has exactly the committed length.
/// Otherwise bytes of a commit that didn't happen follow, and the run begins another part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The run that began it. No other run begins a blob with this name.
    pub run: u64,
    /// Distinguishes the run's parts of one bucket.
    pub number: u64,
    /// How many of its bytes count.
    pub len: u64,
}

impl Part {
    /// The blob's name in the source's folder of ids.
    pub fn name(&self, bucket: Bucket) -> String {
        let bucket = bucket.file_name();
        format!("{}.{:016x}.{}.ids", bucket.trim_end_matches(".ids"), self.run, self.number)
    }
}

/// The blobs of ids, in shared storage.
impl Ids for Vec<Part> {
    /// About 150 runs, of all processes together. Each commit writes them.
    const RUNS_BYTES: usize = 2 << 10;

    fn encode(&self, out: &mut Vec<u8>) {
        varint(out, self.len() as u64);
        for part in self {
            out.extend_from_slice(&part.run.to_le_bytes());
            varint(out, part.number);
            varint(out, part.len);
        }
    }

    fn decode(reader: &mut Reader) -> Option<Self> {
        let part = |reader: &mut Reader| {
            let run = u64::from_le_bytes(reader.array()?);
            Some(Part { run, number: reader.varint()?, len: reader.varint()? })
        };
        (0..reader.varint()?).map(|_| part(reader)).collect()
    }
}

/// One earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub number: u64,
    /// Its committed chunks.
    pub chunks: Intervals,
}

/// The whole small state of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State<I> {
    /// The source's key.
    pub key: SourceKey,
    /// In a blob, counts the commits, so that no two states are the same bytes.
    pub serial: u64,
    /// The current run; 0 before the first.
    pub run: u64,
    /// The current run's committed chunks.
    pub chunks: Intervals,
    /// The runs before this one, latest first.
    pub earlier: Vec<Run>,
    /// The ids of each day since 1970-01-01.
    pub days: BTreeMap<u32, I>,
    /// The other ids.
    pub other: I,
    /// The source's document.
    pub document: Option<Vec<u8>>,
    /// What sinks were about to do.
    pub intents: Intents,
}

/// A state in files of this machine's disk.
pub type LocalState = State<u64>;
/// A state in blobs.
pub type BlobState = State<Vec<Part>>;

impl<I: Ids> State<I> {
    /// The state before the first run.
    pub fn new(key: SourceKey) -> Self {
        Self {
            key,
            serial: 0,
            run: 0,
            chunks: Intervals::default(),
            earlier: Vec::new(),
            days: BTreeMap::new(),
            other: I::default(),
            document: None,
            intents: Intents::default(),
        }
    }

    /// The state at the start of a new run, with a number that no known run has.
    pub fn begin_run(&self, random: &dyn Random) -> Self {
        loop {
            let run = random.next_u64();
            if run != 0 && self.chunks_of(run).is_none() {
                return self.next_run(run);
            }
        }
    }

    /// The state at the start of this run.
    ///
    /// In shared storage, a process that crashed asks about its own run when it returns, however many runs others had
    /// since. Its file sink keeps what was committed and cuts the rest, which another process has delivered. A run that
    /// is forgotten by then counts as committed, so the rest stays: at most what was in flight is in the files of two
    /// processes. Otherwise the sink would cut committed records, which exist nowhere else and aren't read again.
    pub fn next_run(&self, run: u64) -> Self {
        let mut next = self.clone();
        if self.run != 0 {
            // A crash at the start of a run can leave the previous run in both places on disk.
            next.earlier.retain(|earlier| earlier.number != self.run);
            next.earlier.insert(0, Run { number: self.run, chunks: self.chunks.clone() });
            let mut bytes = Vec::new();
            let fit = next.earlier.iter().take_while(|run| {
                encode_run(&mut bytes, run);
                bytes.len() <= I::RUNS_BYTES
            });
            let kept = fit.count().max(KEPT_RUNS);
            next.earlier.truncate(kept);
        }
        (next.run, next.chunks, next.serial) = (run, Intervals::default(), self.serial.wrapping_add(1));
        next
    }

    /// What it says about a bucket's ids.
    pub fn ids(&self, bucket: Bucket) -> Option<&I> {
        match bucket {
            Bucket::Day(day) => self.days.get(&day),
            Bucket::Other => Some(&self.other),
        }
    }

    /// The same, to change it.
    pub fn ids_mut(&mut self, bucket: Bucket) -> &mut I {
        match bucket {
            Bucket::Day(day) => self.days.entry(day).or_default(),
            Bucket::Other => &mut self.other,
        }
    }

    /// All buckets that it lists.
    pub fn buckets(&self) -> impl Iterator<Item = (Bucket, &I)> {
        self.days.iter().map(|(&day, ids)| (Bucket::Day(day), ids)).chain([(Bucket::Other, &self.other)])
    }

    /// The memory of ids before any were read.
    pub fn unread(&self) -> Recent {
        let empty = self.days.is_empty() && self.other == I::default();
        if empty { Recent::of_first_run() } else { Recent::unread() }
    }

    /// The committed chunks of a run, if it is known.
    pub fn chunks_of(&self, run: u64) -> Option<&Intervals> {
        if self.run == run {
            return Some(&self.chunks);
        }
        self.earlier.iter().find(|earlier| earlier.number == run).map(|run| &run.chunks)
    }

    /// Whether a chunk is committed. A chunk of an unknown run counts as committed.
    pub fn is_committed(&self, run: u64, sequence: u64) -> bool {
        self.chunks_of(run).is_none_or(|chunks| chunks.contains(sequence))
    }

    /// Applies a commit, except for the stored ids: the committed chunks, the document, and the listed days. Returns
    /// its ids by bucket.
    pub fn step(&mut self, commit: &Commit) -> Vec<(Bucket, Vec<KnownId>)> {
        for &chunk in &commit.chunks {
            // `u64::MAX` can't be stored, and no run counts that far.
            self.chunks.insert(chunk..chunk.saturating_add(1));
        }
        if commit.document.is_some() {
            self.document.clone_from(&commit.document);
        }
        self.intents.step(commit, self.run, &self.chunks);
        let batches = self.batches(&commit.ids);
        if let Some(time) = commit.forget_before {
            self.days.retain(|&day, _| Bucket::Day(day).end().is_none_or(|end| end > time));
        }
        batches
    }

    /// Groups the ids (sorted by time) by bucket.
    fn batches(&self, ids: &[KnownId]) -> Vec<(Bucket, Vec<KnownId>)> {
        let mut batches: Vec<(Bucket, Vec<KnownId>)> = Vec::new();
        let mut other = Vec::new();
        let mut days_left = MOST_DAYS.saturating_sub(self.days.len());
        for ids in ids.chunk_by(|a, b| Bucket::day(a.time) == Bucket::day(b.time)) {
            match Bucket::day(ids[0].time) {
                Some(day) if self.days.contains_key(&day) => batches.push((Bucket::Day(day), ids.to_vec())),
                Some(day) if days_left > 0 => {
                    days_left -= 1;
                    batches.push((Bucket::Day(day), ids.to_vec()));
                }
                _ => other.extend_from_slice(ids),
            }
        }
        if !other.is_empty() {
            batches.push((Bucket::Other, other));
        }
        batches
    }

    fn encode_days(&self, out: &mut Vec<u8>) {
        varint(out, self.days.len() as u64);
        let mut at = 0;
        for (&day, ids) in &self.days {
            varint(out, u64::from(day - at));
            ids.encode(out);
            at = day;
        }
    }

    fn version(&self) -> u8 {
        if self.intents.is_empty() { WITHOUT_INTENTS } else { VERSION }
    }

    fn encode_intents(&self, out: &mut Vec<u8>) {
        if !self.intents.is_empty() {
            self.intents.encode(out);
        }
    }

    fn encode_document(&self, out: &mut Vec<u8>) {
        match &self.document {
            None => varint(out, 0),
            Some(document) => {
                varint(out, document.len() as u64 + 1);
                out.extend_from_slice(document);
            }
        }
    }
}

impl LocalState {
    /// The payload of a frame of `state.log`.
    pub fn encode_log(&self) -> Vec<u8> {
        let mut out = vec![LOG, self.version()];
        out.extend_from_slice(&key_hash(&self.key));
        out.extend_from_slice(&self.run.to_le_bytes());
        self.chunks.encode(&mut out);
        self.other.encode(&mut out);
        self.encode_days(&mut out);
        self.encode_document(&mut out);
        self.encode_intents(&mut out);
        out
    }

    /// The payload of the file `runs`.
    pub fn encode_runs(&self) -> Vec<u8> {
        let mut out = vec![RUNS, WITHOUT_INTENTS];
        encode_head(&mut out, &self.key);
        encode_runs(&mut out, &self.earlier);
        out
    }

    /// Reads a payload of `state.log`. The rest comes from `runs`.
    pub fn decode_log(payload: &[u8], key: SourceKey, earlier: Vec<Run>) -> Result<Self, Misfit> {
        let (mut reader, version) = open(payload, LOG)?;
        if reader.array().ok_or(Misfit::Malformed)? != key_hash(&key) {
            return Err(Misfit::Foreign(None));
        }
        let fields = |reader: &mut Reader| {
            let run = u64::from_le_bytes(reader.array()?);
            let chunks = Intervals::decode(reader)?;
            let other = reader.varint()?;
            let days = decode_days(reader)?;
            let document = decode_document(reader)?;
            let intents = decode_intents(reader, version)?;
            Some(Self { key, serial: 0, run, chunks, earlier, days, other, document, intents })
        };
        whole(reader, fields)
    }
}

impl BlobState {
    /// The payload of the blob.
    pub fn encode_blob(&self) -> Vec<u8> {
        let mut out = vec![BLOB, self.version()];
        encode_head(&mut out, &self.key);
        varint(&mut out, self.serial);
        out.extend_from_slice(&self.run.to_le_bytes());
        self.chunks.encode(&mut out);
        encode_runs(&mut out, &self.earlier);
        self.encode_days(&mut out);
        self.other.encode(&mut out);
        self.encode_document(&mut out);
        self.encode_intents(&mut out);
        out
    }

    /// Reads a payload, which should belong to `key_id`.
    pub fn decode_blob(payload: &[u8], key_id: &str) -> Result<Self, Misfit> {
        let (reader, version) = open(payload, BLOB)?;
        let state = whole(reader, |reader| {
            let key = decode_head(reader)?;
            let serial = reader.varint()?;
            let run = u64::from_le_bytes(reader.array()?);
            let chunks = Intervals::decode(reader)?;
            let (earlier, days) = (decode_runs(reader)?, decode_days(reader)?);
            let other = Ids::decode(reader)?;
            let document = decode_document(reader)?;
            let intents = decode_intents(reader, version)?;
            Some(Self { key, serial, run, chunks, earlier, days, other, document, intents })
        })?;
        if state.key.id() == key_id { Ok(state) } else { Err(Misfit::Foreign(Some(state.key))) }
    }
}

/// Reads a payload of the file `runs`: the folder's key, and the earlier runs, latest first.
pub fn decode_runs_file(payload: &[u8]) -> Result<(SourceKey, Vec<Run>), Misfit> {
    whole(open(payload, RUNS)?.0, |reader| Some((decode_head(reader)?, decode_runs(reader)?)))
}

/// The key's hash, which is in each frame of `state.log`.
pub fn key_hash(key: &SourceKey) -> [u8; 8] {
    check(format!("{}\n{}", key.name, key.endpoint).as_bytes())
}

/// Checks what kind of payload this is, and that this program knows its version, which it returns.
fn open(payload: &[u8], kind: u8) -> Result<(Reader<'_>, u8), Misfit> {
    let mut reader = Reader::new(payload);
    let [found, version] = reader.array().ok_or(Misfit::Malformed)?;
    match (found == kind, version) {
        (true, WITHOUT_INTENTS..=VERSION) => Ok((reader, version)),
        (true, version) if version > VERSION => Err(Misfit::Newer(version)),
        _ => Err(Misfit::Malformed),
    }
}

/// Reads the fields, after which nothing may follow.
fn whole<'a, T>(mut reader: Reader<'a>, fields: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Result<T, Misfit> {
    fields(&mut reader).filter(|_| reader.is_empty()).ok_or(Misfit::Malformed)
}

fn encode_head(out: &mut Vec<u8>, key: &SourceKey) {
    byte_string(out, key.name.as_bytes());
    byte_string(out, key.endpoint.as_bytes());
}

fn decode_head(reader: &mut Reader) -> Option<SourceKey> {
    let mut text = || String::from_utf8(reader.byte_string()?.to_vec()).ok();
    Some(SourceKey { name: text()?, endpoint: text()? })
}

fn encode_run(out: &mut Vec<u8>, run: &Run) {
    out.extend_from_slice(&run.number.to_le_bytes());
    run.chunks.encode(out);
}

fn encode_runs(out: &mut Vec<u8>, runs: &[Run]) {
    varint(out, runs.len() as u64);
    for run in runs {
        encode_run(out, run);
    }
}

fn decode_runs(reader: &mut Reader) -> Option<Vec<Run>> {
    let run = |reader: &mut Reader| {
        let number = u64::from_le_bytes(reader.array()?);
        Some(Run { number, chunks: Intervals::decode(reader)? })
    };
    (0..reader.varint()?).map(|_| run(reader)).collect()
}

fn decode_days<I: Ids>(reader: &mut Reader) -> Option<BTreeMap<u32, I>> {
    let mut days = BTreeMap::new();
    let mut at: u32 = 0;
    for number in 0..reader.varint()? {
        let step = u32::try_from(reader.varint()?).ok()?;
        if step == 0 && number > 0 {
            return None;
        }
        at = at.checked_add(step)?;
        days.insert(at, I::decode(reader)?);
    }
    Some(days)
}

fn decode_intents(reader: &mut Reader, version: u8) -> Option<Intents> {
    if version == WITHOUT_INTENTS { Some(Intents::default()) } else { Intents::decode(reader) }
}

#[expect(clippy::option_option, reason = "outside: whether it can be read; inside: whether there is a document")]
fn decode_document(reader: &mut Reader) -> Option<Option<Vec<u8>>> {
    Some(match reader.varint()? {
        0 => None,
        len => Some(reader.take(usize::try_from(len - 1).ok()?)?.to_vec()),
    })
}

#[cfg(test)]
mod tests;
