//! HTTP for every network component: one client trait, its settings, and the real client behind it.

use std::sync::Arc;

use nordpass_env::Env;

mod authorization;
mod body;
mod client;
mod clocks;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod loopback;
mod memory;
mod retry;

pub use authorization::{bearer, hidden};
pub use body::{GunzipError, gunzip, is_gzip};
pub use client::SystemNetwork;
pub use clocks::{clock_is_wrong, clocks, date};
pub use failure::azure_code;
pub use memory::AnswerMemory;
pub use nordpass_env::{HttpClient, HttpError, HttpSettings, Network, is_loopback};
pub use retry::{Again, Backoff, FIRST_WAIT, Failure, LONGEST_RETRY_AFTER, LONGEST_WAIT, Retry, retry_after};

/// The longest file of certificates or keys, in bytes: far more than any system's bundle of authorities has.
pub const LONGEST_PEM_FILE: usize = 4 << 20;

/// The machine's own clock, randomness, disk and network.
pub fn system_env() -> Env {
    Env::system(Arc::new(SystemNetwork::default()))
}
