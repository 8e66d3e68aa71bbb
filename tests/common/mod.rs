//! What the tests that run a whole pipeline in one process share.

pub mod process;
pub mod state;
