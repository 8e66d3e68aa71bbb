//! The sink against a storage account in memory, at paused time.

mod blobs;
mod crash;
mod rig;
mod takeover;
mod waits;
