//! The bounded channels between components, and the fan-out.

use std::sync::{Arc, Weak};

use tokio::sync::{Notify, mpsc, watch};

use crate::event::{Chunk, Organization};
use crate::telemetry::{ComponentReporter, metrics};

/// How many chunks may wait in front of a component. Small: the source is the buffer.
pub const CHANNEL_CHUNKS: usize = 8;
/// The same for a component that only one source sends to, behind a transform that others share. Its source stops long before
/// this, at its own limit in bytes: a full channel would hold the others up.
pub const CHANNEL_CHUNKS_OF_ONE_SOURCE: usize = 1 << 16;

/// Which chunks a reader takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Takes {
    /// All.
    #[default]
    All,
    /// Those of organizations without a destination of their own, and those of no organization.
    WithoutDestination,
    /// Those of the organization with this id.
    Organization(Arc<str>),
}

impl Takes {
    /// Whether it takes the chunks of this organization, or those of none.
    pub fn takes(&self, organization: Option<&Organization>) -> bool {
        match self {
            Self::All => true,
            Self::WithoutDestination => organization.is_none_or(|organization| !organization.has_destination),
            Self::Organization(id) => organization.is_some_and(|organization| *organization.id == **id),
        }
    }
}

/// The receiving end of a component.
#[derive(Debug)]
pub struct Input {
    receiver: mpsc::Receiver<(usize, Chunk)>,
    /// A chunk that was looked for before the component was open.
    first: Option<(usize, Chunk)>,
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
    takes: Takes,
}

impl Input {
    /// A component's input, and the sender for its input number 0.
    pub fn new() -> (InputSender, Self) {
        Self::with_capacity(CHANNEL_CHUNKS)
    }

    /// The same with a capacity of `chunks`.
    pub fn with_capacity(chunks: usize) -> (InputSender, Self) {
        let (sender, receiver) = mpsc::channel(chunks);
        let sender = InputSender { sender, index: 0, required: true, takes: Takes::All };
        (sender, Self { receiver, first: None, flush_requested: Arc::new(Notify::new()) })
    }

    /// The next chunk and the index of the input (in the component's `inputs` list) that it came from. `None`: all
    /// upstream components have ended.
    pub async fn receive(&mut self) -> Option<(usize, Chunk)> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => self.receiver.recv().await,
        };
        self.received(next)
    }

    /// The next chunk if one is waiting.
    pub fn try_receive(&mut self) -> Option<(usize, Chunk)> {
        let next = self.first.take().or_else(|| self.receiver.try_recv().ok());
        self.received(next)
    }

    /// Waits for the first chunk and leaves it here. `false`: there is none, and there won't be.
    pub async fn begins(&mut self) -> bool {
        if self.first.is_none() {
            self.first = self.receiver.recv().await;
        }
        self.first.is_some()
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
        self.receiver.len() + usize::from(self.first.is_some())
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
        Some(InputSender { sender: self.0.upgrade()?, index, required, takes: Takes::All })
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

    /// A sender for some of the chunks.
    #[must_use]
    pub fn taking(self, takes: Takes) -> Self {
        Self { takes, ..self }
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

    /// Waits until every required reader has capacity for a chunk. Another task may use it before `send` does. A reader that only one
    /// source sends to always has.
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
    /// by the acknowledgement. So does a chunk of an organization whose destination a reload has just removed: no other reader
    /// may have it.
    pub async fn send(&self, chunk: Chunk) -> Result<(), Closed> {
        let senders = self.senders();
        // Acknowledging a chunk without a reader would lose it silently.
        if senders.is_empty() {
            return Err(Closed);
        }
        let organization = chunk.organization.clone();
        let takes = |sender: &InputSender| sender.takes.takes(organization.as_deref());
        if !senders.iter().any(takes) {
            return Ok(());
        }
        let records = chunk.records.len() as u64;
        for sender in senders.iter().filter(|sender| !sender.required && takes(sender)) {
            let copy = chunk.detached();
            if sender.sender.try_send((sender.index, copy)).is_err() {
                self.telemetry.add_labelled(&metrics::DISCARDED, "optional sink full", records);
            }
        }
        let last = senders.iter().rposition(|sender| sender.required && takes(sender));
        let mut rest = Some(chunk);
        // By index: an iterator held over an await would make the future not `Send`.
        for at in 0..last.map_or(0, |last| last + 1) {
            let sender = &senders[at];
            if !sender.required || !takes(sender) {
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
mod tests;
