//! One cache in front of every credential.
//!
//! A token is renewed ahead of its end, by one caller at a time while the others go on with the old one. If renewing
//! fails, the old token is used as long as it lives: an outage of Entra shorter than the margin is never noticed.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{AccessToken, TokenError, TokenProvider, credential::TokenSource};
use nordpass_env::{Clock, Env, Mutex, Random};

/// A token is renewed this long before its end, or a fifth of its life before, whichever is later.
const MARGIN: Duration = Duration::from_secs(300);
/// After a failed renewal of a token that still lives.
const AGAIN: Duration = Duration::from_secs(30);

/// The cache.
pub struct TokenCache {
    source: Box<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    state: Mutex<State>,
    /// Held while a token is fetched.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<AccessToken>,
    /// When to renew it.
    renew: Option<Timestamp>,
    serial: u64,
    /// Counts the fetches that failed without an old token to go on with.
    failures: u64,
    /// Why the last of them failed.
    failure: Option<TokenError>,
}

impl TokenCache {
    /// An empty cache.
    pub fn new(source: Box<dyn TokenSource>, env: &Env) -> Self {
        Self {
            source,
            clock: env.clock.clone(),
            random: env.random.clone(),
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::new(()),
        }
    }

    /// The token if it lives, and whether it is time to renew it.
    fn current(&self) -> Option<(AccessToken, bool)> {
        let now = self.clock.now();
        let state = self.state.lock();
        let token = state.token.clone().filter(|token| token.expires.is_none_or(|expires| now < expires))?;
        Some((token, state.renew.is_some_and(|renew| renew <= now)))
    }

    fn keep(&self, secret: secrecy::SecretString, lifetime: Option<Duration>) -> AccessToken {
        let now = self.clock.now();
        let after = |time: Duration| now.checked_add(time).unwrap_or(Timestamp::MAX);
        let mut state = self.state.lock();
        state.serial += 1;
        let token = AccessToken { secret, expires: lifetime.map(after), serial: state.serial };
        state.renew = lifetime.map(|lifetime| {
            // Up to a fifth more of the margin by chance, so that many processes don't come together.
            let margin = MARGIN.min(lifetime / 5).mul_f64(1.0 + self.random.fraction() / 5.0);
            after(lifetime.saturating_sub(margin))
        });
        state.token = Some(token.clone());
        token
    }

    /// The error of a fetch that has failed since `failures` were counted.
    fn failed_since(&self, failures: u64) -> Option<TokenError> {
        let state = self.state.lock();
        if state.failures == failures { None } else { state.failure.clone() }
    }

    fn fail(&self, error: TokenError) -> TokenError {
        let mut state = self.state.lock();
        state.failures += 1;
        state.failure = Some(error.clone());
        error
    }
}

impl TokenProvider for TokenCache {
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(async move {
            let failures = self.state.lock().failures;
            let current = self.current();
            if let Some((token, false)) = current {
                return Ok(token);
            }
            let _fetching = match (self.fetching.try_lock(), &current) {
                (Ok(guard), _) => guard,
                // Another caller renews it; meanwhile the old one is good.
                (Err(_), Some((token, _))) => return Ok(token.clone()),
                (Err(_), None) => {
                    let guard = self.fetching.lock().await;
                    // One failure answers all who waited: otherwise ten callers in a row would each wait as long.
                    if let (None, Some(error)) = (self.current(), self.failed_since(failures)) {
                        return Err(error);
                    }
                    guard
                }
            };
            if let Some((token, false)) = self.current() {
                return Ok(token);
            }
            match self.source.fetch().await {
                Ok((secret, lifetime)) => Ok(self.keep(secret, lifetime)),
                Err(error) => match self.current() {
                    Some((token, _)) => {
                        tracing::warn!("can't renew the token, using the old one meanwhile: {error}");
                        self.state.lock().renew = self.clock.now().checked_add(AGAIN).ok();
                        Ok(token)
                    }
                    None => Err(self.fail(error)),
                },
            }
        })
    }

    fn invalidate(&self, refused: &AccessToken) {
        let mut state = self.state.lock();
        if state.token.as_ref().is_some_and(|token| token.serial == refused.serial) {
            state.token = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::SystemNetwork;
    use nordpass_env::{SeededRandom, SystemDisk, TestClock};
    use secrecy::{ExposeSecret, SecretString};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    #[derive(Default)]
    struct Script {
        asked: AtomicUsize,
        fetched: AtomicUsize,
        broken: AtomicBool,
    }

    impl TokenSource for Arc<Script> {
        fn fetch(&self) -> BoxFuture<'_, Result<super::super::credential::Fetched, TokenError>> {
            Box::pin(async {
                self.asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
                if self.broken.load(Ordering::Relaxed) {
                    return Err(TokenError { reason: "AADSTS7000215".into() });
                }
                let number = self.fetched.fetch_add(1, Ordering::Relaxed) + 1;
                Ok((SecretString::from(format!("token-{number}")), Some(Duration::from_secs(3600))))
            })
        }
    }

    fn cache() -> (TokenCache, Arc<Script>) {
        let script = Arc::new(Script::default());
        let env = Env {
            clock: Arc::new(TestClock::starting_at(Timestamp::UNIX_EPOCH)),
            random: Arc::new(SeededRandom::new(1)),
            disk: Arc::new(SystemDisk),
            network: Arc::new(SystemNetwork::default()),
        };
        (TokenCache::new(Box::new(script.clone()), &env), script)
    }

    async fn text(cache: &TokenCache) -> Result<String, TokenError> {
        cache.token().await.map(|token| token.secret.expose_secret().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_fetched_once_and_renewed_ahead_of_its_end() {
        let (cache, script) = cache();
        let (first, second) = tokio::join!(text(&cache), text(&cache));
        assert_eq!((first, second), (Ok("token-1".to_owned()), Ok("token-1".to_owned())));
        tokio::time::sleep(Duration::from_secs(3200)).await;
        assert_eq!(text(&cache).await.as_deref(), Ok("token-1"));
        tokio::time::sleep(Duration::from_secs(110)).await;
        let (renewing, meanwhile) = tokio::join!(text(&cache), text(&cache));
        assert_eq!((renewing.as_deref(), meanwhile.as_deref()), (Ok("token-2"), Ok("token-1")));
        assert_eq!(script.fetched.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_lives_is_used_while_renewing_fails() {
        let (cache, script) = cache();
        text(&cache).await.expect("a token");
        script.broken.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3500)).await;
        assert_eq!(text(&cache).await.as_deref(), Ok("token-1"));
        tokio::time::sleep(Duration::from_secs(101)).await;
        assert!(text(&cache).await.is_err(), "it has ended");
        script.broken.store(false, Ordering::Relaxed);
        assert_eq!(text(&cache).await.as_deref(), Ok("token-2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_fetched_anew_but_only_once() {
        let (cache, _) = cache();
        let first = cache.token().await.expect("a token");
        cache.invalidate(&first);
        assert_eq!(text(&cache).await.as_deref(), Ok("token-2"));
        cache.invalidate(&first);
        assert_eq!(text(&cache).await.as_deref(), Ok("token-2"), "another caller's late complaint");
    }

    #[tokio::test(start_paused = true)]
    async fn callers_who_wait_for_a_token_share_its_failure() {
        let (cache, script) = cache();
        script.broken.store(true, Ordering::Relaxed);
        let began = tokio::time::Instant::now();
        let all = futures::future::join_all((0..10).map(|_| text(&cache))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!((began.elapsed().as_secs(), script.asked.load(Ordering::Relaxed)), (1, 1));
        assert!(text(&cache).await.is_err(), "who comes later asks again");
        assert_eq!(script.asked.load(Ordering::Relaxed), 2);
        script.broken.store(false, Ordering::Relaxed);
        assert_eq!(text(&cache).await.as_deref(), Ok("token-1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_goes_away_while_fetching_holds_nobody_up() {
        let (cache, script) = cache();
        let gone = tokio::time::timeout(Duration::from_millis(500), text(&cache)).await;
        assert!(gone.is_err());
        assert_eq!(text(&cache).await.as_deref(), Ok("token-1"));
        assert_eq!(script.asked.load(Ordering::Relaxed), 2);
    }
}
