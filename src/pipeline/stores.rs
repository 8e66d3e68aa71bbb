//! Where a pipeline set keeps what outlives the process: the sources' states and the dead letters.

use std::{path::Path, sync::Arc};

use nordpass_env::Env;

use crate::component::{CheckpointError, DeadLetterStore, Store};
use crate::dead_letters::DeadLetterFolder;
use crate::state::{self, BlobStore, CheckpointSettings, LocalStore, Shard};

/// The open stores of a pipeline set.
#[derive(Clone)]
pub struct Stores {
    /// The sources' states.
    pub state: Arc<dyn Store>,
    /// The dead letters.
    pub dead_letters: Arc<dyn DeadLetterStore>,
}

impl Stores {
    /// Opens what the settings name, and takes the lock of `data_dir`. `shard` is this replica's share of the organizations.
    pub async fn open(
        settings: &CheckpointSettings,
        shard: Shard,
        data_dir: &Path,
        env: &Env,
    ) -> Result<Self, CheckpointError> {
        match settings {
            CheckpointSettings::Local => Self::local(data_dir, env).await,
            CheckpointSettings::AzureBlob(settings) => {
                let container = state::container(settings, env).map_err(|reason| CheckpointError::Unusable {
                    path: settings.container.clone().into(),
                    reason: format!("{reason}\nhint: see the checkpoint's tls, proxy and credential tables"),
                })?;
                let dead_letters = Arc::new(DeadLetterFolder::in_blobs(container.clone(), &settings.prefix, env));
                let state = BlobStore::open(env.clone(), settings, container, data_dir, shard).await?;
                Ok(Self { state, dead_letters })
            }
        }
    }

    /// Opens what is in `data_dir`, and takes its lock.
    pub async fn local(data_dir: &Path, env: &Env) -> Result<Self, CheckpointError> {
        let dead_letters = Arc::new(DeadLetterFolder::new(env.disk.clone(), data_dir));
        Ok(Self { state: LocalStore::open(env.clone(), data_dir).await?, dead_letters })
    }
}

/// The dead letters of a pipeline set, without its state. The error is a sentence about the settings.
pub fn dead_letters(settings: &CheckpointSettings, data_dir: &Path, env: &Env) -> Result<DeadLetterFolder, String> {
    match settings {
        CheckpointSettings::Local => Ok(DeadLetterFolder::new(env.disk.clone(), data_dir)),
        CheckpointSettings::AzureBlob(settings) => {
            Ok(DeadLetterFolder::in_blobs(state::container(settings, env)?, &settings.prefix, env))
        }
    }
}
