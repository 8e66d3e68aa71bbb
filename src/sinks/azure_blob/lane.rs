//! One run of a source, as the sink sees it. Sources don't wait for each other.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::group::{Closed, Group};
use super::shared::LaneId;
use super::skips::Skips;
use crate::component::{Intent, IntentHash};
use crate::event::Chunk;

/// How many intents of a run and a sink wait for other sinks at most.
const MOST_OPEN: usize = 16;

/// A source's part of the sink.
pub struct Lane {
    pub id: Arc<LaneId>,
    pub phase: Phase,
    /// Takes records.
    pub open: Option<Group>,
    /// Waits for its delivery. One is under way at a time, so that the state lists few intents.
    pub closed: VecDeque<Closed>,
    /// The chunks of the delivery that is under way.
    pub under_way: Option<Vec<u64>>,
    /// The intents of this run's deliveries that the state may still list.
    pub recorded: Vec<IntentHash>,
    /// The open group waits for room in the state. When to look again.
    pub waits_for_room: Option<Instant>,
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
        Self {
            id,
            phase,
            open: None,
            closed: VecDeque::new(),
            under_way: None,
            recorded: Vec::new(),
            waits_for_room: None,
            look_again: None,
        }
    }

    /// The source has ended: abandons what isn't delivered.
    pub fn abandon(&mut self) {
        self.phase = Phase::Gone;
        self.open = None;
        self.closed.clear();
        (self.look_again, self.waits_for_room) = (None, None);
    }

    /// Whether the state may list another intent. One stays there until the source's other sinks have its chunks, too.
    ///
    /// Those whose chunks are also in what isn't delivered yet don't count, nor do those of earlier runs: their events come
    /// again in chunks of this one. They would wait for this sink, and it for them.
    pub fn has_room(&mut self, intents: &[Intent]) -> bool {
        self.recorded.retain(|recorded| intents.iter().any(|intent| intent.hash == *recorded));
        let open = self.open.iter().flat_map(Group::chunks);
        let closed = self.closed.iter().flat_map(|group| &group.chunks);
        let pending: Vec<u64> = open.chain(closed).chain(self.under_way.iter().flatten()).copied().collect();
        let waits_for_others = |intent: &&Intent| {
            self.recorded.contains(&intent.hash) && !pending.iter().any(|chunk| intent.is_open(*chunk))
        };
        let ahead = self.closed.len() + usize::from(self.under_way.is_some());
        intents.iter().filter(waits_for_others).count() + ahead < MOST_OPEN
    }

    /// When it has something to do, if nothing comes before.
    pub fn due(&self) -> Option<Instant> {
        if self.waits_for_room.is_some() {
            return self.waits_for_room;
        }
        self.open.as_ref().map(|group| group.due).into_iter().chain(self.look_again).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(number: u8, chunk: u64) -> Intent {
        let chunks = std::iter::once(chunk..chunk + 1).collect();
        Intent { sink: "archive".to_owned(), run: 1, chunks, hash: [number; 32] }
    }

    #[test]
    fn only_what_waits_for_other_sinks_alone_takes_room() {
        let id = LaneId { source: "s".into(), run: 1, keeps_state: true };
        let mut lane = Lane::new(Arc::new(id), Phase::Ready(Skips::default()));
        let intents: Vec<Intent> = (0..16).map(|number| intent(number, number.into())).collect();
        assert!(lane.has_room(&intents), "none of them is this run's");
        lane.recorded = intents.iter().map(|intent| intent.hash).collect();
        assert!(!lane.has_room(&intents));
        lane.under_way = Some(vec![3, 99]);
        assert!(!lane.has_room(&intents), "one waits for the delivery that is under way, which takes room itself");
        lane.under_way = Some(vec![3, 4]);
        assert!(lane.has_room(&intents), "two wait for it");
        lane.under_way = None;
        assert!(lane.has_room(&intents[1..]));
        assert_eq!(lane.recorded.len(), 15, "what the state no longer lists is forgotten");
    }
}
