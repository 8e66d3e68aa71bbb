//! The ids that rows show, where those of the events themselves could be guessed.
//!
//! An event's id is a hash over its user's UUID, among others, so a list of staff leads back from an id to a person. Behind a
//! transform that hides people, rows show another id for each event. The state goes by the event's own.

use std::{fmt, sync::Arc};

use super::EventId;

/// Gives each event the id that its rows show. Cloning shares it.
#[derive(Clone)]
pub struct ShownIds(Arc<dyn Fn(EventId) -> EventId + Send + Sync>);

impl ShownIds {
    /// Shows what `show` makes of an event's own id.
    pub fn new(show: impl Fn(EventId) -> EventId + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }

    /// The id that this event's rows show.
    pub fn of(&self, id: EventId) -> EventId {
        (self.0)(id)
    }
}

impl fmt::Debug for ShownIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownIds")
    }
}
