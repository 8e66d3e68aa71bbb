//! What the tests of several components need.

mod memory;

pub use self::memory::MemoryStore;
