//! The second ring: the real program, over real sockets, against the simulators.

mod burst;
mod cli;
mod dead_letters;
mod deploy;
mod endless;
mod health;
mod pipelines;
mod ranges;
mod recordings;
mod replay;
mod state_files;
mod support;
