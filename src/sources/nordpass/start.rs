//! Decides where reading begins: at a first connection, after the official connector, or where the last run ended.

use std::{collections::HashSet, ops::Range, sync::atomic::Ordering};

use tokio::sync::mpsc::UnboundedReceiver;

use super::error::{ReadError, unless_ended};
use super::lanes::{FIRST_DOUBT, Lanes};
use super::state::{Change, State};
use super::time::{API_DAYS, DAY, seconds, timestamp};
use super::{again::LastRead, backlog::Gaps, emitter::Emitter, settings::Settings, takeover};
use crate::component::{ComponentError, Context, Predecessor};
use crate::sources::retry::retry_until_ready;

/// Maximum look-back: two minutes inside the API's limit, so that the first query isn't refused for one second.
const LONGEST_LOOKBACK: i64 = API_DAYS * DAY - 120;

/// What a session begins with.
pub struct Start {
    /// The committed state.
    pub state: State,
    /// There was no state.
    pub first_run: bool,
    predecessor: Option<Predecessor>,
}

impl Start {
    /// Reads the state's document or, if there is none, the official connector's cursor. `None` if the program is
    /// ending.
    pub async fn load(
        settings: &Settings,
        program: &Context,
        document: Option<Vec<u8>>,
    ) -> Result<Option<Self>, ComponentError> {
        let first_run = document.is_none();
        let state = document.map_or(Ok(State::default()), |document| State::decode(&document)).map_err(|reason| {
            ComponentError::new(reason)
                .hint("to start over with initial_lookback, move the source's folder in data_dir away")
        })?;
        if !first_run || settings.mode.range().is_some() {
            return Ok(Some(Self { state, first_run, predecessor: None }));
        }
        let Context { env, telemetry, shutdown, store, name, .. } = program;
        let (what, ask) = ("can't read the official connector's cursor", || store.predecessor(name));
        let predecessor = unless_ended(retry_until_ready(what, env, telemetry, shutdown, ask).await)?;
        Ok(predecessor.map(|predecessor| Self { state, first_run, predecessor }))
    }

    /// When the sweeps and the audit last ran. The start of a first connection counts for all of them.
    pub fn last_read(&self, now: i64) -> LastRead {
        let State { swept_day: day, swept_week: week, audited: audit, .. } = self.state;
        if self.first_run { LastRead { day: now, week: now, audit: now } } else { LastRead { day, week, audit } }
    }

    /// Fills the backlog, and restores gaps and progress. Returns where live polls begin.
    pub fn begin(&self, lanes: &Lanes, emitter: &Emitter) -> Result<i64, ReadError> {
        let telemetry = &lanes.context.telemetry;
        let (history, live) = if self.first_run {
            self.first_connection(lanes, emitter)?
        } else {
            let state = &self.state;
            let live = state.covered.end().unwrap_or(state.origin).max(state.origin);
            let mut history = live..live;
            for hole in state.covered.holes(state.origin..live).iter() {
                lanes.backlog.add(hole.clone());
                history = history.start.min(hole.start)..hole.end;
            }
            // Earlier runs read these but couldn't prove them. `once` doesn't retry that at each start.
            if !lanes.once {
                state.unproven.iter().for_each(|range| lanes.backlog.doubt(range.clone(), FIRST_DOUBT, false));
            }
            (history, live)
        };
        let gaps = Gaps::of(&self.state.gaps);
        if let Some(latest) = gaps.latest() {
            telemetry.gap(latest);
        }
        lanes.backlog.lock().gaps = gaps;
        let progress = telemetry.progress();
        progress.history_from.store(history.start, Ordering::Relaxed);
        progress.history_at.store(history.start, Ordering::Relaxed);
        progress.history_to.store(history.end, Ordering::Relaxed);
        Ok(live)
    }

    /// Returns the history's range and where live polls begin.
    fn first_connection(&self, lanes: &Lanes, emitter: &Emitter) -> Result<(Range<i64>, i64), ReadError> {
        let settings = &lanes.context.settings;
        let component = lanes.context.telemetry.name();
        let now = lanes.context.clock.safe_now();
        let oldest = now - LONGEST_LOOKBACK;
        let lookback = (now - seconds(settings.initial_lookback)).max(oldest);
        let (origin, takeover) = match &self.predecessor {
            None => (lookback, None),
            Some(predecessor) => {
                let overlap = seconds(predecessor.overlap.unwrap_or(settings.overlap));
                let times = takeover::Times { now, oldest, lookback, overlap };
                let decided = takeover::decide(predecessor, times).map_err(ReadError::Checkpoint)?;
                decided.log(component);
                emitter.set_takeover(decided.takeover);
                (decided.origin, Some(decided.takeover))
            }
        };
        lanes.commits.apply(Change::Begin { origin, now, takeover });
        tracing::info!(component, from = %timestamp(origin), "first connection: reading the history");
        let history = origin..(now - seconds(settings.overlap)).max(origin);
        lanes.backlog.add(history.clone());
        Ok((history, now))
    }
}

/// Reads the initial look-back again for each unseen organization, and drops known events: the token is now another
/// organization's or the feed has several, so its history was never requested. Never resolves.
pub async fn watch_organizations(lanes: &Lanes, known: &[String], mut discoveries: UnboundedReceiver<String>) {
    let mut seen: HashSet<String> = known.iter().cloned().collect();
    while let Some(hash) = discoveries.recv().await {
        if !seen.insert(hash.clone()) {
            continue;
        }
        let now = lanes.context.clock.safe_now();
        let lookback = seconds(lanes.context.settings.initial_lookback).min(LONGEST_LOOKBACK);
        // At a first connection the whole look-back is being read anyway.
        let again = if known.is_empty() { now..now } else { now - lookback..now };
        lanes.commits.apply(Change::Organization(hash, again.clone()));
        if !again.is_empty() {
            tracing::warn!(
                component = lanes.context.telemetry.name(),
                "events of an unknown organization: re-reading the initial look-back for it"
            );
            lanes.backlog.add(again);
        }
    }
    std::future::pending::<()>().await;
}
