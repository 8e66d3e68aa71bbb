//! What all sources of a sink share.

use std::sync::Arc;

use super::archive::Archive;
use super::settings::Settings;
use crate::component::{SourceState, StateOf, Store};
use crate::http::Retry;
use crate::telemetry::ComponentReporter;
use nordpass_env::Env;

/// The settings and handles of a sink.
pub struct Shared {
    /// The sink's name in the pipeline file.
    pub name: Arc<str>,
    pub settings: Settings,
    pub env: Env,
    pub telemetry: ComponentReporter,
    pub store: Arc<dyn Store>,
    pub archive: Archive,
    /// In the place of the run of a source without a state.
    pub nonce: u64,
}

/// One run of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneId {
    /// [`crate::event::Origin::source`]
    pub source: Arc<str>,
    /// [`crate::event::Origin::run`], or the sink's own number where the source keeps no state.
    pub run: u64,
    /// Whether there is a state to record intents in. What has none isn't read again, either.
    pub keeps_state: bool,
}

/// What a source's wait for room in the state is called, beside that of its deliveries.
pub fn room(source: &str) -> String {
    format!("{source}, room")
}

/// What a blob's own requests are called: several are under way at once, and one that works doesn't cure the others.
pub fn blob(source: &str, name: &str) -> String {
    format!("{source}, {name}")
}

impl Shared {
    /// The state of this run, while its source has it.
    pub fn state(&self, lane: &LaneId) -> Option<Arc<dyn SourceState>> {
        match self.store.open_states().of(&lane.source) {
            StateOf::Open(state) if state.run() == lane.run && !state.lease_guard().is_lost() => Some(state),
            _ => None,
        }
    }

    /// A number that no other blob of this process has.
    pub fn next_number(&self) -> u64 {
        self.store.open_states().next_number()
    }

    /// The source has ended, so it no longer holds the sink up.
    pub fn forget(&self, lane: &LaneId) {
        tracing::debug!(component = &*self.name, source = &*lane.source, "what wasn't recorded is read again");
        self.telemetry.status().released(&lane.source);
        self.telemetry.status().released(&room(&lane.source));
    }

    /// Attempts that hold up a part until they work: a source, or one of its blobs.
    pub fn retry<'a>(&'a self, part: &'a str) -> Retry<'a> {
        Retry::part(&self.env, &self.telemetry, part)
    }
}
