//! The command line. Each subcommand is one module: its arguments, and what it does.

pub mod simulate;
