//! Waits for acknowledgements and commits the state.
//!
//! The reading code sends [`CommitMessage`]s: each chunk with its acknowledgement, and for each group of chunks (a
//! slice, a sweep, an audited day) the [`Change`]s to apply once the whole group is delivered. Ids are committed as
//! soon as their chunk is acknowledged, changes only after their group. So the state never runs ahead of an
//! acknowledgement, and a crash in the middle of a slice doesn't duplicate delivered events.

use std::sync::Arc;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::commit_queue::{CommitMessage, CommitReceiver, SentChunk};
use super::state::{Change, State};
use super::time::{API_DAYS, DAY};
use super::{context::ReadContext, error::unless_ended, groups::Groups, mode::ReadMode, registry::Registry};
use crate::component::{Commit, ComponentError, SourceState};
use crate::event::{AckOutcome, EventId};
use crate::{sources::retry::retry_until_ready, state::TimeRanges, telemetry::metrics};

/// The committer of one source.
pub struct Committer {
    /// Shared with the reading code.
    pub context: Arc<ReadContext>,
    /// The source's state in the checkpoint.
    pub store: Arc<dyn SourceState>,
    /// The committed state, watched by the reading code.
    pub state: watch::Sender<State>,
    /// The ids in flight.
    pub registry: Arc<Registry>,
    /// The source's token: tells a loss from a shutdown.
    pub shutdown: CancellationToken,
}

/// The contents of one commit.
#[derive(Default)]
struct Batch {
    commit: Commit,
    changes: Vec<Change>,
}

impl Committer {
    /// Runs until the reading code has ended and everything that it sent is settled.
    pub async fn run(self, mut messages: CommitReceiver) -> Result<(), ComponentError> {
        let mut waiting = FuturesUnordered::new();
        let mut groups = Groups::default();
        let mut open = true;
        let mut forgot_day = 0;
        // Seconds of late events in flight. They aren't covered, in case of a crash, but they don't move the cursor
        // back.
        let mut late = TimeRanges::default();
        while open || !waiting.is_empty() {
            let (mut message, mut settled) = (None, None);
            tokio::select! {
                biased;
                next = messages.receive(), if open => {
                    open = next.is_some();
                    message = next;
                }
                Some(next) = waiting.next(), if !waiting.is_empty() => settled = Some(next),
            }
            // Put everything that is ready into one commit.
            let mut batch = Batch::default();
            loop {
                match message.take() {
                    Some(CommitMessage::Chunk(mut chunk)) => {
                        groups.sent(chunk.group);
                        waiting.push(async move { ((&mut chunk.ack_receiver).await, chunk) });
                    }
                    Some(CommitMessage::Close { group, changes, awaited }) => {
                        // Ids in the commit under construction are settled, too.
                        let settled = |id: &EventId| {
                            !self.registry.is_in_flight(*id) || batch.commit.ids.iter().any(|known| known.id == *id)
                        };
                        batch.changes.extend(groups.close(group, changes, awaited, settled));
                    }
                    None => {}
                }
                if let Some((outcome, chunk)) = settled.take() {
                    self.settle(outcome, chunk, &mut groups, &mut batch)?;
                }
                message = messages.try_receive();
                if message.is_none() {
                    settled = waiting.next().now_or_never().flatten();
                }
                if message.is_none() && settled.is_none() {
                    break;
                }
            }
            let Batch { mut commit, changes } = batch;
            if commit.chunks.is_empty() && changes.is_empty() {
                continue;
            }
            let mut state = self.state.borrow().clone();
            let changed = !changes.is_empty();
            for change in changes {
                match &change {
                    Change::Uncovered(second) => late.insert(second.clone()),
                    Change::Covered(range, _) => late.remove(range),
                    _ => {}
                }
                state.apply(change);
            }
            let now = self.context.clock.now();
            if now.div_euclid(DAY) != forgot_day && matches!(self.context.settings.mode, ReadMode::Follow) {
                forgot_day = now.div_euclid(DAY);
                state.forget(now);
                commit.forget_before = Some(now - (API_DAYS + 1) * DAY);
            }
            if changed || commit.forget_before.is_some() {
                commit.document = Some(state.encode());
            }
            self.commit(commit).await?;
            let cursor = state.cursor(&late);
            self.context.telemetry.set(&metrics::CURSOR_SECONDS, cursor as f64);
            self.context.telemetry.set(&metrics::LAG_SECONDS, (now - cursor).max(0) as f64);
            self.state.send_replace(state);
        }
        Ok(())
    }

    fn settle(
        &self,
        outcome: AckOutcome,
        chunk: SentChunk,
        groups: &mut Groups,
        batch: &mut Batch,
    ) -> Result<(), ComponentError> {
        let SentChunk { group, sequence, ids, unacknowledged, .. } = chunk;
        drop(unacknowledged);
        let delivered = outcome == AckOutcome::Delivered;
        batch.changes.extend(groups.settled(group, &ids, delivered));
        if !delivered {
            self.registry.released(ids.into_iter().map(|known| known.id));
            if !self.shutdown.is_cancelled() {
                let message = "part of the pipeline dropped undelivered events";
                return Err(ComponentError::new(message).hint("nothing is lost: they are read again").begins_anew());
            }
        } else if !self.context.settings.mode.is_comparison() {
            batch.commit.ids.extend(ids);
            batch.commit.chunks.push(sequence);
        }
        Ok(())
    }

    /// Commits, retrying for as long as the disk refuses.
    async fn commit(&self, commit: Commit) -> Result<(), ComponentError> {
        // A shutdown doesn't cancel this: the drain has its own deadline.
        let (what, never) = ("can't write the checkpoint", CancellationToken::new());
        let ReadContext { env, telemetry, .. } = &*self.context;
        let attempt = || self.store.commit(commit.clone());
        unless_ended(retry_until_ready(what, env, telemetry, &never, attempt).await)?;
        telemetry.add(&metrics::COMMITS, 1);
        self.registry.committed(commit.ids.into_iter().map(|known| known.id));
        Ok(())
    }
}
