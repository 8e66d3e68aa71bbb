//! A body that is a JSON array in gzip.

use super::batch::Encoded;
use crate::sinks::gzip::Member;

/// Encodes a JSON array of these rows, or of pieces of several rows with commas between them, at a gzip level from 0 to 9.
pub fn encode_array<'a>(rows: impl IntoIterator<Item = &'a str>, level: u32) -> Encoded {
    let mut member = Member::new(level);
    member.write(b"[");
    for row in rows {
        if member.len() > 1 {
            member.write(b",");
        }
        member.write(row.as_bytes());
    }
    member.write(b"]");
    let json_bytes = member.len();
    Encoded { body: member.finish(), json_bytes, records: 0, key: None }
}
