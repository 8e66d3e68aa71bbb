//! Waiting for the disk that holds the state: a full or failing disk holds the source up, and never ends it.

use futures::future::BoxFuture;

use crate::checkpoint::CheckpointError;
use crate::handles::Handles;
use crate::http::Backoff;
use crate::telemetry::{Component, metrics};
use crate::topology::Shutdown;

/// Why there was no waiting.
#[derive(Debug)]
pub enum Impatience {
    /// The program is ending.
    Ending,
    /// Waiting can't cure this: a damaged state, or another process in it.
    Unusable(CheckpointError),
}

/// Tries until the disk does it. `what` says what can't be done meanwhile, as in "the checkpoint can't be read".
pub async fn patiently<'a, T>(
    what: &str,
    handles: &Handles,
    telemetry: &Component,
    shutdown: &Shutdown,
    attempt: impl Fn() -> BoxFuture<'a, Result<T, CheckpointError>>,
) -> Result<T, Impatience> {
    let mut backoff = Backoff::new(handles.random.clone());
    loop {
        let error = match attempt().await {
            Ok(done) => {
                telemetry.released(what);
                return Ok(done);
            }
            Err(error @ CheckpointError::Disk { .. }) => error,
            Err(error) => return Err(Impatience::Unusable(error)),
        };
        telemetry.add_labelled(&metrics::ERRORS, "checkpoint", 1);
        let (reason, wait) = (format!("{what}: {error}; free space or repair the disk"), backoff.next_wait());
        // Pages may well come meanwhile: that doesn't make it work.
        telemetry.held_up(what, &reason, wait, handles.clock.now());
        tokio::select! {
            biased;
            () = shutdown.begun() => return Err(Impatience::Ending),
            () = tokio::time::sleep(wait) => {}
        }
    }
}
