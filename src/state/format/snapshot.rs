//! What the two small files of a source's folder say: the state, and the runs before this one.

use std::collections::BTreeMap;

use super::bytes::{Reader, byte_string, varint};
use super::intervals::Intervals;
use crate::component::SourceKey;

/// The version of the payloads that this program writes, and the newest that it reads.
pub const VERSION: u8 = 1;

/// How many earlier runs are remembered at least for [`crate::component::Store::is_committed`]. On a process's own disk
/// that is plenty: its sinks resolve what a run has left before the next one begins. A state that several
/// processes share remembers more of them ([`super::shared::Shared::next_run`]).
pub const KEPT_RUNS: usize = 16;

const STATE: u8 = b'S';
const RUNS: u8 = b'R';

/// Why a payload can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Another version wrote it.
    Newer(u8),
    /// It belongs to another source.
    Foreign(Option<SourceKey>),
    /// It is whole, but doesn't say what it should.
    Malformed,
}

/// The whole small state of a source: one frame of `state.log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The current run.
    pub run: u64,
    /// The current run's committed chunks.
    pub chunks: Intervals,
    /// The committed lengths of the day files, by day since 1970-01-01.
    pub days: BTreeMap<u32, u64>,
    /// The committed length of the file of the other ids.
    pub other: u64,
    /// The source's document.
    pub document: Option<Vec<u8>>,
}

/// One earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub number: u64,
    /// Its committed chunks.
    pub chunks: Intervals,
}

/// The key's hash as it stands in each state frame.
pub fn key_hash(key: &SourceKey) -> [u8; 8] {
    let mut hash = [0; 8];
    let text = format!("{}\n{}", key.name, key.endpoint);
    hash.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
    hash
}

impl Snapshot {
    /// The payload.
    pub fn encode(&self, key: [u8; 8]) -> Vec<u8> {
        let mut out = vec![STATE, VERSION];
        out.extend_from_slice(&key);
        out.extend_from_slice(&self.run.to_le_bytes());
        self.chunks.encode(&mut out);
        varint(&mut out, self.other);
        varint(&mut out, self.days.len() as u64);
        let mut at = 0;
        for (&day, &len) in &self.days {
            varint(&mut out, u64::from(day - at));
            varint(&mut out, len);
            at = day;
        }
        match &self.document {
            None => varint(&mut out, 0),
            Some(document) => {
                varint(&mut out, document.len() as u64 + 1);
                out.extend_from_slice(document);
            }
        }
        out
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8], key: [u8; 8]) -> Result<Self, Misfit> {
        let mut reader = Reader::new(payload);
        version(&mut reader, STATE)?;
        if reader.array().ok_or(Misfit::Malformed)? != key {
            return Err(Misfit::Foreign(None));
        }
        let snapshot = Self::fields(&mut reader).ok_or(Misfit::Malformed)?;
        if reader.is_empty() { Ok(snapshot) } else { Err(Misfit::Malformed) }
    }

    fn fields(reader: &mut Reader) -> Option<Self> {
        let run = u64::from_le_bytes(reader.array()?);
        let chunks = Intervals::decode(reader)?;
        let other = reader.varint()?;
        let mut days = BTreeMap::new();
        let mut at: u32 = 0;
        for number in 0..reader.varint()? {
            let step = u32::try_from(reader.varint()?).ok()?;
            if step == 0 && number > 0 {
                return None;
            }
            at = at.checked_add(step)?;
            days.insert(at, reader.varint()?);
        }
        let document = match reader.varint()? {
            0 => None,
            len => Some(reader.take(usize::try_from(len - 1).ok()?)?.to_vec()),
        };
        Some(Self { run, chunks, days, other, document })
    }
}

/// The payload of the file `runs`: whose folder it is, and the earlier runs, latest first.
pub fn encode_runs(key: &SourceKey, runs: &[Run]) -> Vec<u8> {
    let mut out = vec![RUNS, VERSION];
    byte_string(&mut out, key.name.as_bytes());
    byte_string(&mut out, key.endpoint.as_bytes());
    varint(&mut out, runs.len() as u64);
    for run in runs {
        out.extend_from_slice(&run.number.to_le_bytes());
        run.chunks.encode(&mut out);
    }
    out
}

/// Reads a payload of the file `runs`.
pub fn decode_runs(payload: &[u8]) -> Result<(SourceKey, Vec<Run>), Misfit> {
    let mut reader = Reader::new(payload);
    version(&mut reader, RUNS)?;
    let mut fields = || -> Option<(SourceKey, Vec<Run>)> {
        let name = String::from_utf8(reader.byte_string()?.to_vec()).ok()?;
        let endpoint = String::from_utf8(reader.byte_string()?.to_vec()).ok()?;
        let mut runs = Vec::new();
        for _ in 0..reader.varint()? {
            let number = u64::from_le_bytes(reader.array()?);
            runs.push(Run { number, chunks: Intervals::decode(&mut reader)? });
        }
        reader.is_empty().then_some((SourceKey { name, endpoint }, runs))
    };
    fields().ok_or(Misfit::Malformed)
}

/// Checks what kind of payload this is, and that this program knows its version.
pub(super) fn version(reader: &mut Reader, kind: u8) -> Result<(), Misfit> {
    let [found, version] = reader.array().ok_or(Misfit::Malformed)?;
    match (found == kind, version) {
        (true, VERSION) => Ok(()),
        (true, version) if version > VERSION => Err(Misfit::Newer(version)),
        _ => Err(Misfit::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn snapshot() -> Snapshot {
        let mut chunks = Intervals::default();
        for number in [0, 1, 2, 5, 9] {
            chunks.insert(number);
        }
        let days = [(20_000, 10_000_000 * 20), (20_001, 5), (20_090, 70)].into();
        Snapshot { run: u64::MAX, chunks, days, other: 26, document: Some(b"{}".to_vec()) }
    }

    #[test]
    fn comes_back() {
        for snapshot in [snapshot(), Snapshot::default(), Snapshot { document: Some(Vec::new()), ..snapshot() }] {
            assert_eq!(Snapshot::decode(&snapshot.encode([7; 8]), [7; 8]), Ok(snapshot));
        }
        let key = SourceKey { name: "a".into(), endpoint: "b".into() };
        let runs = vec![Run { number: 3, chunks: snapshot().chunks }, Run { number: 4, chunks: Intervals::default() }];
        assert_eq!(decode_runs(&encode_runs(&key, &runs)), Ok((key, runs)));
    }

    #[test]
    fn foreign_and_newer_are_told_apart() {
        let payload = snapshot().encode([7; 8]);
        assert_eq!(Snapshot::decode(&payload, [8; 8]), Err(Misfit::Foreign(None)));
        let mut newer = payload.clone();
        newer[1] = 9;
        assert_eq!(Snapshot::decode(&newer, [7; 8]), Err(Misfit::Newer(9)));
        assert_eq!(decode_runs(&payload), Err(Misfit::Malformed));
        let longer = [payload, vec![0]].concat();
        assert_eq!(Snapshot::decode(&longer, [7; 8]), Err(Misfit::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Snapshot::decode(&[&[STATE, VERSION], &[7; 8][..], &bytes].concat(), [7; 8]);
            let _ = decode_runs(&[&[RUNS, VERSION], &bytes[..]].concat());
        }
    }
}
