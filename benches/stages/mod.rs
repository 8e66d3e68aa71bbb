//! The hot path in its stages, through the crate's public functions: what the benches and the instruction counts run.
//!
//! lines → [`parse`] → chunks of events → [`map`] → chunks of rows → [`batch`] → batches → [`encode`] → request bodies.
#![allow(dead_code, reason = "each program that includes this file uses some of it")]

use std::sync::Arc;

use bench_reference::workload::Workload;
use nordpass_env::SystemClock;
use nordpass_sentinel::component::{Transform, TransformSettings};
use nordpass_sentinel::event::{Chunk, Origin};
use nordpass_sentinel::sinks::sentinel::{OpenBatch, Rows, encode_array};
use nordpass_sentinel::sources::recording::{Parser, Position};
use nordpass_sentinel::telemetry::ComponentReporter;
use nordpass_sentinel::transforms::asim;

/// Bytes of a block of lines: about what the `file` source reads at once.
const BLOCK: usize = 64 << 10;
/// JSON bytes of a batch: the sink's default.
const BATCH: usize = 1_000_000;

/// Events of the reference workload, in blocks of whole lines.
pub fn blocks(events: u64) -> Vec<Vec<u8>> {
    let mut workload = Workload::new(events, 1);
    let (mut blocks, mut block) = (Vec::new(), String::new());
    while workload.write_line(&mut block) {
        if block.len() >= BLOCK {
            blocks.push(std::mem::take(&mut block).into_bytes());
        }
    }
    blocks.push(block.into_bytes());
    blocks
}

/// What parses blocks.
pub fn parser() -> Parser {
    Parser::new(Arc::new(SystemClock), ComponentReporter::detached())
}

/// Parses one text of these blocks.
pub fn parse(parser: &mut Parser, blocks: Vec<Vec<u8>>) -> Vec<Chunk> {
    parser.restart();
    let source: Arc<str> = "bench".into();
    let (mut chunks, mut offset) = (Vec::with_capacity(blocks.len()), 0);
    for (sequence, block) in (0..).zip(blocks) {
        let length = block.len() as u64;
        let parsed = parser.parse(block, offset, Position::default());
        offset += length;
        let origin = Origin { source: source.clone(), run: 0, sequence };
        // Nobody waits for the receipt.
        chunks.push(Chunk::of_events(parsed.text, parsed.records, parsed.fields, origin, None).0);
    }
    chunks
}

/// The `asim` transform.
pub fn asim() -> Box<dyn Transform> {
    asim::Settings.build(ComponentReporter::detached())
}

/// Maps chunks of events to chunks of rows, each with the number of its output.
pub fn map(transform: &mut dyn Transform, chunks: Vec<Chunk>) -> Vec<(usize, Chunk)> {
    let mut rows = Vec::new();
    for chunk in chunks {
        transform.transform(chunk, &mut rows);
    }
    rows
}

/// Collects rows in batches of one output each, as the sink does.
pub fn batch(rows: Vec<(usize, Chunk)>) -> Vec<Rows> {
    let mut open = [(); 3].map(|()| OpenBatch::new());
    let mut batches = Vec::new();
    for (output, chunk) in rows {
        for (number, record) in chunk.records.iter().enumerate() {
            if open[output].with(1 + record.body.len()) > BATCH {
                batches.push(std::mem::replace(&mut open[output], OpenBatch::new()).rows);
            }
            open[output].push(&chunk, number, None, 1 + record.body.len());
        }
        chunk.ack.done();
    }
    batches.extend(open.into_iter().map(|batch| batch.rows).filter(|rows| !rows.is_empty()));
    batches
}

/// Compresses batches. Answers the bodies' bytes.
pub fn encode(batches: &[Rows], level: u32) -> usize {
    batches.iter().map(|rows| encode_array(rows.pieces(), level).body.len()).sum()
}
