//! Delivers one batch: sends it until Azure has every row, or has refused a row by name.
//!
//! - 413: halved. A row that Azure says is too large alone becomes a dead letter.
//! - 400 because an auxiliary table wants all rows of a request within 30 minutes: split by time, from then on.
//! - 400: halved, until the culprit stands alone. It becomes a dead letter only with a proof that Azure means *this*
//!   record ([`super::proof`]). Without one it is handed back as a [`Suspect`], which the sink tries again later. If
//!   everything is refused, nothing is anybody's fault: wait.
//! - 401: a new token, then again.
//! - Everything else says nothing about the rows: wait, and try again for ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::answer::{Refusal, ResponseClass, Target, classify, no_answer};
use super::batch::{Encoded, MAX_WIRE_BYTES, Rows};
use super::evidence::{Attribution, RefusalEvidence};
use super::probe::TOKEN_REFUSED;
use super::settings::Settings;
use crate::azure::{AccessToken, TokenProvider};
use crate::component::{DeadLetter, DeadLetterWriter};
use crate::http::{Backoff, HttpClient, date, retry_after};
use crate::telemetry::{ComponentReporter, TokenState, metrics};
use nordpass_env::Env;

/// After so many single records were refused and none accepted, the rest of the batch waits: it isn't the records.
const REFUSED_IN_A_ROW: u32 = 3;
/// What Azure says when a row for an auxiliary table is too far from another
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/create-custom-table-auxiliary>).
const TIME_RANGE: &str = "RecordsTimeRangeIsMoreThan30Minutes";
/// A little less than the 30 minutes.
const TIME_RANGE_SECONDS: i64 = 29 * 60;
/// What Azure itself says when a body is too large; a proxy in front of it says something else.
const TOO_LONG: &str = "ContentLengthLimitExceeded";

/// Bytes after gzip that no proxy's limit is below.
const SURELY_FITS: usize = 64 << 10;

/// The kinds of failure ([`ResponseClass::Wait`]) after which the rows may still have arrived.
const MAY_HAVE_ARRIVED: [&str; 4] = ["no connection", "timeout", "broken answer", "unexpected answer"];

/// What all deliveries of a sink share.
pub struct IngestionClient {
    /// The settings.
    pub settings: Settings,
    /// Sends requests.
    pub http: Arc<dyn HttpClient>,
    /// Gives tokens.
    pub tokens: Arc<dyn TokenProvider>,
    /// Where refused records go.
    /// None where single records are sent again.
    pub dead_letters: Option<Box<dyn DeadLetterWriter>>,
    /// Clock and randomness.
    pub env: Env,
    /// Metrics and state in words.
    pub telemetry: ComponentReporter,
    /// How many requests with rows have gone out: their numbers.
    pub sent: AtomicU64,
    /// The highest number among the requests that each stream has accepted: the proof. Numbers, because an answer may
    /// come late: what was accepted before a refusal says nothing about it.
    pub accepted: Vec<AtomicU64>,
    /// How many records of each stream were buried on an empty request's word since it last accepted rows.
    pub trusted: Vec<AtomicU32>,
    /// The longest body that was accepted, in bytes after gzip.
    pub longest: AtomicUsize,
    /// Streams whose table wants the rows of a request within 30 minutes.
    pub time_limited: Vec<AtomicBool>,
    /// What each stream waits for: one that works doesn't hide another that doesn't.
    pub troubles: Mutex<BTreeMap<usize, Trouble>>,
    /// Nobody sends before this.
    pub paused_until: Mutex<Instant>,
    /// By how many seconds this machine's clock was last ahead of Azure's.
    pub ahead: AtomicI64,
}

/// What a stream waits for.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// In a sentence.
    pub reason: String,
    /// When it is tried again, where that is known.
    pub next_try: Option<Instant>,
}

/// One row that was refused without a proof that it is the row's fault.
#[derive(Debug)]
pub struct Suspect {
    /// The row, alone.
    pub rows: Rows,
    /// Which stream.
    pub stream: usize,
    /// What is known about it.
    pub evidence: RefusalEvidence,
    /// The latest refusal.
    pub refusal: Refusal,
}

/// A part of a batch that is still to be sent.
struct Work {
    rows: Rows,
    encoded: Option<Encoded>,
    /// Of a single row that was refused: what is known.
    evidence: Option<RefusalEvidence>,
}

impl IngestionClient {
    /// Delivers rows of one stream. Answers the rows that are under suspicion.
    pub async fn deliver(&self, stream: usize, rows: Rows, evidence: Option<RefusalEvidence>) -> Vec<Suspect> {
        let mut work = vec![Work { rows, encoded: None, evidence }];
        let mut suspects = Vec::new();
        let mut refused_in_a_row = 0;
        let mut backoff = Backoff::new(self.env.random.clone());
        while let Some(Work { rows, encoded, evidence }) = work.pop() {
            if self.time_limited[stream].load(Ordering::Relaxed) && rows.span() > TIME_RANGE_SECONDS {
                let parts = rows.split_by_time(TIME_RANGE_SECONDS).into_iter();
                work.extend(parts.map(|rows| Work { rows, encoded: None, evidence }));
                continue;
            }
            let (rows, encoded) = match encoded {
                Some(encoded) => (rows, encoded),
                None => rows.encode_aside(self.settings.gzip_level).await,
            };
            if encoded.body.len() > MAX_WIRE_BYTES && rows.len() > 1 {
                self.halve(rows, &mut work);
                continue;
            }
            let accepted = self.accepted[stream].load(Ordering::Acquire);
            match self.send(stream, &encoded, &self.request_id(), None).await {
                Sent::Accepted { number } => {
                    refused_in_a_row = 0;
                    backoff.reset();
                    self.accepted[stream].fetch_max(number, Ordering::AcqRel);
                    self.trusted[stream].store(0, Ordering::Release);
                    self.arrived(stream, rows, &encoded);
                }
                Sent::TooLarge(refusal) if rows.len() == 1 && self.may_be_too_long(&refusal, &encoded) => {
                    self.dead_letter(stream, rows, &refusal, "the record alone exceeds the size limit of a request")
                        .await;
                }
                Sent::TooLarge(_) if rows.len() > 1 => self.halve(rows, &mut work),
                // Only who brings a deadline gives up.
                Sent::GaveUp { .. } => work.push(Work { rows, encoded: Some(encoded), evidence }),
                Sent::Refused(refusal)
                    if refusal.code.as_deref() == Some(TIME_RANGE) && rows.span() > TIME_RANGE_SECONDS =>
                {
                    self.time_limited[stream].store(true, Ordering::Relaxed);
                    work.push(Work { rows, encoded: None, evidence });
                }
                // Any other 413 for one record may be a proxy's: it needs the same proof as any refusal.
                Sent::Refused(refusal) | Sent::TooLarge(refusal) => {
                    if rows.len() > 1 && refused_in_a_row < REFUSED_IN_A_ROW {
                        self.halve(rows, &mut work);
                        continue;
                    }
                    if rows.len() > 1 {
                        // It isn't the records: Azure refuses all of them. Later the whole rest is tried again.
                        let wait = backoff.next_wait();
                        self.all_refused(stream, &refusal, wait);
                        tokio::time::sleep(wait).await;
                        refused_in_a_row = 0;
                        work.push(Work { rows, encoded: Some(encoded), evidence: None });
                        continue;
                    }
                    // What its batch was refused for needn't have been this record.
                    let evidence = evidence.unwrap_or_else(|| RefusalEvidence::new(self.sent.load(Ordering::Acquire)));
                    match self.attribute(stream, evidence, accepted, &refusal, &encoded).await {
                        Attribution::Proven => {
                            self.dead_letter(stream, rows, &refusal, "Azure refuses this record and accepts others")
                                .await;
                        }
                        Attribution::SendAgain(evidence) => {
                            work.push(Work { rows, encoded: Some(encoded), evidence: Some(evidence) });
                        }
                        Attribution::Open(evidence) => {
                            refused_in_a_row += 1;
                            suspects.push(Suspect { rows, stream, evidence, refusal });
                        }
                    }
                }
            }
        }
        suspects
    }

    /// Which half comes first is left to chance: if the same records kept coming first, a few bad ones in front could
    /// keep the good ones behind them waiting.
    fn halve(&self, rows: Rows, work: &mut Vec<Work>) {
        let (first, second) = rows.split();
        let mut halves = [first, second];
        if self.env.random.next_u64() & 1 == 1 {
            halves.reverse();
        }
        work.extend(halves.map(|rows| Work { rows, encoded: None, evidence: None }));
    }

    /// Whether Azure's word that a record alone is too long can be true: it fits into no request, or shorter ones are accepted.
    fn may_be_too_long(&self, refusal: &Refusal, encoded: &Encoded) -> bool {
        let (length, longest) = (encoded.body.len(), self.longest.load(Ordering::Relaxed));
        refusal.code.as_deref() == Some(TOO_LONG) && (length > MAX_WIRE_BYTES || (longest > 0 && length > longest))
    }

    /// Whether a 413 can't be the record's fault: a request at least as long was accepted, or any server would take it.
    /// Then it is some proxy's mood.
    pub fn is_surely_not_too_long(&self, refusal: &Refusal, encoded: &Encoded) -> bool {
        refusal.status == StatusCode::PAYLOAD_TOO_LARGE.as_u16()
            && encoded.body.len() <= self.longest.load(Ordering::Relaxed).max(SURELY_FITS)
    }

    fn arrived(&self, stream: usize, rows: Rows, encoded: &Encoded) {
        self.longest.fetch_max(encoded.body.len(), Ordering::Relaxed);
        self.works(stream);
        let name = &self.settings.streams[stream];
        self.telemetry.add_labelled(&metrics::STREAM_ROWS, name, rows.len() as u64);
        self.telemetry.add_labelled(&metrics::STREAM_BYTES_JSON, name, encoded.json_bytes as u64);
        self.telemetry.add(&metrics::SENT, rows.len() as u64);
        self.telemetry.add(&metrics::BYTES_JSON, encoded.json_bytes as u64);
        self.telemetry.add(&metrics::BYTES_WIRE, encoded.body.len() as u64);
        self.telemetry.observe(&metrics::BATCH_ROWS, rows.len() as f64);
        self.telemetry.observe(&metrics::BATCH_BYTES, encoded.json_bytes as f64);
        self.telemetry.observe(&metrics::BATCH_WIRE_BYTES, encoded.body.len() as f64);
        rows.delivered();
    }

    fn all_refused(&self, stream: usize, refusal: &Refusal, wait: Duration) {
        let reason = format!(
            "Azure refuses every record for stream {} with {}: {}; nothing is dead-lettered",
            self.settings.streams[stream],
            refusal.answer(),
            refusal.advice(),
        );
        self.trouble(stream, reason, Some(wait));
    }

    /// Says what a stream waits for, and where that is known, how long.
    pub fn trouble(&self, stream: usize, reason: String, wait: Option<Duration>) {
        let trouble = Trouble { reason, next_try: wait.map(|wait| Instant::now() + wait) };
        self.report(&trouble);
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, trouble);
    }

    fn report(&self, trouble: &Trouble) {
        let now = self.env.clock.now();
        match trouble.next_try {
            Some(next_try) => {
                let wait = next_try.saturating_duration_since(Instant::now());
                self.telemetry.status().trying_again(&trouble.reason, wait, now);
            }
            None => self.telemetry.status().waiting(&trouble.reason, now),
        }
    }

    /// A stream works. The sink works if no other stream waits.
    fn works(&self, stream: usize) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.remove(&stream);
        match troubles.values().next() {
            None => self.telemetry.status().working(),
            Some(trouble) => self.report(trouble),
        }
    }

    /// Writes a single row to the dead letters, however long that takes, and acknowledges it.
    async fn dead_letter(&self, stream: usize, rows: Rows, refusal: &Refusal, reason: &str) {
        // Nothing is acknowledged where nothing can be written.
        let Some(dead_letters) = &self.dead_letters else { return };
        let record = rows.record(0);
        let letter = DeadLetter {
            id: record.id,
            stream: Some(self.settings.streams[stream].clone()),
            reason: reason.to_owned(),
            status: Some(refusal.status),
            code: refusal.code.clone(),
            request_id: refusal.request_id.clone(),
            time: self.env.clock.now_seconds(),
            record: rows.text(0).to_owned(),
        };
        if dead_letters.write(std::slice::from_ref(&letter), &self.env, &self.telemetry).await > 0 {
            tracing::warn!(
                component = self.telemetry.name(),
                id = %letter.id,
                status = refusal.status,
                code = refusal.code.as_deref(),
                "dead letter: {reason}"
            );
        }
        // Azure has answered for the stream, and what it was waited for is settled.
        self.works(stream);
        rows.delivered();
    }

    /// Sends until the answer says something about the rows; with a deadline, until waiting would go beyond it.
    pub async fn send(&self, stream: usize, encoded: &Encoded, request_id: &str, until: Option<Instant>) -> Sent {
        let mut backoff = Backoff::new(self.env.random.clone());
        let (mut fresh_token, mut unsure) = (false, false);
        loop {
            let paused = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
            tokio::time::sleep_until(paused).await;
            let number = self.sent.fetch_add(1, Ordering::AcqRel) + 1;
            let (kind, reason, wait) = match self.tokens.token().await {
                Err(error) => {
                    self.telemetry.token(TokenState::Missing);
                    ("token", error.reason, backoff.next_wait())
                }
                Ok(token) => match self.attempt(stream, encoded, &token, request_id).await {
                    (ResponseClass::Accepted, _) => return Sent::Accepted { number },
                    (ResponseClass::Refused(refusal), _) => {
                        self.telemetry.add_labelled(&metrics::ERRORS, "refused", 1);
                        return Sent::Refused(refusal);
                    }
                    (ResponseClass::TooLarge(refusal), _) => {
                        self.telemetry.add_labelled(&metrics::ERRORS, "too large", 1);
                        return Sent::TooLarge(refusal);
                    }
                    (ResponseClass::TokenRefused, _) => {
                        self.tokens.invalidate(&token);
                        // The first new token is tried at once; if that is refused too, it isn't the token's age.
                        let wait = if fresh_token { backoff.next_wait() } else { Duration::ZERO };
                        fresh_token = true;
                        ("token refused", TOKEN_REFUSED.to_owned(), wait)
                    }
                    (ResponseClass::Wait { kind, reason, throttled }, asked) => {
                        let wait = asked.unwrap_or_else(|| backoff.next_wait());
                        if throttled {
                            let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
                            *paused = (*paused).max(Instant::now() + wait);
                        }
                        unsure |= MAY_HAVE_ARRIVED.contains(&kind);
                        (kind, reason, wait)
                    }
                },
            };
            if until.is_some_and(|until| Instant::now() + wait > until) {
                return Sent::GaveUp { reason, unsure };
            }
            self.wait(stream, kind, &reason, wait).await;
        }
    }

    async fn wait(&self, stream: usize, kind: &str, reason: &str, wait: Duration) {
        self.telemetry.add_labelled(&metrics::ERRORS, kind, 1);
        self.telemetry.add(&metrics::RETRIES, 1);
        if !wait.is_zero() {
            self.trouble(stream, reason.to_owned(), Some(wait));
            tokio::time::sleep(wait).await;
        }
    }

    /// One request. The second value is how long Azure asks to wait.
    pub async fn attempt(
        &self,
        stream: usize,
        encoded: &Encoded,
        token: &AccessToken,
        request_id: &str,
    ) -> (ResponseClass, Option<Duration>) {
        let name = &self.settings.streams[stream];
        let target = Target {
            stream: name,
            rule: &self.settings.dcr_immutable_id,
            takes_others: self.accepted.iter().any(|number| number.load(Ordering::Acquire) > 0),
        };
        let Ok(request) = self.request(name, encoded.body.clone(), token, request_id) else {
            let reason = "the token or a name contains invalid characters".to_owned();
            return (ResponseClass::Wait { kind: "token", reason, throttled: false }, None);
        };
        let began = Instant::now();
        let answer = self.http.send(request).await;
        self.telemetry.observe(&metrics::REQUEST_SECONDS, began.elapsed().as_secs_f64());
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        let (component, bytes) = (self.telemetry.name(), encoded.body.len());
        tracing::debug!(component, stream = name.as_str(), request_id, bytes, status, "sent a batch");
        match answer {
            Ok(answer) => {
                self.telemetry.add_labelled(&metrics::REQUESTS, answer.status().as_str(), 1);
                match answer.status() {
                    StatusCode::UNAUTHORIZED => self.telemetry.token(TokenState::Refused),
                    // Azure looks at the token before it looks at the role or the rows.
                    StatusCode::NO_CONTENT | StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => {
                        self.telemetry.token(TokenState::Valid);
                    }
                    _ => {}
                }
                let asked = retry_after(answer.headers(), self.env.clock.now());
                if let Some(date) = date(answer.headers()) {
                    self.ahead.store(self.env.clock.now_seconds() - date, Ordering::Relaxed);
                }
                (classify(answer.status(), answer.headers(), answer.body(), target), asked)
            }
            Err(error) => {
                self.telemetry.add_labelled(&metrics::REQUESTS, "none", 1);
                (no_answer(&error), None)
            }
        }
    }

    fn request(
        &self,
        stream: &str,
        body: Bytes,
        token: &AccessToken,
        request_id: &str,
    ) -> Result<Request<Bytes>, http::Error> {
        let Settings { endpoint, dcr_immutable_id, .. } = &self.settings;
        Request::builder()
            .method(Method::POST)
            .uri(format!("{endpoint}/dataCollectionRules/{dcr_immutable_id}/streams/{stream}?api-version=2023-01-01"))
            .header(header::AUTHORIZATION, format!("Bearer {}", token.secret.expose_secret()))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "gzip")
            .header("x-ms-client-request-id", request_id)
            .body(body)
    }

    /// A UUID (version 4) from the random handle.
    pub fn request_id(&self) -> String {
        let (high, low) = (self.env.random.next_u64(), self.env.random.next_u64());
        let bits = (u128::from(high) << 64 | u128::from(low)) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// What sending a body came to.
pub enum Sent {
    /// Azure has it.
    Accepted {
        /// The request's number.
        number: u64,
    },
    /// 400.
    Refused(Refusal),
    /// 413.
    TooLarge(Refusal),
    /// The deadline has come.
    GaveUp {
        /// What was waited for.
        reason: String,
        /// Whether a request may have arrived although nobody said so.
        unsure: bool,
    },
}
