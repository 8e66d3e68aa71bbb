//! Ingests a page: decodes each element separately, records what was seen, sends new events.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::commit_queue::CommitSender;
use super::context::ReadContext;
use super::dedup::Dedup;
use super::emitter::{Emitter, NewEvents};
use super::error::ReadError;
use super::observations::{Observation, Window};
use super::odd_events::{NoEvents, OddEvents};
use super::organizations::{Organizations, Pin};
use super::page::Page;
use super::slice::Slice;
use super::state::{Change, State};
use super::time::{API_DAYS, DAY, SWEPT_DAYS};
use crate::event::{
    Chunk, EventFields, EventId, Identifier, MetadataEntries, Origin, Record, Shape, Span, Text, event_time,
    parse_event, parse_event_and,
};
use crate::telemetry::metrics;

/// Longest text accepted as a user. A UUID has 36 bytes.
const LONGEST_USER: usize = 128;
/// Maximum bytes of identical events that a slice keeps until their number is proven. Real ones are few.
const MOST_TWIN_BYTES: usize = 1 << 20;

/// Turns pages into chunks.
pub struct PageIngester {
    /// Shared with the rest of the reading code.
    pub context: Arc<ReadContext>,
    /// Knows which events are new.
    pub dedup: Arc<Dedup>,
    /// Sends new events.
    pub emitter: Arc<Emitter>,
    /// Receives changes for times that are no longer covered.
    pub commits: CommitSender,
    /// Finds the records' organizations.
    pub organizations: Organizations,
    /// Keeps the source to one organization, where the organizations file lists it.
    pub pin: Option<Pin>,
    /// Reports odd events.
    pub odd_events: OddEvents,
    /// The committed state; `None` if none is kept.
    pub state: Option<watch::Receiver<State>>,
}

/// An element that is an event.
struct Candidate {
    id: EventId,
    /// Its second, and whether it was written in whole seconds.
    time: Option<(i64, bool)>,
    body: Span,
    fields: EventFields,
}

impl Candidate {
    fn second(&self) -> Option<i64> {
        self.time.map(|(second, _)| second)
    }
}

/// A summary of an ingested page.
#[derive(Debug, Default)]
pub struct Ingested {
    /// The seconds of its events.
    pub seconds: HashSet<i64>,
    /// The number of its elements.
    pub elements: u64,
}

impl PageIngester {
    /// Ingests a response to the window's query, or to that query narrowed to some users.
    pub async fn ingest(&self, slice: &mut Slice, window: &mut Window, page: &Page) -> Result<Ingested, ReadError> {
        let telemetry = &self.context.telemetry;
        let mut ingested = Ingested { elements: page.elements.len() as u64, ..Ingested::default() };
        telemetry.add(&metrics::PAGES, 1);
        telemetry.progress().page(ingested.elements);
        if page.repaired {
            self.odd_events.repaired();
        }
        slice.pages += 1;
        let (candidates, copies, no_events) = Self::decode(page, window);
        self.keep_to_one_organization(&page.text, &candidates)?;
        let mut new_events = NewEvents::with_capacity(candidates.len());
        let mut shown: HashMap<EventId, u32> = HashMap::new();
        for mut candidate in candidates {
            let time = candidate.second();
            ingested.seconds.extend(time);
            let several = copies.get(&candidate.id).copied().unwrap_or(1);
            if !Self::note(slice, window, page, &candidate, several) {
                let number = shown.entry(candidate.id).or_default();
                candidate.id = if *number == 0 { candidate.id } else { candidate.id.occurrence(*number) };
                *number += 1;
            }
            if self.dedup.is_new(slice, window, candidate.id, time).await? {
                self.uncover(slice, time);
                self.odd_events.inspect(&page.text, candidate.id, candidate.time, &candidate.fields);
                new_events.push(
                    self.filed_under(slice, time),
                    self.record(&page.text, (candidate.id, time, candidate.body), &candidate.fields),
                    candidate.fields,
                );
            } else if self.context.settings.mode.is_comparison() && slice.holds_known(candidate.id, time) {
                let shown = slice.shown.entry(candidate.id);
                shown.or_insert_with(|| self.alone(&page.text, candidate));
            }
        }
        telemetry.add(&metrics::RECEIVED, ingested.elements);
        let known = ingested.elements.saturating_sub(new_events.count());
        telemetry.add_labelled(&metrics::DISCARDED, "known or outside the slice", known);
        self.emitter.send(slice.group, &page.text, new_events).await?;
        // After the events, so that they don't wait for it.
        self.odd_events.keep(&page.text, no_events).await?;
        Ok(ingested)
    }

    /// Refuses events of another organization, before anything of their page is sent. The first one is committed before its
    /// events can be: the committer takes its messages in order.
    fn keep_to_one_organization(&self, text: &Text, candidates: &[Candidate]) -> Result<(), ReadError> {
        let Some(pin) = &self.pin else { return Ok(()) };
        if let Some(first) = pin.check(text, candidates.iter().map(|candidate| &candidate.fields))?
            && self.state.is_some()
        {
            self.commits.apply(Change::Organization(first, 0..0));
        }
        Ok(())
    }

    /// Uncovers the second of a new event until the event is delivered. Otherwise a crash would leave the event to the
    /// next sweep. Only within the slice, whose group covers the second again; any other second would stay uncovered.
    fn uncover(&self, slice: &Slice, time: Option<i64>) {
        let time = time.filter(|time| slice.range.contains(time));
        let Some((state, time)) = self.state.as_ref().zip(time) else { return };
        if state.borrow().covered.contains(time) {
            self.commits.apply(Change::Uncovered(time..time + 1));
        }
    }

    /// Sends the further copies of identical events once their number is proven.
    pub async fn send_twins(&self, slice: &mut Slice, window: &Window) -> Result<(), ReadError> {
        let several = slice.observations.by_id.iter().filter_map(|(id, observation)| {
            let copies = window.copies(*id, observation);
            (copies > 1).then(|| (*id, copies, observation.time, observation.twins.clone()))
        });
        for (id, copies, time, twins) in several.collect::<Vec<_>>() {
            let (mut bodies, mut spans) = (String::new(), Vec::new());
            for (number, at) in (1..copies).zip(1..) {
                let Some(body) = twins.get(at).or(twins.last()) else { continue };
                let id = id.occurrence(number);
                if self.dedup.is_new(slice, window, id, time).await? {
                    let start = bodies.len();
                    bodies.push_str(body);
                    spans.push((id, Span::new(start, bodies.len())));
                }
            }
            let (text, mut new_events) = (Text::from(bodies), NewEvents::with_capacity(spans.len()));
            for (id, body) in spans {
                // Can't fail: it was parsed before.
                let Ok(fields) = parse_event(&text, text.at(body)) else { continue };
                let record = self.record(&text, (id, time, body), &fields);
                new_events.push(self.filed_under(slice, time), record, fields);
            }
            self.emitter.send(slice.group, &text, new_events).await?;
        }
        Ok(())
    }

    /// Returns a page's events, how often it shows each id, and the elements that aren't events.
    fn decode(page: &Page, window: &mut Window) -> (Vec<Candidate>, HashMap<EventId, u32>, NoEvents) {
        let (mut identifier, mut metadata) = (Identifier::default(), MetadataEntries::default());
        let mut candidates = Vec::with_capacity(page.elements.len());
        let mut copies: HashMap<EventId, u32> = HashMap::with_capacity(page.elements.len());
        let mut no_events = NoEvents::new();
        let mut several: BTreeMap<EventId, u32> = BTreeMap::new();
        for body in page.elements.iter().copied() {
            let raw = page.text.at(body);
            let Ok(fields) = parse_event_and(&page.text, raw, &mut metadata) else {
                let id = EventId::of_bytes(raw.as_bytes());
                *several.entry(id).or_default() += 1;
                no_events.insert(id, body);
                continue;
            };
            let id = identifier.identify(&page.text, &fields, &mut metadata);
            *copies.entry(id).or_default() += 1;
            candidates.push(Candidate { id, time: event_time(&page.text, &fields.timestamp), body, fields });
        }
        metadata.keep(&page.text);
        for (id, number) in several {
            window.note_outside(id, number);
        }
        (candidates, copies, no_events)
    }

    /// Records what a page showed. `false` if there is no room to keep an identical event until their number is proven.
    /// Then it is sent as seen.
    fn note(slice: &mut Slice, window: &mut Window, page: &Page, candidate: &Candidate, copies: u32) -> bool {
        let time = candidate.second();
        if !window.surely_holds(time) {
            window.note_outside(candidate.id, copies);
        }
        let number = slice.pages;
        let observation = slice.observations.by_id.entry(candidate.id).or_insert_with(|| {
            let uuid = &candidate.fields.user_uuid;
            let is_name = uuid.shape == Shape::Plain && !uuid.is_blank() && uuid.span.len() <= LONGEST_USER;
            let user = is_name.then(|| page.text.at(uuid.span).to_owned());
            Observation { time, most: 0, user, twins: Vec::new(), twins_of: number }
        });
        observation.most = observation.most.max(copies);
        if copies < 2 {
            return true;
        }
        if observation.twins.is_empty() {
            observation.twins_of = number;
        }
        if observation.twins_of == number {
            let body = page.text.at(candidate.body);
            // Copied, so that it doesn't keep the whole page in memory.
            let twin = match observation.twins.last() {
                Some(last) if **last == *body => last.clone(),
                _ if slice.twin_bytes + body.len() > MOST_TWIN_BYTES => return false,
                _ => {
                    slice.twin_bytes += body.len();
                    body.into()
                }
            };
            observation.twins.push(twin);
        }
        true
    }

    /// The second to file an id under: the event's own if it is in the slice or remembered for longer than sweeps may
    /// show the event again, else 0.
    fn filed_under(&self, slice: &Slice, time: Option<i64>) -> i64 {
        let now = self.context.clock.now();
        let remembered = now - (API_DAYS - 2 * SWEPT_DAYS) * DAY..now + DAY;
        time.filter(|time| slice.range.contains(time) || remembered.contains(time)).unwrap_or(0)
    }

    /// An event in a chunk of its own, whose acknowledgement nobody awaits.
    fn alone(&self, text: &Text, candidate: Candidate) -> Chunk {
        let record = self.record(text, (candidate.id, candidate.second(), candidate.body), &candidate.fields);
        let origin = Origin { source: "comparison".into(), run: 0, sequence: 0 };
        Chunk::of_events(text.clone(), vec![record], vec![candidate.fields], origin, None).0
    }

    fn record(&self, text: &Text, (id, time, body): (EventId, Option<i64>, Span), fields: &EventFields) -> Record {
        let time = time.unwrap_or_else(|| self.context.clock.now());
        Record { id, time, organization: self.organizations.of(text, fields), body }
    }
}
