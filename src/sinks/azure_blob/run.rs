//! The loop: takes chunks, closes groups, and starts deliveries.
//!
//! It never waits for a delivery: memory is bounded by what each source may have under way, and a source that can't record
//! its intents holds nobody up but itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::archive::Archive;
use super::deliver::{Ended, commit, deliver};
use super::group::Group;
use super::lane::{Lane, Phase};
use super::settings::Settings;
use super::settle::settle;
use super::shared::{LaneId, Shared, room};
use super::skips::Skips;
use crate::component::{ComponentError, Context, Input, IntentHash, Sink, SourceState, StateOf};
use crate::event::{Chunk, Origin};
use crate::sinks::file::template::Dates;
use crate::telemetry::metrics;

/// How long a source may go on waiting for memory after some was given back. Then its blobs are written.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often to look whether the state has room for another intent.
const LOOK: Duration = Duration::from_secs(5);

/// What a group waits for that the state has no room for.
const NO_ROOM: &str = "the source's other sinks haven't acknowledged what is archived: it goes on when they have";

/// How many chunks of an optional sink wait for what earlier runs have left. A required sink's are bounded by its sources.
const MOST_HELD: usize = 64;

/// How many closed groups of an optional sink wait for their delivery. A required sink's are bounded by its sources.
const MOST_CLOSED: usize = 2;

/// The reason of [`metrics::DISCARDED`] for what an optional sink has no room for.
const OPTIONAL: &str = "optional sink full";

/// The reason of [`metrics::DISCARDED`] for what came again after it was archived.
const ARCHIVED: &str = "in the archive already";

/// The sink.
pub struct BlobSink {
    shared: Arc<Shared>,
    /// By [`Origin::source`], in an order that doesn't depend on chance.
    lanes: BTreeMap<Arc<str>, Lane>,
    work: FuturesUnordered<BoxFuture<'static, Event>>,
    dates: Dates,
    /// Whether more can come.
    is_reading: bool,
}

/// What has ended.
enum Event {
    Delivered(Arc<LaneId>, Result<Option<IntentHash>, Ended>),
    Settled(Arc<LaneId>, Result<Skips, Ended>),
    Noted,
}

impl Sink for BlobSink {
    fn run(mut self: Box<Self>, input: Input) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move { self.run_to_end(input).await })
    }
}

impl BlobSink {
    /// Sends no request. Fails with a sentence about invalid settings.
    pub fn new(settings: Settings, context: Context) -> Result<Self, String> {
        let Context { name, env, telemetry, store, .. } = context;
        let archive = Archive::new(&settings, &env, &telemetry)?;
        let nonce = env.random.next_u64();
        let shared = Shared { name, settings, env, telemetry, store, archive, nonce };
        Ok(Self {
            shared: Arc::new(shared),
            lanes: BTreeMap::new(),
            work: FuturesUnordered::new(),
            dates: Dates::default(),
            is_reading: true,
        })
    }

    async fn run_to_end(&mut self, mut input: Input) -> Result<(), ComponentError> {
        let mut opened = self.shared.store.open_states().watch();
        while self.is_reading || !self.work.is_empty() || self.lanes.values().any(|lane| lane.open.is_some()) {
            let flush_requested = input.flush_requested();
            let due = self.lanes.values().filter_map(Lane::due).min();
            tokio::select! {
                biased;
                Some(event) = self.work.next(), if !self.work.is_empty() => self.happened(event).await?,
                () = opened.changed() => self.look_at_states(),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.close_due().await?,
                () = flush_requested, if self.is_reading => self.relieve(true).await?,
                received = input.receive(), if self.is_reading => {
                    self.shared.telemetry.set(&metrics::QUEUE_FILL, input.waiting() as f64);
                    let is_last = input.waiting() == 0;
                    self.received(received).await?;
                    // A wait that began before its source's first chunk came was told to nobody.
                    if is_last {
                        self.relieve(false).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn received(&mut self, received: Option<(usize, Chunk)>) -> Result<(), ComponentError> {
        let Some((input, chunk)) = received else {
            self.is_reading = false;
            let sources: Vec<Arc<str>> = self.lanes.keys().cloned().collect();
            for source in sources {
                self.close(&source).await?;
            }
            return Ok(());
        };
        self.shared.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
        let Some(lane) = self.lane(&chunk.origin) else { return Ok(()) };
        match &mut lane.phase {
            Phase::Settling(held) if chunk.ack.is_detached() && held.len() >= MOST_HELD => {
                let records = chunk.records.len() as u64;
                self.shared.telemetry.add_labelled(&metrics::DISCARDED, OPTIONAL, records);
            }
            Phase::Settling(held) => held.push((input, chunk)),
            Phase::Ready(_) => self.take(input, chunk).await?,
            Phase::Gone => {}
        }
        Ok(())
    }

    /// The lane of a chunk. `None`: its run is over.
    fn lane(&mut self, origin: &Origin) -> Option<&mut Lane> {
        match self.shared.store.open_states().of(&origin.source) {
            StateOf::Open(state) if state.run() == origin.run => self.enter(state.as_ref()),
            // What it had is read again, or nobody waits for it.
            StateOf::Open(_) | StateOf::Ended => {
                return self.lanes.get_mut(&origin.source).filter(|lane| lane.id.run == origin.run);
            }
            StateOf::Stateless => {
                let run = self.shared.nonce;
                let id = LaneId { source: origin.source.clone(), run, keeps_state: false };
                if self.lanes.get(&origin.source).is_none_or(|lane| *lane.id != id) {
                    self.lanes.insert(origin.source.clone(), Lane::new(Arc::new(id), Phase::Ready(Skips::default())));
                }
            }
        }
        self.lanes.get_mut(&origin.source)
    }

    /// Finishes what is left in states that were opened, also where no event comes any more.
    fn look_at_states(&mut self) {
        for state in self.shared.store.open_states().all() {
            if state.intents().iter().any(|intent| intent.run != state.run()) {
                self.enter(state.as_ref());
            }
        }
    }

    /// Makes a lane for the run of a state, unless there is one.
    fn enter(&mut self, state: &dyn SourceState) {
        let id = LaneId { source: state.key_id(), run: state.run(), keeps_state: true };
        if self.lanes.get(&id.source).is_some_and(|lane| *lane.id == id) {
            return;
        }
        let id = Arc::new(id);
        let is_clean = state.intents().iter().all(|intent| intent.run == id.run);
        let phase = if is_clean { Phase::Ready(Skips::default()) } else { Phase::Settling(Vec::new()) };
        self.lanes.insert(id.source.clone(), Lane::new(id.clone(), phase));
        if !is_clean {
            let shared = self.shared.clone();
            self.work.push(Box::pin(async move {
                let settled = settle(&shared, &id).await;
                Event::Settled(id, settled)
            }));
        }
    }

    async fn happened(&mut self, event: Event) -> Result<(), ComponentError> {
        match event {
            Event::Noted => {}
            Event::Delivered(id, delivered) => {
                if delivered.is_err() {
                    self.shared.forget(&id);
                }
                let Some(lane) = self.lanes.get_mut(&id.source).filter(|lane| lane.id == id) else { return Ok(()) };
                lane.under_way = None;
                match delivered {
                    Ok(recorded) => {
                        lane.recorded.extend(recorded);
                        self.start(&id.source);
                    }
                    Err(Ended) => lane.abandon(),
                }
            }
            Event::Settled(id, settled) => {
                if settled.is_err() {
                    self.shared.forget(&id);
                }
                let Some(lane) = self.lanes.get_mut(&id.source).filter(|lane| lane.id == id) else { return Ok(()) };
                let Ok(skips) = settled else {
                    lane.abandon();
                    return Ok(());
                };
                let held = match std::mem::replace(&mut lane.phase, Phase::Ready(skips)) {
                    Phase::Settling(held) => held,
                    Phase::Ready(_) | Phase::Gone => Vec::new(),
                };
                for (input, chunk) in held {
                    self.take(input, chunk).await?;
                }
                if !self.is_reading {
                    self.close(&id.source).await?;
                }
            }
        }
        Ok(())
    }

    /// Takes a chunk of a lane that is ready.
    async fn take(&mut self, input: usize, chunk: Chunk) -> Result<(), ComponentError> {
        let Some(lane) = self.lanes.get_mut(&chunk.origin.source) else { return Ok(()) };
        let Phase::Ready(skips) = &mut lane.phase else { return Ok(()) };
        let telemetry = &self.shared.telemetry;
        let all = chunk.records.len();
        let has_to_wait = |group: &Group| lane.waits_for_room.is_some() && group.is_full(&self.shared.settings);
        let is_full = lane.closed.len() >= MOST_CLOSED || lane.open.as_ref().is_some_and(has_to_wait);
        if chunk.ack.is_detached() && is_full {
            telemetry.add_labelled(&metrics::DISCARDED, OPTIONAL, all as u64);
            return Ok(());
        }
        let sequence = chunk.origin.sequence;
        let numbers: Vec<usize> = if skips.is_empty() {
            (0..all).collect()
        } else {
            (0..all).filter(|&number| !skips.take(chunk.records[number].id.0, input, sequence)).collect()
        };
        let settled = skips.settled();
        if !settled.is_empty() {
            let (shared, id) = (self.shared.clone(), lane.id.clone());
            self.work.push(Box::pin(async move {
                // Whoever has the source next settles them again.
                if commit(&shared, &id, settled).await.is_err() {
                    shared.forget(&id);
                }
                Event::Noted
            }));
        }
        if numbers.len() < all {
            telemetry.add_labelled(&metrics::DISCARDED, ARCHIVED, (all - numbers.len()) as u64);
        }
        if numbers.is_empty() {
            chunk.ack.done();
            return Ok(());
        }
        let settings = &self.shared.settings;
        let group = lane.open.get_or_insert_with(|| Group::new(Instant::now() + settings.timeout));
        let source = chunk.origin.source.clone();
        group.add(settings, &mut self.dates, input, chunk, numbers).await.map_err(|error| cant_compress(&error))?;
        if group.is_full(settings) {
            self.close(&source).await?;
        }
        Ok(())
    }

    /// Closes a lane's group, if it has one, and starts its delivery. A group that the state has no room for takes further
    /// records until it has: among them may be those that other groups' chunks still lack.
    async fn close(&mut self, source: &Arc<str>) -> Result<(), ComponentError> {
        let Some(lane) = self.lanes.get_mut(source) else { return Ok(()) };
        lane.look_again = None;
        if lane.open.is_none() {
            return Ok(());
        }
        let status = self.shared.telemetry.status();
        let state = if lane.id.keeps_state { self.shared.state(&lane.id) } else { None };
        if state.is_some_and(|state| !lane.has_room(&state.intents())) {
            lane.waits_for_room = Some(Instant::now() + LOOK);
            status.held_up(&room(source), NO_ROOM, LOOK, self.shared.env.clock.now());
            return Ok(());
        }
        if lane.waits_for_room.take().is_some() {
            status.released(&room(source));
        }
        if let Some(group) = lane.open.take() {
            let closed = group.close(&self.shared.settings).await.map_err(|error| cant_compress(&error))?;
            lane.closed.push_back(closed);
            self.start(source);
        }
        Ok(())
    }

    /// Starts a lane's next delivery, unless one is under way.
    fn start(&mut self, source: &Arc<str>) {
        let Some(lane) = self.lanes.get_mut(source).filter(|lane| lane.under_way.is_none()) else { return };
        let Some(closed) = lane.closed.pop_front() else { return };
        lane.under_way = Some(closed.chunks.clone());
        let (shared, id) = (self.shared.clone(), lane.id.clone());
        self.work.push(Box::pin(async move {
            let delivered = deliver(&shared, &id, closed).await;
            Event::Delivered(id, delivered)
        }));
    }

    /// Closes what is old enough, and what a source still waits for.
    async fn close_due(&mut self) -> Result<(), ComponentError> {
        let now = Instant::now();
        let due: Vec<Arc<str>> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.due().is_some_and(|due| due <= now))
            .map(|it| it.0.clone())
            .collect();
        for source in due {
            let Some(lane) = self.lanes.get_mut(&source) else { continue };
            if lane.waits_for_room.is_some() {
                self.close(&source).await?;
                continue;
            }
            let is_old = lane.open.as_ref().is_some_and(|group| group.due <= now);
            if lane.look_again.take_if(|at| *at <= now).is_some() && !is_old {
                self.relieve_one(&source).await?;
            } else if is_old {
                self.close(&source).await?;
            }
        }
        Ok(())
    }

    /// Gives memory back to sources that wait for it: at once what compressing frees, and all (`close`) where that is too little.
    async fn relieve(&mut self, close: bool) -> Result<(), ComponentError> {
        let is_due = |group: &Group| group.is_waited_for() && (close || group.holds_memory());
        let waited_for = |lane: &Lane| lane.open.as_ref().is_some_and(is_due);
        let sources: Vec<Arc<str>> =
            self.lanes.iter().filter(|(_, lane)| waited_for(lane)).map(|it| it.0.clone()).collect();
        for source in sources {
            self.relieve_one(&source).await?;
        }
        Ok(())
    }

    /// Compressing gives the memory of texts back, without a blob for it. If the source waits for more than that, its
    /// blobs are written.
    async fn relieve_one(&mut self, source: &Arc<str>) -> Result<(), ComponentError> {
        let Some(lane) = self.lanes.get_mut(source) else { return Ok(()) };
        match &mut lane.open {
            Some(group) if group.is_waited_for() && group.holds_memory() => {
                group.compress(&self.shared.settings).await.map_err(|error| cant_compress(&error))?;
                lane.look_again = Some(Instant::now() + PATIENCE);
                Ok(())
            }
            Some(group) if group.is_waited_for() => self.close(source).await,
            _ => Ok(()),
        }
    }
}

fn cant_compress(error: &std::io::Error) -> ComponentError {
    ComponentError::new(format!("can't compress records: {error}"))
        .hint("this is a bug in the program; nothing is lost, the events are read again")
}
