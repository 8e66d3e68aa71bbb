//! With ten million known ids, the checkpoint's memory stays under 64 MiB, while committing and while querying.
//!
//! A test binary of its own with one test, because the measure is the peak of the whole process.

use std::path::Path;
use std::sync::Arc;

use nordpass_env::{Clock, Env, SystemDisk};
use nordpass_sentinel::component::{Commit, KnownId, SourceKey, SourceState};
use nordpass_sentinel::event::EventId;
use nordpass_sentinel::state::LocalStore;

const IDS: i64 = 10_000_000;
const IDS_PER_COMMIT: i64 = 5_000;
const DAY: i64 = 86_400;
/// 2026-01-10.
const END: i64 = 1_768_003_200;
const MOST_MEMORY: u64 = 64 << 20;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(END).expect("a time")
    }
}

/// The `number`th id of ten million that are spread evenly over the time before `END`.
fn id(number: i64, days: i64) -> KnownId {
    let time = END - days * DAY + number * days * DAY / IDS;
    let mut bits = u128::from(number.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    bits ^= bits >> 61;
    KnownId { time, id: EventId(bits) }
}

async fn open(data_dir: &Path) -> Arc<dyn SourceState> {
    let env =
        Env { clock: Arc::new(StoppedClock), disk: Arc::new(SystemDisk), ..nordpass_sentinel::http::system_env() };
    let store = LocalStore::open(env, data_dir).await.expect("the store opens");
    let key = SourceKey { name: "large".into(), endpoint: "https://api.example.com".into() };
    store.open(key).await.expect("the state opens")
}

async fn queries(source: &Arc<dyn SourceState>, days: i64, number: i64) {
    for part in 0..number {
        let first = (part * 7_919 * IDS_PER_COMMIT) % (IDS - IDS_PER_COMMIT);
        let range = id(first, days).time..id(first + IDS_PER_COMMIT, days).time;
        let found = source.known(range.clone()).await.expect("the range is read");
        let expected = (first - 1_000..first + IDS_PER_COMMIT + 1_000)
            .filter(|&number| (0..IDS).contains(&number) && range.contains(&id(number, days).time))
            .count();
        assert_eq!(found.len(), expected, "{range:?}");
    }
}

async fn ten_million(days: i64) {
    let dir = tempfile::tempdir().expect("a folder");
    let source = open(dir.path()).await;
    for first in (0..IDS).step_by(IDS_PER_COMMIT.unsigned_abs().try_into().expect("a small number")) {
        let ids = (first..first + IDS_PER_COMMIT).map(|number| id(number, days)).collect();
        let document = Some(format!("{{\"covered\":{first}}}").into_bytes());
        let chunks = vec![first.unsigned_abs() / 5_000];
        source.commit(Commit { ids, chunks, document, ..Commit::default() }).await.expect("the commit succeeds");
    }
    queries(&source, days, 20).await;
    // The live poll of a tenant this large, and the same after a restart.
    let overlap = END - 660..END;
    let live = source.known(overlap.clone()).await.expect("the overlap is read").len();
    drop(source);
    let source = open(dir.path()).await;
    assert_eq!(source.known(overlap).await.expect("the overlap is read").len(), live);
    queries(&source, days, 20).await;
}

fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[tokio::test]
async fn ten_million_known_ids_need_less_than_64_mib() {
    ten_million(7).await;
    ten_million(1).await;
    // Only Linux tells a process its own peak; elsewhere the test shows that everything is found again.
    match peak_memory() {
        Some(peak) => assert!(peak < MOST_MEMORY, "the peak was {} MiB", peak >> 20),
        None if cfg!(target_os = "linux") => panic!("/proc/self/status tells no peak"),
        None => {}
    }
}
