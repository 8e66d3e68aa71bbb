//! Peers that aren't broken but hostile, and files that hold anything, against the real program. Whatever it reads, its memory
//! has a bound, `/health` answers meanwhile, SIGTERM ends it, and what is beside the trouble goes on.
//!
//! `cargo test --release --test it hostile -- --nocapture` prints the figures as a table.

mod azure;
mod files;
mod pages;
mod rig;
mod server;
mod storage;
mod tokens;
