//! What each destination must get, and whether an accepted row is that.

use std::collections::{BTreeMap, HashMap};

use nordpass_sentinel::event::EventId;
use serde_json::Value;

use super::change::shown_id;
use super::fate::{Fate, Item, Mapping, follow, without_id};
use super::{Destination, Shape};
use crate::traffic::Traffic;

/// What must arrive where. Without shaping transforms that is every event everywhere.
#[derive(Default)]
pub struct Expected {
    /// The destinations of the pipeline.
    pub destinations: Vec<Destination>,
    pub shaped: Option<Shaped>,
}

/// What shaping transforms make of a world's events.
#[derive(Default)]
pub struct Shaped {
    /// What becomes of each event, by probe.
    pub fates: BTreeMap<String, Fate>,
    /// The probe of each id. Twins have ids of their own.
    pub ids: BTreeMap<u128, String>,
    /// The ids behind those that rows show instead.
    inner: HashMap<u128, u128>,
    /// Whether a hostile peer may add fields to events.
    additions: bool,
}

impl Expected {
    /// Follows every event of the world.
    pub fn of(destinations: Vec<Destination>, shape: Option<&Shape>, traffic: &Traffic, additions: bool) -> Self {
        let shaped = shape.map(|shape| {
            let mut shaped = Shaped { additions, ..Shaped::default() };
            let mut mapping = Mapping::new();
            let mut twins: HashMap<&str, (u128, u32)> = HashMap::new();
            for event in traffic.events.iter().chain(&traffic.held_back) {
                let Some(probe) = event.probe() else { continue };
                let (first, number) = match twins.get(&**probe) {
                    Some(twin) => *twin,
                    None => (mapping.id(event.json()).unwrap_or_default(), 0),
                };
                twins.insert(probe, (first, number + 1));
                let id = EventId(first).occurrence(number).0;
                shaped.ids.insert(id, probe.to_string());
                shaped.inner.insert(shown_id(id), id);
                if number == 0 {
                    let event: Value = serde_json::from_str(event.json()).unwrap_or_default();
                    shaped.fates.insert(probe.to_string(), follow(shape, &mut mapping, &event));
                }
            }
            shaped
        });
        Self { destinations, shaped }
    }

    /// What becomes of an event, where that isn't the same for all.
    pub fn fate(&self, probe: &str) -> Option<&Fate> {
        self.shaped.as_ref()?.fates.get(probe)
    }

    /// Whether an event has to arrive there.
    pub fn wants(&self, probe: &str, destination: Destination) -> bool {
        self.destinations.contains(&destination) && self.fate(probe).is_none_or(|fate| fate.at(destination).is_some())
    }

    /// The event's id behind the one that a row shows.
    pub fn inner(&self, shown: u128) -> u128 {
        self.shaped.as_ref().and_then(|shaped| shaped.inner.get(&shown).copied()).unwrap_or(shown)
    }

    /// The id that an event's rows show there; `None` if it has none.
    pub fn shown_at(&self, id: u128, destination: Destination) -> Option<u128> {
        let Some(probe) = self.shaped.as_ref().and_then(|shaped| shaped.ids.get(&id)) else { return Some(id) };
        let item = self.fate(probe)?.at(destination)?;
        Some(if item.hides_id { shown_id(id) } else { id })
    }

    /// What is wrong with an accepted row.
    pub fn wrong_row(&self, destination: Destination, probe: &str, shown: u128, row: &Value) -> Option<String> {
        let shaped = self.shaped.as_ref()?;
        let fate = shaped.fates.get(probe)?;
        let to = destination.sink();
        let Some(item) = fate.at(destination) else {
            return Some(format!("{to}: {probe} was left out on purpose ({:?}) and arrived", fate.dropped));
        };
        let id = if item.hides_id { shaped.inner.get(&shown).copied() } else { Some(shown) };
        if id.and_then(|id| shaped.ids.get(&id)).is_none_or(|of| of != probe) {
            return Some(format!("{to}: a row of {probe} shows the id {shown:032x}, which isn't its own"));
        }
        shaped.wrong_record(item, &without_id(row.clone())).map(|wrong| format!("{to}: {probe}: {wrong}"))
    }
}

impl Shaped {
    /// What is wrong with a record that should be `item`.
    pub fn wrong_record(&self, item: &Item, record: &Value) -> Option<String> {
        if let Some(wrong) = difference("", &item.value, record, self.additions) {
            return Some(wrong);
        }
        let (expected, text) = (item.value.to_string(), record.to_string());
        let stands = |hidden: &&String| {
            let quoted = Value::from(hidden.as_str()).to_string();
            text.contains(&quoted) && !expected.contains(&quoted)
        };
        item.hidden.iter().find(stands).map(|hidden| format!("{hidden:?} should be hidden"))
    }
}

/// The first difference, in words. With `additions` the actual objects and lists may have more entries: a peer has added a field to
/// the event, which rows list among those that aren't known.
fn difference(path: &str, expected: &Value, actual: &Value, additions: bool) -> Option<String> {
    if let (true, Value::Array(wanted), Value::Array(found)) = (additions, expected, actual) {
        let mut found = found.iter();
        let is_missing = |wanted: &&Value| !found.any(|found| difference(path, wanted, found, additions).is_none());
        return wanted.iter().find(is_missing).map(|missing| format!("`{path}` lacks {missing}"));
    }
    let (Value::Object(wanted), Value::Object(found)) = (expected, actual) else {
        return (expected != actual).then(|| format!("`{path}` is {actual}, expected {expected}"));
    };
    let more = found.keys().find(|key| !additions && !wanted.contains_key(*key));
    if let Some(key) = more {
        return Some(format!("`{path}.{key}` is {}, expected nothing", found[key]));
    }
    wanted.iter().find_map(|(key, expected)| match found.get(key) {
        None => Some(format!("`{path}.{key}` is missing, expected {expected}")),
        Some(actual) => difference(&format!("{path}.{key}"), expected, actual, additions),
    })
}
