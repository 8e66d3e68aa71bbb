//! How long to wait before the next attempt: the one policy of every network component.
//!
//! Waiting is never giving up, so there is no limit on attempts here. The first wait is at most a second, because most
//! failures are a dropped connection; the longest is half a minute, because an operator who has just fixed a role or a
//! token doesn't want to wait longer than that to see it work.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http::HeaderMap;
use jiff::Timestamp;

use nordpass_env::Random;

/// The first wait, before jitter.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two attempts, before jitter (which only shortens it).
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait that a server can ask for.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

/// Exponential waits with jitter, for as many attempts as it takes.
pub struct Backoff {
    random: Arc<dyn Random>,
    waits: ExponentialBackoff,
}

impl Backoff {
    /// Starts at the first wait.
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self { random, waits: waits() }
    }

    /// The next wait: between half and the whole of 1 s, 2 s, 4 s … 30 s.
    ///
    /// The jitter comes from the handle instead of from backon, so that a simulation's seed decides it, and it only
    /// shortens, so that the documented limits hold.
    pub fn next_wait(&mut self) -> Duration {
        let whole = self.waits.next().unwrap_or(LONGEST_WAIT);
        whole.mul_f64(0.5 + 0.5 * self.random.fraction())
    }

    /// After a success: the next failure starts at the first wait again.
    pub fn reset(&mut self) {
        self.waits = waits();
    }
}

impl std::fmt::Debug for Backoff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backoff")
    }
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_WAIT)
        .with_factor(2.0)
        .with_max_delay(LONGEST_WAIT)
        .without_max_times()
        .build()
}

/// What a `Retry-After` header asks for: seconds, or an HTTP date seen from `now`. At most
/// [`LONGEST_RETRY_AFTER`]. `None` where the back-off decides: no header, zero, a date that has passed, junk.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than an u64 has still mean "very long".
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
        Duration::try_from(date.duration_since(now)).ok()?
    };
    (!asked.is_zero()).then(|| asked.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nordpass_env::SeededRandom;

    #[test]
    fn waits_grow_from_at_most_a_second_to_at_most_thirty() {
        for seed in 0..50 {
            let mut backoff = Backoff::new(Arc::new(SeededRandom::new(seed)));
            for whole in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] {
                let wait = backoff.next_wait().as_secs_f64();
                assert!((whole / 2.0..=whole).contains(&wait), "{wait} for {whole}");
            }
            backoff.reset();
            assert!(backoff.next_wait() <= FIRST_WAIT);
        }
    }

    #[test]
    fn never_runs_out() {
        let mut backoff = Backoff::new(Arc::new(SeededRandom::new(1)));
        assert!((0..10_000).map(|_| backoff.next_wait()).all(|wait| wait <= LONGEST_WAIT && !wait.is_zero()));
    }

    fn asked(value: &str) -> Option<u64> {
        let now = "2026-01-01T00:00:00Z".parse().expect("a time");
        let mut headers = HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, value.parse().expect("a header value"));
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_of_every_shape() {
        assert_eq!(asked("7"), Some(7));
        assert_eq!(asked(" 7 "), Some(7));
        assert_eq!(asked("999999"), Some(300));
        assert_eq!(asked("99999999999999999999999999"), Some(300));
        assert_eq!(asked("Thu, 01 Jan 2026 00:00:09 GMT"), Some(9));
        assert_eq!(asked("Fri, 02 Jan 2026 00:00:00 GMT"), Some(300));
        assert_eq!(asked("Wed, 31 Dec 2025 23:59:00 GMT"), None, "a past date");
        for junk in ["", "0", "-5", "soon", "1.5", "7s", "0x10", "Thu, 32 Foo 2026"] {
            assert_eq!(asked(junk), None, "{junk:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }
}
