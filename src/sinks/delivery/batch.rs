//! A batch: rows of one stream. Rows aren't copied until the batch is closed. Then they are encoded together, outside
//! the sink's loop, so that as many cores compress as there are deliveries.

use std::sync::Arc;

use tokio::time::Instant;

use crate::event::{Backpressure, Chunk, EventId, Record, Span};

/// A row of a batch.
#[derive(Clone, Debug)]
pub struct Row {
    /// Index of its chunk in the batch.
    chunk: usize,
    /// Index of its record in the chunk.
    record: usize,
    /// Its text if it had to be cut to fit.
    cut: Option<Box<str>>,
}

/// Rows with their chunks' acknowledgements. Dropping it abandons them.
#[derive(Debug, Default)]
pub struct Rows {
    chunks: Vec<Chunk>,
    rows: Vec<Row>,
}

impl Rows {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a chunk's records one by one: `cut` is the text of a record that had to be cut.
    pub fn push(&mut self, chunk: &Chunk, record: usize, cut: Option<String>) {
        // A chunk's records come in a row: it is the last chunk or a new one.
        let known = self.chunks.last().is_some_and(|last| last.origin == chunk.origin && same_rows(last, chunk));
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

    /// A row's chunk.
    pub fn chunk(&self, row: usize) -> &Chunk {
        &self.chunks[self.rows[row].chunk]
    }

    /// The id that a row's text shows: behind `pseudonymize` it isn't the event's own.
    pub fn shown_id(&self, row: usize) -> EventId {
        self.chunk(row).shown_id(self.record(row))
    }

    /// A row's JSON text.
    pub fn text(&self, row: usize) -> &str {
        let row = &self.rows[row];
        let chunk = &self.chunks[row.chunk];
        row.cut.as_deref().unwrap_or_else(|| chunk.body(&chunk.records[row.record]))
    }

    /// Splits the rows in half. Each half carries the acknowledgements of its rows.
    pub fn split(self) -> (Self, Self) {
        let middle = self.rows.len() / 2;
        let halves = (self.part(0..middle), self.part(middle..self.rows.len()));
        // Releases only this copy's acknowledgements: the halves hold their own.
        self.done();
        halves
    }

    /// Splits the rows into `N` parts; `part_of` says which part a row belongs to. Each part carries the acknowledgements of its rows.
    pub fn split_into<const N: usize>(self, part_of: impl Fn(usize) -> usize) -> [Self; N] {
        let parts = std::array::from_fn(|part| self.part((0..self.len()).filter(|row| part_of(*row) == part)));
        self.done();
        parts
    }

    /// Splits the rows one by one.
    pub fn singly(self) -> Vec<Self> {
        let rows = (0..self.len()).map(|row| self.part([row])).collect();
        self.done();
        rows
    }

    fn part(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut part = Self::default();
        for row in rows {
            let Row { chunk, record, cut } = self.rows[row].clone();
            part.push(&self.chunks[chunk], record, cut.map(String::from));
        }
        part
    }

    /// Seconds from the earliest to the latest row.
    pub fn span(&self) -> i64 {
        let times = || (0..self.len()).map(|row| self.record(row).time);
        times().max().unwrap_or(0).saturating_sub(times().min().unwrap_or(0))
    }

    /// Splits the rows into parts within `seconds`. Each part carries the acknowledgements of its rows.
    pub fn split_by_time(self, seconds: i64) -> Vec<Self> {
        let time = |row: &usize| self.record(*row).time;
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(time);
        let mut parts = Vec::new();
        while let Some(first) = order.first().map(time) {
            let end = order.partition_point(|row| time(row).saturating_sub(first) < seconds);
            parts.push(self.part(order.drain(..end)));
        }
        self.done();
        parts
    }

    /// Whether a source waits for these rows.
    pub fn are_waited_for(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.backpressure.as_ref().is_some_and(Backpressure::is_on))
    }

    /// Acknowledges all rows.
    pub fn done(self) {
        for chunk in self.chunks {
            chunk.ack.done();
        }
    }

    /// The texts of all rows, in pieces: several rows that stand in their chunk as in a JSON array are one piece, with its commas.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let mut row = 0;
        std::iter::from_fn(move || {
            let (rows, count) = (row < self.len()).then(|| self.run(row))?;
            row += count;
            Some(rows)
        })
    }

    /// Returns the text of this row and of the rows that follow it in the chunk as in the array, and their number.
    /// Transforms write their rows that way, so that a batch is put together in few pieces.
    fn run(&self, first: usize) -> (&str, usize) {
        let whole = |row: usize| self.rows.get(row).filter(|row| row.cut.is_none());
        let Some(begin) = whole(first) else { return (self.text(first), 1) };
        let chunk = &self.chunks[begin.chunk];
        let text = chunk.text.as_bytes();
        let (mut span, mut count) = (chunk.records[begin.record].body, 1);
        while let Some(next) = whole(first + count).filter(|next| next.chunk == begin.chunk) {
            let body = chunk.records[next.record].body;
            if body.start != span.end + 1 || text.get(span.end as usize) != Some(&b',') {
                break;
            }
            span = Span { start: span.start, end: body.end };
            count += 1;
        }
        (chunk.text.at(span), count)
    }
}

/// Two filters of one source make chunks with the same text and origin but different records.
fn same_rows(a: &Chunk, b: &Chunk) -> bool {
    std::ptr::eq(a.text.as_ptr(), b.text.as_ptr()) && Arc::ptr_eq(&a.records, &b.records)
}

/// A request body.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The bytes after compression.
    pub body: bytes::Bytes,
    /// Their number before compression.
    pub json_bytes: usize,
    /// Number of records, where the answer depends on it.
    pub records: usize,
    /// A hash of them before compression, where the destination can tell by it what it has.
    pub key: Option<Box<str>>,
}

/// A batch that still accepts rows.
pub struct OpenBatch {
    /// Its rows.
    pub rows: Rows,
    /// The body's length so far, in bytes before compression.
    bytes: usize,
    /// When its first row came.
    pub opened: Instant,
}

impl OpenBatch {
    /// Opens an empty batch.
    #[expect(clippy::new_without_default, reason = "two of them differ: each opens at its own time")]
    pub fn new() -> Self {
        Self { rows: Rows::default(), bytes: 0, opened: Instant::now() }
    }

    /// The body's length with `added` more bytes, before compression.
    pub fn with(&self, added: usize) -> usize {
        // What ends a body is at most one byte.
        self.bytes + added + 1
    }

    /// Adds a chunk's record, or its text after a cut, which makes the body longer by `added` bytes.
    pub fn push(&mut self, chunk: &Chunk, record: usize, cut: Option<String>, added: usize) {
        self.bytes += added;
        self.rows.push(chunk, record, cut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AckOutcome, AckReceiver, Origin, Text};
    use crate::sinks::delivery::array::encode_array;
    use std::io::Read;

    /// A chunk whose text has its rows with `between` between them.
    fn chunk_with(between: &str, rows: &[&str]) -> (Chunk, AckReceiver) {
        let mut text = String::new();
        let mut records = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            text.push_str(if number > 0 { between } else { "" });
            let start = text.len();
            text.push_str(row);
            let body = Span::new(start, text.len());
            records.push(Record { id: EventId(number as u128), time: 0, organization: "".into(), body });
        }
        let origin = Origin { source: "s".into(), run: 1, sequence: 1 };
        Chunk::of_rows(Text::from(text), records, origin, None)
    }

    fn chunk(rows: &[&str]) -> (Chunk, AckReceiver) {
        chunk_with("", rows)
    }

    fn json(encoded: &Encoded) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&encoded.body[..]).read_to_string(&mut text).expect("gzip");
        text
    }

    #[test]
    fn the_body_is_an_array_of_the_stated_length() {
        for rows in [vec![], vec!["{}"], vec![r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]] {
            let (chunk, _ack_receiver) = chunk(&rows);
            let mut batch = OpenBatch::new();
            let mut expected = 2;
            for (number, row) in rows.iter().enumerate() {
                expected = batch.with(1 + row.len());
                batch.push(&chunk, number, None, 1 + row.len());
            }
            for level in [0, 2, 6] {
                let encoded = encode_array(batch.rows.pieces(), level);
                assert_eq!(json(&encoded), format!("[{}]", rows.join(",")));
                assert_eq!((encoded.json_bytes, json(&encoded).len()), (expected, expected));
            }
        }
    }

    /// Two filters of one source in front of one table.
    #[test]
    fn chunks_of_one_text_with_other_records_are_two() {
        let (whole, _ack_receiver) = chunk_with(",", &["1", "2", "3", "4"]);
        let part = |records: &[usize]| Chunk {
            records: records.iter().map(|number| whole.records[*number].clone()).collect(),
            ..whole.clone()
        };
        let (odd, even) = (part(&[0, 2]), part(&[1, 3]));
        let mut batch = OpenBatch::new();
        for chunk in [&odd, &even, &odd] {
            (0..2).for_each(|record| batch.push(chunk, record, None, 2));
        }
        assert_eq!(json(&encode_array(batch.rows.pieces(), 1)), "[1,3,2,4,1,3]");
    }

    #[test]
    fn rows_that_follow_each_other_are_one_piece_and_others_are_not() {
        let texts = [r#"{"a":1}"#, r#"{"b":","}"#, r#"{"c":3}"#, r#"{"d":4}"#];
        for between in [",", "", ", ", "\n"] {
            let (chunk, _ack_receiver) = chunk_with(between, &texts);
            let (other, _ack_receiver) = chunk_with(between, &texts);
            // Whole, with one left out, with one cut, out of order, of two chunks.
            let cases: [&[(&Chunk, usize, Option<&str>)]; 5] = [
                &[(&chunk, 0, None), (&chunk, 1, None), (&chunk, 2, None), (&chunk, 3, None)],
                &[(&chunk, 0, None), (&chunk, 2, None), (&chunk, 3, None)],
                &[(&chunk, 0, None), (&chunk, 1, Some("{}")), (&chunk, 2, None)],
                &[(&chunk, 1, None), (&chunk, 0, None)],
                &[(&chunk, 2, None), (&chunk, 3, None), (&other, 0, None), (&other, 1, None)],
            ];
            for case in cases {
                let (mut batch, mut expected) = (OpenBatch::new(), Vec::new());
                for (chunk, record, cut) in case {
                    batch.push(chunk, *record, cut.map(str::to_owned), 0);
                    expected.push(cut.unwrap_or(texts[*record]));
                }
                let encoded = encode_array(batch.rows.pieces(), 1);
                assert_eq!(json(&encoded), format!("[{}]", expected.join(",")));
                assert_eq!(json(&encoded).len(), encoded.json_bytes);
            }
        }
        let (chunk, _ack_receiver) = chunk_with(",", &texts);
        let mut batch = OpenBatch::new();
        (0..4).for_each(|record| batch.push(&chunk, record, None, 0));
        assert_eq!(batch.rows.run(0).1, 4, "rows as transforms write them are one piece");
    }

    #[tokio::test]
    async fn halves_keep_every_row_and_its_acknowledgement() {
        let (chunk, mut ack_receiver) = chunk(&["1", "2", "3"]);
        let mut rows = Rows::default();
        for record in 0..3 {
            rows.push(&chunk, record, (record == 1).then(|| "two".to_owned()));
        }
        chunk.ack.done();
        let (left, right) = rows.split();
        assert_eq!((left.text(0), right.text(0), right.text(1)), ("1", "two", "3"));
        left.done();
        assert!(futures::poll!(&mut ack_receiver).is_pending());
        right.done();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }
}
