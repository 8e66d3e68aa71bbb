//! What becomes of a record that a transform can't handle.

use crate::component::Refused;
use crate::event::Chunk;
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentReporter, metrics};

/// The field.
pub const FIELD: Field = Field::with_default("on_error", Kind::Choice(&["dead_letter", "keep", "drop"]), "dead_letter")
    .doc(
        "What becomes of a record that can't be handled: `dead_letter` keeps it aside, and `dead-letters resend` sends it \
         into this transform again; `keep` passes it on unchanged; `drop` drops it. Each is counted.",
    );

/// What becomes of a record that can't be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is kept aside.
    DeadLetter,
    /// It goes on unchanged.
    Keep,
    /// It is dropped.
    Drop,
}

impl OnError {
    /// Reads the field.
    pub fn read(section: &mut Section) -> Self {
        match section.text(FIELD.name).as_str() {
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            _ => Self::DeadLetter,
        }
    }
}

/// The records that a transform couldn't handle.
pub struct Failures {
    on_error: OnError,
    /// Those of the chunk at hand, by reason.
    failed: Vec<(String, Vec<usize>)>,
    refused: Vec<Refused>,
}

impl Failures {
    /// No failures yet.
    pub fn new(on_error: OnError) -> Self {
        Self { on_error, failed: Vec::new(), refused: Vec::new() }
    }

    /// Notes a record of the chunk at hand, by its number. Whether it goes on unchanged.
    pub fn add(&mut self, number: usize, reason: &str) -> bool {
        match self.failed.iter_mut().find(|(known, _)| known == reason) {
            Some((_, numbers)) => numbers.push(number),
            None => self.failed.push((reason.to_owned(), vec![number])),
        }
        self.on_error == OnError::Keep
    }

    /// Deals with what was noted of this chunk.
    pub fn settle(&mut self, chunk: &Chunk, telemetry: &ComponentReporter) {
        for (reason, numbers) in self.failed.drain(..) {
            let count = numbers.len() as u64;
            match self.on_error {
                OnError::DeadLetter => self.refused.push(Refused { chunk: chunk.part(&numbers), reason }),
                OnError::Keep => telemetry.add_labelled(&metrics::ODD_EVENTS, "kept unshaped", count),
                OnError::Drop => telemetry.add_labelled(&metrics::DISCARDED, "filtered: on_error = drop", count),
            }
        }
    }

    /// Takes those that become dead letters.
    pub fn take(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }
}
