//! Reports what the streams wait for: one that works doesn't hide another that doesn't.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::ComponentReporter;
use nordpass_env::Clock;

/// What the streams wait for.
pub struct WaitReporter {
    telemetry: ComponentReporter,
    clock: Arc<dyn Clock>,
    waits: Mutex<BTreeMap<usize, Waiting>>,
}

struct Waiting {
    /// In a sentence.
    reason: String,
    /// When it is tried again, where that is known.
    next_try: Option<Instant>,
}

impl WaitReporter {
    /// No stream waits yet.
    pub fn new(telemetry: ComponentReporter, clock: Arc<dyn Clock>) -> Self {
        Self { telemetry, clock, waits: Mutex::default() }
    }

    /// A stream waits for what `reason` says, and is tried again after `wait`, where that is known.
    pub fn waits(&self, stream: usize, reason: String, wait: Option<Duration>) {
        let waiting = Waiting { reason, next_try: wait.map(|wait| Instant::now() + wait) };
        self.report(&waiting);
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, waiting);
    }

    /// A stream works. The sink works if no other stream waits.
    pub fn works(&self, stream: usize) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.remove(&stream);
        match waits.values().next() {
            None => self.telemetry.status().working(),
            Some(waiting) => self.report(waiting),
        }
    }

    fn report(&self, waiting: &Waiting) {
        let now = self.clock.now();
        match waiting.next_try {
            Some(next_try) => {
                let wait = next_try.saturating_duration_since(Instant::now());
                self.telemetry.status().trying_again(&waiting.reason, wait, now);
            }
            None => self.telemetry.status().waiting(&waiting.reason, now),
        }
    }
}
