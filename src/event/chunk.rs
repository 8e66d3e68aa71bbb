//! The unit of work: a chunk of records that share one text and one acknowledgement.

use std::{borrow::Cow, sync::Arc};

use super::{
    Ack, AckReceiver, Backpressure, Event, EventFields, EventId, MemoryReservation, MetadataEntries, Organization,
    ShownIds, Span, Text, parse_event_and,
};

/// The origin of a chunk: its source, the run of the program, and the chunk's number in that run. The checkpoint commits these
/// numbers with the events' ids, so that after a crash a sink that writes files can ask what was committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The source's state key ([`crate::component::SourceKey::id`]), or the name of a source without a state.
    pub source: Arc<str>,
    /// Drawn at random when the source's state is opened.
    pub run: u64,
    /// The chunk's number in that run, from 0.
    pub sequence: u64,
}

/// The events that another connector may have delivered before this one took over from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Takeover {
    /// Events up to and including this second were probably delivered.
    pub cursor: i64,
    /// Later events before this second may have been delivered, in runs that failed in the end.
    pub until: i64,
}

impl Takeover {
    /// The mark in the row of an event of this time; `None` if it certainly wasn't delivered before.
    pub fn mark(self, time: i64) -> Option<&'static str> {
        match time {
            time if time <= self.cursor => Some("likely"),
            time if time < self.until => Some("possible"),
            _ => None,
        }
    }
}

/// One record: a raw event, or a row that a transform made from it. One JSON object in the chunk's text.
#[derive(Clone, Debug)]
pub struct Record {
    /// The event's id; a row has the id of its event.
    pub id: EventId,
    /// The event's time in Unix seconds; the time of reading if the event has no usable time.
    pub time: i64,
    /// The organization's UUID; empty if the event has none.
    pub organization: Arc<str>,
    /// The record's JSON text, without a line end.
    pub body: Span,
}

/// Records on their way through the pipeline. Cloning shares everything but the acknowledgement's count.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The text that the records' spans point into.
    pub text: Text,
    /// The records, in the order in which they were read.
    pub records: Arc<[Record]>,
    /// The parsed fields of raw events, one for each record; `None` for rows.
    pub events: Option<Arc<[EventFields]>>,
    /// Where it came from.
    pub origin: Origin,
    /// The organization whose source read it, where the organizations file lists it.
    pub organization: Option<Arc<Organization>>,
    /// The events that another connector may have delivered before; their rows are marked.
    pub takeover: Option<Takeover>,
    /// On while its source waits for memory that this and other chunks hold; `None` where no source waits.
    pub backpressure: Option<Backpressure>,
    /// Rows that a transform has changed: they may have columns that their table hasn't.
    pub changed: bool,
    /// The ids that rows show, where those aren't the events' own.
    pub shown_ids: Option<ShownIds>,
    /// Call [`Ack::done`] when this chunk's records are safe.
    pub ack: Ack,
}

impl Chunk {
    /// A chunk of raw events, as sources make it, and the receiver of its acknowledgement. `reservation` is what the
    /// text takes of the source's memory pool, where that is bounded.
    pub fn of_events(
        text: Text,
        records: Vec<Record>,
        events: Vec<EventFields>,
        origin: Origin,
        reservation: Option<MemoryReservation>,
    ) -> (Self, AckReceiver) {
        debug_assert_eq!(records.len(), events.len(), "one set of fields for each record");
        Self::new(text, records, Some(events.into()), origin, reservation)
    }

    /// A chunk of rows that weren't made from events, and the receiver of its acknowledgement.
    pub fn of_rows(
        text: Text,
        records: Vec<Record>,
        origin: Origin,
        reservation: Option<MemoryReservation>,
    ) -> (Self, AckReceiver) {
        Self::new(text, records, None, origin, reservation)
    }

    fn new(
        text: Text,
        records: Vec<Record>,
        events: Option<Arc<[EventFields]>>,
        origin: Origin,
        reservation: Option<MemoryReservation>,
    ) -> (Self, AckReceiver) {
        let backpressure = reservation.as_ref().map(|reservation| reservation.backpressure().clone());
        let (ack, ack_receiver) = reservation.map_or_else(Ack::new, Ack::holding);
        let chunk = Self {
            text,
            records: records.into(),
            events,
            origin,
            organization: None,
            takeover: None,
            backpressure,
            changed: false,
            shown_ids: None,
            ack,
        };
        (chunk, ack_receiver)
    }

    /// A chunk of rows made of this one. It carries a clone of the acknowledgement: the transform still has to call
    /// `done` on the original once all its outputs are made.
    pub fn rows(&self, text: String, records: Vec<Record>) -> Self {
        let ack = self.ack.derive(text.len());
        self.with(text.into(), records.into(), None, ack)
    }

    /// A chunk of the same records with other texts, made of this one. Each has to be a JSON object. It carries a clone of
    /// the acknowledgement, as [`Self::rows`] does.
    pub fn rewritten(&self, text: String, records: Vec<Record>) -> Self {
        if self.events.is_none() {
            return Self { changed: true, ..self.rows(text, records) };
        }
        let ack = self.ack.derive(text.len());
        let text = Text::from(text);
        let mut entries = MetadataEntries::default();
        let parse = |record: &Record| parse_event_and(&text, text.at(record.body), &mut entries).unwrap_or_default();
        let events = records.iter().map(parse).collect();
        entries.keep(&text);
        self.with(text, records.into(), Some(events), ack)
    }

    /// A chunk of some of the records, by their numbers. It carries a clone of the acknowledgement and shares the text.
    pub fn part(&self, numbers: &[usize]) -> Self {
        let records = numbers.iter().filter_map(|&number| self.records.get(number).cloned()).collect();
        let fields = |events: &Arc<[EventFields]>| {
            numbers.iter().filter_map(|&number| events.get(number).cloned()).collect::<Arc<[_]>>()
        };
        self.with(self.text.clone(), records, self.events.as_ref().map(fields), self.ack.clone())
    }

    /// What comes from the same place.
    fn with(&self, text: Text, records: Arc<[Record]>, events: Option<Arc<[EventFields]>>, ack: Ack) -> Self {
        let (origin, takeover, backpressure) = (self.origin.clone(), self.takeover, self.backpressure.clone());
        let (changed, shown_ids) = (self.changed, self.shown_ids.clone());
        let organization = self.organization.clone();
        Self { text, records, events, origin, organization, takeover, backpressure, changed, shown_ids, ack }
    }

    /// The raw events with their fields; empty for a chunk of rows.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        let fields = self.events.as_deref().unwrap_or_default();
        self.records.iter().zip(fields).map(|(record, fields)| Event { text: &self.text, record, fields })
    }

    /// A copy for an optional sink, whose delivery isn't acknowledged.
    #[must_use]
    pub fn detached(&self) -> Self {
        let copy = self.with(self.text.clone(), self.records.clone(), self.events.clone(), Ack::detached());
        Self { backpressure: None, ..copy }
    }

    /// The id that a row of this record shows.
    pub fn shown_id(&self, record: &Record) -> EventId {
        self.shown_ids.as_ref().map_or(record.id, |shown| shown.of(record.id))
    }

    /// The records as their rows show them: with other ids where the events' own could be guessed.
    pub fn shown_records(&self) -> Cow<'_, [Record]> {
        match &self.shown_ids {
            None => Cow::Borrowed(&self.records),
            Some(shown) => {
                self.records.iter().map(|record| Record { id: shown.of(record.id), ..record.clone() }).collect()
            }
        }
    }

    /// The mark of a record that another connector may have delivered before.
    pub fn mark(&self, record: &Record) -> Option<&'static str> {
        self.takeover.and_then(|takeover| takeover.mark(record.time))
    }

    /// A record's JSON text.
    pub fn body(&self, record: &Record) -> &str {
        self.text.at(record.body)
    }

    /// The bytes of all records' JSON texts.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.body.len()).sum()
    }
}
