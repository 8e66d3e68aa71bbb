//! The NordPass source: the Activity Logs API, read so that nothing is lost and nothing is sent twice.
//!
//! The API pages by number over a set that moves, has no event id, knows whole seconds only, and doesn't say how its
//! pages are ordered or whether its bounds are inclusive. Events become visible late. So this source doesn't keep "a
//! cursor": it keeps the *set of times* that it has read, proven complete, delivered and committed.
//!
//! | file | what it does |
//! |---|---|
//! | [`lanes`] | decides what is read when, and polls the live end |
//! | [`history`], [`backlog`] | what isn't covered, oldest first |
//! | [`again`] | the sweeps and the audit, for late events |
//! | [`span`] | a longer time, slice by slice |
//! | [`range`] | one given time, once: `backfill` and `reconcile` |
//! | [`reader`] | reads one slice of time and proves that nothing of it is missing |
//! | [`seen`] | what the answers have shown, and the sum that is the proof |
//! | [`ingest`] | takes a page in: decodes each event for itself, drops what is known, sends what is new |
//! | [`registry`] | the ids in flight, so that readings side by side don't send an event twice |
//! | [`client`], [`page`] | one question to the API, asked until it is answered |
//! | [`turns`] | the rate limit, and who asks next |
//! | [`takeover`] | where to begin after the official connector |
//! | [`time`] | what time it is, for every decision |
//! | [`emitter`], [`commit`] | chunks out, acknowledgements back, and the state moved by them |
//! | [`state`], [`intervals`] | what is kept in the checkpoint |

mod again;
mod backlog;
mod client;
mod commit;
mod emitter;
mod history;
mod ingest;
mod intervals;
mod lanes;
mod page;

mod range;
mod rate_limiter;
mod reader;
mod registry;
mod seen;
mod settings;
mod side_by_side;
mod slice;
mod span;
mod state;
mod takeover;
#[cfg(test)]
mod tests;
mod time;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{mpsc, watch};

pub use range::{Comparison, Missing, ReadMode, compare};
pub use settings::{Settings, TYPE};

use backlog::{Backlog, Gaps};
use client::Client;
use commit::Committer;
use emitter::Emitter;
use ingest::PageIngester;
use lanes::Lanes;

use reader::Reader;
use registry::Registry;
use slice::Trouble;
use state::{API_DAYS, Change, DAY, State};

use crate::component::{ComponentError, Context, Output, Shutdown, ShutdownSignal, Source, SourceSettings};
use crate::component::{LeaseGuard, Predecessor, SourceKey, SourceState};
use crate::sources::retry::{RetryStop, retry_until_ready};
use crate::telemetry::{ComponentReporter, Telemetry, metrics};
use nordpass_env::Env;

impl SourceSettings for Settings {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        build(self.clone())
    }

    fn can_take_over(&self) -> bool {
        true
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(probe(self, env))
    }
}

/// Makes the source.
pub fn build(settings: Settings) -> Box<dyn Source> {
    Box::new(Nordpass { settings })
}

/// For `validate --connect`: asks for one event and says what came.
pub async fn probe(settings: &Settings, env: &Env) -> Result<String, String> {
    let (shutdown, lease_guard) = (Shutdown::never(), LeaseGuard::always());
    let client = Client::new(settings.clone(), env.clone(), ComponentReporter::detached(), shutdown, lease_guard)?;
    client.probe().await
}

struct Nordpass {
    settings: Settings,
}

impl Source for Nordpass {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(run(self.settings, context, output))
    }
}

/// Reads the source for as long as it is this process's, and takes it again when another one has had it.
async fn run(settings: Settings, context: Context, output: Output) -> Result<(), ComponentError> {
    let key = SourceKey { name: context.name.to_string(), endpoint: settings.endpoint.clone() };
    let mut output = Some(output);
    loop {
        let open = || context.store.open(key.clone());
        let what = "can't open the checkpoint";
        let store = match retry_until_ready(what, &context.env, &context.telemetry, &context.shutdown, open).await {
            Ok(store) => store,
            Err(RetryStop::Ending) => return Ok(()),
            Err(RetryStop::Unusable(error)) => return Err(ComponentError::new(error.to_string())),
        };
        let lease_guard = store.lease_guard();
        if lease_guard.can_end() {
            context.telemetry.set(&metrics::LEASE_HELD, 1.0);
            tracing::info!(component = context.telemetry.name(), "this process has the source");
        }
        let result = tokio::select! {
            biased;
            () = lease_guard.lost() => Ok(()),
            result = session(settings.clone(), &context, &mut output, store) => result,
        };
        if !lease_guard.is_lost() {
            return result;
        }
        // What was under way is dropped, and read again by whoever has the source now.
        if context.shutdown.has_begun() {
            return Ok(());
        }
        if output.is_none() {
            // Everything was read (`--once`, a range), and the readers downstream have seen the end: it can't begin anew.
            let message = "another process took over this source before everything read here was committed";
            return Err(ComponentError::new(message)
                .hint("that process reads the rest again, with the same ids; run this again after it ends"));
        }
        context.telemetry.begins_anew();
        context.telemetry.set(&metrics::LEASE_HELD, 0.0);
        tracing::warn!(component = context.telemetry.name(), "another process has taken over this source");
    }
}

/// Reads the source to the end. Takes the output away once nothing more is sent.
async fn session(
    settings: Settings,
    context: &Context,
    output: &mut Option<Output>,
    store: Arc<dyn SourceState>,
) -> Result<(), ComponentError> {
    let Some(sending) = output.clone() else { return Ok(()) };
    let document = store.document();
    let first_run = document.is_none();
    let state = match document {
        None => State::default(),
        Some(document) => State::decode(&document).map_err(|reason| {
            ComponentError::new(reason)
                .hint("to start over with initial_lookback, move the source's folder in data_dir away")
        })?,
    };
    let predecessor = match predecessor(&settings, context, first_run).await {
        Ok(predecessor) => predecessor,
        Err(RetryStop::Ending) => return Ok(()),
        Err(RetryStop::Unusable(error)) => return Err(ComponentError::new(error.to_string())),
    };
    // The lanes have a signal of their own: with `once` they also end when everything is read.
    let (signal, lanes_end) = ShutdownSignal::new();
    let (env, telemetry) = (context.env.clone(), context.telemetry.clone());
    let client = Client::new(settings.clone(), env, telemetry, lanes_end.clone(), store.lease_guard())
        .map_err(ComponentError::new)?;
    let dead_letters = context
        .dead_letters
        .open(&context.name)
        .await
        .map_err(|error| ComponentError::new(format!("can't open the dead-letter file: {error}")))?;

    let (steps, step_receiver) = mpsc::unbounded_channel();
    let heard = Arc::<AtomicU64>::default();
    let (discovered, discoveries) = mpsc::unbounded_channel();
    let (state_sender, state_receiver) = watch::channel(state.clone());
    let registry = Arc::new(Registry::default());
    let committer = Committer {
        store: store.clone(),
        state: state_sender,
        registry: registry.clone(),
        env: context.env.clone(),
        time: client.time().clone(),
        telemetry: context.telemetry.clone(),
        shutdown: context.shutdown.clone(),
        policy: settings.mode.keeps(),
        heard: heard.clone(),
    };
    let most_bytes = settings.max_in_flight_bytes;
    let emitter = Emitter::new(sending, (steps, heard), most_bytes, lanes_end.clone(), store.key_id(), store.run());
    if let Some(takeover) = state.takeover {
        // Also for commands that read a range: their rows are marked like all others.
        emitter.set_takeover(takeover);
    }
    let ingester = PageIngester {
        emitter,
        registry,
        store: store.clone(),
        dead_letters,
        env: context.env.clone(),
        time: client.time().clone(),
        telemetry: context.telemetry.clone(),
        state: settings.mode.range().is_none().then(|| state_receiver.clone()),
        logged: Mutex::default(),
        organizations: Mutex::new(HashMap::new()),
        discovered,
    };
    let reader =
        Arc::new(Reader { settings, client, ingester, page_cap: AtomicU32::new(0), distrust: AtomicU32::new(0) });
    let lanes = Lanes {
        reader,
        state: state_receiver,
        shutdown: lanes_end,
        signal,
        once: context.once,
        backlog: Backlog::default(),
    };
    let beginning = Beginning { state, first_run, predecessor };
    let reading = read(lanes, beginning, discoveries, context.shutdown.clone());
    let committing = committer.run(step_receiver);
    tokio::pin!(reading, committing);
    // The committer ends after the reading has: it settles all that was sent. If it fails, there is nothing to read for.
    let result = tokio::select! {
        biased;
        result = &mut reading => result,
        result = &mut committing => return result,
    };
    // The reading code, and with it the output, is gone: the readers downstream see the end.
    *output = None;
    committing.await?;
    result
}

/// What the official connector has left for a source that has no state yet.
async fn predecessor(
    settings: &Settings,
    context: &Context,
    first_run: bool,
) -> Result<Option<Predecessor>, RetryStop> {
    if !first_run || settings.mode.range().is_some() {
        return Ok(None);
    }
    let what = "can't read the official connector's cursor";
    let ask = || context.store.predecessor(&context.name);
    retry_until_ready(what, &context.env, &context.telemetry, &context.shutdown, ask).await
}

/// What the reading begins with.
struct Beginning {
    state: State,
    first_run: bool,
    predecessor: Option<Predecessor>,
}

/// Reads to the end. Owns the output through `lanes`, and drops it when it returns.
async fn read(
    lanes: Lanes,
    beginning: Beginning,
    discoveries: UnboundedReceiver<String>,
    shutdown: Shutdown,
) -> Result<(), ComponentError> {
    let mode = lanes.reader.settings.mode.clone();
    let known: HashSet<String> = beginning.state.organizations.iter().cloned().collect();
    let reading = async {
        lanes.reader.client.learn_time().await.map_err(|_| Trouble::Ending)?;
        if let Some(range) = mode.range() {
            return lanes.range(range, &mode).await;
        }
        if beginning.first_run {
            lanes.reader.client.agree_on_the_day().await.map_err(|_| Trouble::Ending)?;
        }
        let start = begin(&lanes, &beginning)?;
        // A first connection's beginning counts as both sweeps and as the audit.
        let now = lanes.reader.client.time().now();
        let (state, first_run) = (&beginning.state, beginning.first_run);
        let since = |time: i64| if first_run { now } else { time };
        let swept = (since(state.swept_day), since(state.swept_week));
        lanes.run(start, swept, since(state.audited)).await
    };
    let result = tokio::select! {
        biased;
        () = watch_organizations(&lanes, known, discoveries), if mode.range().is_none() => Ok(()),
        () = pass_on(&shutdown, &lanes.signal) => Ok(()),
        result = reading => result,
    };
    match result {
        Ok(()) | Err(Trouble::Ending) => Ok(()),
        Err(Trouble::Checkpoint(reason) | Trouble::Unreadable(reason)) => Err(ComponentError::new(reason)),
        Err(Trouble::TooLarge) => Err(ComponentError::new("a NordPass response exceeds the size limit")),
    }
}

/// Tells the lanes that the program is to end. Never resolves: the lanes do.
async fn pass_on(shutdown: &Shutdown, signal: &ShutdownSignal) {
    shutdown.begun().await;
    signal.begin();
    std::future::pending::<()>().await;
}

/// Finds out what is to be read besides the live end. Answers where live polls begin.
fn begin(lanes: &Lanes, beginning: &Beginning) -> Result<i64, Trouble> {
    let Beginning { state, first_run, predecessor } = beginning;
    let settings = &lanes.reader.settings;
    let ingester = &lanes.reader.ingester;
    let seconds = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let now = lanes.reader.client.safe_now();
    let (history, start) = if *first_run {
        // Two minutes inside the API's limit, so that the first question isn't refused for a second too many.
        let oldest = now - (API_DAYS * DAY - 120);
        let lookback = (now - seconds(settings.initial_lookback)).max(oldest);
        let (origin, takeover) = match predecessor {
            None => (lookback, None),
            Some(predecessor) => {
                let overlap = seconds(predecessor.overlap.unwrap_or(settings.overlap));
                let times = takeover::Times { now, oldest, lookback, overlap };
                let decided = takeover::decide(predecessor, times).map_err(Trouble::Checkpoint)?;
                decided.tell(ingester.telemetry.name());
                (decided.origin, Some(decided.takeover))
            }
        };
        if let Some(takeover) = takeover {
            ingester.emitter.set_takeover(takeover);
        }
        let begin = Change::Begin { origin, now, takeover };
        ingester.emitter.close(ingester.emitter.group(), vec![begin], BTreeSet::new());
        tracing::info!(component = ingester.telemetry.name(), from = origin, "first connection: reading the history");
        let history = origin..(now - seconds(settings.overlap)).max(origin);
        lanes.backlog.add(history.clone());
        (history, now)
    } else {
        let start = state.covered.end().unwrap_or(state.origin).max(state.origin);
        let mut history = start..start;
        for hole in state.covered.holes(state.origin..start).iter() {
            lanes.backlog.add(hole.clone());
            history = history.start.min(hole.start)..hole.end;
        }
        // Earlier runs read it and couldn't prove it. With `once` that isn't tried at each start.
        if !lanes.once {
            state.unproven.iter().for_each(|range| lanes.backlog.doubt(range.clone(), history::FIRST_DOUBT, false));
        }
        (history, start)
    };
    let gaps = Gaps::of(&state.gaps);
    if let Some(latest) = gaps.latest() {
        ingester.telemetry.gap(latest);
    }
    lanes.backlog.lock().gaps = gaps;
    let progress = ingester.telemetry.progress();
    progress.history_from.store(history.start, Ordering::Relaxed);
    progress.history_at.store(history.start, Ordering::Relaxed);
    progress.history_to.store(history.end, Ordering::Relaxed);
    Ok(start)
}

/// An organization that was never seen means that the token is now another one's, or that the feed has several. Its
/// history before now was never asked for: read the initial look-back again, and drop what is known.
async fn watch_organizations(lanes: &Lanes, known: HashSet<String>, mut discoveries: UnboundedReceiver<String>) {
    let mut seen = known.clone();
    while let Some(hash) = discoveries.recv().await {
        if !seen.insert(hash.clone()) {
            continue;
        }
        let ingester = &lanes.reader.ingester;
        let now = lanes.reader.client.safe_now();
        let lookback = i64::try_from(lanes.reader.settings.initial_lookback.as_secs()).unwrap_or(API_DAYS * DAY);
        // At a first connection the whole look-back is being read anyway.
        let again = if known.is_empty() { now..now } else { now - lookback.min(API_DAYS * DAY - 120)..now };
        let change = Change::Organization(hash, again.clone());
        ingester.emitter.close(ingester.emitter.group(), vec![change], BTreeSet::new());
        if !again.is_empty() {
            tracing::warn!(
                component = ingester.telemetry.name(),
                "events of an unknown organization: re-reading the initial look-back for it"
            );
            lanes.backlog.add(again);
        }
    }
    std::future::pending::<()>().await;
}
