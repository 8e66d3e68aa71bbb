//! Chunks that were sent and whose outcome isn't known yet: bounded in number and bytes, resolved in order.

use futures::FutureExt;
use tokio::sync::mpsc;

use super::budget::{Budget, Reservation};
use crate::component::Closed;
use crate::event::{AckOutcome, AckReceiver, MemoryReservation};

/// Bytes of text that may be under way.
const BYTES: usize = 8 << 20;
/// Chunks that may be unacknowledged.
const CHUNKS: usize = 2048;

/// The reading end of a source puts chunks' acknowledgements in. `M` says what is done once a chunk is delivered.
pub struct InFlight<M> {
    entries: mpsc::Sender<Entry<M>>,
    budget: Budget,
}

/// The committing end takes them out.
pub struct Acknowledgements<M> {
    entries: mpsc::Receiver<Entry<M>>,
    /// Taken out of the channel, but not resolved.
    held: Option<Entry<M>>,
    is_abandoned: bool,
}

struct Entry<M> {
    ack_receiver: Option<AckReceiver>,
    mark: M,
    _reservation: Option<MemoryReservation>,
}

/// Both ends.
pub fn in_flight<M>() -> (InFlight<M>, Acknowledgements<M>) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    (
        InFlight { entries: sender, budget: Budget::new(BYTES) },
        Acknowledgements { entries: receiver, held: None, is_abandoned: false },
    )
}

impl<M> InFlight<M> {
    /// Waits for the memory of a chunk of so many bytes.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        self.budget.take(bytes).await
    }

    /// Puts a chunk's acknowledgement in, with its memory, before the chunk is sent. `None`: nothing is sent, and the mark
    /// is resolved when everything before it is. `Closed`: the committing end has given up.
    pub async fn push(&self, ack_receiver: Option<(AckReceiver, MemoryReservation)>, mark: M) -> Result<(), Closed> {
        let (ack_receiver, reservation) = ack_receiver.unzip();
        let entry = Entry { ack_receiver, mark, _reservation: reservation };
        match self.entries.try_send(entry) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Closed),
            Err(mpsc::error::TrySendError::Full(entry)) => {
                let _waiting = self.budget.backpressure().wait();
                self.entries.send(entry).await.map_err(|_| Closed)
            }
        }
    }
}

impl<M> Acknowledgements<M> {
    /// Whether [`Acknowledgements::next`] has come to a chunk that was dropped on the way.
    pub fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Waits until the oldest chunk is delivered. Returns its mark and those after it that are delivered, too. `None`: all
    /// that was sent is resolved, or the next chunk was abandoned, after which nothing may be committed.
    pub async fn next(&mut self) -> Option<Vec<M>> {
        if self.held.is_none() {
            self.held = self.entries.recv().await;
        }
        if let Some(ack_receiver) = &mut self.held.as_mut()?.ack_receiver
            && ack_receiver.await == AckOutcome::Abandoned
        {
            self.is_abandoned = true;
            return None;
        }
        let mut marks: Vec<M> = self.held.take().map(|entry| entry.mark).into_iter().collect();
        while let Ok(mut entry) = self.entries.try_recv() {
            match entry.ack_receiver.as_mut().map(FutureExt::now_or_never) {
                None | Some(Some(AckOutcome::Delivered)) => marks.push(entry.mark),
                Some(Some(AckOutcome::Abandoned)) => {
                    // A resolved acknowledgement can't be awaited again; one that nothing will resolve says the same.
                    entry.ack_receiver = Some(crate::event::Ack::new().1);
                    self.held = Some(entry);
                    break;
                }
                Some(None) => {
                    self.held = Some(entry);
                    break;
                }
            }
        }
        Some(marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Ack;

    #[tokio::test]
    async fn resolved_in_order() {
        let (in_flight, mut ack_receivers) = in_flight();
        let mut acks = Vec::new();
        for number in 0..4 {
            let (ack, ack_receiver) = Ack::new();
            acks.push(Some(ack));
            let reservation = in_flight.reserve(10).await.unacknowledged;
            in_flight.push(Some((ack_receiver, reservation)), number).await.unwrap();
        }
        in_flight.push(None, 4).await.unwrap();
        drop(in_flight);
        let mut take = |number: usize| acks[number].take().unwrap();
        take(1).done();
        assert!(futures::poll!(Box::pin(ack_receivers.next())).is_pending());
        take(0).done();
        assert_eq!(ack_receivers.next().await, Some(vec![0, 1]));
        take(2).done();
        take(3).done();
        assert_eq!(ack_receivers.next().await, Some(vec![2, 3, 4]));
        assert_eq!(ack_receivers.next().await, None);
    }

    #[tokio::test]
    async fn nothing_after_an_abandoned_one() {
        for first in [true, false] {
            let (in_flight, mut ack_receivers) = in_flight();
            for number in 0..3 {
                let (ack, ack_receiver) = Ack::new();
                let reservation = in_flight.reserve(10).await.unacknowledged;
                in_flight.push(Some((ack_receiver, reservation)), number).await.unwrap();
                if number != 1 {
                    ack.done();
                } else if first {
                    drop(ack);
                }
            }
            assert_eq!(ack_receivers.next().await, Some(vec![0]));
            assert!(!ack_receivers.is_abandoned());
            if first {
                assert_eq!(ack_receivers.next().await, None);
                assert!(ack_receivers.is_abandoned());
            }
        }
    }

    #[tokio::test]
    async fn bounded_in_bytes_of_what_is_unacknowledged() {
        let (in_flight, mut ack_receivers) = in_flight();
        let (ack, ack_receiver) = Ack::new();
        // The texts are gone at once, as if all of them were delivered but for a row.
        let reservation = in_flight.reserve(BYTES).await.unacknowledged;
        in_flight.push(Some((ack_receiver, reservation)), 0).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(in_flight.reserve(BYTES).await.unacknowledged);
        }
        let mut next = Box::pin(in_flight.reserve(1));
        assert!(futures::poll!(&mut next).is_pending());
        ack.done();
        assert_eq!(ack_receivers.next().await, Some(vec![0]));
        next.await;
        drop(ack_receivers);
        assert!(in_flight.push(None, 2).await.is_err());
    }

    #[tokio::test]
    async fn bounded_in_bytes_of_texts() {
        let (in_flight, _ack_receivers) = in_flight::<()>();
        let mut claims = Vec::new();
        for _ in 0..4 {
            claims.push(in_flight.reserve(BYTES).await);
        }
        let mut next = Box::pin(in_flight.reserve(1));
        assert!(futures::poll!(&mut next).is_pending());
        drop(claims.pop().map(|claim| claim.text));
        next.await;
    }
}
