//! The probe: the text inside an event by which the simulators recognise it at the other end.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Where a probe can be: in the `metadata` of a raw event and of the official table's rows, in the `AdditionalFields`
/// of an ASIM row.
const PLACES: [&str; 2] = ["AdditionalFields", "metadata"];

/// How often each probe occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes(HashMap<Arc<str>, u64>);

impl Probes {
    /// Adds one occurrence.
    pub fn add(&mut self, probe: impl Into<Arc<str>>) {
        *self.0.entry(probe.into()).or_default() += 1;
    }

    /// How often `probe` occurs.
    pub fn count(&self, probe: &str) -> u64 {
        self.0.get(probe).copied().unwrap_or_default()
    }

    /// All occurrences together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many different probes there are.
    pub fn distinct(&self) -> usize {
        self.0.len()
    }

    /// Each probe with its count, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(probe, count)| (&**probe, *count))
    }

    /// Adds all occurrences of `other`.
    pub fn add_all(&mut self, other: &Self) {
        for (probe, count) in &other.0 {
            *self.0.entry(probe.clone()).or_default() += count;
        }
    }
}

/// The probe of a row or raw event, given as JSON text.
pub fn probe_of(json: &str) -> Option<String> {
    probe_of_object(&Object::read(json)?)
}

/// The same of one that is read already.
pub fn probe_of_object(object: &Object<'_>) -> Option<String> {
    PLACES.iter().find_map(|place| {
        let value = object.get(place)?.get();
        // Metadata that isn't an object stands whole under a key of its own.
        probe_in(value).or_else(|| probe_in(Object::read(value)?.get("Metadata")?.get()))
    })
}

/// The probe of a `metadata` value: an object, or a string that holds one (a table may keep it as text).
pub fn probe_in(metadata: &str) -> Option<String> {
    if metadata.starts_with('"') {
        let text: String = serde_json::from_str(metadata).ok()?;
        return if text.starts_with('{') { probe_in(&text) } else { None };
    }
    let probe = Object::read(metadata)?.get("probe")?;
    serde_json::from_str(probe.get()).ok()
}

/// A JSON object's entries as they stand in the text. Of equal keys the last one counts, as for most readers.
pub struct Object<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads one; `None` for anything but an object.
    pub fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((key.0, value));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_in_rows_and_raw_events() {
        for json in [
            r#"{"AdditionalFields":{"a":[{"probe":"no"}],"probe":"p"}}"#,
            r#"{"AdditionalFields":"{\"probe\":\"p\"}"}"#,
            r#"{"metadata":{"probe":"\u0070"},"type":"x"}"#,
            r#"{"AdditionalFields":{"OriginalTime":1},"metadata":{"probe":"p"}}"#,
        ] {
            assert_eq!(probe_of(json).as_deref(), Some("p"), "{json}");
        }
    }

    #[test]
    fn not_found_elsewhere() {
        for json in [
            "5",
            "{}",
            r#"{"probe":"p"}"#,
            r#"{"metadata":null}"#,
            r#"{"metadata":["probe"]}"#,
            r#"{"metadata":{"probe":5}}"#,
            r#"{"metadata":{"msp":{"probe":"p"}}}"#,
            r#"{"metadata":"probe"}"#,
        ] {
            assert_eq!(probe_of(json), None, "{json}");
        }
    }

    #[test]
    fn counting() {
        let mut probes = Probes::default();
        probes.add("a");
        probes.add(Arc::from("a"));
        probes.add("b");
        assert_eq!((probes.count("a"), probes.count("c"), probes.total(), probes.distinct()), (2, 0, 3, 2));
    }
}
