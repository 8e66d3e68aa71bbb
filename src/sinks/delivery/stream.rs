//! What is known about one stream: a part of a destination that may refuse records which others accept.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use nordpass_env::Mutex;

/// Maximum records dead-lettered on the strength of an accepted body without records, between two accepted rows.
const MOST_ON_TRUST: u32 = 3;

/// A stream.
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Its name in metrics: for a partition, that of the stream that it is a part of.
    pub label: String,
    /// The highest number of its accepted requests. Responses may come late, and a request sent before a refusal says
    /// nothing about it.
    accepted: AtomicU64,
    /// Records dead-lettered on the strength of such a body since it last accepted rows.
    on_trust: AtomicU32,
    /// Within how many seconds the records of a request must be; [`i64::MAX`]: any.
    pub time_range: AtomicI64,
}

impl Stream {
    /// Creates a stream that nothing is known about.
    pub fn new(name: String) -> Self {
        Self::of_partition(&name.clone(), name)
    }

    /// Creates the stream of a partition: a part of the stream `label`.
    pub fn of_partition(label: &str, name: String) -> Self {
        Self {
            name,
            label: label.to_owned(),
            accepted: AtomicU64::new(0),
            on_trust: AtomicU32::new(0),
            time_range: AtomicI64::new(i64::MAX),
        }
    }

    /// Records an accepted request.
    pub fn accept(&self, number: u64) {
        self.accepted.fetch_max(number, Ordering::AcqRel);
        self.on_trust.store(0, Ordering::Release);
    }

    /// The highest number of its accepted requests; 0 if none.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Whether an accepted body without records may count as proof now.
    pub fn may_trust(&self) -> bool {
        self.on_trust.load(Ordering::Acquire) < MOST_ON_TRUST
    }

    /// Counts such a body as proof once more. `false` if it has counted too often.
    pub fn trust(&self) -> bool {
        self.on_trust.fetch_add(1, Ordering::AcqRel) < MOST_ON_TRUST
    }
}

/// A sink's streams, by index: those that its settings name, and behind them those of partitions, which come and go.
pub struct Streams {
    fixed: Vec<Arc<Stream>>,
    of_partitions: Mutex<Vec<Arc<Stream>>>,
}

impl Streams {
    /// The streams of a sink's settings.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let fixed = names.into_iter().map(|name| Arc::new(Stream::new(name))).collect();
        Self { fixed, of_partitions: Mutex::default() }
    }

    /// The streams of the settings.
    pub fn fixed(&self) -> &[Arc<Stream>] {
        &self.fixed
    }

    /// A stream.
    pub fn get(&self, stream: usize) -> Arc<Stream> {
        match self.fixed.get(stream) {
            Some(fixed) => fixed.clone(),
            None => self.of_partitions.lock()[stream - self.fixed.len()].clone(),
        }
    }

    /// Puts a stream where another one was, or behind all others. Returns its index.
    pub fn put(&self, index: Option<usize>, stream: Stream) -> usize {
        let mut of_partitions = self.of_partitions.lock();
        let index = index.unwrap_or(self.fixed.len() + of_partitions.len());
        let stream = Arc::new(stream);
        match of_partitions.get_mut(index - self.fixed.len()) {
            Some(former) => *former = stream,
            None => of_partitions.push(stream),
        }
        index
    }

    /// The index of the stream of a partition by its name.
    pub fn named(&self, name: &str) -> Option<usize> {
        let index = self.of_partitions.lock().iter().position(|stream| stream.name == name)?;
        Some(self.fixed.len() + index)
    }
}
