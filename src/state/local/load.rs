//! Reads a source's state, and distinguishes a first run, a usable state and a damaged one. Changes nothing.

use std::path::{Path, PathBuf};

use super::state::{LocalState, Misfit, VERSION, decode_runs_file};
use super::{disk_error, unusable};
use super::{frame, ids::Bucket};
use crate::component::{CheckpointError, SourceKey};
use nordpass_env::Disk;

/// Maximum size of a file to read. Ours are never near it.
const MOST_BYTES: u64 = 16 << 20;

pub fn state_path(dir: &Path) -> PathBuf {
    dir.join("state.log")
}

pub fn runs_path(dir: &Path) -> PathBuf {
    dir.join("runs")
}

pub fn ids_dir(dir: &Path) -> PathBuf {
    dir.join("ids")
}

pub fn intents_dir(dir: &Path) -> PathBuf {
    dir.join("intents")
}

/// Reads the state in a source's folder. `None` is a first run. The files are written in an order that leaves only
/// three kinds of state after a crash: no `runs`; `runs` that lists none; and `runs` with a `state.log` whose first
/// frame is whole. Everything else is damage.
pub async fn load(disk: &dyn Disk, dir: &Path, key_id: &str) -> Result<Option<LocalState>, CheckpointError> {
    let (state_path, runs_path) = (state_path(dir), runs_path(dir));
    let runs_file = read(disk, &runs_path).await?;
    let state_file = read(disk, &state_path).await?;
    let has_ids =
        disk.list(&ids_dir(dir)).await.map_err(disk_error(dir))?.iter().any(|file| Bucket::is_file_name(&file.name));

    let runs = runs_file.map(|bytes| {
        let runs = decode_runs_file(whole_frame(&bytes, &runs_path)?);
        let (owner, earlier) = runs.map_err(|misfit| explain(&runs_path, misfit, key_id))?;
        let is_ours = owner.id() == key_id;
        if is_ours { Ok((owner, earlier)) } else { Err(explain(&runs_path, Misfit::Foreign(Some(owner)), key_id)) }
    });
    let Some((owner, earlier)) = runs.transpose()? else {
        return match state_file {
            None if !has_ids => Ok(None),
            Some(bytes) if bytes.is_empty() && !has_ids => Ok(None),
            _ => Err(unusable(&runs_path, "this file of the state is missing, but others exist")),
        };
    };
    let Some(state) = state_file else {
        if earlier.is_empty() && !has_ids {
            return Ok(None);
        }
        return Err(unusable(&state_path, "this file of the state is missing, but others exist"));
    };
    let payload = whole_frame(&state, &state_path)?;
    let state =
        LocalState::decode_log(payload, owner, earlier).map_err(|misfit| explain(&state_path, misfit, key_id))?;
    check_ids(disk, dir, &state).await?;
    Ok(Some(state))
}

async fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, CheckpointError> {
    match disk.len(path).await.map_err(disk_error(path))? {
        None => Ok(None),
        Some(len) if len > MOST_BYTES => Err(unusable(path, format!("{len} bytes is far too large for this file"))),
        Some(_) => Ok(Some(disk.read(path).await.map_err(disk_error(path))?)),
    }
}

/// Returns the payload that counts. Both files are created whole (by rename), so one without a whole frame is damaged.
fn whole_frame<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a [u8], CheckpointError> {
    match frame::last(bytes) {
        Ok(Some(payload)) => Ok(payload),
        Ok(None) if bytes.is_empty() => Err(unusable(path, "the file is empty, which no crash of this program causes")),
        Ok(None) => Err(unusable(path, "the file is damaged or isn't a state of this program")),
        Err(damage) => Err(unusable(
            path,
            format!(
                "the file is damaged at byte {}, and good data follows, so this isn't a torn last write",
                damage.at
            ),
        )),
    }
}

/// Checks that no file of ids is shorter than the state says, and so has lost ids.
async fn check_ids(disk: &dyn Disk, dir: &Path, state: &LocalState) -> Result<(), CheckpointError> {
    let dir = ids_dir(dir);
    let files = disk.list(&dir).await.map_err(disk_error(&dir))?;
    for (bucket, &committed) in state.buckets() {
        let name = bucket.file_name();
        let len = files.iter().find(|file| file.name == name).map_or(0, |file| file.len);
        if len < committed {
            return Err(unusable(&dir.join(name), format!("the file has {len} bytes, but {committed} were committed")));
        }
    }
    Ok(())
}

fn explain(path: &Path, misfit: Misfit, key_id: &str) -> CheckpointError {
    match misfit {
        Misfit::Malformed => unusable(path, "the file is intact, but its content isn't a state"),
        Misfit::Newer(version) => CheckpointError::Unusable {
            path: path.to_owned(),
            reason: format!(
                "a newer version of nordpass-sentinel wrote this (format {version}; this version reads up to \
                 {VERSION}). Nothing was changed.\nhint: run the newer version"
            ),
        },
        Misfit::Foreign(Some(SourceKey { name, endpoint })) => unusable(
            path,
            format!(
                "this is the state of the source `{name}` at {endpoint}, in the folder of another source ({key_id})"
            ),
        ),
        Misfit::Foreign(None) => unusable(path, format!("this is the state of another source, in the folder {key_id}")),
    }
}
