//! Waiting for what holds the state: a full disk, a storage account that can't be asked, or another process that has the
//! source hold it up, and never end it.

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::telemetry::{ComponentReporter, metrics};
use crate::{component::CheckpointError, http::Retry};
use nordpass_env::Env;

/// Why there was no waiting.
#[derive(Debug)]
pub enum RetryStop {
    /// The program is ending.
    Ending,
    /// Waiting can't cure this: a damaged state, for one.
    Unusable(CheckpointError),
}

/// Tries until it can be done. `what` says what can't be done meanwhile, as in "can't read the checkpoint".
pub async fn retry_until_ready<'a, T>(
    what: &str,
    env: &Env,
    telemetry: &ComponentReporter,
    shutdown: &CancellationToken,
    attempt: impl Fn() -> BoxFuture<'a, Result<T, CheckpointError>>,
) -> Result<T, RetryStop> {
    let stop = async {
        shutdown.cancelled().await;
        RetryStop::Ending
    };
    // Pages may well come meanwhile: that doesn't make it work.
    Retry::part(env, telemetry, what)
        .run(stop, || async {
            attempt().await.map_err(|error| {
                if matches!(error, CheckpointError::Held { .. }) {
                    telemetry.set(&metrics::LEASE_HELD, 0.0);
                }
                error.classify("checkpoint", what).map(RetryStop::Unusable)
            })
        })
        .await
}
