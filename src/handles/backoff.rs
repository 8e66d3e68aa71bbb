//! The waits between attempts at something that has failed.

use std::sync::Arc;
use std::time::Duration;

use super::Random;

/// Longer and longer waits with jitter: the first at most 1 s, none over 30 s.
///
/// The jitter comes from the [`Random`] handle, so that a seed decides every wait of a simulation.
pub struct Backoff {
    random: Arc<dyn Random>,
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(30);

    /// Nothing has failed yet.
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self { random, attempts: 0 }
    }

    /// How long to wait after one more failure: between half of the step and the whole of it.
    pub fn next_wait(&mut self) -> Duration {
        let step = Self::FIRST.saturating_mul(1 << self.attempts.min(10)).min(Self::LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        step.mul_f64(0.5 + self.random.fraction() / 2.0)
    }

    /// Waits after one more failure.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_wait()).await;
    }

    /// It worked: the next wait is a first one again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handles::SeededRandom;

    #[test]
    fn waits_grow_within_their_bounds() {
        for seed in 0..20 {
            let mut backoff = Backoff::new(Arc::new(SeededRandom::new(seed)));
            let waits: Vec<Duration> = (0..20).map(|_| backoff.next_wait()).collect();
            assert!(waits[0] <= Duration::from_secs(1) && waits[0] >= Duration::from_millis(500));
            assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)));
            assert!(waits[19] >= Duration::from_secs(15), "the longest waits keep at least half of the step");
            backoff.reset();
            assert!(backoff.next_wait() <= Duration::from_secs(1));
        }
    }
}
