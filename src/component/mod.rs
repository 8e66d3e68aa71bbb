//! The contract: what a source, a transform and a sink are, what they get, and how they are connected.

mod channel;
mod context;
mod dead_letter;
mod intent;
mod lease;
mod open_states;
mod organization;
mod partition;
mod renewal;
mod state;
mod takeover;
mod types;

pub use channel::{CHANNEL_CHUNKS_OF_ONE_SOURCE, Closed, Input, InputSender, Output, OutputHandle, Takes, WeakInput};
pub use context::{ComponentError, Context, Refused, Sink, Source, Transform};
pub use dead_letter::{DeadLetter, DeadLetterStore, DeadLetterWriter, Letter, Resend, ResendOutcome};
pub use intent::{Intent, IntentChange, IntentHash};
pub use lease::{LeaseGuard, LeaseKeeper, LeaseRequested, LeaseState};
pub use open_states::{OpenStates, OpenStatesWatch, StateOf};
pub use organization::OrganizationAccess;
pub use partition::{PARTITIONS, Partition};
pub use renewal::{Renewal, RenewalSchedule};
pub use state::{CheckpointError, Commit, KnownId, SourceKey, SourceState, Store};
pub use takeover::{Cursor, Found, Predecessor, parse_cursor};
pub(crate) use types::components;
pub use types::{
    ComponentType, Outputs, ReadSettings, Records, STANDARD_INPUT, SinkSettings, SourceSettings, TransformSettings,
};
