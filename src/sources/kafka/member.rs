//! This process's membership of its group: what it hears of assignments, and what it commits.
//!
//! A commit is made of partitions that this member has at that time, and one after the other: a broker accepts the commit of a member
//! for a partition that another one has meanwhile, which would set that one back.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::partitions::Partitions;
use super::settings::Settings;
use crate::component::Context;
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;
use nordpass_env::kafka::{BrokerError, Consumer, ErrorCode, RebalanceListener, TopicPartition, Trouble};

/// Between two commits of a partition. Event Hubs takes four a second.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How long a commit may take.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);
/// The part of the source that waits when offsets can't be committed.
const OFFSETS: &str = "offsets";

/// What the source's parts share.
pub struct Member {
    /// The assigned partitions.
    pub partitions: Partitions,
    /// Weak, as the consumer has this member as its listener.
    consumer: OnceLock<Weak<dyn Consumer>>,
    /// Held during a commit.
    committing: tokio::sync::Mutex<()>,
    /// Partitions were lost: what is being committed may be of them.
    lost: Notify,
    drain_timeout: Duration,
    env: Env,
    /// Metrics.
    pub telemetry: ComponentReporter,
}

impl Member {
    /// A member that hasn't joined.
    pub fn new(settings: &Settings, context: &Context) -> Self {
        Self {
            partitions: Partitions::default(),
            consumer: OnceLock::new(),
            committing: tokio::sync::Mutex::new(()),
            lost: Notify::new(),
            drain_timeout: settings.drain_timeout(),
            env: context.env.clone(),
            telemetry: context.telemetry.clone(),
        }
    }

    /// Sets the consumer, before it is polled for the first time.
    pub fn set_consumer(&self, consumer: &Arc<dyn Consumer>) {
        let _ = self.consumer.set(Arc::downgrade(consumer));
    }

    /// The consumer, unless it is closed and gone.
    pub fn consumer(&self) -> Option<Arc<dyn Consumer>> {
        self.consumer.get()?.upgrade()
    }

    /// Commits what is delivered, each second.
    pub async fn commit_each_second(&self) {
        loop {
            sleep(COMMIT_INTERVAL).await;
            self.commit(&self.partitions.all()).await;
            let figures = self.partitions.figures();
            self.telemetry.set(&metrics::KAFKA_LAG, figures.lag as f64);
            self.telemetry.set(&metrics::KAFKA_PARTITIONS, figures.assigned as f64);
            self.telemetry.set(&metrics::OLDEST_UNACKNOWLEDGED, figures.oldest);
        }
    }

    /// Commits what is delivered of these partitions and isn't committed. What fails is committed the next time.
    pub async fn commit(&self, partitions: &[TopicPartition]) {
        let _committing = self.committing.lock().await;
        let Some(consumer) = self.consumer() else { return };
        let lost = self.lost.notified();
        let offsets = self.partitions.to_commit(partitions);
        if offsets.is_empty() {
            return;
        }
        let committed = tokio::select! {
            biased;
            // A member that comes back is a new one, whose commits are accepted: none of before may be sent by then.
            () = lost => return,
            committed = timeout(COMMIT_TIMEOUT, consumer.commit(&offsets)) => committed,
        };
        match committed.unwrap_or_else(|_| Err(BrokerError::new(Trouble::Timeout))) {
            Ok(()) => {
                self.partitions.committed(&offsets);
                self.telemetry.add(&metrics::COMMITS, 1);
                self.telemetry.status().released(OFFSETS);
            }
            // The assignment changes, and the next poll tells how.
            Err(error) if error.answer().is_some_and(is_of_the_group) => {}
            Err(error) => {
                self.telemetry.add_labelled(&metrics::ERRORS, error.kind(), 1);
                let reason = format!("can't commit offsets: {error}");
                self.telemetry.status().held_up(OFFSETS, &reason, COMMIT_INTERVAL, self.env.clock.now());
            }
        }
    }

    /// Waits until what was passed on of these partitions is delivered, for a bounded time, and commits it.
    async fn drain(&self, partitions: &[TopicPartition]) {
        let began = Instant::now();
        self.partitions.revoke(partitions);
        let drained = timeout(self.drain_timeout, self.partitions.drained(partitions)).await;
        self.commit(partitions).await;
        self.telemetry.observe(&metrics::REVOKE_SECONDS, began.elapsed().as_secs_f64());
        if drained.is_err() {
            let (component, partitions) = (self.telemetry.name(), partitions.len());
            tracing::warn!(
                component,
                partitions,
                "partitions go to another member before all that was read of them is delivered: it delivers the rest, some of it again"
            );
        }
    }

    fn rebalanced(&self, what: &'static str, partitions: &[TopicPartition]) {
        self.telemetry.add_labelled(&metrics::REBALANCES, what, 1);
        let (component, partitions) = (self.telemetry.name(), partitions.len());
        tracing::info!(component, partitions, "partitions {what}");
    }
}

/// Whether an answer means that the assignment changes.
fn is_of_the_group(code: ErrorCode) -> bool {
    [
        ErrorCode::ILLEGAL_GENERATION,
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::REBALANCE_IN_PROGRESS,
        ErrorCode::FENCED_MEMBER_EPOCH,
        ErrorCode::STALE_MEMBER_EPOCH,
    ]
    .contains(&code)
}

/// Tells the member of its assignment.
pub struct Listener(pub Arc<Member>);

impl RebalanceListener for Listener {
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Self(member) = self;
            if partitions.is_empty() {
                return;
            }
            member.rebalanced("assigned", partitions);
            member.partitions.assign(partitions);
            // Until their positions are known.
            if let Some(consumer) = member.consumer() {
                consumer.pause(partitions).await;
            }
        })
    }

    fn revoked<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Self(member) = self;
            member.rebalanced("revoked", partitions);
            member.drain(partitions).await;
            member.partitions.remove(partitions);
            member.released(partitions);
        })
    }

    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Self(member) = self;
            member.partitions.remove(partitions);
            member.lost.notify_waiters();
            // No commit is under way from here on.
            drop(member.committing.lock().await);
            member.rebalanced("lost", partitions);
            member.released(partitions);
        })
    }
}

impl Member {
    /// What a partition waited for is another member's matter now.
    fn released(&self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.telemetry.status().released(&partition.to_string());
        }
    }
}
