//! Handles to the world: clock, randomness, disk and network.
//!
//! No component asks the operating system itself. It gets [`Handles`], so that tests and the simulation of the
//! delivery guarantee run the very same code with a clock that they turn, a disk that they tear and a network that
//! they cut. Sleeping is `tokio::time`, which tests pause; [`Clock`] is only for the time of day.

mod clock;
mod disk;
mod memory;
mod random;

use std::sync::Arc;

pub use clock::{Clock, SystemClock, TestClock};
pub use disk::{Disk, DiskLock, FileEntry, SystemDisk};
pub use memory::MemoryDisk;
pub use random::{Random, SeededRandom, SystemRandom, mix};

use crate::http::Network;

/// All handles. Cheap to clone.
#[derive(Clone)]
pub struct Handles {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter and run numbers; nothing secret is made of it.
    pub random: Arc<dyn Random>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// HTTP clients.
    pub network: Arc<dyn Network>,
}

impl Handles {
    /// The real ones.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            disk: Arc::new(SystemDisk),
            network: Arc::new(crate::http::SystemNetwork::default()),
        }
    }
}

impl std::fmt::Debug for Handles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handles")
    }
}
