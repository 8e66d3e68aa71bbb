//! HTTP for every network component: one client trait, its settings, and the real client behind it.

use std::sync::Arc;

use nordpass_env::Env;

mod body;
mod client;
mod clocks;
mod failure;
mod memory;
mod retry;

pub use body::{GunzipError, gunzip, is_gzip};
pub use client::SystemNetwork;
pub use clocks::{clock_is_wrong, clocks, date};
pub use memory::AnswerMemory;
pub use nordpass_env::{HttpClient, HttpError, HttpSettings, Network, is_loopback};
pub use retry::{Again, Backoff, FIRST_WAIT, Failure, LONGEST_RETRY_AFTER, LONGEST_WAIT, Retry, retry_after};

/// The machine's own clock, randomness, disk and network.
pub fn system_env() -> Env {
    Env::system(Arc::new(SystemNetwork::default()))
}
