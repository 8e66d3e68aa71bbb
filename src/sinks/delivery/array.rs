//! A body that is a JSON array in gzip.

use super::batch::Encoded;
use crate::sinks::gzip;

/// Encodes a JSON array of these rows, or of pieces of several rows with commas between them, at a gzip level from 0 to 9.
pub fn encode_array<'a>(rows: impl IntoIterator<Item = &'a str>, level: u32) -> Encoded {
    let (body, json_bytes) = gzip::compress_written(level, |text| {
        text.push(b'[');
        for row in rows {
            if text.len() > 1 {
                text.push(b',');
            }
            text.extend_from_slice(row.as_bytes());
        }
        text.push(b']');
    });
    Encoded { body, json_bytes, records: 0, key: None }
}
