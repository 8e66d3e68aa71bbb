//! Handles to the world: clock, randomness, disk and network.
//!
//! No component asks the operating system itself. It gets [`Env`], so that tests and the simulation of the
//! delivery guarantee run the very same code with a clock that they turn, a disk that they tear and a network that
//! they cut. Sleeping is `tokio::time`, which tests pause; [`Clock`] is only for the time of day.

pub mod catalogue;
mod clock;
mod disk;
mod file;
pub mod kafka;
mod memory;
mod mutex;
mod network;
mod random;

use std::sync::Arc;

pub use clock::{Clock, SystemClock, TestClock};
pub use disk::{Disk, DiskLock, FileEntry, IoFuture, SystemDisk, hangup_is_ignored};
pub use file::{FileKind, FileStat, OpenFile, read_bounded};
pub use memory::MemoryDisk;
pub use mutex::Mutex;
pub use network::{HttpClient, HttpError, HttpSettings, Network, is_loopback};
pub use random::{Random, STEP, SeededRandom, SystemRandom, mix};

/// All handles. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter and run numbers; nothing secret is made of it.
    pub random: Arc<dyn Random>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// HTTP clients.
    pub network: Arc<dyn Network>,
}

impl Env {
    /// The machine's own clock, randomness and disk, with this network.
    pub fn system(network: Arc<dyn Network>) -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), disk: Arc::new(SystemDisk), network }
    }

    /// The same, with a disk that follows no symbolic link below `root`.
    #[must_use]
    pub fn private(&self, root: &std::path::Path) -> Self {
        let disk = self.disk.private(root).unwrap_or_else(|| self.disk.clone());
        Self { disk, ..self.clone() }
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}
