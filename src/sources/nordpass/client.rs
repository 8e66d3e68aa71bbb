//! Asks the API until it answers.
//!
//! An outage, a refused token and a throttled client are waited out here, for as long as they last, so that the reading
//! code above never sees them. What waiting can't cure (a page that stays unreadable, a query that stays refused) is
//! returned as an error, and the reading code tries a narrower query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;

use super::endpoint::{Attempt, Endpoint, UNAVAILABLE};
use super::query::{Priority, Query};
use super::{admission::Admission, context::ReadContext, error::ReadError, page::Page, time::DAY};
use crate::http::{Again, Failure, Retry};
use crate::{component::LeaseGuard, telemetry::metrics};
use nordpass_env::Mutex;

/// How often an unreadable or late answer is asked for again before the query is given up.
const UNREADABLE_TRIES: u32 = 4;
/// After this many 5xx for one query it is asked whether the API answers others. About a minute and a half.
const UNAVAILABLE_TRIES: u32 = 8;
/// Where to ask whether the API answers at all: a single second this long ago.
const CONTROL_AGE: i64 = 30 * DAY;

/// The API, as the reading code sees it.
pub struct Client {
    pub(super) context: Arc<ReadContext>,
    endpoint: Endpoint,
    admission: Admission,
    /// When a page last came.
    last_page: Mutex<Option<Instant>>,
}

/// How often a query has failed, by what it takes to give it up.
#[derive(Default)]
struct Tries {
    unreadable: AtomicU32,
    timeouts: AtomicU32,
    unavailable: AtomicU32,
}

impl Client {
    /// A client that asks while the lease is held. The error says what in the settings is wrong.
    pub fn new(context: Arc<ReadContext>, lease_guard: LeaseGuard) -> Result<Self, String> {
        let endpoint = Endpoint::new(context.clone())?;
        let admission = Admission::new(context.clone(), lease_guard);
        Ok(Self { context, endpoint, admission, last_page: Mutex::default() })
    }

    /// Whether any page came since then: whether the API is there at all.
    pub fn answered_since(&self, instant: Instant) -> bool {
        self.last_page.lock().is_some_and(|answered| answered >= instant)
    }

    /// One page, however long it takes.
    pub async fn ask(&self, query: &Query, priority: Priority) -> Result<Page, ReadError> {
        let tries = Tries::default();
        let retry = Retry::new(&self.context.env, &self.context.telemetry);
        retry.run(self.context.ending(), || self.try_to_ask(query, priority, &tries)).await
    }

    async fn try_to_ask(&self, query: &Query, priority: Priority, tries: &Tries) -> Result<Page, Failure<ReadError>> {
        let (number, again, error) = match self.attempt(query, priority).await? {
            Attempt::Page(page) => return Ok(page),
            Attempt::TooLarge => return Err(ReadError::TooLarge.into()),
            Attempt::Unreadable(reason) => {
                let again = Again { kind: Some("unreadable answer"), ..Again::default() };
                (&tries.unreadable, again, ReadError::Unreadable(reason))
            }
            // A page that takes too long each time may come in smaller pieces.
            Attempt::TimedOut(reason) => (&tries.timeouts, Again::because("timeout", reason), ReadError::TooLarge),
            Attempt::Wait(again) => {
                if let Some(wait) = again.wait {
                    self.admission.pause(Instant::now() + wait);
                }
                let unavailable = u32::from(again.kind == Some(UNAVAILABLE));
                let before = tries.unavailable.fetch_add(unavailable, Ordering::Relaxed);
                // An event that the API itself stumbles over must not hold up all others.
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

    /// The query has failed often: whether it is the API that is down, or this query that it stumbles over.
    async fn ask_despite(&self, query: &Query, priority: Priority, again: Again) -> Result<Page, Failure<ReadError>> {
        if !self.answers_others(priority).await? {
            return Err(again.into());
        }
        self.count(&again);
        // Once more: an outage may have ended just before that.
        match self.attempt(query, priority).await? {
            Attempt::Page(page) => Ok(page),
            _ => Err(Failure::Stop(ReadError::Unreadable(again.reason.unwrap_or_default()))),
        }
    }

    /// Counts an error that isn't followed by another try.
    fn count(&self, again: &Again) {
        self.context.telemetry.add_labelled(&metrics::ERRORS, again.kind.unwrap_or_default(), 1);
    }

    /// Whether the API answers a small query about another time: then it isn't down.
    async fn answers_others(&self, priority: Priority) -> Result<bool, ReadError> {
        let at = self.context.clock.safe_now() - CONTROL_AGE;
        let attempt = self.attempt(&Query::smallest((at, at + 1)), priority).await?;
        Ok(matches!(attempt, Attempt::Page(_)))
    }

    /// One request, once it may go out.
    pub(super) async fn attempt(&self, query: &Query, priority: Priority) -> Result<Attempt, ReadError> {
        let attempt = self.admission.admit(priority, self.endpoint.attempt(query)).await?;
        let attempt = attempt.unwrap_or_else(Attempt::Wait);
        if matches!(attempt, Attempt::Page(_)) {
            *self.last_page.lock() = Some(Instant::now());
        }
        Ok(attempt)
    }
}
