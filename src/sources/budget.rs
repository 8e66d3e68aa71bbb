//! What a source may have under way: texts in memory, and events without an acknowledgement.
//!
//! The two differ. Most rows of a page are delivered and gone while a few of it, of a rare table, are still collected. Then
//! the text is gone, but the page is unacknowledged, and its ids are kept. So there may be more of those, but not any
//! number: a single table that Azure refuses must not let the ids of millions of events pile up.

use std::sync::Arc;

use crate::event::{Backpressure, MemoryPool, MemoryReservation};

/// How many times the bytes of texts may be unacknowledged. An event's id and time take about a quarter of its text.
const UNACKNOWLEDGED: usize = 4;

/// The budget of one source.
#[derive(Debug)]
pub struct Budget {
    texts: Arc<MemoryPool>,
    unacknowledged: Arc<MemoryPool>,
}

/// What a page or block takes of it.
#[derive(Debug)]
pub struct Reservation {
    /// Is held by the chunk's acknowledgement.
    pub text: MemoryReservation,
    /// Is held until the chunk's acknowledgement is resolved.
    pub unacknowledged: MemoryReservation,
}

impl Budget {
    /// For texts, and what transforms make of them, of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        let backpressure = Backpressure::default();
        Self {
            texts: MemoryPool::new(most, backpressure.clone()),
            unacknowledged: MemoryPool::new(most.saturating_mul(UNACKNOWLEDGED), backpressure),
        }
    }

    /// On while the source waits for memory.
    pub fn backpressure(&self) -> &Backpressure {
        self.unacknowledged.backpressure()
    }

    /// Waits until any memory is free, and takes it.
    pub async fn take(&self, bytes: usize) -> Reservation {
        let unacknowledged = self.unacknowledged.take(bytes).await;
        Reservation { text: self.texts.take(bytes).await, unacknowledged }
    }
}
