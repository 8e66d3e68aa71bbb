//! Programs in VRL, the Vector Remap Language: what `remap`, `route` and pipeline tests run on records.
//!
//! The language comes with many crates, so this is behind the feature `remap`: what is delivered has it, a plain build hasn't,
//! and says so ([`absent`]). A program is compiled when the file is read. It reaches nothing but its record, the clock and the
//! dice of [`nordpass_env`], and a bounded number of steps.

#[cfg(not(feature = "remap"))]
mod absent;
#[cfg(feature = "remap")]
mod columns;
#[cfg(feature = "remap")]
mod compile;
#[cfg(feature = "remap")]
mod depth;
#[cfg(feature = "remap")]
mod functions;
mod pace;
#[cfg(feature = "remap")]
mod run;
#[cfg(feature = "remap")]
mod seams;
#[cfg(all(test, feature = "remap"))]
mod tests;

#[cfg(not(feature = "remap"))]
pub use self::absent::{Program, Runner, read, read_file};
#[cfg(feature = "remap")]
pub use self::compile::{Program, read, read_file};
pub use self::pace::Pace;
#[cfg(feature = "remap")]
pub use self::run::Runner;

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It changes a record, or drops it with `abort`.
    Change,
    /// It says of a record whether something holds: it ends with `true` or `false`, and changes nothing.
    Condition,
    /// It asserts something of a record, and changes nothing.
    Assertion,
}

/// Why a record isn't passed on as a program made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "remap"), expect(dead_code, reason = "no program runs in such a build"))]
pub enum Unmade {
    /// The program has dropped it on purpose.
    Aborted,
    /// The program can't handle it, or has made it unfit. A sentence that holds nothing of the record.
    Failed(&'static str),
}
