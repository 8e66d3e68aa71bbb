//! The blobs of intents: each is written once, under its content's hash, before a state lists it.

use super::super::format::intents::{contents, intent_name, is_intent_name};
use super::super::format::state::BlobState;
use super::names::BlobNames;
use super::parts::missing;
use crate::azure::blob::{BlobError, Container, Demand};
use crate::component::{CheckpointError, Commit, IntentHash};

/// Maximum blobs removed after one commit.
const MOST_REMOVED: u32 = 100;

/// Stores what a commit's intents say.
pub(super) async fn store(container: &Container, names: &BlobNames, commit: &Commit) -> Result<(), CheckpointError> {
    for (hash, content) in contents(commit) {
        let blob = format!("{}{}", names.intents, intent_name(&hash));
        match container.put(&blob, content.clone(), Demand::New).await {
            // An earlier attempt has stored it: the name is the content's hash.
            Ok(_) | Err(BlobError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads what an intent says.
pub(super) async fn read(
    container: &Container,
    names: &BlobNames,
    hash: &IntentHash,
) -> Result<Vec<u8>, CheckpointError> {
    let blob = format!("{}{}", names.intents, intent_name(hash));
    match container.get(&blob).await {
        Ok(found) if blake3::hash(&found.bytes).as_bytes() == hash => Ok(found.bytes.into()),
        Ok(_) => Err(names.unusable(&blob, "this blob of the state is damaged")),
        Err(BlobError::NoBlob) => Err(missing(container, names, &blob).await),
        Err(error) => Err(error.into()),
    }
}

/// Whether a commit has dropped intents.
pub(super) fn are_settled(before: &BlobState, after: &BlobState) -> bool {
    before.intents.hashes().any(|hash| !after.intents.hashes().any(|kept| kept == hash))
}

/// Removes the blobs of intents that the state doesn't list: settled ones, and those of commits that didn't happen. No other
/// process can have written one that it may still list: it would have to commit, and this one has just done so.
pub(super) async fn clean(container: &Container, names: &BlobNames, state: &BlobState) {
    let listed: Vec<String> = state.intents.hashes().map(intent_name).collect();
    for blob in container.list(&names.intents, MOST_REMOVED).await.unwrap_or_default() {
        let name = blob.strip_prefix(&names.intents).unwrap_or_default();
        if !is_intent_name(name) || listed.iter().any(|kept| kept == name) {
            continue;
        }
        if let Err(error) = container.delete(&blob).await {
            tracing::debug!("can't delete a blob of a settled intent yet: {error}");
        }
    }
}
