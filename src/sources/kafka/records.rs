//! From a batch of records to events: what is one, its id, and what becomes a dead letter.
//!
//! A record of this program's sink says its event's id in a header, which is taken as it is. Of any other record the id is a hash of
//! the event's content with topic, partition and offset: whether another record says the same can't be known from one record, so
//! none of them may get lost as a copy of another. Nothing is ever left out by its id: a forged header could suppress an event.

use std::collections::HashMap;
use std::sync::Arc;

use super::assigned::Batch;
use crate::component::DeadLetter;
use crate::event::{
    EventFields, EventId, Field, Identifier, MetadataEntries, Record, Shape, Span, Text, event_time, parse_event_and,
    unescape,
};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Clock;
use nordpass_env::kafka::ConsumerRecord;

/// The value of the header `schema` of NordPass events. Records of others have no such header.
pub const EVENT_SCHEMA: &str = "nordpass/1";

/// Organizations whose names are shared between records.
const ORGANIZATIONS: usize = 1024;

/// What a batch holds.
pub struct Parsed {
    /// The events' JSON, one after the other.
    pub text: Text,
    /// The events.
    pub records: Vec<Record>,
    /// Their fields.
    pub fields: Vec<EventFields>,
    /// What isn't an event.
    pub dead_letters: Vec<DeadLetter>,
}

/// Parses one batch after another.
pub struct Parser {
    identifier: Identifier,
    organizations: HashMap<String, Arc<str>>,
    clock: Arc<dyn Clock>,
    telemetry: ComponentReporter,
}

impl Parser {
    /// Counts odd events with this reporter.
    pub fn new(clock: Arc<dyn Clock>, telemetry: ComponentReporter) -> Self {
        Self { identifier: Identifier::default(), organizations: HashMap::new(), clock, telemetry }
    }

    /// Parses a batch.
    pub fn parse(&mut self, batch: &Batch) -> Parsed {
        let now = self.clock.now_seconds();
        let bytes = batch.records.iter().map(|record| record.value.as_ref().map_or(0, |value| value.len() + 1));
        let mut text = String::with_capacity(bytes.sum());
        let (mut candidates, mut dead_letters) = (Vec::with_capacity(batch.records.len()), Vec::new());
        for record in &batch.records {
            match value_of(record) {
                Ok(value) => {
                    let start = text.len();
                    text.push_str(value);
                    candidates.push((record, Span::new(start, text.len())));
                    text.push('\n');
                }
                Err(Odd::Tombstone) => self.telemetry.add_labelled(&metrics::ODD_EVENTS, "tombstone", 1),
                Err(Odd::Poison(reason)) => dead_letters.push(self.poison(record, reason, now)),
            }
        }
        let text = Text::from(text);
        let (mut records, mut fields) = (Vec::with_capacity(candidates.len()), Vec::with_capacity(candidates.len()));
        let mut metadata = MetadataEntries::default();
        for (record, span) in candidates {
            let Ok(found) = parse_event_and(&text, text.at(span), &mut metadata) else {
                dead_letters.push(self.poison(record, "its value isn't a JSON object", now));
                continue;
            };
            if found.organization.is_blank() {
                dead_letters.push(self.poison(record, "the event has no organization", now));
                continue;
            }
            let id = id_in_header(record).unwrap_or_else(|| {
                let content = self.identifier.identify(&text, &found, &mut metadata);
                EventId::of_bytes(format!("{content}/{}/{}", record.partition, record.offset).as_bytes())
            });
            let time = self.time(&text, &found.timestamp, now);
            let organization = self.organization(&text, &found.organization);
            records.push(Record { id, time, organization, body: span });
            fields.push(found);
        }
        metadata.keep(&text);
        self.telemetry.add(&metrics::RECEIVED, (records.len() + dead_letters.len()) as u64);
        Parsed { text, records, fields, dead_letters }
    }

    fn time(&self, text: &Text, field: &Field, now: i64) -> i64 {
        let (time, odd) = match event_time(text, field) {
            Some((time, true)) => return time,
            Some((time, false)) => (time, "timestamp spelling"),
            None => (now, "no usable timestamp"),
        };
        self.telemetry.add_labelled(&metrics::ODD_EVENTS, odd, 1);
        time
    }

    fn organization(&mut self, text: &Text, field: &Field) -> Arc<str> {
        let value =
            if field.shape == Shape::Escaped { unescape(text.at(field.span)) } else { text.at(field.span).into() };
        if let Some(known) = self.organizations.get(value.as_ref()) {
            return known.clone();
        }
        if self.organizations.len() >= ORGANIZATIONS {
            self.organizations.clear();
        }
        let shared: Arc<str> = value.as_ref().into();
        self.organizations.insert(value.into_owned(), shared.clone());
        shared
    }

    fn poison(&self, record: &ConsumerRecord, reason: &str, now: i64) -> DeadLetter {
        self.telemetry.add_labelled(&metrics::ODD_EVENTS, "poison", 1);
        let (at, offset, value) = (&record.partition, record.offset, record.value.as_deref().unwrap_or_default());
        // The same record again is the same dead letter; an equal one elsewhere is another.
        let id = EventId::of_bytes(&[format!("{at}/{offset}/").as_bytes(), value].concat());
        DeadLetter {
            id,
            shown_id: None,
            organization: None,
            stream: None,
            reason: format!("{reason}: topic {}, partition {}, offset {offset}", at.topic, at.partition),
            status: None,
            code: None,
            request_id: None,
            time: now,
            record: String::from_utf8_lossy(value).into_owned(),
        }
    }
}

/// Why a record has no event.
enum Odd {
    /// It has no value.
    Tombstone,
    /// It is none, in words.
    Poison(&'static str),
}

/// A record's JSON, as far as that shows without parsing it.
fn value_of(record: &ConsumerRecord) -> Result<&str, Odd> {
    let Some(value) = &record.value else { return Err(Odd::Tombstone) };
    let is_foreign = |(name, value): &(Box<str>, Option<bytes::Bytes>)| {
        &**name == "schema" && value.as_deref() != Some(EVENT_SCHEMA.as_bytes())
    };
    if record.headers.iter().any(is_foreign) {
        return Err(Odd::Poison("its header `schema` isn't nordpass/1"));
    }
    let text = std::str::from_utf8(value).map_err(|_| Odd::Poison("its value isn't UTF-8"))?;
    Ok(text.trim_start_matches('\u{feff}').trim())
}

/// The id in a record that this program's sink wrote.
fn id_in_header(record: &ConsumerRecord) -> Option<EventId> {
    let hex = record.header("schema").and(record.header("event-id"))?;
    let is_id = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_id { u128::from_str_radix(hex, 16).ok().map(EventId) } else { None }
}
