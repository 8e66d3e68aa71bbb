use proptest::prelude::*;

use super::*;

fn key() -> SourceKey {
    SourceKey { name: "a".into(), endpoint: "b".into() }
}

fn local() -> State<u64> {
    let mut state = State::new(key()).next_run(3).next_run(u64::MAX);
    for number in [0, 1, 2, 5, 9] {
        state.chunks.insert(number..number + 1);
    }
    state.days = [(20_000, 10_000_000 * 20), (20_001, 5), (20_090, 70)].into();
    State { serial: 0, other: 26, document: Some(b"{}".to_vec()), ..state }
}

fn shared() -> State<Vec<Part>> {
    let mut state = State::<Vec<Part>>::new(key()).next_run(9);
    state.chunks.insert(3..4);
    state.days.insert(20_000, vec![Part { run: 9, number: 0, len: 1_000 }, Part { run: 8, number: 2, len: 0 }]);
    state.days.insert(20_090, vec![Part { run: u64::MAX, number: 0, len: u64::MAX }]);
    state.other.push(Part { run: 1, number: 1, len: 26 });
    state.document = Some(b"{}".to_vec());
    state.next_run(10)
}

#[test]
fn comes_back_from_disk() {
    for state in [local(), State::new(key()), State { document: Some(Vec::new()), ..local() }] {
        let (key, earlier) = decode_runs_file(&state.encode_runs()).expect("runs");
        assert_eq!(State::decode_log(&state.encode_log(), key, earlier), Ok(state));
    }
}

#[test]
fn comes_back_from_a_blob() {
    let key_id = key().id();
    for state in [shared(), State::new(key()), State { document: Some(Vec::new()), ..shared() }] {
        assert_eq!(State::decode_blob(&state.encode_blob(), &key_id), Ok(state));
    }
    let part = Part { run: 0xAB, number: 2, len: 0 };
    assert_eq!(part.name(Bucket::Day(20_454)), "2026-01-01.00000000000000ab.2.ids");
    assert_eq!(part.name(Bucket::Other), "other.00000000000000ab.2.ids");
}

/// It only has to differ from the one before. A blob may say anything, and adding to it overflowed.
#[test]
fn the_last_serial_is_followed_by_the_first() {
    let last = State { serial: u64::MAX, ..shared() };
    assert_eq!(last.next_run(11).serial, 0);
}

#[test]
fn many_runs_are_remembered_and_take_a_bounded_place() {
    let mut state = shared();
    let empty = state.encode_blob().len();
    for run in 100..10_000 {
        state.chunks.insert(run..run + 1);
        state = state.next_run(run);
    }
    let known = (100..10_000).filter(|run| state.chunks_of(*run).is_some()).count();
    assert!((100..200).contains(&known), "{known} runs");
    let len = state.encode_blob().len();
    assert!(len <= empty + Vec::<Part>::RUNS_BYTES, "{} bytes", len - empty);
    // However much each of them says, as many as ever.
    for run in 20_000..20_100 {
        for chunk in 0..2_000 {
            state.chunks.insert(2 * chunk..2 * chunk + 1);
        }
        state = state.next_run(run);
    }
    assert_eq!(state.earlier.len(), KEPT_RUNS);
}

#[test]
fn on_disk_sixteen_runs_are_remembered_each_once() {
    let mut state = local();
    for run in 1..100 {
        state = state.next_run(run);
    }
    assert_eq!(state.earlier.len(), KEPT_RUNS);
    // A crash while run 100 began: the file of runs lists run 99 already, and the state is still that of run 99.
    let crashed = State { run: 99, earlier: state.next_run(100).earlier, ..state };
    let numbers: Vec<u64> = crashed.next_run(101).earlier.iter().map(|run| run.number).collect();
    assert_eq!(numbers, (84..100).rev().collect::<Vec<_>>());
}

#[test]
fn foreign_newer_and_longer_are_refused() {
    let (log, runs, blob) = (local().encode_log(), local().encode_runs(), shared().encode_blob());
    let other = SourceKey { name: "other".into(), ..key() };
    let decode = |payload: &[u8], key: SourceKey| State::<u64>::decode_log(payload, key, Vec::new()).map(|_| ());
    assert_eq!(decode(&log, other), Err(Misfit::Foreign(None)));
    assert_eq!(State::decode_blob(&blob, "other"), Err(Misfit::Foreign(Some(key()))));
    assert_eq!(decode_runs_file(&log), Err(Misfit::Malformed));
    let newer = |payload: &[u8]| [&payload[..1], &[9], &payload[2..]].concat();
    assert_eq!(decode(&newer(&log), key()), Err(Misfit::Newer(9)));
    assert_eq!(decode_runs_file(&newer(&runs)), Err(Misfit::Newer(9)));
    assert_eq!(State::decode_blob(&newer(&blob), "other"), Err(Misfit::Newer(9)));
    let longer = |payload: Vec<u8>| [payload, vec![0]].concat();
    assert_eq!(decode(&longer(log), key()), Err(Misfit::Malformed));
    assert_eq!(decode_runs_file(&longer(runs)), Err(Misfit::Malformed));
    assert_eq!(State::decode_blob(&longer(blob), &key().id()), Err(Misfit::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let log = [&[LOG, VERSION], &key_hash(&key())[..], &bytes].concat();
        let _ = State::<u64>::decode_log(&log, key(), Vec::new());
        let _ = decode_runs_file(&[&[RUNS, VERSION], &bytes[..]].concat());
        let _ = State::decode_blob(&[&[BLOB, VERSION], &bytes[..]].concat(), "a");
    }
}
