//! Context shared by all parts of one source.

use std::{future::Future, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{clock::SourceClock, error::ReadError, settings::Settings};
use crate::telemetry::ComponentReporter;
use nordpass_env::Env;

/// Shared context of the reading code.
pub struct ReadContext {
    /// The settings.
    pub settings: Settings,
    /// Clock, randomness, disk, network.
    pub env: Env,
    /// Reports metrics, progress and what the source waits for.
    pub telemetry: ComponentReporter,
    /// The clock for the source's decisions.
    pub clock: SourceClock,
    /// Cancelled when reading should end. With `once`, also when everything is read.
    pub shutdown: CancellationToken,
}

impl ReadContext {
    /// Starts with only the machine's clock.
    pub fn new(settings: Settings, env: Env, telemetry: ComponentReporter, shutdown: CancellationToken) -> Arc<Self> {
        let clock = SourceClock::new(env.clock.clone(), settings.lag);
        Arc::new(Self { settings, env, telemetry, clock, shutdown })
    }

    /// Awaits `future` unless reading should end first.
    pub async fn unless_ending<T>(&self, future: impl Future<Output = T>) -> Result<T, ReadError> {
        tokio::select! {
            biased;
            result = future => Ok(result),
            () = self.shutdown.cancelled() => Err(ReadError::Ending),
        }
    }

    /// Resolves to [`ReadError::Ending`] when reading should end, to stop a retry.
    pub async fn ending<E: From<ReadError>>(&self) -> E {
        self.shutdown.cancelled().await;
        ReadError::Ending.into()
    }

    /// Sleeps unless reading should end.
    pub async fn sleep(&self, time: Duration) -> Result<(), ReadError> {
        self.unless_ending(tokio::time::sleep(time)).await
    }

    /// Reports what holds up `part`, independently of the rest, and for how long.
    pub fn held_up(&self, part: &str, reason: &str, wait: Duration) {
        self.telemetry.status().held_up(part, reason, wait, self.env.clock.now());
    }
}
