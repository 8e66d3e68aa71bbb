//! What a body looks like.
//!
//! | format | body | source |
//! |---|---|---|
//! | `ndjson` | a record on each line | |
//! | `json_array` | one array of records | |
//! | `splunk_hec` | an object for each record: `time` in seconds UTC, and `event` | Splunk, "Format events for HTTP Event Collector" |
//! | `elastic_bulk` | two lines for each record: `create` with the event's id as `_id`, and the record | Elasticsearch, "Bulk API" |
//! | `otlp_json` | one `ExportLogsServiceRequest`; each record is the text of a log record's body | OpenTelemetry, "OTLP/HTTP" |

use bytes::Bytes;

use crate::event::EventId;
use crate::sinks::delivery::batch::{Encoded, Rows};
use crate::sinks::gzip;
use crate::sinks::ndjson::push_line;

/// The zstd level: its usual one.
const ZSTD_LEVEL: i32 = 3;
/// What surrounds the log records of an OTLP request.
const OTLP: (&str, &str) = (
    r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"nordpass-sentinel"}}]},"scopeLogs":[{"scope":{"name":"nordpass-sentinel"},"logRecords":["#,
    "]}]}]}",
);

/// How records become a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A record on each line.
    Ndjson,
    /// One array.
    JsonArray,
    /// Splunk's HTTP Event Collector.
    SplunkHec,
    /// The `_bulk` of Elasticsearch, and of what is compatible with it.
    ElasticBulk,
    /// OTLP/HTTP logs as JSON.
    OtlpJson,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Gzip at a level from 0 to 9.
    Gzip(u32),
    /// Zstandard.
    Zstd,
    /// Not at all.
    None,
}

/// A record of a body.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The id that it shows.
    pub id: EventId,
    /// Seconds since 1970, UTC, where they are known.
    pub time: Option<i64>,
    /// Its JSON text.
    pub text: &'a str,
}

impl Format {
    /// The names in the pipeline file.
    pub const NAMES: &[&str] = &["ndjson", "json_array", "splunk_hec", "elastic_bulk", "otlp_json"];

    /// The format of a name.
    pub fn named(name: &str) -> Self {
        match name {
            "json_array" => Self::JsonArray,
            "splunk_hec" => Self::SplunkHec,
            "elastic_bulk" => Self::ElasticBulk,
            "otlp_json" => Self::OtlpJson,
            _ => Self::Ndjson,
        }
    }

    /// The body's media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson | Self::ElasticBulk => "application/x-ndjson",
            Self::JsonArray | Self::SplunkHec | Self::OtlpJson => "application/json",
        }
    }

    /// By how many bytes a record of `length` bytes makes a body longer, before compression: an estimate that is rarely too small.
    pub fn added(self, length: usize) -> usize {
        match self {
            Self::Ndjson | Self::JsonArray => length + 1,
            Self::SplunkHec => length + 48,
            Self::ElasticBulk => length + 64,
            // JSON within a string: each quotation mark is two bytes.
            Self::OtlpJson => length + length / 4 + 80,
        }
    }

    /// Writes a body, uncompressed.
    pub fn write<'a>(self, items: impl Iterator<Item = Item<'a>>) -> Vec<u8> {
        let mut out = Vec::new();
        let (begin, end) = match self {
            Self::JsonArray => ("[", "]"),
            Self::OtlpJson => OTLP,
            Self::Ndjson | Self::SplunkHec | Self::ElasticBulk => ("", ""),
        };
        out.extend_from_slice(begin.as_bytes());
        for (number, item) in items.enumerate() {
            if number > 0 && !end.is_empty() {
                out.push(b',');
            }
            self.push(&mut out, item);
        }
        out.extend_from_slice(end.as_bytes());
        out
    }

    fn push(self, out: &mut Vec<u8>, Item { id, time, text }: Item<'_>) {
        match self {
            Self::Ndjson => push_line(out, text),
            Self::JsonArray => out.extend_from_slice(text.as_bytes()),
            Self::SplunkHec => {
                out.extend_from_slice(b"{");
                if let Some(time) = time {
                    out.extend_from_slice(format!("\"time\":{time},").as_bytes());
                }
                out.extend_from_slice(b"\"event\":");
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"}\n");
            }
            Self::ElasticBulk => {
                out.extend_from_slice(format!("{{\"create\":{{\"_id\":\"{id}\"}}}}\n").as_bytes());
                push_line(out, text);
            }
            Self::OtlpJson => {
                out.extend_from_slice(b"{");
                if let Some(time) = time.filter(|time| *time >= 0) {
                    out.extend_from_slice(format!("\"timeUnixNano\":\"{time}000000000\",").as_bytes());
                }
                out.extend_from_slice(b"\"body\":{\"stringValue\":");
                out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
                out.extend_from_slice(b"}}");
            }
        }
    }
}

impl Compression {
    /// What the header `Content-Encoding` says.
    pub fn encoding(self) -> Option<&'static str> {
        match self {
            Self::Gzip(_) => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::None => None,
        }
    }

    /// Compresses a body of so many records. Its key is a hash of what it was before.
    pub fn encode(self, bytes: Vec<u8>, records: usize) -> Encoded {
        let key = blake3::hash(&bytes).to_hex().chars().take(32).collect::<String>();
        let json_bytes = bytes.len();
        let body = match self {
            Self::Gzip(level) => gzip::compress(&bytes, level),
            // There is nothing about its input that a compressor could refuse.
            Self::Zstd => Bytes::from(zstd::bulk::compress(&bytes, ZSTD_LEVEL).expect("zstd takes any bytes")),
            Self::None => Bytes::from(bytes),
        };
        Encoded { body, json_bytes, records, key: Some(key.into()) }
    }
}

/// The records of a batch.
pub fn items(rows: &Rows) -> impl Iterator<Item = Item<'_>> {
    (0..rows.len()).map(|row| Item { id: rows.shown_id(row), time: Some(rows.record(row).time), text: rows.text(row) })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut whole).expect("gzip");
        whole
    }

    fn body(format: Format, texts: &[&str]) -> String {
        let items = texts.iter().enumerate().map(|(number, text)| Item {
            id: EventId(number as u128 + 1),
            time: Some(1_764_400_000),
            text,
        });
        String::from_utf8(format.write(items)).expect("text")
    }

    #[test]
    fn each_format_is_what_its_receiver_reads() {
        let texts = ["{\"a\":1}", "{\n \"b\": \"\\\"\"}"];
        assert_eq!(body(Format::Ndjson, &texts), "{\"a\":1}\n{  \"b\": \"\\\"\"}\n");
        assert_eq!(body(Format::JsonArray, &texts), "[{\"a\":1},{\n \"b\": \"\\\"\"}]");
        let hec = body(Format::SplunkHec, &texts);
        let events: Vec<serde_json::Value> =
            serde_json::Deserializer::from_str(&hec).into_iter().collect::<Result<_, _>>().expect("objects");
        assert_eq!((events.len(), &events[1]["event"]["b"]), (2, &"\"".into()));
        assert_eq!(events[0]["time"], 1_764_400_000);
        let bulk = body(Format::ElasticBulk, &texts);
        let lines: Vec<serde_json::Value> =
            bulk.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        assert_eq!((lines.len(), &lines[0]["create"]["_id"]), (4, &EventId(1).to_string().into()));
        let otlp: serde_json::Value = serde_json::from_str(&body(Format::OtlpJson, &texts)).expect("JSON");
        let records = otlp["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().expect("records");
        assert_eq!(records[0]["timeUnixNano"], "1764400000000000000");
        assert_eq!(records[1]["body"]["stringValue"], texts[1]);
    }

    #[test]
    fn a_record_adds_at_most_the_overhead() {
        let text = "{\"a\":1}";
        for name in Format::NAMES {
            let format = Format::named(name);
            let longer = body(format, &[text, text]).len() - body(format, &[text]).len();
            // Quotation marks become two bytes each inside a string.
            assert!(longer <= format.added(text.len()), "{name}: {longer}");
        }
    }

    #[test]
    fn a_body_is_compressed_as_its_header_says() {
        let text = b"a body".to_vec();
        for (compression, encoding) in
            [(Compression::Gzip(1), Some("gzip")), (Compression::Zstd, Some("zstd")), (Compression::None, None)]
        {
            let encoded = compression.encode(text.clone(), 1);
            assert_eq!((compression.encoding(), encoded.json_bytes), (encoding, text.len()));
            let back = match encoding {
                Some("gzip") => gunzip(&encoded.body),
                Some(_) => zstd::bulk::decompress(&encoded.body, 100).expect("zstd"),
                None => encoded.body.to_vec(),
            };
            assert_eq!(back, text);
            assert_eq!(encoded.key, compression.encode(text.clone(), 1).key, "the same body has the same key");
            assert_ne!(encoded.key, compression.encode(b"another".to_vec(), 1).key);
        }
    }
}
