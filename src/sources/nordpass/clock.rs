//! The current time for all decisions of the source.
//!
//! The machine's clock can be wrong or jump, and so can the API's `Date` header. The source uses the earlier of the
//! two. A time that is too early only delays. One that is too late would skip events still to come, expire the API's 90
//! days, and forget ids that are still needed. Between responses, the monotonic clock advances the server's time, so a
//! forward jump of the machine's clock has no effect.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::time::seconds;
use crate::http::clocks;
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::{Clock, Mutex};

/// Differences above this many seconds are reported.
const TOLERANCE: i64 = 120;
/// Interval of repeated reports while the clocks differ.
const REMINDER: Duration = Duration::from_secs(3_600);

/// The earlier of the machine's clock and the server's.
pub struct SourceClock {
    clock: Arc<dyn Clock>,
    lag: i64,
    server: Mutex<Server>,
}

#[derive(Default)]
struct Server {
    /// The last `Date` (Unix seconds), and when it was received.
    date: Option<(i64, Instant)>,
    /// Seconds by which this machine's clock was ahead of it.
    ahead: Option<i64>,
    /// The last reported difference, and when; `None` while the clocks agree.
    reported: Option<(i64, Instant)>,
}

impl SourceClock {
    /// Starts with only the machine's clock. Events newer than `lag` aren't requested.
    pub fn new(clock: Arc<dyn Clock>, lag: Duration) -> Self {
        Self { clock, lag: seconds(lag), server: Mutex::default() }
    }

    /// Records a response's `Date` and reports how far the clocks differ.
    pub fn observe(&self, date: i64, telemetry: &ComponentReporter) {
        let (ahead, report) = self.skew(date);
        telemetry.set(&metrics::CLOCK_AHEAD_SECONDS, ahead as f64);
        let component = telemetry.name();
        match report {
            None => {}
            Some(ahead) if ahead.abs() <= TOLERANCE => {
                tracing::info!(component, "this machine's clock and NordPass's agree again");
            }
            Some(ahead) => tracing::warn!(
                component,
                seconds_ahead = ahead,
                "{}; the earlier one counts, so events may come later: check this machine's time synchronisation \
                 (timedatectl status)",
                clocks(ahead, "NordPass")
            ),
        }
    }

    /// Returns the seconds by which this machine's clock is ahead: the smaller of the last two differences, because a
    /// single odd `Date` shouldn't raise an alarm. Also returns the last difference if it should be reported: when the
    /// clocks begin or cease to differ, when the difference changes, and hourly in between.
    fn skew(&self, date: i64) -> (i64, Option<i64>) {
        let (ahead, at) = (self.clock.now_seconds() - date, Instant::now());
        let mut server = self.server.lock();
        server.date = Some((date, at));
        let before = server.ahead.replace(ahead).unwrap_or(ahead);
        let surely = if before.abs() < ahead.abs() { before } else { ahead };
        let (reported, differ) = (server.reported, ahead.abs() > TOLERANCE);
        let is_news = (ahead - reported.map_or(0, |(ahead, _)| ahead)).abs() > TOLERANCE;
        let is_due = differ && reported.is_some_and(|(_, reported)| at.duration_since(reported) >= REMINDER);
        let report = (is_news || is_due).then(|| {
            server.reported = differ.then_some((ahead, at));
            ahead
        });
        (surely, report)
    }

    /// Seconds by which this machine's clock is ahead of the server's, if known.
    pub fn ahead(&self) -> Option<i64> {
        let (date, at) = self.server.lock().date?;
        Some(self.clock.now_seconds() - date - seconds(at.elapsed()))
    }

    /// Whether the server's time is known.
    pub fn is_known(&self) -> bool {
        self.server.lock().date.is_some()
    }

    /// Now, in Unix seconds.
    pub fn now(&self) -> i64 {
        let local = self.clock.now_seconds();
        self.server.lock().date.map_or(local, |(date, at)| {
            // Round up: a `Date` has no fraction, so the server's clock may be up to a second ahead of it. Rounding
            // down would end every poll a second or two early, even with a correct clock.
            let since = i64::try_from(at.elapsed().as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
            local.min(date.saturating_add(since))
        })
    }

    /// The latest second to request: now minus `lag`.
    pub fn safe_now(&self) -> i64 {
        self.now() - self.lag
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use jiff::Timestamp;

    use super::*;

    struct Jumpy(AtomicI64);

    impl Clock for Jumpy {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(self.0.load(Ordering::Relaxed)).expect("a time")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_clock_counts_and_a_jump_changes_nothing() {
        let clock = Arc::new(Jumpy(AtomicI64::new(1_000)));
        let time = SourceClock::new(clock.clone(), Duration::ZERO);
        assert_eq!((time.now(), time.is_known()), (1_000, false), "only the machine's clock is known");
        time.skew(990);
        assert_eq!((time.now(), time.is_known()), (990, true));
        clock.0.store(1_000 + 200 * 86_400, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(time.now(), 1_020, "the machine's clock jumped ahead");
        clock.0.store(500, Ordering::Relaxed);
        assert_eq!(time.now(), 500, "a clock that is behind only delays");
    }

    #[tokio::test(start_paused = true)]
    async fn a_date_has_no_fraction_and_takes_none_from_a_clock_that_is_right() {
        let clock = Arc::new(Jumpy(AtomicI64::new(1_000)));
        let time = SourceClock::new(clock.clone(), Duration::ZERO);
        tokio::time::sleep(Duration::from_millis(40)).await;
        time.skew(1_000);
        tokio::time::sleep(Duration::from_millis(59_960)).await;
        clock.0.store(1_060, Ordering::Relaxed);
        assert_eq!(time.now(), 1_060);
    }

    #[tokio::test(start_paused = true)]
    async fn clocks_that_differ_are_reported_again_each_hour_and_when_they_agree() {
        let clock = Arc::new(Jumpy(AtomicI64::new(100_000)));
        let time = SourceClock::new(clock.clone(), Duration::ZERO);
        let skew = |date: i64| time.skew(date);
        assert_eq!(skew(100_060), (-60, None), "a minute needs no report");
        assert_eq!(skew(186_400), (-60, Some(-86_400)), "one answer may be odd");
        assert_eq!(skew(186_401), (-86_400, None), "it is known");
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(skew(186_400), (-86_400, Some(-86_400)), "it lasts");
        assert_eq!(skew(186_400).1, None);
        assert_eq!(skew(100_000), (0, Some(0)), "they agree");
        assert_eq!(skew(100_000), (0, None));
    }
}
