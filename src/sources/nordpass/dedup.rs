//! Decides whether an event is new: neither in the checkpoint nor in flight.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use super::registry::{Claim, Reading, Registry};
use super::{context::ReadContext, error::ReadError, observations::Window, slice::Slice};
use crate::component::{KnownId, SourceState};
use crate::{event::EventId, sources::retry::retry_until_ready};

/// Looks up all known ids of a source.
pub struct Dedup {
    /// Shared with the rest of the reading code.
    pub context: Arc<ReadContext>,
    /// The ids in flight.
    pub registry: Arc<Registry>,
    /// The ids in the checkpoint.
    pub store: Arc<dyn SourceState>,
}

impl Dedup {
    /// Begins a read. Call it before loading its known ids.
    pub fn begin(&self) -> Reading {
        self.registry.begin()
    }

    /// Loads the checkpoint's ids of these seconds.
    pub async fn known(&self, seconds: Range<i64>) -> Result<Vec<KnownId>, ReadError> {
        let ReadContext { env, telemetry, shutdown, .. } = &*self.context;
        let (what, attempt) = ("can't read the checkpoint", || self.store.known(seconds.clone()));
        Ok(retry_until_ready(what, env, telemetry, shutdown, attempt).await?)
    }

    /// Whether to send this event now. Claims it if so.
    pub async fn is_new(
        &self,
        slice: &mut Slice,
        window: &Window,
        id: EventId,
        time: Option<i64>,
    ) -> Result<bool, ReadError> {
        let known = match time {
            Some(time) if slice.range.contains(&time) => slice.known.contains(&id) || self.is_apart(slice, id).await?,
            // At the bounds: belongs to the neighbouring slice.
            Some(time) if window.may_hold(Some(time)) => true,
            // The API returned it for this window although its own time is elsewhere or missing. It is still an event.
            other => self.is_apart(slice, id).await? || self.is_filed_under(other, id).await?,
        };
        Ok(!known && self.claim(id, &mut slice.awaited))
    }

    /// Claims an id. Adds it to `awaited` if another read has it in flight.
    fn claim(&self, id: EventId, awaited: &mut BTreeSet<EventId>) -> bool {
        let claim = self.registry.claim(id);
        if claim == Claim::InFlight {
            awaited.insert(id);
        }
        claim == Claim::New
    }

    /// Whether an id is among those filed under second 0 because the event's time was too far away when it came. It may
    /// be nearer by now. These ids are few, and loaded only when an event seems new.
    async fn is_apart(&self, slice: &mut Slice, id: EventId) -> Result<bool, ReadError> {
        if slice.apart.is_none() {
            slice.apart = Some(self.known(0..1).await?.into_iter().map(|known| known.id).collect());
        }
        Ok(slice.apart.as_ref().is_some_and(|apart| apart.contains(&id)))
    }

    /// Whether an id is filed under this second.
    async fn is_filed_under(&self, time: Option<i64>, id: EventId) -> Result<bool, ReadError> {
        let Some(time) = time else { return Ok(false) };
        Ok(self.known(time..time.saturating_add(1)).await?.iter().any(|known| known.id == id))
    }
}
