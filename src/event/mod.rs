//! The event, its id, and its acknowledgement.
//!
//! A source turns what it read into a [`Chunk`]: one shared [`Text`], one [`Record`] for each event, the parsed
//! [`EventFields`], and one [`Ack`]. Transforms make chunks of rows of it; sinks write the records and
//! acknowledge. Nothing on this path builds a tree of the JSON or copies a string it doesn't change.

mod ack;
mod backpressure;
mod chunk;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod id;
pub mod json;
mod memory_pool;
mod organization;
mod shown_ids;
mod view;

pub use ack::{Ack, AckOutcome, AckReceiver};
pub use backpressure::{Backpressure, Waiting};
pub use chunk::{Chunk, Origin, Record, Takeover};
pub use id::{EventId, IdSet, Identifier};
pub use json::{
    Entry, EventFields, Field, Held, MetadataEntries, NotAnObject, Noted, Scan, Shape, Span, Text, buffers, event_time,
    parse_event, parse_event_and, raw_entries, unescape,
};
pub use memory_pool::{MemoryPool, MemoryReservation};
pub use organization::{Organization, OrganizationField};
pub use shown_ids::ShownIds;
pub use view::Event;
