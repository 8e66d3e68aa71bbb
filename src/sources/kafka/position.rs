//! Where a partition is read from: the group's committed offset, or the oldest record when the group has none. Never anything else by
//! itself: what a retention has removed before it was read is a gap, which is counted and said.

use std::collections::BTreeMap;

use super::assigned::Phase;
use super::member::Member;
use crate::telemetry::metrics;
use nordpass_env::Env;
use nordpass_env::kafka::{BrokerError, Consumer, TopicPartition};

/// Positions what isn't positioned.
pub struct Positioner {
    continues_after_gap: bool,
    env: Env,
    /// The end of each partition's log when it was positioned.
    pub ends: BTreeMap<TopicPartition, i64>,
}

/// How a position relates to what the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// It is in the log.
    At(i64),
    /// Records before the log's first were removed before they were read.
    Gap { records: i64 },
    /// The log ends before it: the topic was deleted and made again. All that it has is new.
    NewLog,
}

/// Where to begin. `known`: how far the group is; `None` at a first run. The log has the offsets from `low` up to `high`.
fn start(known: Option<i64>, (low, high): (i64, i64)) -> Start {
    match known {
        None => Start::At(low),
        Some(known) if known < low => Start::Gap { records: low - known },
        Some(known) if known > high => Start::NewLog,
        Some(known) => Start::At(known),
    }
}

impl Positioner {
    /// `continues_after_gap`: whether it goes on behind a gap.
    pub fn new(continues_after_gap: bool, env: &Env) -> Self {
        Self { continues_after_gap, env: env.clone(), ends: BTreeMap::new() }
    }

    /// Positions all partitions that have no position, and resumes them. An error is tried again later, and never decides where to
    /// begin.
    pub async fn position_all(&mut self, member: &Member) -> Result<(), BrokerError> {
        let Some(consumer) = member.consumer() else { return Ok(()) };
        for partition in member.partitions.in_phase(Phase::Unpositioned) {
            let log = consumer.watermarks(&partition).await?;
            let committed = consumer.committed(&partition).await?;
            // What this assignment has delivered may not be committed yet.
            let known = committed.max(member.partitions.delivered(&partition));
            self.position(member, &*consumer, &partition, start(known, log), log).await?;
        }
        Ok(())
    }

    async fn position(
        &mut self,
        member: &Member,
        consumer: &dyn Consumer,
        partition: &TopicPartition,
        start: Start,
        (low, high): (i64, i64),
    ) -> Result<(), BrokerError> {
        let (component, part) = (member.telemetry.name(), partition.to_string());
        let from = match start {
            Start::At(offset) => offset,
            Start::NewLog => {
                tracing::warn!(
                    component,
                    partition = part,
                    "the topic was made again: it is read from its oldest record on"
                );
                low
            }
            Start::Gap { records } => {
                member.telemetry.add(&metrics::GAPS, 1);
                member.telemetry.add(&metrics::GAP_RECORDS, u64::try_from(records).unwrap_or_default());
                if !self.continues_after_gap {
                    let reason = format!(
                        "the retention of {partition} has removed {records} records before they were read; set on_gap = \"continue\" to \
                         go on without them"
                    );
                    member.telemetry.status().held_up(&part, &reason, None, self.env.clock.now());
                    member.partitions.hold(partition);
                    return Ok(());
                }
                tracing::warn!(
                    component,
                    partition = part,
                    records,
                    "the retention has removed records before they were read: it goes on without them"
                );
                low
            }
        };
        consumer.seek(partition, from).await?;
        member.partitions.position(partition, from, high);
        self.ends.insert(partition.clone(), high);
        member.telemetry.status().released(&part);
        consumer.resume(std::slice::from_ref(partition)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_first_run_begins_at_the_oldest_record() {
        assert_eq!(start(None, (5, 9)), Start::At(5));
        assert_eq!(start(Some(7), (5, 9)), Start::At(7));
        assert_eq!(start(Some(9), (5, 9)), Start::At(9));
        assert_eq!(start(Some(3), (5, 9)), Start::Gap { records: 2 });
        assert_eq!(start(Some(10), (5, 9)), Start::NewLog);
        assert_eq!(start(Some(0), (0, 0)), Start::At(0));
    }
}
