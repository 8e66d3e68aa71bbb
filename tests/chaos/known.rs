//! What the state on disk knows when a life begins: a row that it knows then must never be sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nordpass_sentinel::component::SourceKey;
use nordpass_sentinel::state::LocalStore;

use crate::support::{World, now};

const DAY: i64 = 86_400;

/// For each id, the first life whose state knew it from the start.
#[derive(Default)]
pub struct Known {
    since: BTreeMap<u128, usize>,
}

impl Known {
    /// Notes what the state knows before `life` begins; the process is dead. How much is new since the life before.
    pub async fn note(&mut self, world: &World, life: usize) -> Result<usize, String> {
        let ids = read(world).await?;
        if let Some(lost) = self.since.keys().find(|id| !ids.contains(id)) {
            return Err(format!("before life {life} the state has forgotten the id {lost:032x}"));
        }
        let before = self.since.len();
        for id in ids {
            self.since.entry(id).or_insert(life);
        }
        Ok(self.since.len() - before)
    }

    /// From which life on an id was known.
    pub fn since(&self, id: u128) -> Option<usize> {
        self.since.get(&id).copied()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (u128, usize)> {
        self.since.iter().map(|(id, life)| (*id, *life))
    }
}

/// Reads a copy: opening a state repairs it, and that is the next life's work.
async fn read(world: &World) -> Result<BTreeSet<u128>, String> {
    let copy = tempfile::tempdir().map_err(|error| error.to_string())?;
    copy_folder(&world.folder.path().join("state"), copy.path()).map_err(|error| error.to_string())?;
    let store = LocalStore::open(nordpass_sentinel::http::system_env(), copy.path())
        .await
        .map_err(|error| error.to_string())?;
    let endpoint = format!("{}{}", world.servers.nordpass.url(), world.simulation.nordpass.settings.path);
    let key = SourceKey { name: "nordpass".to_owned(), endpoint };
    let state = store.open(key).await.map_err(|error| format!("the state can't be read: {error}"))?;
    let known = state.known(now() - 8 * DAY..now() + DAY).await.map_err(|error| error.to_string())?;
    Ok(known.into_iter().map(|known| known.id.0).collect())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(from) {
        // Killed before it made the folder.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir_all(&to)?;
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
