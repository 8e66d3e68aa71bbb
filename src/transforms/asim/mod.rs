//! Events as ASIM rows.
//!
//! The catalogue has each pair's table and the fixed part of its row; the event adds who, when and from where. Each event
//! becomes exactly one row in exactly one output: two rows would be billed twice, and none would be a hole in the evidence.

mod additional;
pub(super) mod json;
pub(super) mod metadata;
pub(super) mod people;
mod platform;
mod row;
#[cfg(test)]
pub(super) mod tests;

use crate::component::{ComponentType, Outputs, ReadSettings, Records, Transform, TransformSettings};
use crate::event::{Chunk, Event, EventFields, Record, Span, buffers, parse_event};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::catalogue::{Schema, entries};
use std::sync::Arc;

/// The `asim` type.
pub static TYPE: ComponentType = ComponentType {
    name: "asim",
    doc: "Turns NordPass events into rows of Microsoft Sentinel's normalised tables (ASIM). Each event becomes one row \
      in one of the three outputs: `audit_event` (ASimAuditEventLogs), `authentication` \
      (ASimAuthenticationEventLogs) or `user_management` (ASimUserManagementActivityLogs); see the events \
      reference. An unknown event becomes an `audit_event` with the event type `Other`. Values without a column go \
      to `AdditionalFields`.",
    fields: &[],
    outputs: Outputs::Named(&["audit_event", "authentication", "user_management"]),
    records: Records::Rows,
    read: ReadSettings::Transform(|_| Arc::new(Settings)),
};

/// Checked settings: there are none.
#[derive(Debug)]
pub struct Settings;

impl TransformSettings for Settings {
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        Box::new(Asim { parts: row::Parts::new(), sizes: [0; 3], telemetry })
    }
}

struct Asim {
    parts: row::Parts,
    /// The bytes of each output's last chunk: the capacity of the next one.
    sizes: [usize; 3],
    telemetry: ComponentReporter,
}

/// The rows of one output, so far.
#[derive(Default)]
struct Rows {
    text: String,
    records: Vec<Record>,
}

impl Transform for Asim {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        let mut outputs: [Rows; 3] = Default::default();
        let mut metadata = metadata::Metadata::default();
        let mut additional = additional::Additional::default();
        let mut unknown = 0;
        let parsed = fields_of_rows(&chunk);
        let fields = chunk.events.as_deref().unwrap_or(&parsed);
        let shown = chunk.shown_records();
        for ((record, shown), fields) in chunk.records.iter().zip(&*shown).zip(fields) {
            let event = Event { text: &chunk.text, record: shown, fields };
            metadata.read(&event);
            let position = row::position_of(&event);
            unknown += u64::from(position.is_none());
            let index = position.map_or(Schema::AuditEvent, |position| entries()[position].schema).index();
            let rows = &mut outputs[index];
            if rows.records.is_empty() {
                rows.text = buffers::take_text(self.sizes[index] + self.sizes[index] / 8);
            } else {
                // Separated as in an array, so that a batch can append the chunk at once.
                rows.text.push(',');
            }
            let start = rows.text.len();
            additional.mark = chunk.mark(record);
            let mut out = json::Out::new(&mut rows.text, event.body());
            row::write(&mut out, &self.parts, position, &event, &metadata, &mut additional);
            let body = Span::new(start, rows.text.len());
            rows.records.push(Record {
                id: record.id,
                time: record.time,
                organization: record.organization.clone(),
                body,
            });
        }
        self.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
        if unknown > 0 {
            self.telemetry.add_labelled(&metrics::ODD_EVENTS, "not in the catalogue", unknown);
        }
        for (index, rows) in outputs.into_iter().enumerate() {
            if !rows.records.is_empty() {
                self.sizes[index] = rows.text.len();
                out.push((index, chunk.rows(rows.text, rows.records)));
            }
        }
        chunk.ack.done();
    }
}

/// Reads records that came without their fields, such as another transform's rows, so that they become rows, too.
pub(super) fn fields_of_rows(chunk: &Chunk) -> Vec<EventFields> {
    if chunk.events.is_some() {
        return Vec::new();
    }
    chunk.records.iter().map(|record| parse_event(&chunk.text, chunk.body(record)).unwrap_or_default()).collect()
}
