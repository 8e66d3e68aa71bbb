//! Retries requests until the API answers.
//!
//! Waits out outages, refused tokens and throttling for as long as they last, so the reading code never sees them. What
//! waiting can't fix (a page that stays unreadable, a query that stays refused) becomes an error, and the reading code
//! tries a narrower query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;

use super::endpoint::{Attempt, Endpoint, UNAVAILABLE};
use super::query::{Priority, Query};
use super::{admission::Admission, context::ReadContext, error::ReadError, page::Page, time::DAY};
use crate::http::{Again, Failure, Retry};
use crate::{component::LeaseGuard, telemetry::metrics};
use nordpass_env::Mutex;

/// Maximum tries of a query whose responses are unreadable or time out.
const UNREADABLE_TRIES: u32 = 4;
/// After this many 5xx for one query, about 90 seconds, a control query tests whether the API answers others.
const UNAVAILABLE_TRIES: u32 = 8;
/// The clocks of an API's machines may differ by this many seconds.
const CLOCKS_DIFFER: i64 = 60;
/// Age in seconds of the one second that the control query requests.
const CONTROL_AGE: i64 = 30 * DAY;

/// The API as the reading code sees it.
pub struct Client {
    pub(super) context: Arc<ReadContext>,
    endpoint: Endpoint,
    admission: Admission,
    /// When the last page was received.
    last_page: Mutex<Option<Instant>>,
}

/// Failures of one query, by kind.
#[derive(Default)]
struct Tries {
    /// Whether the query's time has to be past by the server's clock.
    is_past: bool,
    unreadable: AtomicU32,
    timeouts: AtomicU32,
    unavailable: AtomicU32,
}

/// Whether the server's clock is before the end of what was asked for, by more than the clocks of an API's machines differ.
fn is_before_end(page: &Page, query: &Query) -> bool {
    page.server_time.is_some_and(|server| server.saturating_add(CLOCKS_DIFFER) < query.timestamp_to)
}

impl Client {
    /// Creates a client that sends requests only while the lease is held. Fails on invalid settings.
    pub fn new(context: Arc<ReadContext>, lease_guard: LeaseGuard) -> Result<Self, String> {
        let endpoint = Endpoint::new(context.clone())?;
        let admission = Admission::new(context.clone(), lease_guard);
        Ok(Self { context, endpoint, admission, last_page: Mutex::default() })
    }

    /// Whether any page was received since `instant`, so the API is up.
    pub fn answered_since(&self, instant: Instant) -> bool {
        self.last_page.lock().is_some_and(|answered| answered >= instant)
    }

    /// Requests a page of a time that is past, however long it takes. A server by whose clock it isn't past can't know all of
    /// it, so its answer proves nothing and counts as unreadable.
    pub async fn ask(&self, query: &Query, priority: Priority) -> Result<Page, ReadError> {
        self.ask_about(query, priority, true).await
    }

    /// Requests a page whatever the server's clock says: the caller has to look at [`Page::server_time`].
    pub async fn ask_by_any_clock(&self, query: &Query, priority: Priority) -> Result<Page, ReadError> {
        self.ask_about(query, priority, false).await
    }

    async fn ask_about(&self, query: &Query, priority: Priority, is_past: bool) -> Result<Page, ReadError> {
        let tries = Tries { is_past, ..Tries::default() };
        let retry = Retry::new(&self.context.env, &self.context.telemetry);
        retry.run(self.context.ending(), || self.try_to_ask(query, priority, &tries)).await
    }

    async fn try_to_ask(&self, query: &Query, priority: Priority, tries: &Tries) -> Result<Page, Failure<ReadError>> {
        let (number, again, error) = match self.attempt(query, priority).await? {
            Attempt::Page(page) if tries.is_past && is_before_end(&page, query) => {
                let reason = "the server's clock is before the time that was asked for".to_owned();
                let again = Again { kind: Some("wrong clock"), ..Again::default() };
                (&tries.unreadable, again, ReadError::Unreadable(reason))
            }
            Attempt::Page(page) => return Ok(page),
            Attempt::TooLarge => return Err(ReadError::TooLarge.into()),
            Attempt::Unreadable(reason) => {
                let again = Again { kind: Some("unreadable answer"), ..Again::default() };
                (&tries.unreadable, again, ReadError::Unreadable(reason))
            }
            // If a page times out every time, a smaller one may succeed.
            Attempt::TimedOut(reason) => (&tries.timeouts, Again::because("timeout", reason), ReadError::TooLarge),
            Attempt::Wait(again) => {
                if let Some(wait) = again.wait {
                    self.admission.pause(Instant::now() + wait);
                }
                let unavailable = u32::from(again.kind == Some(UNAVAILABLE));
                let before = tries.unavailable.fetch_add(unavailable, Ordering::Relaxed);
                // One event that makes the API fail must not block all others.
                if before + unavailable >= UNAVAILABLE_TRIES {
                    tries.unavailable.store(0, Ordering::Relaxed);
                    return self.ask_despite(query, priority, again).await;
                }
                return Err(again.into());
            }
        };
        if number.fetch_add(1, Ordering::Relaxed) + 1 < UNREADABLE_TRIES {
            return Err(again.into());
        }
        self.count(&again);
        Err(error.into())
    }

    /// Finds out whether the API is down or only this query fails.
    async fn ask_despite(&self, query: &Query, priority: Priority, again: Again) -> Result<Page, Failure<ReadError>> {
        if !self.answers_others(priority).await? {
            return Err(again.into());
        }
        self.count(&again);
        // Try once more: an outage may just have ended.
        match self.attempt(query, priority).await? {
            Attempt::Page(page) => Ok(page),
            _ => Err(Failure::Stop(ReadError::Unreadable(again.reason.unwrap_or_default()))),
        }
    }

    /// Counts an error that isn't retried.
    fn count(&self, again: &Again) {
        self.context.telemetry.add_labelled(&metrics::ERRORS, again.kind.unwrap_or_default(), 1);
    }

    /// Whether the API answers a small query about another time, so it isn't down.
    async fn answers_others(&self, priority: Priority) -> Result<bool, ReadError> {
        let at = self.context.clock.safe_now() - CONTROL_AGE;
        let attempt = self.attempt(&Query::smallest((at, at + 1)), priority).await?;
        Ok(matches!(attempt, Attempt::Page(_)))
    }

    /// Sends one request once it is admitted.
    pub(super) async fn attempt(&self, query: &Query, priority: Priority) -> Result<Attempt, ReadError> {
        let attempt = self.admission.admit(priority, self.endpoint.attempt(query)).await?;
        let attempt = attempt.unwrap_or_else(Attempt::Wait);
        if matches!(attempt, Attempt::Page(_)) {
            *self.last_page.lock() = Some(Instant::now());
        }
        Ok(attempt)
    }
}
