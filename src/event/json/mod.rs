//! The fast path: JSON text that is checked once, kept once, and read where it stands.
//!
//! Nothing here builds a tree, or copies a string that it doesn't change.

pub mod buffers;
pub(super) mod canonical;
mod entries;
mod parse;
mod scan;
mod text;

pub use self::entries::{MetadataEntries, Noted};
pub use self::parse::{EventFields, Field, NotAnObject, Shape, event_time, parse_event, parse_event_and, unescape};
pub use self::scan::{Entry, Scan};
pub use self::text::{Span, Text};
