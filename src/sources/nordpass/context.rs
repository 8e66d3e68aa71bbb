//! What all parts that read one source share.

use std::{future::Future, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{clock::SourceClock, error::ReadError, settings::Settings};
use crate::telemetry::ComponentReporter;
use nordpass_env::Env;

/// The surroundings of everything that reads.
pub struct ReadContext {
    /// The settings.
    pub settings: Settings,
    /// Clock, randomness, disk, network.
    pub env: Env,
    /// For metrics, progress and what is waited for.
    pub telemetry: ComponentReporter,
    /// The time that the source's decisions go by.
    pub clock: SourceClock,
    /// Begins when reading is to end. With `once` that is also when everything is read.
    pub shutdown: CancellationToken,
}

impl ReadContext {
    /// Only the machine's clock is known yet.
    pub fn new(settings: Settings, env: Env, telemetry: ComponentReporter, shutdown: CancellationToken) -> Arc<Self> {
        let clock = SourceClock::new(env.clock.clone(), settings.lag);
        Arc::new(Self { settings, env, telemetry, clock, shutdown })
    }

    /// Waits for something, unless reading is to end first.
    pub async fn unless_ending<T>(&self, future: impl Future<Output = T>) -> Result<T, ReadError> {
        tokio::select! {
            biased;
            result = future => Ok(result),
            () = self.shutdown.cancelled() => Err(ReadError::Ending),
        }
    }

    /// Resolves when reading is to end, with the error that says so: what ends a retry.
    pub async fn ending<E: From<ReadError>>(&self) -> E {
        self.shutdown.cancelled().await;
        ReadError::Ending.into()
    }

    /// Sleeps, unless reading is to end.
    pub async fn sleep(&self, time: Duration) -> Result<(), ReadError> {
        self.unless_ending(tokio::time::sleep(time)).await
    }

    /// Reports what holds `part` up whatever the rest does, and for how long.
    pub fn held_up(&self, part: &str, reason: &str, wait: Duration) {
        self.telemetry.status().held_up(part, reason, wait, self.env.clock.now());
    }
}
