//! Takes a page in: decodes each element for itself, notes what was seen, sends what is new.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::client::Refusal;
use super::emitter::{Emitter, NewEvents};
use super::page::Page;
use super::registry::{Claim, Registry};
use super::seen::{Observation, Window};
use super::slice::{Slice, Trouble};
use super::state::{API_DAYS, Change, DAY, SWEPT_DAYS, State};
use super::time::Time;
use crate::sources::retry::{RetryStop, retry_until_ready};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::component::{DeadLetter, DeadLetterWriter};
use crate::component::{KnownId, SourceState};
use crate::event::{
    EventFields, EventId, Identifier, MetadataEntries, Record, Shape, Span, Text, event_time, parse_event_and,
};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;

/// Turns pages into chunks.
pub struct PageIngester {
    /// Where new events go.
    pub emitter: Emitter,
    /// The ids in flight.
    pub registry: Arc<Registry>,
    /// The ids in the checkpoint.
    pub store: Arc<dyn SourceState>,
    /// For elements that aren't events.
    pub dead_letters: Box<dyn DeadLetterWriter>,
    /// Clock and randomness.
    pub env: Env,
    /// What the source's decisions go by.
    pub time: Arc<Time>,
    /// For metrics, progress and waiting.
    pub telemetry: ComponentReporter,
    /// The state as committed; `None` where none is kept.
    pub state: Option<watch::Receiver<State>>,
    /// What was logged once.
    pub logged: Mutex<HashSet<String>>,
    /// Organizations by name, so that records share the text.
    pub organizations: Mutex<HashMap<String, Arc<str>>>,
    /// Hears of each organization once, by its [`organization_hash`].
    pub discovered: UnboundedSender<String>,
}

/// An element that is an event.
struct Candidate {
    id: EventId,
    time: Option<i64>,
    plain: bool,
    body: Span,
    fields: EventFields,
}

/// What a page showed besides its events.
#[derive(Debug, Default)]
pub struct Absorbed {
    /// The seconds of its events.
    pub seconds: HashSet<i64>,
    /// How many elements it had.
    pub elements: u64,
}

impl PageIngester {
    /// Takes one page in: an answer to the window's question, or to one narrowed to some users.
    pub async fn ingest(&self, slice: &mut Slice, window: &mut Window, page: &Page) -> Result<Absorbed, Trouble> {
        let mut absorbed = Absorbed { elements: page.elements.len() as u64, ..Absorbed::default() };
        self.telemetry.add(&metrics::PAGES, 1);
        self.telemetry.progress().page(absorbed.elements);
        if page.repaired {
            self.telemetry.add_labelled(&metrics::ODD_EVENTS, "not UTF-8", 1);
        }
        let (candidates, copies) = self.decode(page, window).await;
        let mut new_events = NewEvents::default();
        for candidate in candidates {
            absorbed.seconds.extend(candidate.time);
            self.note(slice, window, page, &candidate, copies.get(&candidate.id).copied().unwrap_or(1));
            if self.is_new(slice, window, candidate.id, candidate.time).await? {
                self.uncover(slice, candidate.time);
                self.take(slice, page, candidate, &mut new_events);
            }
        }
        self.telemetry.add(&metrics::RECEIVED, absorbed.elements);
        let known = absorbed.elements.saturating_sub(new_events.records.len() as u64);
        self.telemetry.add_labelled(&metrics::DISCARDED, "known or outside the slice", known);
        self.emitter.send(slice.group, &page.text, new_events).await.map_err(|_: Refusal| Trouble::Ending)?;
        Ok(absorbed)
    }

    /// A new event in a time that the state calls covered: until it has arrived, it mustn't. Otherwise a crash before that
    /// would leave the event to the next sweep. Only in the slice's own time: the end of its group covers that again, and
    /// another time that an event says would stay uncovered.
    fn uncover(&self, slice: &Slice, time: Option<i64>) {
        let time = time.filter(|time| slice.range.contains(time));
        let Some((state, time)) = self.state.as_ref().zip(time) else { return };
        if state.borrow().covered.contains(time) {
            let change = Change::Uncovered(time..time + 1);
            self.emitter.close(self.emitter.group(), vec![change], BTreeSet::new());
        }
    }

    /// Sends the further copies of identical events, whose number is now proven.
    pub async fn send_twins(&self, slice: &mut Slice, window: &Window) -> Result<(), Trouble> {
        let several = slice.seen.observations.iter().filter_map(|(id, observation)| {
            let copies = window.copies(*id, observation);
            (copies > 1).then(|| (*id, copies, observation.time, observation.twins.clone()))
        });
        for (id, copies, time, twins) in several.collect::<Vec<_>>() {
            let Some((text, ..)) = twins.first() else { continue };
            let mut new_events = NewEvents::default();
            for (number, at) in (1..copies).zip(1..) {
                let Some((_, record, fields)) = twins.get(at).or(twins.last()) else { continue };
                let id = id.occurrence(number);
                if !self.is_new(slice, window, id, time).await? {
                    continue;
                }
                new_events.ids.push(KnownId { time: self.filed_under(slice, time), id });
                new_events.records.push(Record { id, ..record.clone() });
                new_events.fields.push(fields.clone());
            }
            self.emitter.send(slice.group, text, new_events).await.map_err(|_: Refusal| Trouble::Ending)?;
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
            let (time, plain) = match event_time(&page.text, &fields.timestamp) {
                Some((time, plain)) => (Some(time), plain),
                None => (None, false),
            };
            candidates.push(Candidate { id, time, plain, body, fields });
        }
        metadata.keep(&page.text);
        for (id, (number, body)) in no_events {
            window.note_outside(id, number);
            self.dead_letter(id, page.text.at(body)).await;
        }
        (candidates, copies)
    }

    /// Something in `data` that isn't a JSON object can't become a row. It is kept, once, as a dead letter.
    async fn dead_letter(&self, id: EventId, raw: &str) {
        let letter = DeadLetter {
            id,
            stream: None,
            reason: "an element of NordPass's response isn't a JSON object".to_owned(),
            status: None,
            code: None,
            request_id: None,
            time: self.env.clock.now_seconds(),
            record: raw.to_owned(),
        };
        if self.dead_letters.write(std::slice::from_ref(&letter), &self.env, &self.telemetry).await > 0 {
            self.telemetry.add_labelled(&metrics::ODD_EVENTS, "not an object", 1);
            tracing::warn!(component = self.telemetry.name(), %id, "not a JSON object: kept as a dead letter");
        }
    }

    fn note(&self, slice: &mut Slice, window: &mut Window, page: &Page, candidate: &Candidate, copies: u32) {
        if !window.surely_holds(candidate.time) {
            window.note_outside(candidate.id, copies);
        }
        let observation = slice.seen.observations.entry(candidate.id).or_insert_with(|| {
            let uuid = &candidate.fields.user_uuid;
            let user = (uuid.shape == Shape::Plain && !uuid.is_blank()).then(|| page.text.at(uuid.span).to_owned());
            Observation { time: candidate.time, most: 0, user, twins: Vec::new() }
        });
        observation.most = observation.most.max(copies);
        let is_of = |text: &Text| std::ptr::eq(text.as_ptr(), page.text.as_ptr());
        if copies > 1 && observation.twins.first().is_none_or(|(text, ..)| is_of(text)) {
            let record = self.record(page, candidate);
            observation.twins.push((page.text.clone(), record, candidate.fields.clone()));
        }
    }

    /// Whether this event is to be sent now; claims it if so.
    async fn is_new(
        &self,
        slice: &mut Slice,
        window: &Window,
        id: EventId,
        time: Option<i64>,
    ) -> Result<bool, Trouble> {
        match time {
            Some(time) if slice.range.contains(&time) => {
                let known = slice.known.contains(&id) || self.is_apart(slice, id).await?;
                Ok(!known && claim(&self.registry, id, &mut slice.awaited))
            }
            // At the bounds: the neighbouring slice's.
            Some(time) if window.may_hold(Some(time)) => Ok(false),
            // The API shows it for this time though it says another one, or none. It is an event all the same.
            other => {
                let known = self.is_apart(slice, id).await? || self.is_filed_under(other, id).await?;
                Ok(!known && claim(&self.registry, id, &mut slice.awaited))
            }
        }
    }

    /// Whether an id is among those that are filed under no second of their own: when the event came, its time was too far
    /// away, and it may have come nearer since. They are few, and asked for where something seems to be new.
    async fn is_apart(&self, slice: &mut Slice, id: EventId) -> Result<bool, Trouble> {
        if slice.apart.is_none() {
            slice.apart = Some(self.known(0..1).await?.into_iter().map(|known| known.id).collect());
        }
        Ok(slice.apart.as_ref().is_some_and(|apart| apart.contains(&id)))
    }

    /// Whether an id is filed under this second.
    async fn is_filed_under(&self, time: Option<i64>, id: EventId) -> Result<bool, Trouble> {
        let Some(time) = time else { return Ok(false) };
        Ok(self.known(time..time.saturating_add(1)).await?.iter().any(|known| known.id == id))
    }

    /// The ids that the checkpoint has for these seconds.
    pub async fn known(&self, seconds: Range<i64>) -> Result<Vec<KnownId>, Trouble> {
        let attempt = || self.store.known(seconds.clone());
        let (what, shutdown) = ("can't read the checkpoint", self.emitter.shutdown());
        let known = retry_until_ready(what, &self.env, &self.telemetry, shutdown, attempt).await;
        known.map_err(|error| match error {
            RetryStop::Ending => Trouble::Ending,
            RetryStop::Unusable(error) => Trouble::Checkpoint(error.to_string()),
        })
    }

    /// The second that an id is filed under: the event's own where it is the slice's, or where that second is remembered for
    /// longer than the sweeps may show the event again.
    fn filed_under(&self, slice: &Slice, time: Option<i64>) -> i64 {
        let now = self.time.now();
        let remembered = now - (API_DAYS - 2 * SWEPT_DAYS) * DAY..now + DAY;
        time.filter(|time| slice.range.contains(time) || remembered.contains(time)).unwrap_or(0)
    }

    fn take(&self, slice: &Slice, page: &Page, candidate: Candidate, new_events: &mut NewEvents) {
        let record = self.record(page, &candidate);
        self.remark(page, &candidate);
        new_events.ids.push(KnownId { time: self.filed_under(slice, candidate.time), id: candidate.id });
        new_events.records.push(record);
        new_events.fields.push(candidate.fields);
    }

    fn record(&self, page: &Page, candidate: &Candidate) -> Record {
        let time = candidate.time.unwrap_or_else(|| self.time.now());
        let organization = self.organization(&page.text, &candidate.fields);
        Record { id: candidate.id, time, organization, body: candidate.body }
    }

    fn organization(&self, text: &str, fields: &EventFields) -> Arc<str> {
        let name = match fields.organization.shape {
            Shape::Plain | Shape::Escaped | Shape::Other => {
                text.get(fields.organization.span.start as usize..fields.organization.span.end as usize)
            }
            Shape::Missing | Shape::Null => None,
        };
        let name = name.unwrap_or_default();
        let mut organizations = self.organizations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = organizations.get(name) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        // A feed has one organization, or few. More than this would be nonsense that must not eat memory.
        if organizations.len() < 10_000 {
            organizations.insert(name.to_owned(), shared.clone());
            if !name.is_empty() {
                let _ = self.discovered.send(organization_hash(name));
            }
        }
        shared
    }

    /// Counts and logs, once, what is odd about a new event.
    fn remark(&self, page: &Page, candidate: &Candidate) {
        let now = self.time.now();
        let odd_time = match candidate.time {
            None => Some("no usable timestamp"),
            Some(time) if time > now + DAY => Some("timestamp in the future"),
            Some(_) if !candidate.plain => Some("timestamp not in whole seconds"),
            Some(_) => None,
        };
        let fields = &candidate.fields;
        let strings = [&fields.kind, &fields.action, &fields.organization, &fields.initiator, &fields.user_uuid];
        let odd_type = strings.into_iter().chain([&fields.user_email]).any(|field| field.shape == Shape::Other)
            || fields.odd_user.shape != Shape::Missing;
        for kind in odd_time.into_iter().chain(odd_type.then_some("unexpected type")) {
            self.telemetry.add_labelled(&metrics::ODD_EVENTS, kind, 1);
            tracing::warn!(component = self.telemetry.name(), id = %candidate.id, "odd event kept: {kind}");
        }
        for (name, _) in &fields.unknown {
            let name = page.text.at(name.span);
            let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
            if logged.len() < 1_000 && logged.insert(name.to_owned()) {
                self.telemetry.add_labelled(&metrics::ODD_EVENTS, "unknown field", 1);
                tracing::info!(component = self.telemetry.name(), field = name, "events have an unknown field");
            }
        }
    }
}

/// A short hash of an organization's UUID: what the state keeps of it.
pub fn organization_hash(organization: &str) -> String {
    blake3::hash(organization.as_bytes()).to_hex()[..12].to_owned()
}

/// Claims an id; one that another reading has in flight is noted as awaited.
fn claim(registry: &Registry, id: EventId, awaited: &mut BTreeSet<EventId>) -> bool {
    match registry.claim(id) {
        Claim::New => true,
        Claim::InFlight => {
            awaited.insert(id);
            false
        }
        Claim::Committed => false,
    }
}
