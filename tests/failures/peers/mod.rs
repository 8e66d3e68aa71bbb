//! Twelve failures of other log shippers, found in their code and their issue trackers.

mod reading;
mod secrets;
mod sending;
pub mod state;
