//! Back-pressure that a sink can see.
//!
//! A source that waits for memory turns its [`Backpressure`] on. Each of its chunks carries a clone, so a sink that
//! collects rows for a larger batch sees it and sends what it has. Without it, the rows of a table that few events go to
//! would hold the source up until their batch is old enough.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use nordpass_env::Mutex;
use tokio::sync::Notify;

/// Whether a source waits for memory. Clones share it.
#[derive(Clone, Default)]
pub struct Backpressure(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// How many tasks of the source wait.
    waiting: AtomicUsize,
    /// Wakes the inputs that may hold chunks of the source.
    holders: Mutex<Vec<Weak<Notify>>>,
}

/// A wait for memory, until it is dropped.
pub struct Waiting<'p>(&'p Shared);

impl Backpressure {
    /// Begins a wait, and wakes every holder.
    pub fn wait(&self) -> Waiting<'_> {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        self.0.holders.lock().retain(|holder| holder.upgrade().inspect(|holder| holder.notify_one()).is_some());
        Waiting(&self.0)
    }

    /// Whether a task of the source waits.
    pub fn is_on(&self) -> bool {
        self.0.waiting.load(Ordering::Acquire) > 0
    }

    /// Notifies this holder of each wait from now on.
    pub fn notify(&self, holder: &Arc<Notify>) {
        let mut holders = self.0.holders.lock();
        if !holders.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(holder))) {
            holders.push(Arc::downgrade(holder));
        }
    }
}

impl Shared {}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Backpressure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Backpressure").field(&self.is_on()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn holders_are_told_once_each_time_somebody_begins_to_wait() {
        let (pressure, holder) = (Backpressure::default(), Arc::new(Notify::new()));
        pressure.notify(&holder);
        pressure.notify(&holder);
        let mut notified = Box::pin(holder.notified());
        assert!(futures::poll!(&mut notified).is_pending() && !pressure.is_on());
        let (first, second) = (pressure.wait(), pressure.wait());
        notified.await;
        drop(first);
        assert!(pressure.is_on(), "another one still waits");
        drop(second);
        assert!(!pressure.is_on());
    }

    #[test]
    fn a_holder_that_is_gone_is_forgotten() {
        let pressure = Backpressure::default();
        pressure.notify(&Arc::new(Notify::new()));
        drop(pressure.wait());
        assert!(pressure.0.holders.lock().is_empty());
    }
}
