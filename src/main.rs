//! The `nordpass-sentinel` program.

fn main() {}
