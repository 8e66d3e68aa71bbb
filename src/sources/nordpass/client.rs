//! Asks the API until it answers.
//!
//! An outage, a refused token and a throttled client are waited out here, for ever, so that the reading code above
//! never sees them. What waiting can't cure (a page that stays unreadable, a query that stays refused) is handed up,
//! and the reading code tries a narrower question.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use secrecy::ExposeSecret;
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::page::Page;
use super::rate_limiter::RateLimiter;
use super::settings::Settings;
use super::time::{Heard, Time, WORTH_A_WORD};
use crate::component::LeaseGuard;
use crate::component::Shutdown;
use crate::http::{Backoff, HttpClient, HttpError, clock_is_wrong, clocks, date, retry_after};
use crate::telemetry::{ComponentReporter, TokenState, metrics};
use nordpass_env::Env;

/// One query of the Activity Logs API
/// (<https://support.nordpass.com/hc/en-us/articles/23485641117329-Activity-Logs-API>). Times are Unix seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Query {
    /// Events from this second on (whether this second counts is not documented).
    pub timestamp_from: i64,
    /// Events up to this second (likewise).
    pub timestamp_to: i64,
    /// Page number, from 1.
    pub page: u64,
    /// Events per page.
    pub per_page: u32,
    /// Only these users' events; all when empty. At most 500.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_uuids: Vec<String>,
}

/// Who asks: live polls go before history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The newest events.
    Live,
    /// Everything else.
    History,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The program is ending.
    Ending,
    /// The answers to this query can't be read, again and again. A narrower query may do.
    Unreadable(String),
    /// The answer is longer than the limit: ask for fewer events.
    TooLarge,
}

/// How often an unreadable or late answer is asked for again before the query is given up.
const UNREADABLE_TRIES: u32 = 4;

/// After so many 5xx for one query it is asked whether the API answers others. About a minute and a half.
const UNAVAILABLE_TRIES: u32 = 8;

/// Where to ask whether the API answers at all: a single second of so long ago.
const CONTROL_AGE: i64 = 30 * 86_400;

/// The API, as the reading code sees it.
pub struct Client {
    settings: Settings,
    http: Arc<dyn HttpClient>,
    env: Env,
    telemetry: ComponentReporter,
    shutdown: Shutdown,
    /// Whether this process may ask at all.
    lease_guard: LeaseGuard,
    limiter: RateLimiter,
    /// For all questions but live polls: so many may be under way side by side.
    places: Semaphore,
    time: Arc<Time>,
    /// When a page last came.
    answered: Mutex<Option<Instant>>,
}

/// What holds the source up while it isn't certain that it is this process's to read.
const LEASE: &str = "lease";

/// How often people are told that it is looked for: it is kept looking for all the time.
const LEASE_LOOK: Duration = Duration::from_secs(5);

/// What holds the source up while a clock can't be right.
const CLOCK: &str = "clock";

/// Clocks that differ by more seconds decide nothing for good.
const ONE_DAY: i64 = 86_400;

/// A step back of so many seconds needs no word.
const STEP_BACK: i64 = 120;

/// The kind of failure that says nothing about the query, unless others are answered meanwhile.
const UNAVAILABLE: &str = "unavailable";

enum Attempt {
    Page(Page),
    Wait { kind: &'static str, reason: String, at_least: Option<Duration> },
    Unreadable(String),
    TimedOut(String),
    TooLarge,
}

impl Client {
    /// A client, or a sentence about what in the settings is wrong.
    pub fn new(
        settings: Settings,
        env: Env,
        telemetry: ComponentReporter,
        shutdown: Shutdown,
        lease_guard: LeaseGuard,
    ) -> Result<Self, String> {
        let http = env.network.client(&settings.http)?;
        telemetry.token(TokenState::Unknown);
        let time = Arc::new(Time::new(env.clock.clone()));
        Ok(Self {
            limiter: RateLimiter::new(settings.requests_per_second),
            places: Semaphore::new(settings.concurrency.max(1)),
            settings,
            http,
            env,
            telemetry,
            shutdown,
            lease_guard,
            time,
            answered: Mutex::new(None),
        })
    }

    /// The latest second that may be asked for: the earlier of both clocks, minus `lag`.
    pub fn safe_now(&self) -> i64 {
        let lag = i64::try_from(self.settings.lag.as_secs()).unwrap_or(0);
        self.time.now() - lag
    }

    /// The source's time.
    pub fn time(&self) -> &Arc<Time> {
        &self.time
    }

    /// Waits until the server has said what time it is, or at least has answered: nothing may be decided by this
    /// machine's clock alone, which may be wrong by months after a power cut.
    pub async fn learn_time(&self) -> Result<(), Refusal> {
        let mut backoff = Backoff::new(self.env.random.clone());
        loop {
            let _ = self.take_turn(Priority::Live).await?;
            let now = self.safe_now();
            let query = Query { timestamp_from: now - 60, timestamp_to: now, page: 1, per_page: 1, user_uuids: vec![] };
            let attempt = self.unless_ending(&query).await?;
            if self.time.is_known() || matches!(attempt, Attempt::Page(_)) {
                return Ok(());
            }
            let (reason, wait) = match attempt {
                Attempt::Wait { reason, at_least, .. } => (reason, at_least),
                Attempt::Unreadable(reason) | Attempt::TimedOut(reason) => (reason, None),
                Attempt::Page(_) | Attempt::TooLarge => ("a response with one event is too large".to_owned(), None),
            };
            let wait = wait.unwrap_or_else(|| backoff.next_wait());
            self.telemetry.trying_again(&reason, wait, self.env.clock.now());
            self.sleep(wait).await?;
        }
    }

    /// Waits until the two clocks are of one day: before it is decided for good where the history begins. A clock of 1970 would
    /// make all the time since then a gap.
    pub async fn agree_on_the_day(&self) -> Result<(), Refusal> {
        let mut backoff = Backoff::new(self.env.random.clone());
        while let Some(ahead) = self.time.ahead().filter(|ahead| ahead.abs() >= ONE_DAY) {
            let wrong = clock_is_wrong(Some(ahead), "NordPass").unwrap_or_default();
            let reason = format!("{wrong}. The start of the history isn't decided until one of them is right");
            let wait = backoff.next_wait();
            self.telemetry.held_up(CLOCK, &reason, wait, self.env.clock.now());
            self.sleep(wait).await?;
            self.hear_the_time(self.safe_now()).await?;
        }
        self.telemetry.released(CLOCK);
        Ok(())
    }

    /// For polls that can't go on, because the time seems to lie before `read`, up to which everything was read: asks
    /// something small, since only an answer can say another time. `again` is when the next poll comes.
    pub async fn wait_for_the_clock(&self, read: i64, again: Duration) -> Result<(), Refusal> {
        self.hear_the_time(read).await?;
        if read - self.safe_now() > STEP_BACK {
            let reason = "the earlier of this machine's clock and NordPass's is behind what was already read; polling \
                          continues once it is right: check this machine's time synchronisation (timedatectl status)";
            self.telemetry.held_up(CLOCK, reason, again, self.env.clock.now());
        }
        Ok(())
    }

    /// Polls go on.
    pub fn the_clock_is_right(&self) {
        self.telemetry.released(CLOCK);
    }

    /// Asks for one event of the second before `at`, for the answer's `Date`.
    async fn hear_the_time(&self, at: i64) -> Result<(), Refusal> {
        let query = Query { timestamp_from: at - 1, timestamp_to: at, page: 1, per_page: 1, user_uuids: Vec::new() };
        match self.ask(&query, Priority::Live).await {
            Err(Refusal::Ending) => Err(Refusal::Ending),
            Ok(_) | Err(Refusal::TooLarge | Refusal::Unreadable(_)) => Ok(()),
        }
    }

    /// Whether any page came since then: whether the API is there at all.
    pub fn answered_since(&self, instant: Instant) -> bool {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|answered| answered >= instant)
    }

    /// One page, however long it takes.
    pub async fn ask(&self, query: &Query, priority: Priority) -> Result<Page, Refusal> {
        let mut backoff = Backoff::new(self.env.random.clone());
        let (mut unreadable, mut timeouts, mut unavailable) = (0, 0, 0);
        loop {
            let place = self.take_turn(priority).await?;
            let attempt = self.unless_ending(query).await?;
            // Whoever waits leaves it to others.
            drop(place);
            let wait = match attempt {
                Attempt::Page(page) => {
                    self.answered();
                    self.telemetry.working();
                    return Ok(page);
                }
                Attempt::TooLarge => return Err(Refusal::TooLarge),
                Attempt::Unreadable(reason) => {
                    self.telemetry.add_labelled(&metrics::ERRORS, "unreadable answer", 1);
                    unreadable += 1;
                    if unreadable >= UNREADABLE_TRIES {
                        return Err(Refusal::Unreadable(reason));
                    }
                    backoff.next_wait()
                }
                Attempt::TimedOut(reason) => {
                    self.telemetry.add_labelled(&metrics::ERRORS, "timeout", 1);
                    let wait = backoff.next_wait();
                    self.telemetry.trying_again(&reason, wait, self.env.clock.now());
                    timeouts += 1;
                    // A page that takes too long each time may come in smaller pieces.
                    if timeouts >= UNREADABLE_TRIES {
                        return Err(Refusal::TooLarge);
                    }
                    wait
                }
                Attempt::Wait { kind, reason, at_least } => {
                    self.telemetry.add_labelled(&metrics::ERRORS, kind, 1);
                    let wait = at_least.unwrap_or_else(|| backoff.next_wait());
                    if at_least.is_some() {
                        self.limiter.pause(Instant::now() + wait);
                    }
                    self.telemetry.trying_again(&reason, wait, self.env.clock.now());
                    unavailable += u32::from(kind == UNAVAILABLE);
                    // An event that the API itself stumbles over must not hold up all others.
                    if unavailable >= UNAVAILABLE_TRIES {
                        unavailable = 0;
                        if self.answers_others(priority).await? {
                            // Once more: an outage may have ended just before that.
                            let _place = self.take_turn(priority).await?;
                            let attempt = self.unless_ending(query).await?;
                            return match attempt {
                                Attempt::Page(page) => {
                                    self.answered();
                                    self.telemetry.working();
                                    Ok(page)
                                }
                                _ => Err(Refusal::Unreadable(reason)),
                            };
                        }
                    }
                    wait
                }
            };
            self.telemetry.add(&metrics::RETRIES, 1);
            self.sleep(wait).await?;
        }
    }

    fn answered(&self) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the API answers a small question about another time: then it isn't down.
    async fn answers_others(&self, priority: Priority) -> Result<bool, Refusal> {
        let _place = self.take_turn(priority).await?;
        let at = self.safe_now() - CONTROL_AGE;
        let query = Query { timestamp_from: at, timestamp_to: at + 1, page: 1, per_page: 1, user_uuids: Vec::new() };
        let answers = matches!(self.unless_ending(&query).await?, Attempt::Page(_));
        if answers {
            self.answered();
        }
        Ok(answers)
    }

    async fn sleep(&self, wait: Duration) -> Result<(), Refusal> {
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.shutdown.begun() => Err(Refusal::Ending),
        }
    }

    /// Waits for a place among those that ask side by side, and for a turn within the rate limit. Live polls need no
    /// place. It is free again once the answer to this has gone.
    async fn take_turn(&self, priority: Priority) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        let turn = async {
            // It is never closed.
            let place = if priority == Priority::Live { None } else { self.places.acquire().await.ok() };
            self.limiter.take(priority).await;
            place
        };
        tokio::select! {
            biased;
            place = turn => Ok(place),
            () = self.shutdown.begun() => Err(Refusal::Ending),
        }
    }

    /// One request, unless the program ends meanwhile, or the source can't be held for certain: another process may then
    /// ask, and two must not.
    async fn unless_ending(&self, query: &Query) -> Result<Attempt, Refusal> {
        if !self.lease_guard.is_held() {
            self.telemetry.held_up(LEASE, &self.lease_guard.reason(), LEASE_LOOK, self.env.clock.now());
            tokio::select! {
                biased;
                () = self.lease_guard.held() => {}
                () = self.shutdown.begun() => return Err(Refusal::Ending),
            }
            self.telemetry.released(LEASE);
        }
        tokio::select! {
            biased;
            attempt = self.attempt(query) => Ok(attempt),
            () = self.shutdown.begun() => Err(Refusal::Ending),
            () = self.lease_guard.ended() => Ok(Attempt::Wait { kind: LEASE, reason: self.lease_guard.reason(), at_least: None }),
        }
    }

    /// One request.
    async fn attempt(&self, query: &Query) -> Attempt {
        // Read again for each request: a renewed token file counts at once, and costs a file read.
        let token = match self.settings.token.load(&*self.env.disk).await {
            Ok(token) => token,
            Err(error) => {
                self.telemetry.token(TokenState::Missing);
                let reason = format!("{error}; put the NordPass token there");
                return Attempt::Wait { kind: "token", reason, at_least: None };
            }
        };
        let body = serde_json::to_vec(query).unwrap_or_default();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.settings.endpoint)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, token.expose_secret());
        if let Some(value) = &self.settings.source_header {
            request = request.header("X-Source", value);
        }
        let Ok(request) = request.body(Bytes::from(body)) else {
            self.telemetry.token(TokenState::Missing);
            let reason = "the NordPass token contains characters that are invalid in a header; renew it".to_owned();
            return Attempt::Wait { kind: "token", reason, at_least: None };
        };
        let began = Instant::now();
        let answer = self.http.send(request).await;
        self.telemetry.observe(&metrics::REQUEST_SECONDS, began.elapsed().as_secs_f64());
        let status = answer.as_ref().map_or("none".to_owned(), |answer| answer.status().as_u16().to_string());
        self.telemetry.add_labelled(&metrics::REQUESTS, &status, 1);
        let &Query { timestamp_from: from, timestamp_to: to, page, per_page, .. } = query;
        tracing::debug!(component = self.telemetry.name(), from, to, page, per_page, %status, "requested a page");
        match answer {
            Ok(answer) => self.classify(answer),
            Err(HttpError::TooLarge { .. }) => Attempt::TooLarge,
            Err(error @ HttpError::Timeout { .. }) => Attempt::TimedOut(error.to_string()),
            Err(error @ HttpError::Body { .. }) => Attempt::Unreadable(error.to_string()),
            Err(error) => Attempt::Wait { kind: "no answer", reason: error.to_string(), at_least: None },
        }
    }

    /// An answer's `Date`.
    fn hear(&self, server: i64) {
        let Heard { ahead, told } = self.time.heard(server);
        self.telemetry.set(&metrics::CLOCK_AHEAD_SECONDS, ahead as f64);
        let component = self.telemetry.name();
        match told {
            None => {}
            Some(ahead) if ahead.abs() <= WORTH_A_WORD => {
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

    fn classify(&self, answer: http::Response<Bytes>) -> Attempt {
        let now = self.env.clock.now();
        let server_time = date(answer.headers());
        if let Some(server) = server_time {
            self.hear(server);
        }
        let status = answer.status();
        match status {
            StatusCode::OK => self.telemetry.token(TokenState::Valid),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.telemetry.token(TokenState::Refused),
            // Whoever answered otherwise needn't have looked at it.
            _ => {}
        }
        let (kind, reason) = match status {
            StatusCode::OK => {
                return match Page::parse(answer.into_body().into(), server_time) {
                    Ok(page) => Attempt::Page(page),
                    Err(reason) => Attempt::Unreadable(reason),
                };
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
                "token refused",
                format!(
                    "NordPass refuses the token ({}): it may be revoked, expired, or from the other data centre. \
                     Create a new one in the Admin Panel (Integrations, Events reporting) and put it where the \
                     pipeline file reads it",
                    status.as_u16()
                ),
            ),
            StatusCode::TOO_MANY_REQUESTS => ("throttled", "NordPass is throttling requests (429)".to_owned()),
            StatusCode::PAYLOAD_TOO_LARGE => return Attempt::TooLarge,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                return Attempt::Unreadable(format!("NordPass refuses the query ({})", status.as_u16()));
            }
            StatusCode::NOT_FOUND => (
                "not found",
                "NordPass doesn't know the endpoint (404): check its URL, which the Admin Panel shows".to_owned(),
            ),
            _ => (UNAVAILABLE, format!("NordPass answers {}", status.as_u16())),
        };
        let at_least = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => retry_after(answer.headers(), now),
            _ => None,
        };
        Attempt::Wait { kind, reason, at_least }
    }

    /// For `validate --connect`: one request, and what it showed.
    pub async fn probe(&self) -> Result<String, String> {
        let now = self.safe_now();
        let query = Query { timestamp_from: now - 60, timestamp_to: now, page: 1, per_page: 1, user_uuids: Vec::new() };
        match self.attempt(&query).await {
            Attempt::Page(_) => match clock_is_wrong(self.time.ahead(), "NordPass") {
                Some(wrong) => Err(wrong),
                None => Ok("NordPass returns events".to_owned()),
            },
            Attempt::Unreadable(reason) => {
                Err(format!("{reason}: check `endpoint`; use the complete URL that the Admin Panel shows"))
            }
            Attempt::Wait { reason, .. } | Attempt::TimedOut(reason) => Err(reason),
            Attempt::TooLarge => Err("the response to a query for one event is too large".to_owned()),
        }
    }
}
