//! NordPass activity logs into Microsoft Sentinel: a streaming pipeline with a delivery guarantee.
//!
//! Data flows one way: [`config`] → [`topology`] → [`sources`] → [`transforms`] → [`sinks`]. Nothing reaches back
//! except the acknowledgement ([`event`]), on which a source's [`checkpoint`] moves. `docs/ARCHITECTURE.md` is the map.

pub mod azure;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod dead_letters;
pub mod event;
pub mod http;
pub mod sinks;
pub mod sources;
pub mod telemetry;
pub mod topology;
pub mod transforms;
