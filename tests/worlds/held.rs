//! What the process must be holding in memory: events that it was shown and that not every destination has accepted.
//!
//! However long a sink stands still, that has a bound: the source's `max_in_flight_bytes`, and a few pages in hand. The
//! bytes are counted from outside, in the answers that reached the process.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use nordpass_simulator::probe_of;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::plan::Tuning;
use crate::shape::Destination;
use crate::shape::expected::Expected;

/// Pages that are read and thrown away again while a slice is cut to size, besides those that are fetched side by side.
const PAGES_IN_HAND: u64 = 12;

/// An answer of the API.
#[derive(serde::Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// A question to it.
#[derive(serde::Deserialize)]
struct Question {
    per_page: u64,
}

/// The events of one life that were shown and not accepted.
#[derive(Clone, Default)]
pub struct Held {
    /// Bytes of each, by probe.
    shown: HashMap<String, u64>,
    bytes: u64,
    /// Accepted rows: their event's probe, and where.
    accepted: HashSet<(String, Destination)>,
    /// Which destinations each event has. What is left out on purpose is held for none.
    expected: Arc<Expected>,
    tuning: Option<Tuning>,
    largest_page: u64,
    life: u64,
    /// Where the bound was passed first: a sentence.
    pub violation: Option<String>,
    /// The most bytes that were held.
    pub peak: u64,
    /// When each life was shown an event first, by its probe.
    first: HashMap<(u64, String), Instant>,
}

impl Held {
    /// A life begins, with nothing in memory.
    pub fn begin(&mut self, life: u64, tuning: Tuning, expected: Arc<Expected>) {
        self.shown.clear();
        (self.bytes, self.largest_page) = (0, 0);
        (self.life, self.tuning, self.expected) = (life, Some(tuning), expected);
    }

    /// A reload may bring these settings. Until it is over, the old source and the new one may each hold what they may.
    pub fn widen(&mut self, to: &Tuning) {
        let Some(tuning) = &mut self.tuning else { return };
        tuning.in_flight += to.in_flight;
        tuning.concurrency += to.concurrency;
    }

    /// The reload is over.
    pub fn reloaded(&mut self, tuning: Tuning) {
        self.tuning = Some(tuning);
    }

    /// The source has begun anew, and dropped what it held.
    pub fn begins_anew(&mut self) {
        self.shown.clear();
        self.bytes = 0;
    }

    /// An answer has reached the process; since the last one these events' rows were accepted. Questions for a count
    /// alone (one event a page) leave nothing in memory.
    pub fn shown(&mut self, question: &[u8], answer: &[u8], accepted: Vec<(String, Destination)>) {
        for row in accepted {
            self.accepted(row);
        }
        let counting = serde_json::from_slice::<Question>(question).is_ok_and(|question| question.per_page == 1);
        let Ok(Answer { data }) = serde_json::from_slice(answer) else { return };
        if counting {
            return;
        }
        self.largest_page = self.largest_page.max(answer.len() as u64);
        for event in data {
            let Some(probe) = probe_of(event.get()) else { continue };
            let bytes = event.get().len() as u64;
            self.first.entry((self.life, probe.clone())).or_insert_with(Instant::now);
            if !self.is_everywhere(&probe) {
                // A hostile peer may show it longer than before.
                let before = self.shown.insert(probe, bytes).unwrap_or(0);
                self.bytes = self.bytes - before + bytes;
            }
        }
        self.peak = self.peak.max(self.bytes);
        let Some(tuning) = &self.tuning else { return };
        let bound = tuning.in_flight + (2 * tuning.concurrency + PAGES_IN_HAND) * self.largest_page;
        if self.bytes > bound && self.violation.is_none() {
            let Self { life, bytes, .. } = self;
            self.violation =
                Some(format!("life {life}: {bytes} bytes were shown and not accepted, the bound is {bound}"));
        }
    }

    /// Whether this life had been shown an event by then.
    pub fn had_shown(&self, life: u64, probe: &str, by: Instant) -> bool {
        self.first.get(&(life, probe.to_owned())).is_some_and(|first| *first <= by)
    }

    /// A row of this event was accepted.
    fn accepted(&mut self, row: (String, Destination)) {
        let probe = row.0.clone();
        self.accepted.insert(row);
        if self.is_everywhere(&probe)
            && let Some(bytes) = self.shown.remove(&probe)
        {
            self.bytes -= bytes;
        }
    }

    fn is_everywhere(&self, probe: &str) -> bool {
        let lacks = |to| self.expected.wants(probe, to) && !self.accepted.contains(&(probe.to_owned(), to));
        !Destination::REQUESTED.into_iter().any(lacks)
    }
}
