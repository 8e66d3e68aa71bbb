//! How long programs take for a record.

use std::sync::Arc;
use std::time::Duration;

use nordpass_env::{Clock, Env};

use crate::telemetry::{ComponentReporter, metrics};

/// A record that takes longer is slow. A usual program takes a few microseconds; this is beyond what a busy machine usually adds.
const SLOW: Duration = Duration::from_millis(10);

/// Measures the records of a chunk, and tells what it found. Without a clock it measures nothing.
#[derive(Default)]
pub struct Pace {
    clock: Option<Arc<dyn Clock>>,
    slowest: Duration,
    slow: u64,
    is_named: bool,
}

impl Pace {
    /// Takes the clock.
    pub fn attach(&mut self, env: &Env) {
        self.clock = Some(env.clock.clone());
    }

    /// Does the work for one record, and measures it.
    pub fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let Some(clock) = &self.clock else { return work() };
        let began = clock.now();
        let made = work();
        // The clock can be set back meanwhile: that is no time.
        let took = Duration::try_from(clock.now().duration_since(began)).unwrap_or_default();
        self.slowest = self.slowest.max(took);
        self.slow += u64::from(took > SLOW);
        made
    }

    /// Tells of the chunk's records. The first slow one is named in the log.
    pub fn settle(&mut self, telemetry: &ComponentReporter) {
        if self.clock.is_none() {
            return;
        }
        let (slowest, slow) = (std::mem::take(&mut self.slowest), std::mem::take(&mut self.slow));
        telemetry.observe(&metrics::PROGRAM_SECONDS, slowest.as_secs_f64());
        if slow == 0 {
            return;
        }
        telemetry.add(&metrics::SLOW_RECORDS, slow);
        if !std::mem::replace(&mut self.is_named, true) {
            tracing::warn!(
                component = telemetry.name(),
                milliseconds = u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX),
                "its program is slow, and holds up what comes behind it; `{}` counts such records",
                metrics::SLOW_RECORDS.name,
            );
        }
    }
}
