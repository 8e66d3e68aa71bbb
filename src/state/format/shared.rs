//! What the one small blob of a source in shared storage says: whose it is, the state, and the runs before this one.
//!
//! It is written whole, by compare-and-set, so that it needs no log. The ids are in *parts*: a part is a blob that is
//! only ever appended to, and the state says how much of it counts. A run goes on with the last part of a bucket if it is
//! exactly as long as committed, and begins another one otherwise: then bytes of a commit that didn't happen follow.

use std::collections::BTreeMap;

use super::bytes::{Reader, byte_string, varint};
use super::ids::Bucket;
use super::intervals::Intervals;
use super::snapshot::{KEPT_RUNS, Misfit, Run, version};
use crate::component::SourceKey;

const SHARED: u8 = b'B';

/// How many bytes of the state the runs before this one take, where that are more than [`KEPT_RUNS`]: about 150 of them.
/// Each commit writes them.
const RUNS_BYTES: usize = 2 << 10;

/// A blob of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The run that began it: no other run begins a blob of this name.
    pub run: u64,
    /// Tells its parts of one bucket apart.
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

/// The whole small state of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Whose state it is.
    pub key: SourceKey,
    /// Counts the commits, so that no two states are the same bytes.
    pub serial: u64,
    /// The current run; 0 before the first.
    pub run: u64,
    /// The current run's committed chunks.
    pub chunks: Intervals,
    /// The runs before this one, latest first.
    pub earlier: Vec<Run>,
    /// The parts of each day since 1970-01-01.
    pub days: BTreeMap<u32, Vec<Part>>,
    /// The parts of the other ids.
    pub other: Vec<Part>,
    /// The source's document.
    pub document: Option<Vec<u8>>,
}

impl Shared {
    /// The state before the first run.
    pub fn new(key: SourceKey) -> Self {
        Self {
            key,
            serial: 0,
            run: 0,
            chunks: Intervals::default(),
            earlier: Vec::new(),
            days: BTreeMap::new(),
            other: Vec::new(),
            document: None,
        }
    }

    /// The state at the beginning of another run.
    ///
    /// All processes' runs are counted together. A process that crashed asks for its own when it comes back, however many
    /// others there were since: its file sink keeps what was committed and cuts the rest, which somebody else has
    /// delivered. A run that is forgotten by then counts as committed, and the rest stays: copies in the files of two
    /// processes, of at most what was in flight. The other answer would cut what was committed, and that is nowhere else,
    /// as nobody reads it again.
    #[must_use]
    pub fn next_run(&self, run: u64) -> Self {
        let mut next = self.clone();
        if self.run != 0 {
            next.earlier.insert(0, Run { number: self.run, chunks: self.chunks.clone() });
            next.earlier.truncate(kept_runs(&next.earlier));
        }
        (next.run, next.chunks, next.serial) = (run, Intervals::default(), self.serial + 1);
        next
    }

    /// The parts of a bucket.
    pub fn parts(&self, bucket: Bucket) -> &[Part] {
        match bucket {
            Bucket::Day(day) => self.days.get(&day).map(Vec::as_slice).unwrap_or_default(),
            Bucket::Other => &self.other,
        }
    }

    /// The same, to change them.
    pub fn parts_mut(&mut self, bucket: Bucket) -> &mut Vec<Part> {
        match bucket {
            Bucket::Day(day) => self.days.entry(day).or_default(),
            Bucket::Other => &mut self.other,
        }
    }

    /// The committed chunks of a run, if it is known.
    pub fn chunks_of(&self, run: u64) -> Option<&Intervals> {
        if self.run == run {
            return Some(&self.chunks);
        }
        self.earlier.iter().find(|earlier| earlier.number == run).map(|run| &run.chunks)
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![SHARED, super::snapshot::VERSION];
        byte_string(&mut out, self.key.name.as_bytes());
        byte_string(&mut out, self.key.endpoint.as_bytes());
        varint(&mut out, self.serial);
        out.extend_from_slice(&self.run.to_le_bytes());
        self.chunks.encode(&mut out);
        varint(&mut out, self.earlier.len() as u64);
        for run in &self.earlier {
            encode_run(&mut out, run);
        }
        varint(&mut out, self.days.len() as u64);
        let mut at = 0;
        for (&day, list) in &self.days {
            varint(&mut out, u64::from(day - at));
            parts(&mut out, list);
            at = day;
        }
        parts(&mut out, &self.other);
        match &self.document {
            None => varint(&mut out, 0),
            Some(document) => {
                varint(&mut out, document.len() as u64 + 1);
                out.extend_from_slice(document);
            }
        }
        out
    }

    /// Reads a payload. `key_id` is whose state it should be.
    pub fn decode(payload: &[u8], key_id: &str) -> Result<Self, Misfit> {
        let mut reader = Reader::new(payload);
        version(&mut reader, SHARED)?;
        let state = Self::fields(&mut reader).ok_or(Misfit::Malformed)?;
        if !reader.is_empty() {
            return Err(Misfit::Malformed);
        }
        if state.key.id() == key_id { Ok(state) } else { Err(Misfit::Foreign(Some(state.key))) }
    }

    fn fields(reader: &mut Reader) -> Option<Self> {
        let name = String::from_utf8(reader.byte_string()?.to_vec()).ok()?;
        let endpoint = String::from_utf8(reader.byte_string()?.to_vec()).ok()?;
        let serial = reader.varint()?;
        let run = u64::from_le_bytes(reader.array()?);
        let chunks = Intervals::decode(reader)?;
        let mut earlier = Vec::new();
        for _ in 0..reader.varint()? {
            let number = u64::from_le_bytes(reader.array()?);
            earlier.push(Run { number, chunks: Intervals::decode(reader)? });
        }
        let mut days = BTreeMap::new();
        let mut at: u32 = 0;
        for number in 0..reader.varint()? {
            let step = u32::try_from(reader.varint()?).ok()?;
            if step == 0 && number > 0 {
                return None;
            }
            at = at.checked_add(step)?;
            days.insert(at, read_parts(reader)?);
        }
        let other = read_parts(reader)?;
        let document = match reader.varint()? {
            0 => None,
            len => Some(reader.take(usize::try_from(len - 1).ok()?)?.to_vec()),
        };
        Some(Self { key: SourceKey { name, endpoint }, serial, run, chunks, earlier, days, other, document })
    }
}

/// How many of these are kept.
fn kept_runs(runs: &[Run]) -> usize {
    let mut bytes = Vec::new();
    let fit = runs.iter().take_while(|run| {
        encode_run(&mut bytes, run);
        bytes.len() <= RUNS_BYTES
    });
    fit.count().max(KEPT_RUNS)
}

fn encode_run(out: &mut Vec<u8>, run: &Run) {
    out.extend_from_slice(&run.number.to_le_bytes());
    run.chunks.encode(out);
}

fn parts(out: &mut Vec<u8>, parts: &[Part]) {
    varint(out, parts.len() as u64);
    for part in parts {
        out.extend_from_slice(&part.run.to_le_bytes());
        varint(out, part.number);
        varint(out, part.len);
    }
}

fn read_parts(reader: &mut Reader) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for _ in 0..reader.varint()? {
        let run = u64::from_le_bytes(reader.array()?);
        parts.push(Part { run, number: reader.varint()?, len: reader.varint()? });
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state() -> Shared {
        let mut state = Shared::new(SourceKey { name: "a".into(), endpoint: "b".into() }).next_run(9);
        state.chunks.insert(3);
        state.days.insert(20_000, vec![Part { run: 9, number: 0, len: 1_000 }, Part { run: 8, number: 2, len: 0 }]);
        state.days.insert(20_090, vec![Part { run: u64::MAX, number: 0, len: u64::MAX }]);
        state.other.push(Part { run: 1, number: 1, len: 26 });
        state.document = Some(b"{}".to_vec());
        state.next_run(10)
    }

    #[test]
    fn comes_back() {
        let key_id = state().key.id();
        for state in [state(), Shared::new(state().key), Shared { document: Some(Vec::new()), ..state() }] {
            assert_eq!(Shared::decode(&state.encode(), &key_id), Ok(state));
        }
        let part = Part { run: 0xAB, number: 2, len: 0 };
        assert_eq!(part.name(Bucket::Day(20_454)), "2026-01-01.00000000000000ab.2.ids");
        assert_eq!(part.name(Bucket::Other), "other.00000000000000ab.2.ids");
    }

    #[test]
    fn many_runs_are_remembered_and_take_a_bounded_place() {
        let mut state = state();
        let empty = state.encode().len();
        for run in 100..10_000 {
            state.chunks.insert(run);
            state = state.next_run(run);
        }
        let known = (100..10_000).filter(|run| state.chunks_of(*run).is_some()).count();
        assert!((100..200).contains(&known), "{known} runs");
        assert!(state.encode().len() <= empty + RUNS_BYTES, "{} bytes", state.encode().len() - empty);
        // However much each of them says, as many as ever.
        for run in 20_000..20_100 {
            for chunk in 0..2_000 {
                state.chunks.insert(2 * chunk);
            }
            state = state.next_run(run);
        }
        assert_eq!(state.earlier.len(), KEPT_RUNS);
    }

    #[test]
    fn foreign_newer_and_longer_are_refused() {
        let payload = state().encode();
        assert_eq!(Shared::decode(&payload, "other"), Err(Misfit::Foreign(Some(state().key))));
        let mut newer = payload.clone();
        newer[1] = 9;
        assert_eq!(Shared::decode(&newer, "other"), Err(Misfit::Newer(9)));
        assert_eq!(Shared::decode(&[payload, vec![0]].concat(), &state().key.id()), Err(Misfit::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Shared::decode(&[&[SHARED, 1], &bytes[..]].concat(), "a");
        }
    }
}
