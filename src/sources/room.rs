//! How many bytes of text may be under way without an acknowledgement: this bounds a source's memory while a sink is
//! slow or down.
//!
//! A record that a sink has to keep for hours (one that Azure refuses, without a proof) takes the room of its whole page,
//! and only later pages can bring the proof. So something goes as long as there is any room at all, and nothing takes more
//! than a quarter of it: the bound is passed by one page or block, and with very large ones there are four at most.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The room of one source.
#[derive(Debug)]
pub struct Room {
    most: usize,
    used: Mutex<usize>,
    freed: Notify,
}

/// What something takes of it, until it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(4), used: Mutex::new(0), freed: Notify::new() })
    }

    /// Waits while there is none, and takes `bytes` of it, or a quarter of all where that is less.
    pub async fn take(self: &Arc<Self>, bytes: usize) -> Share {
        let bytes = bytes.min(self.most / 4);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Registered before the look, so that no change is missed.
            freed.as_mut().enable();
            {
                let mut used = self.lock();
                if *used < self.most {
                    *used += bytes;
                    return Share { room: self.clone(), bytes };
                }
            }
            freed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.room.lock() -= self.bytes;
        self.room.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn full_is_full_until_something_is_dropped() {
        let room = Room::new(100);
        let mut kept = Vec::new();
        for _ in 0..5 {
            kept.push(room.take(24).await);
        }
        let mut next = Box::pin(room.take(1));
        assert!(futures::poll!(&mut next).is_pending());
        kept.pop();
        next.await;
        kept.clear();
        assert_eq!(*room.lock(), 0);
    }

    /// Simulated world 1533: a page as large as all the room waited for a share that only later pages could free.
    #[tokio::test]
    async fn something_as_large_as_all_of_it_neither_waits_for_a_share_that_is_kept_nor_keeps_all_of_it() {
        let room = Room::new(100);
        let _kept = room.take(1).await;
        let _large = room.take(1_000).await;
        room.take(1_000).await;
    }
}
