//! The formats of states, on this machine's disk and in Azure Blob Storage.
//!
//! Works on bytes in memory only: no files, no network.

pub mod bytes;
pub mod frame;
pub mod ids;
pub mod intents;
pub mod intervals;
pub mod known;
pub mod ranges;
pub mod recent;
pub mod state;
