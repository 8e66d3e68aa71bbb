//! The NordPass source: reads the Activity Logs API without losing or duplicating events.
//!
//! The API paginates by number over a changing set. Events have no id, and times are whole seconds. The order of pages
//! and whether bounds are inclusive are undocumented, and events can become visible late. So this source keeps no
//! cursor, but the *set of times* that it has read, proven complete, delivered and committed.
//!
//! | file | what it does |
//! |---|---|
//! | [`source`], [`session`] | runs the source while this process owns it, and builds everything below |
//! | [`start`], [`takeover`] | where to begin: at a first connection, after the official connector, after a run |
//! | [`schedule`], [`lanes`] | runs the lanes in parallel; what they share |
//! | [`live`] | polls the newest events |
//! | [`history`], [`backlog`] | reads what isn't covered, oldest first |
//! | [`again`] | sweeps and audit, for late events |
//! | [`range`], [`compare`] | reads one given range once: `backfill` and `reconcile` |
//! | [`sample`](mod@sample) | counts and a sample of events, for `estimate` |
//! | [`slices`] | reads a longer range slice by slice |
//! | [`reader`], [`proof`], [`slice`](mod@slice) | reads one slice of time and proves that nothing is missing |
//! | [`observations`] | what responses have shown, and the sum that proves completeness |
//! | [`ingest`] | ingests a page: decodes each event separately, drops known ones, sends new ones |
//! | [`dedup`], [`registry`] | which events are new, across parallel reads |
//! | [`odd_events`], [`organizations`] | what else is recorded about events |
//! | [`client`], [`clock_skew`] | retries requests until the API answers and the clocks agree |
//! | [`endpoint`], [`query`], [`page`] | one request and its response |
//! | [`admission`], [`rate_limiter`] | decides when a request may be sent |
//! | [`emitter`] | sends chunks |
//! | [`commit_queue`], [`commit`], [`groups`] | waits for acknowledgements and commits the state |
//! | [`state`] | the document in the checkpoint |
//! | [`clock`], [`time`] | the current time for all decisions |
//!
//! Imports go one way: a file imports files further down in this table, and all may import the leaves ([`context`],
//! [`error`], [`mode`], [`settings`], [`time`]).

mod admission;
mod again;
mod backlog;
mod client;
mod clock;
mod clock_skew;
mod commit;
mod commit_queue;
mod compare;
mod context;
mod count_check;
mod dedup;
mod emitter;
mod endpoint;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod groups;
mod history;
mod ingest;
mod lanes;
mod live;
mod mode;
mod observations;
mod odd_events;
mod organizations;
mod page;
mod probe;
mod proof;
mod query;
mod range;
mod rate_limiter;
mod reader;
mod registry;
mod sample;
mod schedule;
mod session;
mod settings;
mod side_by_side;
mod slice;
mod slices;
mod source;
mod start;
mod state;
mod takeover;
#[cfg(test)]
mod tests;
mod time;

pub use compare::{Comparison, Missing, compare};
pub use mode::{Examine, ReadMode};
pub use sample::{Sample, SampleSize, sample};
pub use settings::{Settings, TYPE};
