//! Retries: the one policy, the one loop, and how they are reported.
//!
//! Waiting is never giving up, so there is no limit on attempts here. The first wait is at most a second, because most
//! failures are a dropped connection; the longest is half a minute, because an operator who has just fixed a role or a
//! token doesn't want to wait longer than that to see it work.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http::HeaderMap;
use jiff::Timestamp;

use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::{Env, Random};

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

/// What a failed attempt means.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// Trying again can't cure it.
    Stop(E),
    /// It is tried again.
    Again(Again),
}

/// An attempt that is made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// The label that it is counted under as an error and a retry; `None`: neither happened.
    pub kind: Option<&'static str>,
    /// What is waited for, as a sentence for people; `None`: nothing that they need to know.
    pub reason: Option<String>,
    /// How long to wait, where the other side has asked for it; `None`: the back-off decides.
    pub wait: Option<Duration>,
}

impl Again {
    /// Counted and said.
    pub fn because(kind: &'static str, reason: String) -> Self {
        Self { kind: Some(kind), reason: Some(reason), wait: None }
    }
}

impl<E> Failure<E> {
    /// The same, with another error where it stops.
    pub fn map<O>(self, with: impl FnOnce(E) -> O) -> Failure<O> {
        match self {
            Self::Stop(error) => Failure::Stop(with(error)),
            Self::Again(again) => Failure::Again(again),
        }
    }
}

impl<E> From<Again> for Failure<E> {
    fn from(again: Again) -> Self {
        Self::Again(again)
    }
}

/// Tries until it works, and reports what is waited for meanwhile.
#[derive(Clone, Copy)]
pub struct Retry<'a> {
    env: &'a Env,
    telemetry: Option<&'a ComponentReporter>,
    part: Option<&'a str>,
    longest_wait: Duration,
}

impl<'a> Retry<'a> {
    /// No component waits: only the log says so.
    pub fn logged(env: &'a Env) -> Self {
        Self { env, telemetry: None, part: None, longest_wait: LONGEST_WAIT }
    }

    /// The component waits; it works again when this does, or anything else of it.
    pub fn new(env: &'a Env, telemetry: &'a ComponentReporter) -> Self {
        Self { telemetry: Some(telemetry), ..Self::logged(env) }
    }

    /// A part of the component waits, and holds it up until this works, whatever the rest does.
    pub fn part(env: &'a Env, telemetry: &'a ComponentReporter, part: &'a str) -> Self {
        Self { part: Some(part), ..Self::new(env, telemetry) }
    }

    /// The same with no wait longer than this, unless the other side asks for one.
    pub fn at_most(self, longest_wait: Duration) -> Self {
        Self { longest_wait, ..self }
    }

    /// Attempts until it works or [`Failure::Stop`] ends it. `stop` ends a wait, never an attempt, with its error: a
    /// shutdown or a deadline; [`std::future::pending`] where there is neither. Where nothing can end it, `E` is
    /// [`std::convert::Infallible`].
    pub async fn run<T, E, A: Future<Output = Result<T, Failure<E>>>>(
        self,
        stop: impl Future<Output = E>,
        attempt: impl FnMut() -> A,
    ) -> Result<T, E> {
        self.attempts(stop, |_, _| Ok(()), attempt).await
    }

    /// Attempts until it works, [`Failure::Stop`] ends it, or `before_wait` does, which sees each wait before it begins.
    pub async fn run_checked<T, E, A: Future<Output = Result<T, Failure<E>>>>(
        self,
        before_wait: impl FnMut(&Again, Duration) -> Result<(), E>,
        attempt: impl FnMut() -> A,
    ) -> Result<T, E> {
        self.attempts(pending(), before_wait, attempt).await
    }

    async fn attempts<T, E, A: Future<Output = Result<T, Failure<E>>>>(
        self,
        stop: impl Future<Output = E>,
        mut before_wait: impl FnMut(&Again, Duration) -> Result<(), E>,
        mut attempt: impl FnMut() -> A,
    ) -> Result<T, E> {
        let mut backoff = Backoff::new(self.env.random.clone());
        let mut stop = pin!(stop);
        let mut logged = None;
        loop {
            let again = match attempt().await {
                Ok(done) => {
                    self.works();
                    return Ok(done);
                }
                Err(Failure::Stop(error)) => return Err(error),
                Err(Failure::Again(again)) => again,
            };
            let wait = again.wait.unwrap_or_else(|| backoff.next_wait().min(self.longest_wait));
            before_wait(&again, wait)?;
            self.waits(again, wait, &mut logged);
            tokio::select! {
                biased;
                error = &mut stop => return Err(error),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn waits(self, again: Again, wait: Duration, logged: &mut Option<String>) {
        if let (Some(telemetry), Some(kind)) = (self.telemetry, again.kind) {
            telemetry.add_labelled(&metrics::ERRORS, kind, 1);
            telemetry.add(&metrics::RETRIES, 1);
        }
        // What is tried again at once isn't waited for.
        let Some(reason) = again.reason.filter(|_| !wait.is_zero()) else { return };
        let now = self.env.clock.now();
        match (self.telemetry, self.part) {
            (Some(telemetry), Some(part)) => telemetry.status().held_up(part, &reason, wait, now),
            (Some(telemetry), None) => telemetry.status().trying_again(&reason, wait, now),
            (None, _) if logged.as_ref() == Some(&reason) => {}
            (None, _) => {
                tracing::warn!("waiting: {reason}");
                *logged = Some(reason);
            }
        }
    }

    fn works(self) {
        match (self.telemetry, self.part) {
            (Some(telemetry), Some(part)) => telemetry.status().released(part),
            (Some(telemetry), None) => telemetry.status().working(),
            (None, _) => {}
        }
    }
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
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use nordpass_env::SeededRandom;
    use tokio::time::Instant;

    use super::*;
    use crate::telemetry::ComponentState;

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

    /// An environment whose time is tokio's, which the tests pause.
    fn env() -> Env {
        let random = Arc::new(SeededRandom::new(1));
        Env { random, ..crate::http::system_env() }
    }

    #[tokio::test(start_paused = true)]
    async fn tries_until_it_works_and_says_so_meanwhile() {
        let (env, telemetry) = (env(), ComponentReporter::detached());
        let began = Instant::now();
        let attempts = AtomicU32::new(0);
        let Ok(done) = Retry::part(&env, &telemetry, "disk")
            .run(pending::<Infallible>(), || async {
                let attempts = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                if attempts > 1 {
                    let ComponentState::Waiting { reason, .. } = telemetry.status().get() else { panic!("waits") };
                    assert_eq!(reason, "it is full");
                }
                let again = Again::because("disk full", "it is full".to_owned());
                match attempts {
                    1 => Err(again.into()),
                    2 => Err(Again { wait: Some(Duration::from_secs(100)), ..again }.into()),
                    _ => Ok(attempts),
                }
            })
            .await;
        assert_eq!(done, 3);
        let waited = began.elapsed().as_secs_f64();
        assert!((100.5..=101.1).contains(&waited), "the first wait and what was asked for: {waited}");
        assert!(!matches!(telemetry.status().get(), ComponentState::Waiting { .. }));
        assert_eq!(telemetry.numbers().totals().errors, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn ends_by_what_cannot_be_cured_and_by_what_stops_the_waiting() {
        let (env, telemetry) = (env(), ComponentReporter::detached());
        let retry = Retry::new(&env, &telemetry);
        assert_eq!(retry.run(pending(), || async { Err::<(), _>(Failure::Stop("damaged")) }).await, Err("damaged"));
        let stop = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            "ending"
        };
        let again = || async { Err::<(), _>(Again::because("timeout", "it is slow".to_owned()).into()) };
        assert_eq!(retry.run(stop, again).await, Err("ending"));
        assert!(matches!(telemetry.status().get(), ComponentState::Waiting { .. }));
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
