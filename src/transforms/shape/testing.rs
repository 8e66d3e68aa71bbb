//! Chunks for the tests of shaping transforms.

use super::super::asim::{self, tests::generator::chunk};
use crate::component::{Transform, TransformSettings};
use crate::event::{AckReceiver, Chunk};
use crate::telemetry::ComponentReporter;

/// A chunk of events, and the receiver of its acknowledgement.
pub fn acknowledged(events: &[String]) -> (Chunk, AckReceiver) {
    let whole = chunk(events);
    let (records, fields) = (whole.records.to_vec(), whole.events.as_deref().expect("events").to_vec());
    Chunk::of_events(whole.text.clone(), records, fields, whole.origin.clone(), None)
}

/// The rows that `asim` and `event_log` make of events.
pub fn rows_of(events: &[String]) -> Vec<Chunk> {
    let mut out = Vec::new();
    asim::Settings.build(ComponentReporter::detached()).transform(chunk(events), &mut out);
    super::super::event_log::Settings.build(ComponentReporter::detached()).transform(chunk(events), &mut out);
    out.into_iter().map(|(_, chunk)| chunk).collect()
}

/// The records' texts.
pub fn texts(chunk: &Chunk) -> Vec<String> {
    chunk.records.iter().map(|record| chunk.body(record).to_owned()).collect()
}

/// The texts of records that are refused, and why.
pub type RefusedTexts = Vec<(Vec<String>, String)>;

/// What a transform makes of a chunk, by output; and what it refuses.
pub fn run(transform: &mut dyn Transform, chunk: Chunk) -> (Vec<(usize, Chunk)>, RefusedTexts) {
    let mut out = Vec::new();
    transform.transform(chunk, &mut out);
    let refused = transform.take_refused();
    let refused = refused.into_iter().map(|refused| {
        let found = (texts(&refused.chunk), refused.reason);
        refused.chunk.ack.done();
        found
    });
    (out, refused.collect())
}
