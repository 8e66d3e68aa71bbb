//! The time of day.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time of day (UTC). It can jump; durations are measured with `tokio::time::Instant` instead.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Now, in whole Unix seconds.
    fn now_seconds(&self) -> i64 {
        self.now().as_second()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that follows tokio's: at paused time it moves only when the test lets time pass.
#[derive(Clone, Debug)]
pub struct TestClock {
    start: Timestamp,
    began: Instant,
}

impl TestClock {
    /// A clock that shows `start` now. To be made inside a tokio runtime.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, began: Instant::now() }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed: Duration = self.began.elapsed();
        self.start.checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}
