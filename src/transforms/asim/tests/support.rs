//! Rows of events, for tests.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::*;
use super::generator::chunk;

/// The rows of events with their schemas, in no particular order; each output's rows keep the events' order.
pub fn rows(events: &[String]) -> Vec<(Schema, Map<String, Value>)> {
    let mut out = Vec::new();
    let mut asim = Settings.build(ComponentReporter::detached());
    asim.transform(chunk(events), &mut out);
    let mut rows = Vec::new();
    for (index, chunk) in out {
        assert!(chunk.events.is_none());
        for record in &*chunk.records {
            let body = chunk.body(record);
            assert!(!body.contains(['\n', '\r']), "one line: {body}");
            let Unique(row) = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
            rows.push((Schema::ALL[index], row));
        }
    }
    rows
}

/// The row of one event.
pub(super) fn row(event: &str) -> (Schema, Map<String, Value>) {
    let mut rows = rows(&[event.to_owned()]);
    assert_eq!(rows.len(), 1, "exactly one row");
    rows.remove(0)
}

/// An event of a pair with this metadata (JSON) and usual other fields.
pub(super) fn event(pair: &str, metadata: &str) -> String {
    let (kind, action) = pair.split_once('.').expect("type.action");
    format!(
        r#"{{"type":"{kind}","action":"{action}","timestamp":1738255186,"organization_uuid":"org","user":{{"uuid":"u-1","email":"anna@example.com"}},"metadata":{metadata},"initiator":""}}"#
    )
}

/// An object whose keys are unique, at the top and in `AdditionalFields`: `serde_json` alone would keep the last one.
pub(super) struct Unique(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor(bool);
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Map<String, Value>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with unique keys")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Map::new();
                while let Some((key, raw)) = map.next_entry::<String, &RawValue>()? {
                    let value = if self.0 && key == "AdditionalFields" {
                        let mut inner = serde_json::Deserializer::from_str(raw.get());
                        serde::Deserializer::deserialize_map(&mut inner, Visitor(false))
                            .map(Value::Object)
                            .map_err(serde::de::Error::custom)?
                    } else {
                        lenient(raw.get())
                    };
                    if object.insert(key.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!("{key} is there twice")));
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Visitor(true)).map(Self)
    }
}

/// A value; where it holds a number that `f64` can't, its text.
pub(super) fn lenient(raw: &str) -> Value {
    serde_json::from_str(raw).unwrap_or_else(|_| Value::from(raw))
}

pub(super) fn text<'a>(row: &'a Map<String, Value>, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or("")
}
