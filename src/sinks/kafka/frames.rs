//! A batch as bytes: each record with its key and headers, one after the other, so that they are put together aside and sent without
//! a copy. Only this program reads it.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::event::EventId;
use nordpass_env::kafka::ProducerRecord;

/// The value of the header `schema` of NordPass events.
pub const EVENT_SCHEMA: &str = "nordpass/1";
/// The same of rows of a table.
pub const ROW_SCHEMA: &str = "row/1";

/// Bytes of a record besides its value, about.
pub const OVERHEAD: usize = 256;

/// The headers, by their numbers in a frame.
const NAMES: [&str; 5] = ["event-id", "organization", "source", "marks", "schema"];

/// What is written of a record.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// Its JSON text.
    pub value: &'a str,
    /// The id that it shows.
    pub id: EventId,
    /// Its organization; empty without one.
    pub organization: &'a str,
    /// Where it comes from.
    pub source: &'a str,
    /// Whether it may have been delivered before, in a word; empty if it wasn't.
    pub marks: &'a str,
    /// What its value is.
    pub schema: &'a str,
}

/// Adds a record.
pub fn push(frame: Frame<'_>, to: &mut BytesMut) {
    let id = frame.id.hex();
    let texts: [&[u8]; 5] =
        [&id, frame.organization.as_bytes(), frame.source.as_bytes(), frame.marks.as_bytes(), frame.schema.as_bytes()];
    let mut part = |bytes: Option<&[u8]>| {
        let bytes = bytes.filter(|bytes| u32::try_from(bytes.len()).is_ok_and(|length| length < u32::MAX));
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        to.put_u32(bytes.map_or(u32::MAX, |bytes| bytes.len() as u32));
        to.put_slice(bytes.unwrap_or_default());
    };
    part(frame.key);
    part(Some(frame.value.as_bytes()));
    for text in texts {
        part(Some(text).filter(|text| !text.is_empty()));
    }
}

/// The records of a batch, for a topic.
pub fn records(mut body: Bytes, topic: &Arc<str>, names: &HeaderNames) -> Vec<ProducerRecord> {
    let mut records = Vec::new();
    let part = |body: &mut Bytes| {
        let length = body.try_get_u32().ok()?;
        (length < u32::MAX).then(|| body.split_to((length as usize).min(body.len())))
    };
    while !body.is_empty() {
        let key = part(&mut body);
        let value = part(&mut body).unwrap_or_default();
        let headers = names.0.iter().filter_map(|name| Some((name.clone(), part(&mut body)?))).collect();
        records.push(ProducerRecord { topic: topic.clone(), key, value, headers });
    }
    records
}

/// The names of headers, to be shared by all records.
pub struct HeaderNames([Arc<str>; 5]);

impl Default for HeaderNames {
    fn default() -> Self {
        Self(NAMES.map(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut body = BytesMut::new();
        let frame = Frame {
            key: Some(b"acme"),
            value: "{\"a\":1}",
            id: EventId(7),
            organization: "acme",
            source: "nordpass-1",
            marks: "",
            schema: EVENT_SCHEMA,
        };
        push(frame, &mut body);
        push(Frame { key: None, value: "", organization: "", marks: "likely", ..frame }, &mut body);
        assert!(body.len() < 2 * OVERHEAD);
        let found = records(body.freeze(), &"topic".into(), &HeaderNames::default());
        let names = |record: &ProducerRecord| {
            record
                .headers
                .iter()
                .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
                .collect::<Vec<_>>()
        };
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].key.as_deref(), &*found[0].value), (Some(&b"acme"[..]), &b"{\"a\":1}"[..]));
        let id = format!("event-id={:032x}", 7);
        assert_eq!(names(&found[0]), [&id, "organization=acme", "source=nordpass-1", "schema=nordpass/1"]);
        assert_eq!((&found[1].key, found[1].value.len()), (&None, 0));
        assert_eq!(names(&found[1]), [&id, "source=nordpass-1", "marks=likely", "schema=nordpass/1"]);
    }
}
