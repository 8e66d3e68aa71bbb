//! Keeps or drops records by event, person, platform, address, organization, severity and group.
//!
//! Kept records stay in their chunk: no text is copied, only the lists of records and fields become shorter. Dropped
//! records count as done, so they don't hold up the state.

use std::sync::Arc;

use super::shape::conditions::{self, Conditions};
use super::shape::facts::Facts;
use crate::component::{ComponentType, Outputs, ReadSettings, Records, Transform, TransformSettings};
use crate::event::Chunk;
use crate::settings::Section;
use crate::telemetry::{ComponentReporter, metrics};

/// The `filter` type.
pub static TYPE: ComponentType = ComponentType {
    name: "filter",
    doc: "Keeps or drops events, or table rows made of them. A record passes if a pattern of each `include…` matches it \
      and no pattern of an `exclude…` does. Records that pass stay unchanged. What is dropped is counted by pattern.",
    fields: &conditions::FIELDS,
    outputs: Outputs::OfInputs,
    records: Records::AsInputs,
    read: ReadSettings::Transform(|section| Arc::new(Settings::read(section))),
};

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    conditions: Conditions,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        if !conditions::FIELDS.iter().any(|field| section.has(field.name) || section.is_wrong(field.name)) {
            section.error(
                "include",
                "a filter needs `include`, `exclude` or another condition",
                "list the events, as in include = [\"login.*\"], or remove the filter",
            );
        }
        Self { conditions: Conditions::read(section) }
    }
}

impl TransformSettings for Settings {
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        let dropped = vec![0; self.conditions.reasons().len()];
        Box::new(Filter { conditions: self.conditions.clone(), dropped, telemetry })
    }
}

struct Filter {
    conditions: Conditions,
    /// The records of a chunk that are dropped, by reason.
    dropped: Vec<u64>,
    telemetry: ComponentReporter,
}

impl Transform for Filter {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        let total = chunk.records.len();
        self.telemetry.add(&metrics::RECEIVED, total as u64);
        let mut kept = Vec::with_capacity(total);
        for number in 0..total {
            let refusal = Facts::of(&chunk, number).and_then(|facts| self.conditions.refusal(&facts));
            match refusal.and_then(|reason| self.dropped.get_mut(reason)) {
                None => kept.push(number),
                Some(dropped) => *dropped += 1,
            }
        }
        if kept.len() == total {
            out.push((0, chunk));
            return;
        }
        for (dropped, reason) in self.dropped.iter_mut().zip(self.conditions.reasons()) {
            let dropped = std::mem::take(dropped);
            if dropped > 0 {
                self.telemetry.add_labelled(&metrics::DISCARDED, reason, dropped);
            }
        }
        if !kept.is_empty() {
            out.push((0, chunk.part(&kept)));
        }
        chunk.ack.done();
    }
}

#[cfg(test)]
mod tests;
