//! The acknowledgement of a chunk. It flows against the stream, from the sinks to the source.
//!
//! A source makes one [`Ack`] for each chunk and keeps its [`AckReceiver`]. Every copy of the chunk (one per
//! branch of a fan-out, one per open batch that holds rows of it) carries a clone. A component that is done with its part calls
//! [`Ack::done`]. When the last clone is gone, the receiver resolves: [`AckOutcome::Delivered`] only if
//! *every* clone was delivered. Dropping one, as a panic, a cancelled task or a shutdown does, is never mistaken for
//! a delivery: the outcome is then [`AckOutcome::Abandoned`], nothing is committed, and the events are read again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::MemoryReservation;
use nordpass_env::Mutex;

/// The outcome of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckOutcome {
    /// Every required sink has it, or a dead letter that is on disk.
    Delivered,
    /// A part was dropped on the way: the events have to be read again.
    Abandoned,
}

struct Shared {
    pending: AtomicUsize,
    abandoned: AtomicBool,
    ack_receiver: Mutex<Option<oneshot::Sender<AckOutcome>>>,
}

#[derive(Clone)]
struct Part {
    chunk: Arc<Shared>,
    /// The memory that this part's text takes. The clones of a part share one text.
    reservation: Option<Arc<MemoryReservation>>,
}

/// One clone of a chunk's acknowledgement. See the module's documentation.
pub struct Ack(Option<Part>);

impl Ack {
    /// Creates an acknowledgement and the receiver of its outcome.
    pub fn new() -> (Self, AckReceiver) {
        Self::of(None)
    }

    /// Creates an acknowledgement that keeps the memory of the chunk's text reserved until it is done or dropped.
    pub fn holding(reservation: MemoryReservation) -> (Self, AckReceiver) {
        Self::of(Some(Arc::new(reservation)))
    }

    fn of(reservation: Option<Arc<MemoryReservation>>) -> (Self, AckReceiver) {
        let (sender, receiver) = oneshot::channel();
        let shared = Shared {
            pending: AtomicUsize::new(1),
            abandoned: AtomicBool::new(false),
            ack_receiver: Mutex::new(Some(sender)),
        };
        (Self(Some(Part { chunk: Arc::new(shared), reservation })), AckReceiver(receiver))
    }

    /// Creates an acknowledgement without a receiver, for what goes to optional sinks only.
    pub fn detached() -> Self {
        Self(None)
    }

    /// The acknowledgement of a new text of `bytes` that was made from this part's, such as rows.
    #[must_use]
    pub fn derive(&self, bytes: usize) -> Self {
        let mut part = self.clone();
        if let Some(part) = &mut part.0 {
            part.reservation = part.reservation.as_ref().map(|reservation| Arc::new(reservation.derive(bytes)));
        }
        part
    }

    /// Gives the memory of the text back, though the part isn't safe yet: somebody has what is needed of it elsewhere.
    pub fn release_text(&mut self) {
        if let Some(part) = &mut self.0 {
            part.reservation = None;
        }
    }

    /// Whether nobody waits for it.
    pub fn is_detached(&self) -> bool {
        self.0.is_none()
    }

    /// Reports that this part is safe at its destination.
    pub fn done(mut self) {
        self.finish(true);
    }

    fn finish(&mut self, delivered: bool) {
        let Some(Part { chunk: shared, reservation }) = self.0.take() else { return };
        drop(reservation);
        if !delivered {
            shared.abandoned.store(true, Ordering::Release);
        }
        if shared.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            let outcome =
                if shared.abandoned.load(Ordering::Acquire) { AckOutcome::Abandoned } else { AckOutcome::Delivered };
            let sender = shared.ack_receiver.lock().take();
            if let Some(sender) = sender {
                let _ = sender.send(outcome);
            }
        }
    }
}

impl Clone for Ack {
    fn clone(&self) -> Self {
        if let Some(part) = &self.0 {
            part.chunk.pending.fetch_add(1, Ordering::Relaxed);
        }
        Self(self.0.clone())
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        self.finish(false);
    }
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Ack(waited for)" } else { "Ack(detached)" })
    }
}

/// Resolves when every clone of the acknowledgement is done or dropped.
#[derive(Debug)]
pub struct AckReceiver(oneshot::Receiver<AckOutcome>);

impl Future for AckReceiver {
    type Output = AckOutcome;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AckOutcome> {
        Pin::new(&mut self.0).poll(cx).map(|result| result.unwrap_or(AckOutcome::Abandoned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Backpressure, MemoryPool};

    #[tokio::test]
    async fn delivered_only_when_every_clone_is() {
        let (ack, ack_receiver) = Ack::new();
        let other = ack.clone();
        ack.done();
        other.done();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }

    #[tokio::test]
    async fn a_dropped_clone_abandons_the_chunk() {
        let (ack, ack_receiver) = Ack::new();
        drop(ack.clone());
        ack.done();
        assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
    }

    #[tokio::test]
    async fn each_part_holds_the_room_of_its_own_text() {
        let pool = MemoryPool::new(100, Backpressure::default());
        let (page, _receipt) = Ack::holding(pool.take(25).await);
        let rows = page.derive(25);
        let (clone, others) = (rows.clone(), [page.derive(25), page.derive(25)]);
        let mut next = Box::pin(pool.take(1));
        assert!(futures::poll!(&mut next).is_pending(), "the rows' texts count, too");
        rows.done();
        assert!(futures::poll!(&mut next).is_pending(), "a clone has the same text");
        clone.done();
        drop(next.await);
        page.done();
        others.into_iter().for_each(Ack::done);
        let all: Vec<_> = [pool.take(25).await, pool.take(25).await, pool.take(25).await].into();
        assert!(futures::poll!(Box::pin(pool.take(25))).is_ready(), "nothing is left behind");
        drop(all);
    }

    #[tokio::test]
    async fn a_text_that_is_given_back_is_no_delivery() {
        let pool = MemoryPool::new(100, Backpressure::default());
        let mut others = vec![pool.take(25).await, pool.take(25).await, pool.take(25).await];
        let (mut ack, mut ack_receiver) = Ack::holding(pool.take(25).await);
        assert!(futures::poll!(Box::pin(pool.take(1))).is_pending());
        ack.release_text();
        others.push(pool.take(25).await);
        assert!(futures::poll!(&mut ack_receiver).is_pending() && !ack.is_detached());
        ack.done();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
        assert!(Ack::detached().is_detached());
    }

    #[tokio::test]
    async fn waits_for_the_last_clone() {
        let (ack, mut ack_receiver) = Ack::new();
        let last = ack.clone();
        ack.done();
        assert!(futures::poll!(&mut ack_receiver).is_pending());
        last.done();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }
}
