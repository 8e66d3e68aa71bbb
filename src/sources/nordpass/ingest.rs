//! Takes a page in: decodes each element for itself, notes what was seen, sends what is new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::commit_queue::CommitSender;
use super::context::ReadContext;
use super::dedup::Dedup;
use super::emitter::{Emitter, NewEvents};
use super::error::ReadError;
use super::observations::{Observation, Window};
use super::odd_events::OddEvents;
use super::organizations::Organizations;
use super::page::Page;
use super::slice::Slice;
use super::state::{Change, State};
use super::time::{API_DAYS, DAY, SWEPT_DAYS};
use crate::event::{
    EventFields, EventId, Identifier, MetadataEntries, Record, Shape, Span, Text, event_time, parse_event_and,
};
use crate::telemetry::metrics;

/// Turns pages into chunks.
pub struct PageIngester {
    /// What it shares with the rest of the reading code.
    pub context: Arc<ReadContext>,
    /// Knows which events are new.
    pub dedup: Arc<Dedup>,
    /// Sends new events.
    pub emitter: Arc<Emitter>,
    /// For times that aren't covered any more.
    pub commits: CommitSender,
    /// Of the records.
    pub organizations: Organizations,
    /// Reports what is odd.
    pub odd_events: OddEvents,
    /// The state as committed; `None` where none is kept.
    pub state: Option<watch::Receiver<State>>,
}

/// An element that is an event.
struct Candidate {
    id: EventId,
    /// Its second, and whether that is written as whole seconds.
    time: Option<(i64, bool)>,
    body: Span,
    fields: EventFields,
}

impl Candidate {
    fn second(&self) -> Option<i64> {
        self.time.map(|(second, _)| second)
    }
}

/// What a page showed besides its events.
#[derive(Debug, Default)]
pub struct Ingested {
    /// The seconds of its events.
    pub seconds: HashSet<i64>,
    /// How many elements it had.
    pub elements: u64,
}

impl PageIngester {
    /// Takes one page in: an answer to the window's query, or to one narrowed to some users.
    pub async fn ingest(&self, slice: &mut Slice, window: &mut Window, page: &Page) -> Result<Ingested, ReadError> {
        let telemetry = &self.context.telemetry;
        let mut ingested = Ingested { elements: page.elements.len() as u64, ..Ingested::default() };
        telemetry.add(&metrics::PAGES, 1);
        telemetry.progress().page(ingested.elements);
        if page.repaired {
            self.odd_events.repaired();
        }
        let (candidates, copies) = self.decode(page, window).await;
        let mut new_events = NewEvents::default();
        for candidate in candidates {
            let time = candidate.second();
            ingested.seconds.extend(time);
            self.note(slice, window, page, &candidate, copies.get(&candidate.id).copied().unwrap_or(1));
            if self.dedup.is_new(slice, window, candidate.id, time).await? {
                self.uncover(slice, time);
                self.odd_events.inspect(&page.text, candidate.id, candidate.time, &candidate.fields);
                new_events.push(self.filed_under(slice, time), self.record(page, &candidate), candidate.fields);
            }
        }
        telemetry.add(&metrics::RECEIVED, ingested.elements);
        let known = ingested.elements.saturating_sub(new_events.count());
        telemetry.add_labelled(&metrics::DISCARDED, "known or outside the slice", known);
        self.emitter.send(slice.group, &page.text, new_events).await?;
        Ok(ingested)
    }

    /// A new event in a time that the state calls covered: until it has arrived, it mustn't. Otherwise a crash before that
    /// would leave the event to the next sweep. Only in the slice's own time: the end of its group covers that again, and
    /// another time that an event says would stay uncovered.
    fn uncover(&self, slice: &Slice, time: Option<i64>) {
        let time = time.filter(|time| slice.range.contains(time));
        let Some((state, time)) = self.state.as_ref().zip(time) else { return };
        if state.borrow().covered.contains(time) {
            self.commits.apply(Change::Uncovered(time..time + 1));
        }
    }

    /// Sends the further copies of identical events, whose number is now proven.
    pub async fn send_twins(&self, slice: &mut Slice, window: &Window) -> Result<(), ReadError> {
        let several = slice.observations.by_id.iter().filter_map(|(id, observation)| {
            let copies = window.copies(*id, observation);
            (copies > 1).then(|| (*id, copies, observation.time, observation.twins.clone()))
        });
        for (id, copies, time, twins) in several.collect::<Vec<_>>() {
            let Some((text, ..)) = twins.first() else { continue };
            let mut new_events = NewEvents::default();
            for (number, at) in (1..copies).zip(1..) {
                let Some((_, record, fields)) = twins.get(at).or(twins.last()) else { continue };
                let id = id.occurrence(number);
                if self.dedup.is_new(slice, window, id, time).await? {
                    let record = Record { id, ..record.clone() };
                    new_events.push(self.filed_under(slice, time), record, fields.clone());
                }
            }
            self.emitter.send(slice.group, text, new_events).await?;
        }
        Ok(())
    }

    /// The events of a page, and how often it shows each id. Elements that are no events become dead letters here.
    async fn decode(&self, page: &Page, window: &mut Window) -> (Vec<Candidate>, HashMap<EventId, u32>) {
        let (mut identifier, mut metadata) = (Identifier::default(), MetadataEntries::default());
        let mut candidates = Vec::with_capacity(page.elements.len());
        let mut copies: HashMap<EventId, u32> = HashMap::with_capacity(page.elements.len());
        let mut no_events: BTreeMap<EventId, (u32, Span)> = BTreeMap::new();
        for body in page.elements.iter().copied() {
            let raw = page.text.at(body);
            let Ok(fields) = parse_event_and(&page.text, raw, &mut metadata) else {
                no_events.entry(EventId::of_bytes(raw.as_bytes())).or_insert((0, body)).0 += 1;
                continue;
            };
            let id = identifier.identify(&page.text, &fields, &mut metadata);
            *copies.entry(id).or_default() += 1;
            candidates.push(Candidate { id, time: event_time(&page.text, &fields.timestamp), body, fields });
        }
        metadata.keep(&page.text);
        for (id, (number, body)) in no_events {
            window.note_outside(id, number);
            self.odd_events.dead_letter(id, page.text.at(body)).await;
        }
        (candidates, copies)
    }

    fn note(&self, slice: &mut Slice, window: &mut Window, page: &Page, candidate: &Candidate, copies: u32) {
        let time = candidate.second();
        if !window.surely_holds(time) {
            window.note_outside(candidate.id, copies);
        }
        let observation = slice.observations.by_id.entry(candidate.id).or_insert_with(|| {
            let uuid = &candidate.fields.user_uuid;
            let user = (uuid.shape == Shape::Plain && !uuid.is_blank()).then(|| page.text.at(uuid.span).to_owned());
            Observation { time, most: 0, user, twins: Vec::new() }
        });
        observation.most = observation.most.max(copies);
        let is_of = |text: &Text| std::ptr::eq(text.as_ptr(), page.text.as_ptr());
        if copies > 1 && observation.twins.first().is_none_or(|(text, ..)| is_of(text)) {
            let record = self.record(page, candidate);
            observation.twins.push((page.text.clone(), record, candidate.fields.clone()));
        }
    }

    /// The second that an id is filed under: the event's own where it is the slice's, or where that second is remembered for
    /// longer than the sweeps may show the event again.
    fn filed_under(&self, slice: &Slice, time: Option<i64>) -> i64 {
        let now = self.context.clock.now();
        let remembered = now - (API_DAYS - 2 * SWEPT_DAYS) * DAY..now + DAY;
        time.filter(|time| slice.range.contains(time) || remembered.contains(time)).unwrap_or(0)
    }

    fn record(&self, page: &Page, candidate: &Candidate) -> Record {
        let time = candidate.second().unwrap_or_else(|| self.context.clock.now());
        let organization = self.organizations.of(&page.text, &candidate.fields);
        Record { id: candidate.id, time, organization, body: candidate.body }
    }
}
