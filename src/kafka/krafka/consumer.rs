//! Reading, and the group.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use krafka::consumer::{
    AutoOffsetReset, Consumer as Client, ConsumerBuilder, ConsumerRebalanceListener, IsolationLevel, OffsetAndMetadata,
    PartitionAssignmentStrategy, TopicPartition as Theirs,
};
use krafka::{CloseOptions, Kafka};

use super::{bounded, errors::broker_error};
use nordpass_env::kafka::{
    BrokerError, Consumer, ConsumerRecord, ConsumerSettings, GroupProtocol, RebalanceListener, TopicPartition,
};

/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long a broker may hold a fetch until there is something.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// Records that one poll gives at most.
const POLL_RECORDS: i32 = 1000;
/// Records that are fetched and not given out yet.
const BUFFERED_RECORDS: i32 = 8000;
/// Bytes that one batch may have when it is decompressed.
const MAX_DECOMPRESSED_BYTES: usize = 32 << 20;

/// A consumer of these settings, which tells this listener.
pub fn builder(kafka: &Kafka, settings: &ConsumerSettings, listener: Arc<dyn RebalanceListener>) -> ConsumerBuilder {
    let bytes = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    let mut builder = kafka
        .consumer(&settings.group_id)
        .auto_offset_reset(AutoOffsetReset::None)
        .enable_auto_commit(false)
        .isolation_level(IsolationLevel::ReadCommitted)
        .fetch_max_bytes(bytes(settings.fetch_max_bytes.0))
        .max_partition_fetch_bytes(bytes(settings.fetch_max_bytes.1))
        .fetch_max_wait(FETCH_WAIT)
        .max_poll_records(POLL_RECORDS)
        .max_buffered_records(BUFFERED_RECORDS)
        .max_decompressed_size(MAX_DECOMPRESSED_BYTES)
        .session_timeout(settings.session_timeout)
        .heartbeat_interval(HEARTBEAT.min(settings.session_timeout / 3))
        .max_poll_interval(settings.max_poll_interval)
        .metrics_push(false)
        .rebalance_listener(Listener(listener));
    builder = match settings.group_protocol {
        GroupProtocol::Classic => builder
            .group_protocol(krafka::consumer::GroupProtocol::Classic)
            .partition_assignment_strategy(PartitionAssignmentStrategy::CooperativeSticky),
        GroupProtocol::Consumer => builder.group_protocol(krafka::consumer::GroupProtocol::Consumer),
    };
    match &settings.group_instance_id {
        Some(id) => builder.group_instance_id(id),
        None => builder,
    }
}

/// Passes on what krafka tells of the assignment.
struct Listener(Arc<dyn RebalanceListener>);

fn ours(partitions: &[Theirs]) -> Vec<TopicPartition> {
    partitions.iter().map(|partition| TopicPartition::new(partition.topic(), partition.partition())).collect()
}

impl ConsumerRebalanceListener for Listener {
    async fn on_partitions_assigned(&self, partitions: &[Theirs]) {
        self.0.assigned(&ours(partitions)).await;
    }

    async fn on_partitions_revoked(&self, partitions: &[Theirs]) {
        self.0.revoked(&ours(partitions)).await;
    }

    async fn on_partitions_lost(&self, partitions: &[Theirs]) {
        self.0.lost(&ours(partitions)).await;
    }
}

/// A consumer behind krafka.
pub struct KrafkaConsumer {
    client: Client,
}

impl KrafkaConsumer {
    /// Behind this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

fn of(record: krafka::ConsumerRecord) -> ConsumerRecord {
    let headers = record.headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
    ConsumerRecord {
        partition: TopicPartition { topic: record.topic, partition: record.partition },
        offset: record.offset,
        value: record.value,
        headers,
    }
}

impl Consumer for KrafkaConsumer {
    fn poll(&self, within: Duration) -> BoxFuture<'_, Result<Vec<ConsumerRecord>, BrokerError>> {
        Box::pin(async move {
            let records = self.client.poll(within).await.map_err(|error| broker_error(&error))?;
            Ok(records.into_iter().map(of).collect())
        })
    }

    fn commit<'a>(&'a self, offsets: &'a [(TopicPartition, i64)]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let offsets = offsets.iter().map(|(partition, offset)| {
                (Theirs::new(&*partition.topic, partition.partition), OffsetAndMetadata::new(*offset))
            });
            bounded(self.client.commit_offsets(offsets)).await
        })
    }

    fn committed<'a>(&'a self, partition: &'a TopicPartition) -> BoxFuture<'a, Result<Option<i64>, BrokerError>> {
        Box::pin(async move {
            let found = bounded(self.client.committed(&[(&*partition.topic, partition.partition)])).await?;
            // -1: none.
            Ok(found.values().next().map(|position| position.offset).filter(|offset| *offset >= 0))
        })
    }

    fn watermarks<'a>(&'a self, partition: &'a TopicPartition) -> BoxFuture<'a, Result<(i64, i64), BrokerError>> {
        Box::pin(bounded(self.client.fetch_watermarks(&partition.topic, partition.partition)))
    }

    fn seek<'a>(&'a self, partition: &'a TopicPartition, offset: i64) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(bounded(self.client.seek(&partition.topic, partition.partition, offset)))
    }

    fn pause<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for TopicPartition { topic, partition } in partitions {
                self.client.pause(topic, &[*partition]).await;
            }
        })
    }

    fn resume<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for TopicPartition { topic, partition } in partitions {
                self.client.resume(topic, &[*partition]).await;
            }
        })
    }

    fn close(&self, within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.client.close_with(CloseOptions::new().timeout(within)).await;
        })
    }
}
