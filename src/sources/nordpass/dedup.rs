//! Whether an event is new: neither in the checkpoint nor in flight.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use super::registry::{Claim, Reading, Registry};
use super::{context::ReadContext, error::ReadError, observations::Window, slice::Slice};
use crate::component::{KnownId, SourceState};
use crate::{event::EventId, sources::retry::retry_until_ready};

/// Knows all ids of a source.
pub struct Dedup {
    /// What it shares with the rest of the reading code.
    pub context: Arc<ReadContext>,
    /// The ids in flight.
    pub registry: Arc<Registry>,
    /// The ids in the checkpoint.
    pub store: Arc<dyn SourceState>,
}

impl Dedup {
    /// Begins a reading: to be called before it loads its known ids.
    pub fn begin(&self) -> Reading {
        self.registry.begin()
    }

    /// The ids that the checkpoint has for these seconds.
    pub async fn known(&self, seconds: Range<i64>) -> Result<Vec<KnownId>, ReadError> {
        let ReadContext { env, telemetry, shutdown, .. } = &*self.context;
        let (what, attempt) = ("can't read the checkpoint", || self.store.known(seconds.clone()));
        Ok(retry_until_ready(what, env, telemetry, shutdown, attempt).await?)
    }

    /// Whether this event is to be sent now; claims it if so.
    pub async fn is_new(
        &self,
        slice: &mut Slice,
        window: &Window,
        id: EventId,
        time: Option<i64>,
    ) -> Result<bool, ReadError> {
        let known = match time {
            Some(time) if slice.range.contains(&time) => slice.known.contains(&id) || self.is_apart(slice, id).await?,
            // At the bounds: the neighbouring slice's.
            Some(time) if window.may_hold(Some(time)) => true,
            // The API shows it for this time though it says another one, or none. It is an event all the same.
            other => self.is_apart(slice, id).await? || self.is_filed_under(other, id).await?,
        };
        Ok(!known && self.claim(id, &mut slice.awaited))
    }

    /// Claims an id; one that another reading has in flight is noted as awaited.
    fn claim(&self, id: EventId, awaited: &mut BTreeSet<EventId>) -> bool {
        let claim = self.registry.claim(id);
        if claim == Claim::InFlight {
            awaited.insert(id);
        }
        claim == Claim::New
    }

    /// Whether an id is among those that are filed under no second of their own: when the event came, its time was too far
    /// away, and it may have come nearer since. They are few, and asked for where something seems to be new.
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
