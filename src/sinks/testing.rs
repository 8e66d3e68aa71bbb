//! What the tests of several sinks need.

use crate::event::{AckReceiver, Chunk, EventFields, EventId, Origin, Record, Span, Text};
use crate::telemetry::Telemetry;

/// A chunk of records with these texts.
pub fn chunk(bodies: &[&str]) -> (Chunk, AckReceiver) {
    let text = bodies.concat();
    let mut end = 0;
    let records = bodies
        .iter()
        .map(|body| {
            let start = end;
            end += body.len();
            Record { id: EventId(start as u128), time: 0, organization: "".into(), body: Span::new(start, end) }
        })
        .collect::<Vec<_>>();
    let fields = vec![EventFields::default(); records.len()];
    let origin = Origin { source: "test".into(), run: 0, sequence: 0 };
    Chunk::of_events(Text::from(text), records, fields, origin, None)
}

/// The values of a metric, over all its labels.
pub fn render(telemetry: &Telemetry, name: &str) -> Vec<String> {
    let text = telemetry.render();
    let lines = text.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with('{'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(_, value)| value.to_owned()).collect()
}
