//! One session: from opening the state until the source ends or another process takes it over.

use std::sync::{Arc, atomic::AtomicU32};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use super::start::{Start, watch_organizations};
use super::{
    backlog::Backlog,
    client::Client,
    commit::Committer,
    commit_queue::commit_queue,
    context::ReadContext,
    dedup::Dedup,
    emitter::Emitter,
    error::unless_ended,
    ingest::PageIngester,
    lanes::Lanes,
    odd_events::OddEvents,
    organizations::{Organizations, Pin},
    proof::Pages,
    reader::Reader,
    registry::Registry,
    settings::Settings,
};
use crate::component::{ComponentError, Context, Output, SourceState};

/// Reads the source to the end. Takes `output` once nothing more is sent.
pub async fn session(
    settings: Settings,
    program: &Context,
    output: &mut Option<Output>,
    store: Arc<dyn SourceState>,
) -> Result<(), ComponentError> {
    let Some(sending) = output.clone() else { return Ok(()) };
    let Some(start) = Start::load(&settings, program, store.document()).await? else { return Ok(()) };
    // The lanes end with the program; with `once` also when everything is read.
    let shutdown = program.shutdown.child_token();
    let context = ReadContext::new(settings, program.env.clone(), program.telemetry.clone(), shutdown);
    let client = Client::new(context.clone(), store.lease_guard()).map_err(ComponentError::new)?;
    let dead_letters = program
        .dead_letters
        .open(&program.name)
        .await
        .map_err(|error| ComponentError::new(format!("can't open the dead-letter file: {error}")))?;

    let (commits, commit_receiver) = commit_queue();
    let (discovered, discoveries) = unbounded_channel();
    let (state_sender, state) = watch::channel(start.state.clone());
    let registry = Arc::new(Registry::default());
    let committer = Committer {
        context: context.clone(),
        store: store.clone(),
        state: state_sender,
        registry: registry.clone(),
        shutdown: program.shutdown.clone(),
    };
    let emitter = Arc::new(Emitter::new(context.clone(), sending, commits.clone(), (store.key_id(), store.run())));
    if let Some(takeover) = start.state.takeover {
        // Also for commands that read a range, so that their rows are marked, too.
        emitter.set_takeover(takeover);
    }
    let (client, dedup) = (Arc::new(client), Arc::new(Dedup { context: context.clone(), registry, store }));
    let ingester = PageIngester {
        context: context.clone(),
        dedup: dedup.clone(),
        emitter: emitter.clone(),
        commits: commits.clone(),
        organizations: Organizations::new(discovered),
        pin: context.settings.organization.as_ref().map(|_| Pin::new(&start.state.organizations)),
        odd_events: OddEvents::new(context.clone(), dead_letters),
        state: context.settings.mode.range().is_none().then(|| state.clone()),
    };
    let pages = Pages { context: context.clone(), client: client.clone(), ingester, page_cap: AtomicU32::new(0) };
    let reader = Reader::new(context.clone(), client.clone(), dedup.clone(), pages);
    let (once, backlog) = (program.once, Backlog::default());
    let lanes = Lanes { context, reader, client, dedup, commits, state, once, backlog };
    let reading = read(lanes, emitter, start, discoveries);
    let committing = committer.run(commit_receiver);
    tokio::pin!(reading, committing);
    // The committer ends after the reading code, once everything sent is settled. If it fails, stop reading.
    let result = tokio::select! {
        biased;
        result = &mut reading => result,
        result = &mut committing => return result,
    };
    // The reading code has dropped its output. Drop this one, too, so that the readers downstream see the end.
    *output = None;
    committing.await?;
    result
}

/// Reads to the end. Owns the output through `lanes` and `emitter`, and drops it when it returns.
async fn read(
    lanes: Lanes,
    emitter: Arc<Emitter>,
    start: Start,
    discoveries: UnboundedReceiver<String>,
) -> Result<(), ComponentError> {
    let mode = &lanes.context.settings.mode;
    let reading = async {
        lanes.client.learn_time().await?;
        if let Some(range) = mode.range() {
            return lanes.range(range, mode).await;
        }
        if start.first_run {
            lanes.client.agree_on_the_day().await?;
        }
        let live = start.begin(&lanes, &emitter)?;
        lanes.run(live, start.last_read(lanes.context.clock.now())).await
    };
    let organizations = watch_organizations(&lanes, &start.state.organizations, discoveries);
    let result = tokio::select! {
        biased;
        () = organizations, if mode.range().is_none() => Ok(()),
        result = reading => result,
    };
    unless_ended(result).map(drop)
}
