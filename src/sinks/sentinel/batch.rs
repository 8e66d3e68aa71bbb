//! One batch: rows of one stream, encoded as they come.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::time::Instant;

use crate::event::{Chunk, Record};

/// Azure's gateway refuses bodies over 1 MiB as received (`reference/sentinel.md` 1.3); a little room for the doubt.
pub const MAX_WIRE_BYTES: usize = (1 << 20) - 4096;
/// Rows are collected before they go to the encoder: it likes few, large writes.
const STAGE_BYTES: usize = 32 << 10;

/// A row of a batch.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which of the batch's chunks has it.
    chunk: usize,
    /// Its number there.
    record: usize,
    /// Its text where it had to be cut to fit.
    cut: Option<Box<str>>,
}

/// Rows with their chunks' acknowledgements. Dropping it abandons them.
#[derive(Debug, Default)]
pub struct Rows {
    chunks: Vec<Chunk>,
    rows: Vec<Row>,
}

impl Rows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a chunk's records one by one: `cut` is the text of a record that had to be cut.
    pub fn push(&mut self, chunk: &Chunk, record: usize, cut: Option<String>) {
        // The records of a chunk come one after the other: the last chunk is the one, or it isn't there yet.
        let known = self.chunks.last().is_some_and(|last| last.origin == chunk.origin && same_text(last, chunk));
        if !known {
            self.chunks.push(chunk.clone());
        }
        self.rows.push(Row { chunk: self.chunks.len() - 1, record, cut: cut.map(String::into_boxed_str) });
    }

    /// A row's record.
    pub fn record(&self, row: usize) -> &Record {
        let row = &self.rows[row];
        &self.chunks[row.chunk].records[row.record]
    }

    /// A row's JSON text.
    pub fn text(&self, row: usize) -> &str {
        let row = &self.rows[row];
        let chunk = &self.chunks[row.chunk];
        row.cut.as_deref().unwrap_or_else(|| chunk.body(&chunk.records[row.record]))
    }

    /// Halves it. Each half carries the acknowledgements of its rows.
    pub fn split(self) -> (Self, Self) {
        let middle = self.rows.len() / 2;
        let part = |rows: &[Row]| {
            let mut part = Self::default();
            for row in rows {
                let chunk = &self.chunks[row.chunk];
                part.push(chunk, row.record, row.cut.as_deref().map(str::to_owned));
            }
            part
        };
        let halves = (part(&self.rows[..middle]), part(&self.rows[middle..]));
        // Only this copy's share: the halves hold theirs.
        self.delivered();
        halves
    }

    /// All rows are where they belong.
    pub fn delivered(self) {
        for chunk in self.chunks {
            chunk.acknowledgement.delivered();
        }
    }

    /// The request body: a JSON array of all rows, gzip.
    pub fn encode(&self, level: u32) -> Encoded {
        let mut encoder = Encoder::new(level);
        for row in 0..self.len() {
            encoder.push(self.text(row));
        }
        encoder.finish()
    }
}

fn same_text(a: &Chunk, b: &Chunk) -> bool {
    std::ptr::eq(a.text.as_ptr(), b.text.as_ptr())
}

/// A request body.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The gzip bytes.
    pub body: bytes::Bytes,
    /// How many JSON bytes they hold.
    pub json_bytes: usize,
}

/// Encodes rows as they come.
pub struct Encoder {
    gzip: GzEncoder<Vec<u8>>,
    stage: Vec<u8>,
    json_bytes: usize,
}

impl Encoder {
    /// An empty array.
    pub fn new(level: u32) -> Self {
        let gzip = GzEncoder::new(Vec::with_capacity(64 << 10), Compression::new(level));
        Self { gzip, stage: Vec::with_capacity(STAGE_BYTES + (8 << 10)), json_bytes: 0 }
    }

    /// The array's length with this row and its bracket, in bytes before gzip.
    pub fn with(&self, row: &str) -> usize {
        self.json_bytes + 1 + row.len() + 1
    }

    /// Adds a row.
    pub fn push(&mut self, row: &str) {
        self.stage.push(if self.json_bytes == 0 { b'[' } else { b',' });
        self.stage.extend_from_slice(row.as_bytes());
        self.json_bytes += 1 + row.len();
        if self.stage.len() >= STAGE_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        // Writing to memory can't fail.
        let _ = self.gzip.write_all(&self.stage);
        self.stage.clear();
    }

    /// Ends the array.
    pub fn finish(mut self) -> Encoded {
        if self.json_bytes == 0 {
            self.stage.push(b'[');
            self.json_bytes = 1;
        }
        self.stage.push(b']');
        self.flush();
        Encoded { json_bytes: self.json_bytes + 1, body: self.gzip.finish().unwrap_or_default().into() }
    }
}

/// A batch that still takes rows.
pub struct OpenBatch {
    /// Its rows.
    pub rows: Rows,
    /// The body so far.
    pub encoder: Encoder,
    /// When its first row came.
    pub opened: Instant,
}

impl OpenBatch {
    /// An empty one.
    pub fn new(level: u32) -> Self {
        Self { rows: Rows::default(), encoder: Encoder::new(level), opened: Instant::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Acknowledgement, EventId, Origin, Outcome, Receipt, Span, Text};
    use std::io::Read;

    pub(crate) fn chunk(rows: &[&str]) -> (Chunk, Receipt) {
        let mut text = String::new();
        let mut records = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let start = text.len();
            text.push_str(row);
            let body = Span::new(start, text.len());
            records.push(Record { id: EventId(number as u128), time: 0, organization: "".into(), body });
        }
        let (acknowledgement, receipt) = Acknowledgement::new();
        let origin = Origin { source: "s".into(), run: 1, sequence: 1 };
        let chunk = Chunk { text: Text::from(text), records: records.into(), events: None, origin, acknowledgement };
        (chunk, receipt)
    }

    fn json(encoded: &Encoded) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&encoded.body[..]).read_to_string(&mut text).expect("gzip");
        text
    }

    #[test]
    fn the_body_is_an_array_of_the_stated_length() {
        for rows in [vec![], vec!["{}"], vec![r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]] {
            let (chunk, _receipt) = chunk(&rows);
            let mut encoder = Encoder::new(2);
            let mut batch = Rows::default();
            for (number, row) in rows.iter().enumerate() {
                let expected = encoder.with(row);
                encoder.push(row);
                batch.push(&chunk, number, None);
                assert_eq!(encoder.json_bytes + 1, expected);
            }
            let encoded = encoder.finish();
            assert_eq!(json(&encoded), format!("[{}]", rows.join(",")));
            assert_eq!(encoded.json_bytes, json(&encoded).len());
            assert_eq!(json(&batch.encode(6)), json(&encoded));
        }
    }

    #[tokio::test]
    async fn halves_keep_every_row_and_its_acknowledgement() {
        let (chunk, mut receipt) = chunk(&["1", "2", "3"]);
        let mut rows = Rows::default();
        for record in 0..3 {
            rows.push(&chunk, record, (record == 1).then(|| "two".to_owned()));
        }
        chunk.acknowledgement.delivered();
        let (left, right) = rows.split();
        assert_eq!((left.text(0), right.text(0), right.text(1)), ("1", "two", "3"));
        left.delivered();
        assert!(futures::poll!(&mut receipt).is_pending());
        right.delivered();
        assert_eq!(receipt.await, Outcome::Delivered);
    }
}
