//! Peers that aren't broken but hostile, against the real program: each answer is at most 32 MiB, and twenty sources get it at
//! once. Memory has a bound, `/health` answers meanwhile, and SIGTERM ends it.

mod pages;
mod server;
