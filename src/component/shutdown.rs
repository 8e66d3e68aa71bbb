//! Telling everybody to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Asks the program to end; kept by the runner. Dropping it counts as asking: whoever would have asked is gone.
#[derive(Debug)]
pub struct ShutdownSignal(Arc<Told>);

/// Hears of it; every component has a clone.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<Told>);

/// A flag and those who wait for it. They wake in the order in which they began to wait; `tokio::sync::watch` would
/// draw lots, and then a seed of the simulation wouldn't decide everything.
#[derive(Debug, Default)]
struct Told {
    begun: AtomicBool,
    waiting: Notify,
}

impl ShutdownSignal {
    /// A signal and its first listener.
    pub fn new() -> (Self, Shutdown) {
        let told = Arc::<Told>::default();
        (Self(told.clone()), Shutdown(told))
    }

    /// Begins the shutdown; again does nothing.
    pub fn begin(&self) {
        if !self.0.begun.swap(true, Ordering::AcqRel) {
            self.0.waiting.notify_waiters();
        }
    }
}

impl Drop for ShutdownSignal {
    fn drop(&mut self) {
        self.begin();
    }
}

impl Shutdown {
    /// A listener that is never told: for tests and for components that end by themselves.
    pub fn never() -> Self {
        Self(Arc::default())
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Resolves when it begins.
    pub async fn begun(&self) {
        loop {
            let told = self.0.waiting.notified();
            if self.has_begun() {
                return;
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_hears_of_it_whenever_they_listen() {
        let (signal, shutdown) = ShutdownSignal::new();
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.begun().await }
        });
        tokio::task::yield_now().await;
        assert!(!shutdown.has_begun());
        signal.begin();
        early.await.expect("told");
        shutdown.begun().await;
    }

    #[tokio::test]
    async fn a_lost_signal_counts_as_one() {
        let (signal, shutdown) = ShutdownSignal::new();
        drop(signal);
        shutdown.begun().await;
    }
}
