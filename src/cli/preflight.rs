//! What `run` needs of this machine before its first request: looked at, and nothing changed.

use std::path::Path;

use super::launch::{absolute, api_error, disk_hint, state_error};
use crate::component::{CheckpointError, ComponentError};
use crate::pipeline::Config;
use crate::settings::Diagnostic;
use crate::state::{self, CheckpointSettings};
use crate::telemetry::{Telemetry, api};
use nordpass_env::Env;

/// What was found.
pub(super) struct Machine {
    /// What would keep the pipelines from running.
    pub errors: Vec<Diagnostic>,
    /// Whether they run already: then their port and their state are rightly taken.
    pub is_running: bool,
}

/// Checks the state, the files, the certificates and the port of a pipeline set.
pub(super) async fn check(config: &Config, env: &Env) -> Machine {
    let mut errors = Vec::new();
    let is_running = match state(config, env, &mut errors).await {
        Ok(is_running) => is_running,
        Err(error) => {
            errors.push(error);
            false
        }
    };
    for source in &config.sources {
        if let Err(error) = source.settings.check(env).await {
            errors.push(of_component("source", &source.name, error));
        }
    }
    for sink in &config.sinks {
        if let Err(error) = sink.settings.check(env).await {
            errors.push(of_component("sink", &sink.name, error));
        }
    }
    if let Some(listen) = config.api_listen.filter(|_| !is_running)
        && let Err(error) = api::bind(listen, Vec::new(), Telemetry::new(), env.clone()).await
    {
        errors.extend(api_error(&error).diagnostics);
    }
    Machine { errors, is_running }
}

/// Whether the folder is in use. Otherwise what is wrong with it.
async fn state(config: &Config, env: &Env, errors: &mut Vec<Diagnostic>) -> Result<bool, Diagnostic> {
    let data_dir = config.data_dir.as_path();
    let env = &env.private(data_dir);
    let disk = env.disk.as_ref();
    let unusable = |error: CheckpointError| state_error(&error, data_dir).diagnostics.remove(0);
    state::check_owner(disk, data_dir).await.map_err(unusable)?;
    let lock = data_dir.join("lock");
    for path in [data_dir, &lock] {
        let unwritable = |error: std::io::Error| {
            let message = format!("can't write to {}: {error}", absolute(path).display());
            Diagnostic::error(message, disk_hint(error.kind()))
        };
        disk.check_writable(path).await.map_err(unwritable)?;
    }
    if state::is_locked(disk, data_dir).await.map_err(unusable)? {
        return Ok(true);
    }
    match &config.checkpoint {
        CheckpointSettings::Local => errors.extend(sources(config, env, data_dir).await),
        CheckpointSettings::AzureBlob(settings) => {
            state::container(settings, env).map_err(|reason| {
                Diagnostic::error(
                    format!("checkpoint: {reason}"),
                    "see the checkpoint's tls, proxy and credential tables",
                )
            })?;
        }
    }
    Ok(false)
}

async fn sources(config: &Config, env: &Env, data_dir: &Path) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for source in &config.sources {
        let Some(key) = source.settings.state_key(&source.name) else { continue };
        if let Err(error) = state::check(env.disk.as_ref(), data_dir, &key).await {
            errors.push(of_component("source", &source.name, ComponentError::new(error.to_string())));
        }
    }
    errors
}

fn of_component(kind: &str, name: &str, error: ComponentError) -> Diagnostic {
    let message = format!("{kind} {name}: {}", error.message);
    Diagnostic { hint: error.hint, ..Diagnostic::error(message, "") }
}
