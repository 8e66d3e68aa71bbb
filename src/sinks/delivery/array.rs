//! A body that is a JSON array in gzip.

use super::batch::Encoded;
use crate::sinks::gzip::Gzip;

/// Short pieces are collected before compression, which is faster with few large writes.
const STAGE_BYTES: usize = 4 << 10;

/// Encodes a JSON array of these rows, or of pieces of several rows with commas between them, at a gzip level from 0 to 9.
pub fn encode_array<'a>(rows: impl IntoIterator<Item = &'a str>, level: u32) -> Encoded {
    let mut encoder = Encoder::new(level);
    rows.into_iter().for_each(|row| encoder.push(row));
    encoder.finish()
}

struct Encoder {
    gzip: Gzip,
    stage: Vec<u8>,
    json_bytes: usize,
}

impl Encoder {
    /// Begins an array.
    fn new(level: u32) -> Self {
        Self { gzip: Gzip::new(level), stage: Vec::new(), json_bytes: 0 }
    }

    /// Adds a row, or several with commas between them.
    fn push(&mut self, rows: &str) {
        self.stage.push(if self.json_bytes == 0 { b'[' } else { b',' });
        self.json_bytes += 1 + rows.len();
        if self.stage.len() + rows.len() <= STAGE_BYTES {
            self.stage.extend_from_slice(rows.as_bytes());
        } else {
            self.flush();
            self.gzip.write(rows.as_bytes());
        }
    }

    fn flush(&mut self) {
        self.gzip.write(&self.stage);
        self.stage.clear();
    }

    /// Ends the array.
    fn finish(mut self) -> Encoded {
        if self.json_bytes == 0 {
            self.stage.push(b'[');
            self.json_bytes = 1;
        }
        self.stage.push(b']');
        self.flush();
        Encoded { json_bytes: self.json_bytes + 1, body: self.gzip.finish(), records: 0, key: None }
    }
}
