//! The reading end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::group::Step;
use super::{Call, Link, MemoryBroker};
use nordpass_env::Mutex;
use nordpass_env::kafka::{
    BrokerError, Consumer, ConsumerRecord, ConsumerSettings, ErrorCode, RebalanceListener, TopicPartition, Trouble,
};

/// Records of one poll, at most.
const MOST: usize = 500;
/// How soon a poll notices what only time changes.
const TICK: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Position {
    next: Option<i64>,
    is_paused: bool,
}

/// A member of a group.
pub struct MemoryConsumer {
    broker: MemoryBroker,
    member: u64,
    settings: ConsumerSettings,
    listener: Arc<dyn RebalanceListener>,
    positions: Mutex<BTreeMap<TopicPartition, Position>>,
    has_joined: Mutex<bool>,
}

impl MemoryConsumer {
    pub fn new(
        broker: MemoryBroker,
        member: u64,
        settings: ConsumerSettings,
        listener: Arc<dyn RebalanceListener>,
    ) -> Self {
        let (positions, has_joined) = Default::default();
        Self { broker, member, settings, listener, positions, has_joined }
    }

    /// Waits while the member is stopped.
    async fn thawed(&self) {
        loop {
            let changed = self.broker.changed.notified();
            let is_stopped = {
                let cluster = self.broker.cluster.lock();
                matches!(cluster.link(self.broker.process), Link::Stopped | Link::Gone)
                    || cluster.frozen.contains(&self.member)
            };
            if !is_stopped {
                return;
            }
            changed.await;
        }
    }

    /// What the group wants of this member.
    fn step(&self) -> Step {
        let mut has_joined = self.has_joined.lock();
        let mut cluster = self.broker.cluster.lock();
        let cluster = &mut *cluster;
        let mut partitions = BTreeSet::new();
        for topic in &self.settings.topics {
            let numbers = cluster.topics.partitions(topic).unwrap_or_default();
            partitions.extend(numbers.into_iter().map(|number| TopicPartition::new(topic.as_str(), number)));
        }
        let (silent, is_reachable) = (cluster.silent(), cluster.is_reachable(self.broker.process));
        let group = cluster.groups.entry(self.settings.group_id.clone()).or_default();
        if !is_reachable {
            // It hears nothing of its group. How often it polls is its own business.
            group.polled(self.member);
            return Step::None;
        }
        group.tick(&silent);
        if !*has_joined {
            group.join(self.member, &self.settings);
            *has_joined = true;
        }
        let step = group.step(self.member, &partitions);
        if step == Step::Lost {
            *has_joined = false;
        } else {
            group.polled(self.member);
        }
        step
    }

    async fn lose(&self) {
        let lost: Vec<_> = std::mem::take(&mut *self.positions.lock()).into_keys().collect();
        if !lost.is_empty() {
            self.listener.lost(&lost).await;
        }
    }

    async fn rebalance(&self) -> Result<(), BrokerError> {
        loop {
            match self.step() {
                Step::None => return Ok(()),
                Step::Lost => self.lose().await,
                Step::Fenced => {
                    self.lose().await;
                    return Err(BrokerError::code(ErrorCode::FENCED_INSTANCE_ID));
                }
                Step::Revoke(revoked) => {
                    self.listener.revoked(&revoked).await;
                    self.positions.lock().retain(|partition, _| !revoked.contains(partition));
                    self.broker.change(|cluster| {
                        let group = cluster.groups.get_mut(&self.settings.group_id);
                        if let Some(group) = group {
                            group.release(self.member, &revoked);
                        }
                    });
                }
                Step::Assign(assigned) => {
                    let new = assigned.iter().map(|partition| (partition.clone(), Position::default()));
                    self.positions.lock().extend(new);
                    self.listener.assigned(&assigned).await;
                    self.broker.changed.notify_waiters();
                }
            }
        }
    }

    fn take(&self) -> Result<Vec<ConsumerRecord>, BrokerError> {
        let mut cluster = self.broker.cluster.lock();
        if !cluster.is_reachable(self.broker.process) {
            return Ok(Vec::new());
        }
        let cluster = &mut *cluster;
        let (mut records, mut missing, mut damaged) = (Vec::new(), Vec::new(), None);
        for (partition, position) in self.positions.lock().iter_mut() {
            let group = cluster.groups.get(&self.settings.group_id);
            position.next = position.next.or_else(|| group.and_then(|group| group.committed(partition)));
            let Some(next) = position.next else {
                missing.push(partition.clone());
                continue;
            };
            if position.is_paused || records.len() >= MOST {
                continue;
            }
            match cluster.topics.read(partition, next, MOST - records.len()) {
                Ok(read) => {
                    position.next = Some(next + i64::try_from(read.len()).unwrap_or(i64::MAX));
                    records.extend(read);
                }
                Err(error) if error.no_offset().is_some() => missing.push(partition.clone()),
                Err(error) => damaged = Some(error),
            }
        }
        match damaged {
            // What was taken must not get lost.
            _ if !records.is_empty() => Ok(records),
            _ if !missing.is_empty() => Err(BrokerError::new(Trouble::NoOffset(missing))),
            Some(error) => Err(error),
            None => Ok(records),
        }
    }

    /// The answer to a call of a member that the group may have removed.
    async fn call(&self, call: Call) -> Result<(), BrokerError> {
        self.thawed().await;
        self.broker.fault(call)
    }
}

impl Consumer for MemoryConsumer {
    fn poll(&self, within: Duration) -> BoxFuture<'_, Result<Vec<ConsumerRecord>, BrokerError>> {
        Box::pin(async move {
            let until = Instant::now() + within;
            loop {
                self.thawed().await;
                self.rebalance().await?;
                let changed = self.broker.changed.notified();
                let records = self.take()?;
                if !records.is_empty() || Instant::now() >= until {
                    return Ok(records);
                }
                let tick = until.min(Instant::now() + TICK);
                tokio::select! {
                    () = changed => {}
                    () = sleep_until(tick) => {}
                }
            }
        })
    }

    fn commit<'a>(&'a self, offsets: &'a [(TopicPartition, i64)]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            self.call(Call::Commit).await?;
            self.broker.change(|cluster| {
                let silent = cluster.silent();
                let cluster = &mut *cluster;
                let group = cluster.groups.entry(self.settings.group_id.clone()).or_default();
                group.tick(&silent);
                if !group.has(self.member) {
                    return Err(BrokerError::code(ErrorCode::UNKNOWN_MEMBER_ID));
                }
                // Also of a partition that another member has, as Kafka does.
                for (partition, offset) in offsets {
                    cluster.judge.iter().for_each(|judge| judge(partition, *offset));
                    group.set_committed(partition.clone(), *offset);
                    cluster.commits.entry(partition.clone()).or_default().push(*offset);
                }
                Ok(())
            })
        })
    }

    fn committed<'a>(&'a self, partition: &'a TopicPartition) -> BoxFuture<'a, Result<Option<i64>, BrokerError>> {
        Box::pin(async move {
            self.call(Call::Committed).await?;
            let cluster = self.broker.cluster.lock();
            Ok(cluster.groups.get(&self.settings.group_id).and_then(|group| group.committed(partition)))
        })
    }

    fn watermarks<'a>(&'a self, partition: &'a TopicPartition) -> BoxFuture<'a, Result<(i64, i64), BrokerError>> {
        Box::pin(async move {
            self.call(Call::Watermarks).await?;
            self.broker.cluster.lock().topics.watermarks(partition)
        })
    }

    fn seek<'a>(&'a self, partition: &'a TopicPartition, offset: i64) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            match self.positions.lock().get_mut(partition) {
                Some(position) => position.next = Some(offset),
                None => return Err(BrokerError::code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
            }
            self.broker.changed.notify_waiters();
            Ok(())
        })
    }

    fn pause<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut positions = self.positions.lock();
            for at in partitions {
                if let Some(position) = positions.get_mut(at) {
                    position.is_paused = true;
                }
            }
        })
    }

    fn resume<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut positions = self.positions.lock();
            for at in partitions {
                if let Some(position) = positions.get_mut(at) {
                    position.is_paused = false;
                }
            }
            drop(positions);
            self.broker.changed.notify_waiters();
        })
    }

    fn close(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let assigned: Vec<_> = self.positions.lock().keys().cloned().collect();
            if !assigned.is_empty() {
                self.listener.revoked(&assigned).await;
            }
            self.positions.lock().clear();
            self.broker.change(|cluster| {
                let group = cluster.groups.get_mut(&self.settings.group_id);
                if let Some(group) = group {
                    group.close(self.member);
                }
            });
        })
    }
}
