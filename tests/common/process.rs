//! The process: what `run` does with a pipeline file, on handles of the test's.

use tokio_util::sync::CancellationToken;

use nordpass_env::Env;
use nordpass_sentinel::component::ComponentError;
use nordpass_sentinel::pipeline::{self, Failure, Reloads, RunOptions, RunReport, Stores};
use nordpass_sentinel::settings::Environment;
use nordpass_sentinel::telemetry::{ComponentKind, Telemetry};

/// Runs a pipeline file's text to its end. By `reloads` it becomes another set on the way.
pub async fn process(
    env: Env,
    text: String,
    options: RunOptions,
    telemetry: Telemetry,
    shutdown: CancellationToken,
    reloads: Reloads,
) -> RunReport {
    let files = [("world.toml".into(), text)];
    let (config, _) = match pipeline::load(&files, &Environment::of::<&str, &str>([])) {
        Ok(loaded) => loaded,
        Err(errors) => panic!("the world's pipeline file is wrong: {errors:?}"),
    };
    let store = match Stores::open(&config.checkpoint, config.shard, &config.data_dir, &env).await {
        Ok(store) => store,
        Err(error) => {
            let error = ComponentError::new(error.to_string());
            let failure = Failure { kind: ComponentKind::Source, name: "checkpoint".to_owned(), error };
            return RunReport { failures: vec![failure], ..RunReport::default() };
        }
    };
    pipeline::run_with_reloads(config, options, env, store, telemetry, shutdown, reloads).await
}
