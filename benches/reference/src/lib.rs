//! What the benches measure with: the reference [`workload`]. The programs beside it are the floor (the least that any
//! program with the same parts needs) and the receiver (a stand-in for Azure that isn't the bottleneck).
//! `benches/METHOD.md` says how they are used.

pub mod workload;
