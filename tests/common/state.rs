//! A source's state as it stands on a disk: what a process that starts now would go on from.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use nordpass_env::{Env, MemoryDisk};
use nordpass_sentinel::component::SourceKey;
use nordpass_sentinel::state::LocalStore;
use serde_json::Value;

/// What the state says.
#[derive(Debug, Default)]
pub struct State {
    /// The ids that were delivered and committed.
    pub known: BTreeSet<u128>,
    /// The source's document; `None` at a first run.
    pub document: Option<Value>,
}

/// Reads it from a copy of the disk, with the ids of these times: nobody who runs is disturbed.
pub async fn read(
    disk: &MemoryDisk,
    data_dir: &str,
    key: SourceKey,
    times: Range<i64>,
    env: Env,
) -> Result<State, String> {
    let copy = MemoryDisk::new();
    for path in disk.paths().into_iter().filter(|path| path.starts_with(data_dir)) {
        copy.put(&path, disk.content(&path).unwrap_or_default());
    }
    let env = Env { disk: Arc::new(copy), ..env };
    let store = LocalStore::open(env, Path::new(data_dir)).await.map_err(|error| error.to_string())?;
    let source = store.open(key).await.map_err(|error| error.to_string())?;
    let document = source.document().and_then(|document| serde_json::from_slice(&document).ok());
    let mut state = State { known: BTreeSet::new(), document };
    for range in [0..1, times] {
        let known = source.known(range).await.map_err(|error| error.to_string())?;
        state.known.extend(known.into_iter().map(|known| known.id.0));
    }
    Ok(state)
}
