//! The fast path: JSON text is checked once, stored once, and read in place. No tree is built, and only changed strings are
//! copied.

pub mod buffers;
pub(super) mod canonical;
mod entries;
mod parse;
mod scan;
mod text;

pub use self::entries::{MetadataEntries, Noted};
pub use self::parse::{
    EventFields, Field, NotAnObject, Shape, event_time, parse_event, parse_event_and, raw_entries, unescape,
};
pub use self::scan::{Entry, Scan};
pub use self::text::{Held, Span, Text};
