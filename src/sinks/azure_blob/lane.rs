//! One run of a source, as the sink sees it. Sources don't wait for each other.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::group::{Closed, Group};
use super::shared::LaneId;
use super::skips::Skips;
use crate::event::Chunk;

/// A source's part of the sink.
pub struct Lane {
    pub id: Arc<LaneId>,
    pub phase: Phase,
    /// Takes records.
    pub open: Option<Group>,
    /// Waits for its delivery. One is under way at a time, so that the state lists few intents.
    pub closed: VecDeque<Closed>,
    /// Whether a delivery is under way.
    pub is_busy: bool,
    /// When to look whether the source still waits for memory.
    pub look_again: Option<Instant>,
}

/// What the lane does with chunks.
pub enum Phase {
    /// Keeps them until what earlier runs have left is finished.
    Settling(Vec<(usize, Chunk)>),
    /// Takes them, but for what is in the archive already.
    Ready(Skips),
    /// Drops them: the source has ended or was taken over, and they are read again.
    Gone,
}

impl Lane {
    /// A lane without records.
    pub fn new(id: Arc<LaneId>, phase: Phase) -> Self {
        Self { id, phase, open: None, closed: VecDeque::new(), is_busy: false, look_again: None }
    }

    /// The source has ended: abandons what isn't delivered.
    pub fn abandon(&mut self) {
        self.phase = Phase::Gone;
        self.open = None;
        self.closed.clear();
        self.look_again = None;
    }

    /// When it has something to do, if nothing comes before.
    pub fn due(&self) -> Option<Instant> {
        self.open.as_ref().map(|group| group.due).into_iter().chain(self.look_again).min()
    }
}
