//! The writing end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::{MemoryBroker, SendFault, log::Stored};
use nordpass_env::kafka::{
    BrokerError, ErrorCode, Producer, ProducerRecord, ProducerSettings, TopicPartition, Trouble,
};

/// A producer with an id.
pub struct MemoryProducer {
    broker: MemoryBroker,
    id: u64,
    settings: ProducerSettings,
    is_closed: AtomicBool,
}

impl MemoryProducer {
    pub fn new(broker: MemoryBroker, id: u64, settings: ProducerSettings) -> Self {
        Self { broker, id, settings, is_closed: AtomicBool::new(false) }
    }

    /// Waits while no broker answers, as the client does, which sends again by itself.
    async fn reach(&self) -> Result<(), BrokerError> {
        let up = async {
            loop {
                let changed = self.broker.changed.notified();
                if self.broker.cluster.lock().is_reachable(self.broker.process) {
                    return;
                }
                changed.await;
            }
        };
        let waited = timeout(self.settings.delivery_timeout, up).await;
        waited.map_err(|_| BrokerError::new(Trouble::Timeout))
    }

    fn write(&self, record: ProducerRecord, fault: Option<&SendFault>) -> Result<(), BrokerError> {
        match fault {
            Some(SendFault::Code(code)) => return Err(BrokerError::code(*code)),
            Some(SendFault::Some(part, code)) if String::from_utf8_lossy(&record.value).contains(part) => {
                return Err(BrokerError::code(*code));
            }
            _ => {}
        }
        if record.value.len() > self.settings.max_request_bytes {
            return Err(BrokerError::new(Trouble::TooLarge));
        }
        self.broker.change(|cluster| {
            if self.id <= cluster.known_from {
                return Err(BrokerError::code(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
            }
            let number = cluster.sends as u64;
            let partition = cluster.topics.choose(&record.topic, record.key.as_deref(), number);
            let partition = partition.ok_or_else(|| BrokerError::code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
            let headers = record.headers.into_iter().map(|(name, value)| ((*name).into(), Some(value))).collect();
            let stored = Stored { key: record.key, value: Some(record.value), headers, is_damaged: false };
            cluster.topics.append(&TopicPartition { topic: record.topic, partition }, stored);
            Ok(())
        })
    }
}

impl Producer for MemoryProducer {
    fn send(&self, records: Vec<ProducerRecord>) -> BoxFuture<'_, Vec<Result<(), BrokerError>>> {
        Box::pin(async move {
            let began = Instant::now();
            if self.is_closed.load(Ordering::Relaxed) {
                return vec![Err(BrokerError::new(Trouble::Closed)); records.len()];
            }
            // A round trip.
            sleep(Duration::from_millis(2)).await;
            if let Err(error) = self.reach().await {
                return vec![Err(error); records.len()];
            }
            let fault = self.broker.change(|cluster| {
                cluster.sends += 1;
                cluster.send_faults.pop_front()
            });
            if let Some(SendFault::Delay(delay)) = &fault {
                sleep(*delay).await;
            }
            let outcomes = records.into_iter().map(|record| self.write(record, fault.as_ref())).collect::<Vec<_>>();
            if let Some(SendFault::Written(code)) = fault {
                return outcomes.into_iter().map(|_| Err(BrokerError::code(code).may_be_written())).collect();
            }
            if let Some(SendFault::LostAnswer) = fault {
                sleep(self.settings.delivery_timeout.saturating_sub(began.elapsed())).await;
                return outcomes
                    .into_iter()
                    .map(|_| Err(BrokerError::new(Trouble::Timeout).may_be_written()))
                    .collect();
            }
            outcomes
        })
    }

    fn close(&self, _: Duration) -> BoxFuture<'_, ()> {
        self.is_closed.store(true, Ordering::Relaxed);
        Box::pin(async {})
    }
}
