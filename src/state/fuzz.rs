//! Fuzz targets: the formats of states.

use futures::future::{BoxFuture, ready};

use super::format::bytes::{Reader, byte_string, varint};
use super::format::frame::{self, check, frame};
use super::format::ids::{self, Bucket, Stored};
use super::format::state::{BlobState, Ids, LocalState, State, decode_runs_file, key_hash};
use super::format::{intervals::Intervals, known::DOCUMENT_BYTES};
use crate::component::{CheckpointError, Commit, KnownId, SourceKey};
use crate::event::EventId;
use crate::fuzz::wait;
use nordpass_env::SeededRandom;

fn key() -> SourceKey {
    SourceKey { name: "nordpass".to_owned(), endpoint: "https://api.example".to_owned() }
}

/// A payload of each kind: as it is, and behind a head that is right.
pub(crate) fn state(data: &[u8]) {
    check_local(data);
    check_blob(data);
    check_runs(data);
    for version in [1, 2] {
        let mut local = vec![b'S', version];
        local.extend_from_slice(&key_hash(&key()));
        local.extend_from_slice(data);
        check_local(&local);
    }
    for (kind, version) in [(b'R', 1), (b'B', 1), (b'B', 2)] {
        let mut payload = vec![kind, version];
        byte_string(&mut payload, key().name.as_bytes());
        byte_string(&mut payload, key().endpoint.as_bytes());
        payload.extend_from_slice(data);
        if kind == b'R' { check_runs(&payload) } else { check_blob(&payload) }
    }
    let mut reader = Reader::new(data);
    if let Some(intervals) = Intervals::decode(&mut reader) {
        let mut bytes = Vec::new();
        intervals.encode(&mut bytes);
        assert_eq!(Intervals::decode(&mut Reader::new(&bytes)), Some(intervals));
    }
    if let Some(number) = Reader::new(data).varint() {
        let mut bytes = Vec::new();
        varint(&mut bytes, number);
        assert_eq!(Reader::new(&bytes).varint(), Some(number));
    }
}

fn check_local(payload: &[u8]) {
    let Ok(state) = LocalState::decode_log(payload, key(), Vec::new()) else { return };
    let again = LocalState::decode_log(&state.encode_log(), key(), Vec::new());
    assert_eq!(again.as_ref(), Ok(&state));
    goes_on(&state);
}

fn check_blob(payload: &[u8]) {
    let Ok(state) = BlobState::decode_blob(payload, &key().id()) else { return };
    assert_eq!(BlobState::decode_blob(&state.encode_blob(), &key().id()).as_ref(), Ok(&state));
    for (bucket, parts) in state.buckets() {
        assert!(parts.iter().all(|part| !part.name(bucket).contains('/')));
    }
    goes_on(&state);
}

fn check_runs(payload: &[u8]) {
    let Ok((owner, earlier)) = decode_runs_file(payload) else { return };
    let state = State { earlier, ..LocalState::new(owner) };
    assert_eq!(decode_runs_file(&state.encode_runs()), Ok((state.key, state.earlier)));
}

/// The next run and a commit in it.
fn goes_on<I: Ids>(state: &State<I>) {
    let mut next = state.begin_run(&SeededRandom::new(3));
    assert!(next.run != 0 && state.chunks_of(next.run).is_none(), "a new run has a new number");
    assert!(!next.is_committed(next.run, 0), "nothing of a new run is committed");
    let id = |time| KnownId { time, id: EventId(5) };
    let commit = Commit {
        ids: vec![id(i64::MIN), id(0), id(1_748_000_000), id(i64::MAX)],
        chunks: vec![0, u64::MAX],
        document: Some(vec![0; DOCUMENT_BYTES]),
        forget_before: Some(1_740_000_000),
        ..Commit::default()
    };
    let batches = next.step(&commit);
    assert_eq!(batches.iter().map(|(_, ids)| ids.len()).sum::<usize>(), commit.ids.len(), "every id has a place");
    assert!(next.is_committed(next.run, 0));
    for (bucket, _) in next.buckets() {
        let _ = (bucket.file_name(), bucket.end(), bucket.meets(&(0..1)));
    }
    let _ = next.unread();
}

/// A log: as it is, and behind two whole frames.
pub(crate) fn frames(data: &[u8]) {
    if let Ok(Some(payload)) = frame::last(data) {
        let whole = frame(payload);
        assert!(memchr::memmem::find(data, &whole).is_some(), "a payload that isn't there whole");
    }
    let half = data.len() / 2;
    let (first, second) = (frame(&data[..half]), frame(&data[half..]));
    let log = [first.as_slice(), &second].concat();
    assert_eq!(frame::last(&log), Ok(Some(&data[half..])));
    // A torn frame is passed over, and one with damage before a good one isn't.
    for length in (0..second.len()).step_by(second.len() / 16 + 1) {
        let torn = [first.as_slice(), &second[..length]].concat();
        match frame::last(&torn) {
            Ok(last) => assert_eq!(last, Some(&data[..half])),
            // The torn payload itself may hold a frame.
            Err(damage) => assert_eq!(damage.at, first.len()),
        }
    }
    for at in [0, 2, 6, first.len() - 1] {
        let mut damaged = log.clone();
        damaged[at] ^= 1;
        assert!(frame::last(&damaged).is_err(), "damage at {at} is passed over");
    }
}

/// Bytes in memory.
struct Held<'a>(&'a [u8]);

impl Stored for Held<'_> {
    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>> {
        assert!(len <= 2 << 20, "{len} bytes at once");
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.0.len());
        Box::pin(ready(Ok(self.0[from..self.0.len().min(from.saturating_add(len))].to_vec())))
    }

    fn ahead(&self) -> usize {
        64
    }

    fn damaged(&self, at: u64) -> CheckpointError {
        CheckpointError::Storage { reason: format!("damaged at {at}"), wait: None }
    }
}

/// A row of ids: as it is, with checks that are right, and made of the input's numbers.
pub(crate) fn ids(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let bucket = if first & 1 == 0 { Bucket::Day(u32::from(first) * 700) } else { Bucket::Other };
    for length in [data.len() as u64, data.len() as u64 + 1, u64::MAX] {
        let read = read(bucket, data, length);
        assert!(read.is_err() || length == data.len() as u64, "more than there is");
    }
    let checked = with_checks(bucket, data);
    let _ = read(bucket, &checked, checked.len() as u64);
    let mut ids: Vec<KnownId> = data
        .chunks_exact(12)
        .map(|entry| {
            let number = |range: std::ops::Range<usize>| {
                entry[range].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
            };
            let time = match bucket {
                Bucket::Day(day) => i64::from(day) * 86_400 + i64::try_from(number(0..4) % 86_400).unwrap_or(0),
                Bucket::Other => number(0..8).cast_signed(),
            };
            KnownId { time, id: EventId(u128::from(number(4..12))) }
        })
        // The last second of all has no range that it is in.
        .filter(|known| known.time != i64::MAX)
        .collect();
    ids.sort_by_key(|known| known.time);
    let encoded = ids::encode(bucket, &ids);
    assert_eq!(read(bucket, &encoded, encoded.len() as u64).expect("what was written is read"), ids);
}

/// Every id of the row, and of a narrow range.
fn read(bucket: Bucket, bytes: &[u8], length: u64) -> Result<Vec<KnownId>, CheckpointError> {
    let mut all = Vec::new();
    let result = wait(ids::read(&Held(bytes), bucket, length, &(i64::MIN..i64::MAX), &mut |known| all.push(known)));
    let narrow = 1_748_000_000..1_748_000_600;
    let mut some = Vec::new();
    let _ = wait(ids::read(&Held(bytes), bucket, length, &narrow, &mut |known| some.push(known)));
    assert!(some.iter().all(|known| narrow.contains(&known.time)), "an id outside the range");
    assert!(all.len() <= bytes.len() / 16, "more ids than fit");
    result.map(|()| all)
}

/// Frames of the input's fields and entries, with checks that are right.
fn with_checks(bucket: Bucket, data: &[u8]) -> Vec<u8> {
    let (width, mut out) = (if matches!(bucket, Bucket::Day(_)) { 4 } else { 8 }, Vec::new());
    for part in data.chunks(2 * width + 1 + 3 * (width + 16)) {
        let Some((fields, body)) = part.split_at_checked(2 * width + 1) else { break };
        let count = u16::from(fields[0] % 4);
        let entries = body.get(..usize::from(count) * (width + 16)).unwrap_or(body);
        let mut header = count.to_le_bytes().to_vec();
        header.extend_from_slice(&fields[1..]);
        header.extend_from_slice(&check::<4>(entries));
        let header_check: [u8; 4] = check(&header);
        out.extend_from_slice(&header);
        out.extend_from_slice(&header_check);
        out.extend_from_slice(entries);
    }
    out
}
