//! The intents in a state: which sinks were about to do something with which chunks, and the hash of what each says.
//!
//! What an intent says is stored beside the state, under its hash. A state has little room.

use super::bytes::{Reader, byte_string, varint};
use super::intervals::Intervals;
use crate::component::{Commit, Intent, IntentChange, IntentHash};

/// Maximum intents that a state lists. A sink has few for each source, and a crash leaves them to the next run, where they stay
/// until all their events are read again. Those that NordPass no longer has never are, and nor are those of a sink that was
/// removed: the oldest make room.
pub const MOST_INTENTS: usize = 192;

/// The longest name of a sink that is listed, in bytes.
const LONGEST_NAME: usize = 255;

/// The intents of a state, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intents(Vec<Listed>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    sink: String,
    run: u64,
    /// Its chunks that aren't committed.
    chunks: Intervals,
    hash: IntentHash,
}

impl Intents {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As components see them.
    pub fn list(&self) -> Vec<Intent> {
        let intent = |Listed { sink, run, chunks, hash }: &Listed| Intent {
            sink: sink.clone(),
            run: *run,
            chunks: chunks.iter().cloned().collect(),
            hash: *hash,
        };
        self.0.iter().map(intent).collect()
    }

    /// The hashes of what is stored.
    pub fn hashes(&self) -> impl Iterator<Item = &IntentHash> {
        self.0.iter().map(|listed| &listed.hash)
    }

    /// Applies a commit of this run, whose committed chunks include the commit's.
    pub fn step(&mut self, commit: &Commit, run: u64, committed: &Intervals) {
        let open = |chunks: &[u64]| {
            let open = chunks.iter().filter(|&&chunk| chunk < u64::MAX && !committed.contains(chunk));
            open.map(|&chunk| chunk..chunk + 1).collect::<Intervals>()
        };
        for change in &commit.intents {
            match change {
                IntentChange::Record { sink, chunks, content } => {
                    let hash = *blake3::hash(content).as_bytes();
                    self.0.retain(|listed| listed.hash != hash);
                    let sink = sink.chars().take(LONGEST_NAME / 4).collect();
                    self.0.push(Listed { sink, run, chunks: open(chunks), hash });
                }
                IntentChange::Settle { hash, chunks } => {
                    for listed in self.0.iter_mut().filter(|listed| listed.hash == *hash) {
                        (listed.run, listed.chunks) = (run, open(chunks));
                    }
                }
            }
        }
        for listed in self.0.iter_mut().filter(|listed| listed.run == run) {
            for &chunk in &commit.chunks {
                listed.chunks.remove(&(chunk..chunk.saturating_add(1)));
            }
        }
        self.0.retain(|listed| !listed.chunks.is_empty());
        let surplus = self.0.len().saturating_sub(MOST_INTENTS);
        self.0.drain(..surplus);
    }

    /// Appends them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint(out, self.0.len() as u64);
        for Listed { sink, run, chunks, hash } in &self.0 {
            byte_string(out, sink.as_bytes());
            out.extend_from_slice(&run.to_le_bytes());
            chunks.encode(out);
            out.extend_from_slice(hash);
        }
    }

    /// Reads what [`Intents::encode`] wrote: at least one, each with a chunk.
    pub fn decode(reader: &mut Reader) -> Option<Self> {
        let count = reader.varint()?;
        let listed = |reader: &mut Reader| {
            let sink = reader.byte_string().filter(|sink| sink.len() <= LONGEST_NAME)?;
            let sink = std::str::from_utf8(sink).ok()?.to_owned();
            let run = u64::from_le_bytes(reader.array()?);
            let chunks = Intervals::decode(reader).filter(|chunks| !chunks.is_empty())?;
            Some(Listed { sink, run, chunks, hash: reader.array()? })
        };
        if count == 0 || count > MOST_INTENTS as u64 {
            return None;
        }
        (0..count).map(|_| listed(reader)).collect::<Option<_>>().map(Self)
    }
}

/// The name under which an intent's content is stored.
pub fn intent_name(hash: &IntentHash) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

/// Whether a file or blob beside the others is an intent's.
pub fn is_intent_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What a commit stores before its state lists it: each content with its hash.
pub fn contents(commit: &Commit) -> impl Iterator<Item = (IntentHash, &bytes::Bytes)> {
    commit.intents.iter().filter_map(|change| match change {
        IntentChange::Record { content, .. } => Some((*blake3::hash(content).as_bytes(), content)),
        IntentChange::Settle { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content: &'static [u8], chunks: &[u64]) -> IntentChange {
        IntentChange::Record { sink: "archive".into(), chunks: chunks.to_vec(), content: content.into() }
    }

    fn hash(content: &[u8]) -> IntentHash {
        *blake3::hash(content).as_bytes()
    }

    /// One step of a run with these committed chunks, among them those of the commit.
    fn step(intents: &mut Intents, run: u64, committed: &mut Intervals, chunks: &[u64], changes: &[IntentChange]) {
        for &chunk in chunks {
            committed.insert(chunk..chunk + 1);
        }
        let commit = Commit { chunks: chunks.to_vec(), intents: changes.to_vec(), ..Commit::default() };
        intents.step(&commit, run, committed);
    }

    #[test]
    fn is_dropped_by_the_commit_of_its_last_chunk() {
        let (mut intents, mut committed) = (Intents::default(), Intervals::default());
        step(&mut intents, 7, &mut committed, &[1], &[]);
        step(&mut intents, 7, &mut committed, &[], &[record(b"a", &[1, 2, 3, 9])]);
        let listed = intents.list();
        assert_eq!((listed[0].run, &listed[0].chunks[..], listed[0].hash), (7, &[2..4, 9..10][..], hash(b"a")));
        assert!(listed[0].is_open(2) && !listed[0].is_open(1));
        step(&mut intents, 7, &mut committed, &[2, 9], &[]);
        assert_eq!(intents.list()[0].chunks, std::slice::from_ref(&(3..4)));
        // Committed twice, as after a lost answer.
        step(&mut intents, 7, &mut committed, &[], &[record(b"a", &[1, 2, 3, 9])]);
        assert_eq!(intents.list()[0].chunks, std::slice::from_ref(&(3..4)));
        step(&mut intents, 7, &mut committed, &[3, 4], &[]);
        assert!(intents.is_empty());
        step(&mut intents, 7, &mut committed, &[], &[record(b"a", &[1, 2, 3, 9])]);
        assert!(intents.is_empty(), "all its chunks are committed");
    }

    #[test]
    fn of_an_earlier_run_stays_until_it_is_settled() {
        let (mut intents, mut committed) = (Intents::default(), Intervals::default());
        step(&mut intents, 7, &mut committed, &[], &[record(b"a", &[0, 1]), record(b"b", &[2])]);
        let mut committed = Intervals::default();
        step(&mut intents, 8, &mut committed, &[0, 1, 2], &[]);
        assert_eq!(intents.list().len(), 2, "another run's chunks have other numbers");
        let settle = |content, chunks: &[u64]| IntentChange::Settle { hash: hash(content), chunks: chunks.to_vec() };
        step(&mut intents, 8, &mut committed, &[], &[settle(b"a", &[2, 5]), settle(b"b", &[])]);
        let listed = intents.list();
        assert_eq!((listed.len(), listed[0].run, &listed[0].chunks[..]), (1, 8, std::slice::from_ref(&(5..6))));
        step(&mut intents, 8, &mut committed, &[5], &[settle(b"unknown", &[1])]);
        assert!(intents.is_empty());
    }

    #[test]
    fn comes_back_and_takes_a_bounded_place() {
        let (mut intents, committed) = (Intents::default(), Intervals::default());
        for number in 0..1_000_u64 {
            let content = number.to_le_bytes().to_vec().into();
            let change = IntentChange::Record { sink: "ü".repeat(300).into(), chunks: vec![number], content };
            intents.step(&Commit { intents: vec![change], ..Commit::default() }, 7, &committed);
        }
        assert_eq!(intents.list().len(), MOST_INTENTS);
        assert_eq!(
            intents.list()[MOST_INTENTS - 1].chunks,
            std::slice::from_ref(&(999..1_000)),
            "the oldest make room"
        );
        let mut bytes = Vec::new();
        intents.encode(&mut bytes);
        assert!(bytes.len() < MOST_INTENTS * 192, "{} bytes", bytes.len());
        assert_eq!(Intents::decode(&mut Reader::new(&bytes)), Some(intents));
        for len in (0..bytes.len()).step_by(61) {
            assert_eq!(Intents::decode(&mut Reader::new(&bytes[..len])), None);
        }
    }

    #[test]
    fn names() {
        let name = intent_name(&hash(b"a"));
        assert!(is_intent_name(&name) && !is_intent_name(&name[1..]) && !is_intent_name(&name.to_uppercase()));
        assert!(!is_intent_name(&format!("{name}.new")));
    }
}
