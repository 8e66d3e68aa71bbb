//! What time it is, for everything that the source decides by it.
//!
//! A machine's clock can be wrong, and it can jump. The API's `Date` header can be wrong as well. So the source
//! believes the earlier of both: too early only delays, too late would step over events that are yet to come, count
//! the API's 90 days as over, and forget ids that are still needed. The server's time is carried on between answers by
//! the monotonic clock, so a jump of the machine's clock changes nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use nordpass_env::Clock;

/// When the two clocks differ by more seconds than this, somebody should know.
pub const WORTH_A_WORD: i64 = 120;
/// How often they are told again while that lasts.
const AGAIN: Duration = Duration::from_secs(3_600);

/// The earlier of the machine's clock and the server's.
pub struct Time {
    clock: Arc<dyn Clock>,
    server: Mutex<Server>,
}

/// What an answer's `Date` says of this machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// By how many seconds it is ahead, by the last two answers: a single odd `Date` is no reason for an alarm.
    pub ahead: i64,
    /// The same by this answer, where people should be told: when it begins, changes or ends that the clocks differ, and once
    /// an hour meanwhile.
    pub told: Option<i64>,
}

#[derive(Default)]
struct Server {
    /// What the last `Date` said (Unix seconds), and when.
    date: Option<(i64, Instant)>,
    /// By how many seconds this machine's clock was ahead of it then.
    ahead: Option<i64>,
    /// The last difference that was worth a word, and when; none while the clocks agree.
    told: Option<(i64, Instant)>,
}

impl Time {
    /// Only the machine's clock is known.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, server: Mutex::default() }
    }

    /// An answer came with this `Date`.
    pub fn heard(&self, date: i64) -> Heard {
        let (ahead, at) = (self.clock.now_seconds() - date, Instant::now());
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.date = Some((date, at));
        let before = server.ahead.replace(ahead).unwrap_or(ahead);
        let surely = if before.abs() < ahead.abs() { before } else { ahead };
        let (told, differ) = (server.told, ahead.abs() > WORTH_A_WORD);
        let is_news = (ahead - told.map_or(0, |(told, _)| told)).abs() > WORTH_A_WORD;
        let is_due = differ && told.is_some_and(|(_, told)| at.duration_since(told) >= AGAIN);
        let told = (is_news || is_due).then(|| {
            server.told = differ.then_some((ahead, at));
            ahead
        });
        Heard { ahead: surely, told }
    }

    /// By how many seconds this machine's clock is ahead of the server's, where that is known.
    pub fn ahead(&self) -> Option<i64> {
        let (date, at) = self.server.lock().unwrap_or_else(PoisonError::into_inner).date?;
        let since = i64::try_from(at.elapsed().as_secs()).unwrap_or(0);
        Some(self.clock.now_seconds() - date - since)
    }

    /// Whether the server has said what time it is.
    pub fn is_known(&self) -> bool {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).date.is_some()
    }

    /// Now, in Unix seconds.
    pub fn now(&self) -> i64 {
        let local = self.clock.now_seconds();
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.date.map_or(local, |(date, at)| {
            // Rounded up: a `Date` has no fraction, so the server's clock is up to a second past what it said. Rounded
            // down, every poll on a machine whose clock is right would end a second or two early.
            let since = i64::try_from(at.elapsed().as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
            local.min(date.saturating_add(since))
        })
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
        let time = Time::new(clock.clone());
        assert_eq!((time.now(), time.is_known()), (1_000, false), "only the machine's clock is known");
        time.heard(990);
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
        let time = Time::new(clock.clone());
        tokio::time::sleep(Duration::from_millis(40)).await;
        time.heard(1_000);
        tokio::time::sleep(Duration::from_millis(59_960)).await;
        clock.0.store(1_060, Ordering::Relaxed);
        assert_eq!(time.now(), 1_060);
    }

    #[tokio::test(start_paused = true)]
    async fn people_are_told_when_the_clocks_differ_again_each_hour_and_when_they_agree() {
        let clock = Arc::new(Jumpy(AtomicI64::new(100_000)));
        let time = Time::new(clock.clone());
        let heard = |date: i64| {
            let Heard { ahead, told } = time.heard(date);
            (ahead, told)
        };
        assert_eq!(heard(100_060), (-60, None), "a minute is nobody's fault");
        assert_eq!(heard(186_400), (-60, Some(-86_400)), "one answer may be odd");
        assert_eq!(heard(186_401), (-86_400, None), "they know");
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(heard(186_400), (-86_400, Some(-86_400)), "it lasts");
        assert_eq!(heard(186_400).1, None);
        assert_eq!(heard(100_000), (0, Some(0)), "they agree");
        assert_eq!(heard(100_000), (0, None));
    }
}
