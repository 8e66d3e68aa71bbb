//! What a component is doing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ComponentKind;

/// What a component is doing, for `/ready`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentState {
    /// Created, but hasn't succeeded yet.
    Starting,
    /// Works.
    Working,
    /// Waits for something outside this process.
    Waiting {
        /// What it waits for and what an operator can do, in a sentence.
        reason: String,
        /// Since when.
        since: Timestamp,
        /// When it tries again, if known.
        next_try: Option<Timestamp>,
    },
    /// Stopped with an error.
    Failed {
        /// Why.
        reason: String,
    },
    /// Has finished its work.
    Finished,
}

impl ComponentState {
    /// The state in one word, as logs, `/ready` and the health rows show it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Waiting { .. } => "waiting",
            Self::Failed { .. } => "failed",
            Self::Finished => "finished",
        }
    }

    /// Why it doesn't work, in a sentence.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Starting => Some("it hasn't succeeded yet"),
            Self::Waiting { reason, .. } | Self::Failed { reason } => Some(reason),
            Self::Working | Self::Finished => None,
        }
    }

    /// When it started waiting.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// When it tries again, if known.
    pub fn next_try(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { next_try, .. } => *next_try,
            _ => None,
        }
    }

    /// Whether it waits for something outside this process.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    /// Whether it has stopped, for good.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Finished)
    }
}

/// A component's line in the health report.
#[derive(Clone, Debug)]
pub struct Health {
    /// Source, transform or sink.
    pub kind: ComponentKind,
    /// Its name in the pipeline file.
    pub name: String,
    /// What it is doing.
    pub state: ComponentState,
    /// What it leaves out on purpose, by reason.
    pub left_out: BTreeMap<String, u64>,
}
