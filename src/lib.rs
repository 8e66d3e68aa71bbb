//! Send NordPass activity logs to Microsoft Sentinel through a streaming pipeline with a delivery guarantee.
//!
//! A layer uses only those below it, from [`cli`] at the top to [`telemetry`] and [`http`] at the bottom. Data flows one
//! way: [`sources`] → [`transforms`] → [`sinks`]. Only the acknowledgement ([`event`]) flows back, and a source's
//! [`state`] moves on it. `docs/ARCHITECTURE.md` is the map.

pub mod azure;
pub mod cli;
pub mod component;
pub mod dead_letters;
pub mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod http;
pub mod kafka;
pub mod pipeline;
pub mod settings;
pub mod sinks;
pub mod sources;
pub mod state;
pub mod telemetry;
pub mod transforms;
