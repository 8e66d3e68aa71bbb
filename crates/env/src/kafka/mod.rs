//! Kafka as the program sees it: what it needs of a client, and nothing else. The source and the sink `kafka` know these types alone.
//!
//! The program has a real client behind them, and simulations a broker in memory; both keep one contract (`src/kafka/contract.rs`).
//! Offsets, groups and error codes mean what they mean in Kafka's protocol.

mod error;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

pub use self::error::{BrokerError, ErrorCode, Trouble};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition of this topic.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A record to write. The partition follows from its key, as Java's client chooses it.
#[derive(Clone)]
pub struct ProducerRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The key; `None` spreads the records.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Bytes,
    /// The headers, in their order.
    pub headers: Vec<(Arc<str>, Bytes)>,
}

/// A record that was read.
#[derive(Clone)]
pub struct ConsumerRecord {
    /// Where it was read.
    pub partition: TopicPartition,
    /// Its offset there.
    pub offset: i64,
    /// Its value; `None` for a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in their order. A header may have no value.
    pub headers: Vec<(Box<str>, Option<Bytes>)>,
}

impl ConsumerRecord {
    /// The value of the last header of this name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(known, _)| **known == *name)?;
        std::str::from_utf8(value.as_ref()?).ok()
    }

    /// The bytes that it takes: its value and its headers.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len));
        self.value.as_ref().map_or(0, Bytes::len) + headers.sum::<usize>()
    }
}

/// Never a payload.
impl std::fmt::Debug for ConsumerRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConsumerRecord({}, offset {})", self.partition, self.offset)
    }
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Gzip.
    Gzip,
}

/// How a producer sends. It always waits for all in-sync replicas (`acks=all`) and is idempotent.
#[derive(Clone, Debug)]
pub struct ProducerSettings {
    /// How long a record may be under way before its outcome is an error.
    pub delivery_timeout: Duration,
    /// Longest request, in bytes.
    pub max_request_bytes: usize,
    /// How batches are compressed.
    pub compression: Compression,
}

/// How partitions are shared out among the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// `JoinGroup` and `SyncGroup`, with the cooperative-sticky assignor. Every broker has it.
    Classic,
    /// `ConsumerGroupHeartbeat` (KIP-848): the broker assigns.
    Consumer,
}

/// How a consumer reads. It commits only what it is told to, and never chooses an offset by itself.
#[derive(Clone, Debug)]
pub struct ConsumerSettings {
    /// The group.
    pub group_id: String,
    /// The name of a static member, which keeps its partitions over a restart.
    pub group_instance_id: Option<String>,
    /// How partitions are shared out.
    pub group_protocol: GroupProtocol,
    /// The topics.
    pub topics: Vec<String>,
    /// After this time without a heartbeat a member's partitions go to others.
    pub session_timeout: Duration,
    /// After this time without a poll a member leaves its group. A rebalance waits as long for it.
    pub max_poll_interval: Duration,
    /// Bytes that a fetch brings at most, and of one partition at most.
    pub fetch_max_bytes: (usize, usize),
}

/// A cluster, reached with an identity.
pub trait Broker: Send + Sync {
    /// The partitions of a topic, in their order.
    fn partitions<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Vec<i32>, BrokerError>>;

    /// Starts a producer, with an id of its own.
    fn producer(&self, settings: ProducerSettings) -> BoxFuture<'_, Result<Arc<dyn Producer>, BrokerError>>;

    /// Starts a consumer. It joins its group at the first poll, or before.
    fn consumer(
        &self,
        settings: ConsumerSettings,
        listener: Arc<dyn RebalanceListener>,
    ) -> BoxFuture<'_, Result<Arc<dyn Consumer>, BrokerError>>;
}

/// Writes records.
pub trait Producer: Send + Sync {
    /// Sends records, without waiting for others to come, and returns what became of each, in their order. `Ok`: all in-sync
    /// replicas have it. Records of one key keep their order within a call and between calls one after the other. Once it is
    /// dropped, some of the records may still be written.
    fn send(&self, records: Vec<ProducerRecord>) -> BoxFuture<'_, Vec<Result<(), BrokerError>>>;

    /// Ends the producer. What is still under way fails after this time at the latest.
    fn close(&self, within: Duration) -> BoxFuture<'_, ()>;
}

/// Reads the partitions that its group gives to it.
pub trait Consumer: Send + Sync {
    /// The next records, as soon as there are some, or none after this time. Calls the listener meanwhile. Dropping it loses nothing.
    ///
    /// [`BrokerError::no_offset`] names partitions that have to be positioned with [`Self::seek`] first: the group has no committed
    /// offset for them, or the log no longer has the offset.
    fn poll(&self, within: Duration) -> BoxFuture<'_, Result<Vec<ConsumerRecord>, BrokerError>>;

    /// Commits that the records before these offsets are delivered. The broker may accept this of a partition that another
    /// member has by now, so whoever calls it checks that.
    fn commit<'a>(&'a self, offsets: &'a [(TopicPartition, i64)]) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// The group's committed offset of a partition; `None` if it never committed one, or the broker has forgotten it.
    fn committed<'a>(&'a self, partition: &'a TopicPartition) -> BoxFuture<'a, Result<Option<i64>, BrokerError>>;

    /// The offset of the oldest record that a partition still has, and the one that its next record will have.
    fn watermarks<'a>(&'a self, partition: &'a TopicPartition) -> BoxFuture<'a, Result<(i64, i64), BrokerError>>;

    /// Reads an assigned partition from this offset on.
    fn seek<'a>(&'a self, partition: &'a TopicPartition, offset: i64) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// Gives out nothing of these partitions until they are resumed. The member stays in its group, and polls go on.
    fn pause<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()>;

    /// Gives out records of these partitions again.
    fn resume<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()>;

    /// Leaves the group, after the listener was told that all partitions are revoked.
    fn close(&self, within: Duration) -> BoxFuture<'_, ()>;
}

/// Hears of changes of the assignment, within [`Consumer::poll`] and [`Consumer::close`], which wait for it. It may use the consumer.
pub trait RebalanceListener: Send + Sync {
    /// These partitions are this member's from now on, besides those that it has.
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()>;

    /// These partitions go to another member once this returns, or the rebalance has waited for long enough.
    fn revoked<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()>;

    /// These partitions are gone: another member may have them already. Nothing of them may be committed.
    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()>;
}
