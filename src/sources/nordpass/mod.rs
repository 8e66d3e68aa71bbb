//! The NordPass source: the Activity Logs API, read so that nothing is lost and nothing is sent twice.
//!
//! The API pages by number over a set that moves, has no event id, knows whole seconds only, and doesn't say how its
//! pages are ordered or whether its bounds are inclusive. Events become visible late. So this source doesn't keep "a
//! cursor": it keeps the *set of times* that it has read, proven complete, delivered and committed.
//!
//! | file | what it does |
//! |---|---|
//! | [`source`], [`session`] | holds the source while it is this process's, and builds all of the below for it |
//! | [`start`], [`takeover`] | where to begin: at a first connection, after the official connector, after a run |
//! | [`schedule`], [`lanes`] | runs the lanes side by side, and what they share |
//! | [`live`] | polls the newest events |
//! | [`history`], [`backlog`] | what isn't covered, oldest first |
//! | [`again`] | the sweeps and the audit, for late events |
//! | [`range`], [`compare`] | one given time, once: `backfill` and `reconcile` |
//! | [`slices`] | a longer time, slice by slice |
//! | [`reader`], [`proof`], [`slice`](mod@slice) | reads one slice of time and proves that nothing of it is missing |
//! | [`observations`] | what the answers have shown, and the sum that is the proof |
//! | [`ingest`] | takes a page in: decodes each event for itself, drops what is known, sends what is new |
//! | [`dedup`], [`registry`] | which events are new, whatever reads them side by side |
//! | [`odd_events`], [`organizations`] | what else is noted of events |
//! | [`client`], [`clock_skew`] | asks the API until it answers, and until the clocks agree |
//! | [`endpoint`], [`query`], [`page`] | one request and its answer |
//! | [`admission`], [`rate_limiter`] | which request may go out, and when |
//! | [`emitter`] | sends chunks |
//! | [`commit_queue`], [`commit`], [`groups`] | waits for acknowledgements and moves the state by them |
//! | [`state`] | what is kept in the checkpoint |
//! | [`clock`], [`time`] | what time it is, for every decision |
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
pub use mode::ReadMode;
pub use settings::{Settings, TYPE};
