//! Bounds a source's memory while a sink is slow or down: the bytes that are read and not yet acknowledged.
//!
//! A sink may keep a record for hours (one that Azure refuses, until it is certain that the record is at fault). It then keeps
//! the memory of the record's whole page, and only later pages can bring the evidence. So a reservation succeeds while any
//! memory is free, and takes a quarter of the pool at most: the bound is exceeded by one page or block and the rows made of
//! it, and of very large pages four are in flight at most.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Backpressure;
use nordpass_env::Mutex;

/// The memory of one source's events in flight.
#[derive(Debug)]
pub struct MemoryPool {
    most: usize,
    used: Mutex<usize>,
    freed: Notify,
    backpressure: Backpressure,
}

/// Bytes of a pool, given back when dropped.
#[derive(Debug)]
pub struct MemoryReservation {
    pool: Arc<MemoryPool>,
    bytes: usize,
}

impl MemoryPool {
    /// Creates a pool of `most` bytes. Waiting for it turns `backpressure` on.
    pub fn new(most: usize, backpressure: Backpressure) -> Arc<Self> {
        Arc::new(Self { most: most.max(4), used: Mutex::new(0), freed: Notify::new(), backpressure })
    }

    /// Waits until memory is free, and takes `bytes` of it, at most a quarter of the pool.
    pub async fn take(self: &Arc<Self>, bytes: usize) -> MemoryReservation {
        let bytes = bytes.min(self.most / 4);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Registered before the check, so that no change is missed.
            freed.as_mut().enable();
            {
                let mut used = self.used.lock();
                if *used < self.most {
                    *used += bytes;
                    return MemoryReservation { pool: self.clone(), bytes };
                }
            }
            let _waiting = self.backpressure.wait();
            freed.await;
        }
    }

    /// Is on while a reader waits for memory.
    pub fn backpressure(&self) -> &Backpressure {
        &self.backpressure
    }

    /// Takes `bytes` without waiting, for what is made from a text that has its reservation.
    fn add(self: &Arc<Self>, bytes: usize) -> MemoryReservation {
        let bytes = bytes.min(self.most / 4);
        *self.used.lock() += bytes;
        MemoryReservation { pool: self.clone(), bytes }
    }
}

impl MemoryReservation {
    /// Reserves memory of the same pool for what was made from this reservation's text.
    #[must_use]
    pub fn derive(&self, bytes: usize) -> Self {
        self.pool.add(bytes)
    }

    /// Is on while a reader waits for memory.
    pub fn backpressure(&self) -> &Backpressure {
        &self.pool.backpressure
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        *self.pool.used.lock() -= self.bytes;
        self.pool.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn full_is_full_until_something_is_dropped() {
        let pool = MemoryPool::new(100, Backpressure::default());
        let mut kept = Vec::new();
        for _ in 0..5 {
            kept.push(pool.take(24).await);
        }
        let mut next = Box::pin(pool.take(1));
        assert!(futures::poll!(&mut next).is_pending());
        kept.pop();
        next.await;
        kept.clear();
        assert_eq!(*pool.used.lock(), 0);
    }

    #[tokio::test]
    async fn what_is_made_of_something_counts_and_never_waits() {
        let pool = MemoryPool::new(100, Backpressure::default());
        let page = pool.take(20).await;
        let rows: Vec<_> = (0..5).map(|_| page.derive(24)).collect();
        let mut next = Box::pin(pool.take(1));
        assert!(futures::poll!(&mut next).is_pending() && page.backpressure().is_on());
        drop((page, rows));
        next.await;
        assert_eq!(*pool.used.lock(), 0);
    }

    /// Simulated world 1533: a page as large as the whole pool waited for memory that only later pages could free.
    #[tokio::test]
    async fn something_as_large_as_all_of_it_neither_waits_for_a_share_that_is_kept_nor_keeps_all_of_it() {
        let pool = MemoryPool::new(100, Backpressure::default());
        let _kept = pool.take(1).await;
        let _large = pool.take(1_000).await;
        pool.take(1_000).await;
    }
}
