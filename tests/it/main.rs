//! The second ring: the real program, over real sockets, against the simulators.

mod archives;
mod azurite;
mod bad_input;
mod burst;
mod cli;
mod credentials;
mod dead_letters;
mod deploy;
mod endless;
mod function;
mod habits;
mod health;
mod hostile;
mod init;
mod installed;
mod pipeline_tests;
mod pipelines;
mod proxy;
mod ranges;
mod recordings;
mod replay;
mod repository;
mod secrets;
mod state_files;
mod support;
mod words;
