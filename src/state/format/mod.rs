//! What states are made of, wherever they are kept: on this machine's disk or in Azure Blob Storage.
//!
//! Only bytes and memory: no file, no network.

mod bytes;
pub mod frame;
pub mod ids;
pub mod intervals;
pub mod known;
pub mod ranges;
pub mod recent;
pub mod state;
