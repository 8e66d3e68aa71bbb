//! Polls, whatever the sinks do, and pauses the partitions while enough is queued.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::assigned::Phase;
use super::member::Member;
use super::partitions::QUEUE_BYTES;
use super::position::Positioner;
use super::settings::Settings;
use crate::component::{ComponentError, Context};
use crate::http::Backoff;
use crate::telemetry::metrics;
use nordpass_env::kafka::{BrokerError, ErrorCode, TopicPartition, Trouble};

/// How long a poll waits for records.
const POLL: Duration = Duration::from_millis(500);
/// How often the ends of the logs are asked for, for the lag.
const LOOK: Duration = Duration::from_secs(30);
/// With `once`: after so long without a record everything is read, whatever the logs' ends say. Aborted transactions leave records
/// at an end that nobody gets.
const QUIET: Duration = Duration::from_secs(20);

/// The polling.
pub struct Polling {
    member: Arc<Member>,
    positioner: Positioner,
    context: Context,
    backoff: Backoff,
    is_paused: bool,
    looked: Instant,
    last_record: Instant,
}

impl Polling {
    /// For this member.
    pub fn new(settings: &Settings, context: &Context, member: Arc<Member>) -> Self {
        Self {
            member,
            positioner: Positioner::new(settings.continues_after_gap, &context.env),
            context: context.clone(),
            backoff: Backoff::new(context.env.random.clone()),
            is_paused: false,
            looked: Instant::now(),
            last_record: Instant::now(),
        }
    }

    /// Polls for ever or, with `once`, until everything is read. An error is one that another consumer may not have.
    pub async fn run(mut self) -> Result<(), ComponentError> {
        let Some(consumer) = self.member.consumer() else { return Ok(()) };
        loop {
            let polled = consumer.poll(POLL).await;
            let result = match polled {
                Ok(records) => {
                    if !records.is_empty() {
                        self.last_record = Instant::now();
                        self.member.partitions.push(records);
                    }
                    Ok(())
                }
                Err(error) => self.failed(error).await,
            };
            let result = match result {
                Ok(()) => self.positioner.position_all(&self.member).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => {
                    self.backoff.reset();
                    self.context.telemetry.status().working();
                }
                Err(error) => self.wait(error).await?,
            }
            self.pause_or_resume().await;
            self.look().await;
            if self.context.once && self.is_done() {
                return Ok(());
            }
        }
    }

    /// Handles an error that is about single partitions. Returns any other.
    async fn failed(&mut self, error: BrokerError) -> Result<(), BrokerError> {
        match &error.trouble {
            Trouble::NoOffset(partitions) => {
                self.member.partitions.unposition(partitions);
                self.pause(partitions).await;
                Ok(())
            }
            Trouble::Corrupt(partition, offset) => {
                self.context.telemetry.add_labelled(&metrics::ERRORS, error.kind(), 1);
                let reason = format!(
                    "the batch of {partition} at offset {offset} is damaged: its checksum is wrong. The partition waits; the others go \
                     on. Repair the broker, or commit a later offset for the group"
                );
                let part = partition.to_string();
                self.context.telemetry.status().held_up(&part, &reason, None, self.context.env.clock.now());
                self.member.partitions.hold(partition);
                self.pause(std::slice::from_ref(partition)).await;
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Waits after an error.
    async fn wait(&mut self, error: BrokerError) -> Result<(), ComponentError> {
        if error.answer() == Some(ErrorCode::FENCED_INSTANCE_ID) {
            return Err(ComponentError::new(error.to_string()).hint("then restart this process"));
        }
        let (telemetry, wait) = (&self.context.telemetry, self.backoff.next_wait());
        telemetry.add_labelled(&metrics::ERRORS, error.kind(), 1);
        telemetry.add(&metrics::RETRIES, 1);
        telemetry.status().trying_again(&format!("can't read: {error}"), wait, self.context.env.clock.now());
        sleep(wait).await;
        // Another consumer has another connection, with the credential as it is then.
        if matches!(error.trouble, Trouble::Closed | Trouble::Authentication | Trouble::NoCredential(_)) {
            return Err(ComponentError::new(error.to_string()).begins_anew());
        }
        Ok(())
    }

    async fn pause(&self, partitions: &[TopicPartition]) {
        if let Some(consumer) = self.member.consumer() {
            consumer.pause(partitions).await;
        }
    }

    async fn pause_or_resume(&mut self) {
        let Some(consumer) = self.member.consumer() else { return };
        let queued = self.member.partitions.queued_bytes();
        // Those that were assigned since the last time, too.
        if queued >= QUEUE_BYTES {
            consumer.pause(&self.member.partitions.in_phase(Phase::Reading)).await;
            self.is_paused = true;
        } else if self.is_paused && queued < QUEUE_BYTES / 2 {
            consumer.resume(&self.member.partitions.in_phase(Phase::Reading)).await;
            self.is_paused = false;
        }
    }

    /// Asks for the ends of the logs, for the lag.
    async fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let Some(consumer) = self.member.consumer() else { return };
        for partition in self.member.partitions.in_phase(Phase::Reading) {
            // The lag of before is shown until it works.
            let Ok((_, high)) = consumer.watermarks(&partition).await else { return };
            self.member.partitions.heard_of(&partition, high);
        }
    }

    fn is_done(&self) -> bool {
        let partitions = &self.member.partitions;
        let is_quiet = self.last_record.elapsed() >= QUIET && partitions.in_phase(Phase::Unpositioned).is_empty();
        partitions.are_read_up_to(&self.positioner.ends)
            || is_quiet && partitions.is_idle() && !partitions.all().is_empty()
    }
}
