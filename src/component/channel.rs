//! The bounded channels between components, and the fan-out.

use std::sync::{Arc, Weak};

use tokio::sync::{Notify, mpsc, watch};

use crate::event::Chunk;
use crate::telemetry::{ComponentReporter, metrics};

/// How many chunks may wait in front of a component. Small: the source is the buffer.
pub const CHANNEL_CHUNKS: usize = 8;

/// The receiving end of a component.
#[derive(Debug)]
pub struct Input {
    receiver: mpsc::Receiver<(usize, Chunk)>,
    /// Notified when a source that a chunk came from starts to wait for memory.
    flush_requested: Arc<Notify>,
}

/// The way into a component, for one of its inputs.
#[derive(Clone, Debug)]
pub struct InputSender {
    sender: mpsc::Sender<(usize, Chunk)>,
    /// Which of the component's `inputs` this is.
    index: usize,
    required: bool,
}

impl Input {
    /// A component's input, and the sender for its input number 0.
    pub fn new() -> (InputSender, Self) {
        Self::with_capacity(CHANNEL_CHUNKS)
    }

    /// The same with a capacity of `chunks`.
    pub fn with_capacity(chunks: usize) -> (InputSender, Self) {
        let (sender, receiver) = mpsc::channel(chunks);
        let sender = InputSender { sender, index: 0, required: true };
        (sender, Self { receiver, flush_requested: Arc::new(Notify::new()) })
    }

    /// The next chunk and the index of the input (in the component's `inputs` list) that it came from. `None`: all
    /// upstream components have ended.
    pub async fn receive(&mut self) -> Option<(usize, Chunk)> {
        let next = self.receiver.recv().await;
        self.received(next)
    }

    /// The next chunk if one is waiting.
    pub fn try_receive(&mut self) -> Option<(usize, Chunk)> {
        let next = self.receiver.try_recv().ok();
        self.received(next)
    }

    /// From now on, the chunk's source can ask for a flush.
    fn received(&self, next: Option<(usize, Chunk)>) -> Option<(usize, Chunk)> {
        if let Some(backpressure) = next.as_ref().and_then(|(_, chunk)| chunk.backpressure.as_ref()) {
            backpressure.notify(&self.flush_requested);
        }
        next
    }

    /// Resolves when a source that a chunk came from has started to wait for memory. Check the back-pressure: the source may
    /// have gone on since.
    pub fn flush_requested(&self) -> impl Future<Output = ()> + Send + use<> {
        let flush_requested = self.flush_requested.clone();
        async move { flush_requested.notified().await }
    }

    /// How many chunks wait.
    pub fn waiting(&self) -> usize {
        self.receiver.len()
    }
}

/// Whether an upstream component can still send to this one.
#[derive(Clone, Debug)]
pub struct WeakInput(mpsc::WeakSender<(usize, Chunk)>);

impl WeakInput {
    /// True while an upstream component holds a sender.
    pub fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// A sender for the component's input number `index`, as long as an upstream component holds one. Then the component
    /// hasn't seen the end of its input, and won't before this sender is gone.
    pub fn sender(&self, index: usize, required: bool) -> Option<InputSender> {
        Some(InputSender { sender: self.0.upgrade()?, index, required })
    }
}

impl InputSender {
    /// Watches whether a sender is still held, without holding one.
    pub fn weak_input(&self) -> WeakInput {
        WeakInput(self.sender.downgrade())
    }

    /// Whether the state waits for what is sent here.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// The same component's sender for another of its inputs.
    #[must_use]
    pub fn input(&self, index: usize) -> Self {
        Self { index, ..self.clone() }
    }

    /// A sender towards optional sinks only: it never blocks its source.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }
}

/// The sending end of a source, or of one output of a transform: fans out to every reader. Clones share the readers.
#[derive(Clone, Debug)]
pub struct Output {
    readers: Arc<Readers>,
    telemetry: ComponentReporter,
}

/// The readers of an output. A reload replaces all of them at once, so that no chunk misses both an old reader and the new
/// one in its place, and none gets to both.
type Readers = watch::Sender<Arc<[InputSender]>>;

/// Replaces the readers of an output, and holds none of them: when the component that has the output drops it, they see the
/// end of their input.
#[derive(Clone, Debug)]
pub struct OutputHandle(Weak<Readers>);

impl OutputHandle {
    /// From the next chunk on, the output has these readers.
    pub fn set_readers(&self, senders: Vec<InputSender>) {
        if let Some(readers) = self.0.upgrade() {
            readers.send_replace(senders.into());
        }
    }
}

/// Every required reader is gone: the pipeline is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this output no longer has a reader")]
pub struct Closed;

impl Output {
    /// An output with these readers.
    pub fn new(senders: Vec<InputSender>, telemetry: ComponentReporter) -> Self {
        Self { readers: Arc::new(watch::Sender::new(senders.into())), telemetry }
    }

    /// What replaces its readers.
    pub fn handle(&self) -> OutputHandle {
        OutputHandle(Arc::downgrade(&self.readers))
    }

    /// One output for each reader of now, so that none of them waits for another.
    pub fn split(&self) -> Vec<Self> {
        let senders = self.senders();
        senders.iter().map(|sender| Self::new(vec![sender.clone()], self.telemetry.clone())).collect()
    }

    /// Resolves when the readers of now are replaced.
    pub fn replaced(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut readers = self.readers.subscribe();
        async move {
            if readers.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn senders(&self) -> Arc<[InputSender]> {
        self.readers.borrow().clone()
    }

    /// Waits until every required reader has capacity for a chunk. Another task may use it before `send` does.
    pub async fn room(&self) -> Result<(), Closed> {
        let senders = self.senders();
        for sender in senders.iter().filter(|sender| sender.required) {
            drop(sender.sender.reserve().await.map_err(|_| Closed)?);
        }
        Ok(())
    }

    /// Sends a chunk to every reader, and waits while a required one is full (back-pressure). An optional reader that is full
    /// misses the chunk, which is counted. On `Closed` the chunk is abandoned.
    ///
    /// A reader that has ended and was replaced meanwhile abandons the chunk, too, but closes nothing: its source hears of it
    /// by the acknowledgement.
    pub async fn send(&self, chunk: Chunk) -> Result<(), Closed> {
        let senders = self.senders();
        // Acknowledging a chunk without a reader would lose it silently.
        if senders.is_empty() {
            return Err(Closed);
        }
        let records = chunk.records.len() as u64;
        for sender in senders.iter().filter(|sender| !sender.required) {
            let copy = chunk.detached();
            if sender.sender.try_send((sender.index, copy)).is_err() {
                self.telemetry.add_labelled(&metrics::DISCARDED, "optional sink full", records);
            }
        }
        let last = senders.iter().rposition(|sender| sender.required);
        let mut rest = Some(chunk);
        // By index: an iterator held over an await would make the future not `Send`.
        for at in 0..last.map_or(0, |last| last + 1) {
            let sender = &senders[at];
            if !sender.required {
                continue;
            }
            let copy = if Some(at) == last { rest.take() } else { rest.clone() };
            let Some(copy) = copy else { break };
            if sender.sender.send((sender.index, copy)).await.is_err() && Arc::ptr_eq(&senders, &self.senders()) {
                return Err(Closed);
            }
        }
        // Only optional readers: no need to wait for them.
        if let Some(chunk) = rest {
            chunk.ack.done();
        }
        self.telemetry.add(&metrics::SENT, records);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AckOutcome, Origin, Text, parse_event};
    use crate::event::{AckReceiver, EventId, Record, Span};

    fn chunk() -> (Chunk, AckReceiver) {
        let text = Text::from("{}".to_owned());
        let fields = parse_event(&text, &text).expect("an object");
        let record = Record { id: EventId(1), time: 0, organization: "".into(), body: Span::new(0, 2) };
        let origin = Origin { source: "s".into(), run: 0, sequence: 0 };
        Chunk::of_events(text, vec![record], vec![fields], origin, None)
    }

    #[tokio::test]
    async fn every_required_reader_has_to_acknowledge() {
        let ((first, mut first_in), (second, mut second_in)) = (Input::new(), Input::new());
        let output = Output::new(vec![first, second.input(3)], ComponentReporter::detached());
        let (chunk, mut ack_receiver) = chunk();
        output.send(chunk).await.expect("open");
        first_in.receive().await.expect("a chunk").1.ack.done();
        assert!(futures::poll!(&mut ack_receiver).is_pending());
        let (index, chunk) = second_in.receive().await.expect("a chunk");
        assert_eq!(index, 3);
        chunk.ack.done();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }

    #[tokio::test]
    async fn a_full_optional_reader_holds_nobody_up_and_its_loss_is_not_waited_for() {
        let ((required, mut required_in), (optional, optional_in)) = (Input::new(), Input::with_capacity(1));
        let output = Output::new(vec![optional.optional(), required], ComponentReporter::detached());
        for _ in 0..3 {
            let (chunk, ack_receiver) = chunk();
            output.send(chunk).await.expect("open");
            required_in.receive().await.expect("a chunk").1.ack.done();
            assert_eq!(ack_receiver.await, AckOutcome::Delivered);
        }
        assert_eq!(optional_in.waiting(), 1);
    }

    #[tokio::test]
    async fn an_output_without_a_reader_delivers_nothing() {
        let (chunk, ack_receiver) = chunk();
        assert_eq!(Output::new(Vec::new(), ComponentReporter::detached()).send(chunk).await, Err(Closed));
        assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
    }

    #[tokio::test]
    async fn a_closed_reader_abandons_the_chunk() {
        let (sender, input) = Input::new();
        drop(input);
        let (chunk, ack_receiver) = chunk();
        assert_eq!(Output::new(vec![sender], ComponentReporter::detached()).send(chunk).await, Err(Closed));
        assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
    }

    #[tokio::test]
    async fn replaced_readers_get_what_is_sent_from_then_on_and_the_old_ones_see_the_end() {
        let ((old, mut old_in), (new, mut new_in)) = (Input::new(), Input::new());
        let output = Output::new(vec![old], ComponentReporter::detached());
        let (handle, replaced) = (output.handle(), output.replaced());
        let ((first, first_ack), (second, second_ack)) = (chunk(), chunk());
        output.send(first).await.expect("open");
        handle.set_readers(vec![new]);
        replaced.await;
        output.clone().send(second).await.expect("open");
        old_in.receive().await.expect("what was sent before").1.ack.done();
        assert!(old_in.receive().await.is_none(), "its senders are gone");
        new_in.receive().await.expect("what was sent after").1.ack.done();
        assert_eq!((first_ack.await, second_ack.await), (AckOutcome::Delivered, AckOutcome::Delivered));
        drop(output);
        assert!(new_in.receive().await.is_none(), "the handle holds no reader");
        handle.set_readers(Vec::new());
    }

    /// Else the sink that replaces one that was stuck would never get anything: its source would take this for the end.
    #[tokio::test]
    async fn a_replaced_reader_that_is_gone_abandons_the_chunk_and_closes_nothing() {
        let ((old, old_in), (new, mut new_in)) = (Input::with_capacity(1), Input::new());
        let output = Output::new(vec![old], ComponentReporter::detached());
        let ((first, first_ack), (second, second_ack), (third, _third_ack)) = (chunk(), chunk(), chunk());
        output.send(first).await.expect("open");
        let mut waiting = Box::pin(output.send(second));
        assert!(futures::poll!(&mut waiting).is_pending(), "it is full");
        output.handle().set_readers(vec![new]);
        drop(old_in);
        assert_eq!(waiting.await, Ok(()));
        assert_eq!((first_ack.await, second_ack.await), (AckOutcome::Abandoned, AckOutcome::Abandoned));
        output.send(third).await.expect("open");
        assert!(new_in.receive().await.is_some());
    }
}
