//! How long to wait between attempts.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::handles::Random;

/// The shortest first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double from at most a second to at most 30 seconds, with jitter, without an end: nothing is ever given up.
pub struct Backoff {
    random: Arc<dyn Random>,
    waits: ExponentialBackoff,
}

impl Backoff {
    /// A new row of waits.
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self { random, waits: waits() }
    }

    /// The next wait: between once and twice the step, so that many clients don't come back together.
    pub fn next_wait(&mut self) -> Duration {
        let step = self.waits.next().unwrap_or(LONGEST);
        step.mul_f64(1.0 + self.random.fraction()).min(LONGEST)
    }

    /// It worked: the next wait is a first one again.
    pub fn reset(&mut self) {
        self.waits = waits();
    }
}

/// The jitter is ours, from the handle: `backon`'s own would not be repeatable.
fn waits() -> ExponentialBackoff {
    ExponentialBuilder::new().with_min_delay(FIRST).with_max_delay(LONGEST).without_max_times().build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handles::SeededRandom;

    #[test]
    fn waits_grow_within_their_bounds_and_never_end() {
        for seed in 0..50 {
            let mut backoff = Backoff::new(Arc::new(SeededRandom::new(seed)));
            let waits: Vec<Duration> = (0..200).map(|_| backoff.next_wait()).collect();
            assert!(waits[0] >= FIRST && waits[0] <= Duration::from_secs(1), "{:?}", waits[0]);
            assert!(waits.iter().all(|wait| *wait <= LONGEST));
            assert!(waits[10..].iter().all(|wait| *wait >= Duration::from_secs(25)), "{waits:?}");
            backoff.reset();
            assert!(backoff.next_wait() <= Duration::from_secs(1));
        }
    }
}
