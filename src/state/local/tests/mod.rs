//! Tests of the local checkpoint on a disk that fails on purpose.

mod bounds;
mod crash;
mod damage;
mod disk;
mod usage;

use std::{path::Path, sync::Arc};

use self::disk::TestDisk;
use super::LocalStore;
use crate::component::{CheckpointError, KnownId, SourceKey, SourceState, Store};
use crate::event::{EventId, Origin};
use nordpass_env::{Env, SeededRandom, TestClock};

const DAY: i64 = 86_400;

/// 2026-01-10.
const NOW: i64 = 1_768_003_200;

/// A day file's number for `NOW`'s day minus `days`.
fn day_before(days: i64) -> i64 {
    NOW - days * DAY
}

fn key() -> SourceKey {
    SourceKey { name: "nordpass".into(), endpoint: "https://api.example.com/activities/query".into() }
}

fn env(disk: &TestDisk) -> Env {
    Env {
        clock: Arc::new(TestClock::starting_at(jiff::Timestamp::from_second(NOW).unwrap())),
        // Runs must differ from start to start.
        random: Arc::new(SeededRandom::new(disk.written())),
        disk: Arc::new(disk.clone()),
        ..crate::http::system_env()
    }
}

async fn store(disk: &TestDisk) -> Result<Arc<dyn Store>, CheckpointError> {
    LocalStore::open(env(disk), Path::new("data")).await
}

async fn open(disk: &TestDisk) -> Result<Arc<dyn SourceState>, CheckpointError> {
    store(disk).await?.open(key()).await
}

fn known(time: i64, number: u128) -> KnownId {
    KnownId { time, id: EventId(number) }
}

/// All known ids, sorted.
async fn all(source: &Arc<dyn SourceState>) -> Result<Vec<(i64, u128)>, CheckpointError> {
    let ids = source.known(i64::MIN..i64::MAX).await?;
    let mut ids: Vec<_> = ids.into_iter().map(|known| (known.time, known.id.0)).collect();
    ids.sort_unstable();
    Ok(ids)
}

fn origin(run: u64, sequence: u64) -> Origin {
    Origin { source: key().id().into(), run, sequence }
}

/// A path in the source's folder.
fn path(name: &str) -> std::path::PathBuf {
    Path::new("data").join("sources").join(key().id()).join(name)
}
