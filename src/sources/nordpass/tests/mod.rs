//! The source against a small API, at paused time.

mod capped;
mod clocks;
mod completeness;
mod failures;
mod gaps;
mod hostile;
mod late;
mod odd_times;
mod polling;
mod range;
mod rig;
