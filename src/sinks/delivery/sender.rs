//! Sends a body until the response says something about its rows.
//!
//! - 401: retry once immediately with a new token.
//! - Anything else that says nothing about the rows: wait and retry forever. A 429 pauses all streams.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::batch::Encoded;
use super::protocol::{Protocol, RecordClass, Refusal, ResponseClass, may_have_arrived, pauses_all};
use super::stream::Streams;
use crate::http::{Again, Failure, Retry};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::{Env, Mutex};

/// Sends bodies to a sink's streams.
pub struct Sender<P> {
    /// The destination.
    pub protocol: P,
    /// Its streams.
    pub streams: Streams,
    /// Number of requests with rows sent so far. Numbers each request.
    sent: AtomicU64,
    /// The longest accepted body, in bytes after compression.
    longest: AtomicUsize,
    /// Nothing is sent before this.
    paused_until: Mutex<Instant>,
    env: Env,
    telemetry: ComponentReporter,
}

/// The outcome of sending a body.
pub enum Sent {
    /// The destination has it.
    Accepted,
    /// Something in it is refused.
    Refused(Refusal),
    /// The destination has some of the records, as it says of each.
    Partial(Vec<RecordClass>),
    /// The deadline was reached.
    GaveUp {
        /// The reason for waiting.
        reason: String,
        /// Whether a request may have arrived although no response said so.
        unsure: bool,
    },
}

impl<P: Protocol> Sender<P> {
    /// Creates a sender to the streams of a destination.
    pub fn new(
        protocol: P,
        streams: impl IntoIterator<Item = String>,
        env: &Env,
        telemetry: &ComponentReporter,
    ) -> Self {
        Self {
            protocol,
            streams: Streams::new(streams),
            sent: AtomicU64::new(0),
            longest: AtomicUsize::new(0),
            paused_until: Mutex::new(Instant::now()),
            env: env.clone(),
            telemetry: telemetry.clone(),
        }
    }

    /// Sends until the response says something about the rows or, with a deadline, until waiting would exceed it.
    pub async fn send(&self, stream: usize, encoded: &Encoded, request_id: &str, until: Option<Instant>) -> Sent {
        let (has_new_token, unsure) = (AtomicBool::new(false), AtomicBool::new(false));
        let state = self.streams.get(stream);
        let attempt = || async {
            tokio::time::sleep_until(self.paused_until()).await;
            let number = self.sent.fetch_add(1, Ordering::AcqRel) + 1;
            match self.post(stream, encoded, request_id).await {
                ResponseClass::Accepted => {
                    state.accept(number);
                    self.longest.fetch_max(encoded.body.len(), Ordering::Relaxed);
                    Ok(Sent::Accepted)
                }
                ResponseClass::Refused(refusal) => {
                    let kind = if refusal.is_for_size() { "too large" } else { "refused" };
                    self.telemetry.add_labelled(&metrics::ERRORS, kind, 1);
                    Err(Failure::Stop(Sent::Refused(refusal)))
                }
                ResponseClass::Partial(records) => {
                    if records.contains(&RecordClass::Accepted) {
                        state.accept(number);
                    }
                    Ok(Sent::Partial(records))
                }
                ResponseClass::TokenRefused(reason) => {
                    // Try the first new token at once. If it is refused, too, age isn't the cause.
                    let wait = (!has_new_token.swap(true, Ordering::Relaxed)).then_some(Duration::ZERO);
                    Err(Again { wait, ..Again::because("token refused", reason.to_owned()) }.into())
                }
                ResponseClass::Again(again) => {
                    unsure.fetch_or(may_have_arrived(&again), Ordering::Relaxed);
                    Err(again.into())
                }
            }
        };
        let before_wait = |again: &Again, wait: Duration| {
            if pauses_all(again) {
                self.pause(wait);
            }
            if until.is_some_and(|until| Instant::now() + wait > until) {
                let reason = again.reason.clone().unwrap_or_default();
                return Err(Sent::GaveUp { reason, unsure: unsure.load(Ordering::Relaxed) });
            }
            Ok(())
        };
        let retry = Retry::part(&self.env, &self.telemetry, &state.name);
        retry.run_checked(before_wait, attempt).await.unwrap_or_else(|sent| sent)
    }

    /// Reports that a stream waits, and for how long, if known.
    pub fn waits(&self, stream: usize, reason: &str, wait: Option<Duration>) {
        self.telemetry.status().held_up(&self.streams.get(stream).name, reason, wait, self.env.clock.now());
    }

    /// Reports that a stream works.
    pub fn works(&self, stream: usize) {
        self.telemetry.status().released(&self.streams.get(stream).name);
        self.telemetry.status().working();
    }

    /// Posts a body without records once, if the destination's answer says whether it takes others.
    pub async fn post_nothing(&self, stream: usize) -> Option<ResponseClass> {
        let nothing = self.protocol.encode_nothing()?;
        Some(self.post(stream, &nothing, &self.request_id()).await)
    }

    async fn post(&self, stream: usize, encoded: &Encoded, request_id: &str) -> ResponseClass {
        let takes_others = self.streams.fixed().iter().any(|stream| stream.accepted() > 0);
        self.protocol.post(&self.streams.get(stream).name, takes_others, encoded, request_id).await
    }

    /// Number of requests with rows sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// The longest accepted body, in bytes after compression; 0 if none.
    pub fn longest(&self) -> usize {
        self.longest.load(Ordering::Relaxed)
    }

    /// Whether sending is paused now.
    pub fn is_paused(&self) -> bool {
        self.paused_until() > Instant::now()
    }

    /// Creates a request id.
    pub fn request_id(&self) -> String {
        self.env.random.uuid()
    }

    fn paused_until(&self) -> Instant {
        *self.paused_until.lock()
    }

    fn pause(&self, pause: Duration) {
        let mut paused_until = self.paused_until.lock();
        *paused_until = (*paused_until).max(Instant::now() + pause);
    }
}
