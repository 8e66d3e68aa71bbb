//! Waiting for what holds the state: a full disk, a storage account that can't be asked, or another process that has the
//! source hold it up, and never end it.

use futures::future::BoxFuture;

use crate::component::CheckpointError;
use crate::component::Shutdown;
use crate::http::Backoff;
use crate::telemetry::{ComponentReporter, metrics};
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
    shutdown: &Shutdown,
    attempt: impl Fn() -> BoxFuture<'a, Result<T, CheckpointError>>,
) -> Result<T, RetryStop> {
    let mut backoff = Backoff::new(env.random.clone());
    loop {
        let error = match attempt().await {
            Ok(done) => {
                telemetry.released(what);
                return Ok(done);
            }
            Err(error) => error,
        };
        let Some(cure) = error.cure() else { return Err(RetryStop::Unusable(error)) };
        // That another process has the source is no error: it does the work.
        let held = matches!(error, CheckpointError::Held { .. });
        let reason = if held { error.to_string() } else { format!("{what}: {error}{cure}") };
        if held {
            telemetry.set(&metrics::LEASE_HELD, 0.0);
        } else {
            telemetry.add_labelled(&metrics::ERRORS, "checkpoint", 1);
        }
        let wait = error.wait().unwrap_or_else(|| backoff.next_wait());
        // Pages may well come meanwhile: that doesn't make it work.
        telemetry.held_up(what, &reason, wait, env.clock.now());
        tokio::select! {
            biased;
            () = shutdown.begun() => return Err(RetryStop::Ending),
            () = tokio::time::sleep(wait) => {}
        }
    }
}
