//! Writing.

use std::time::Duration;

use futures::future::{BoxFuture, join, join_all};
use krafka::producer::{
    Acks, DeliveryConfirmation, DeliveryHandle, Producer as Client, ProducerBuilder, RecordMetadata,
};
use krafka::{CloseOptions, Kafka, Record};

use super::errors::broker_error;
use nordpass_env::kafka::{BrokerError, Compression, ErrorCode, Producer, ProducerRecord, ProducerSettings, Trouble};

/// Bytes of records that wait to be sent. One batch of the sink fits.
const BUFFER_BYTES: usize = 4 << 20;
/// Bytes of one batch of a partition.
const BATCH_BYTES: usize = 512 << 10;
/// Bytes of a request besides its records: more than a batch of one record needs.
const FRAMING: usize = 1_000;
/// How long a batch waits for more records, unless all are there.
const LINGER: Duration = Duration::from_millis(20);
/// How long a record may wait for metadata, or for memory.
const MAX_BLOCK: Duration = Duration::from_secs(30);

/// A producer of these settings.
pub fn builder(kafka: &Kafka, settings: &ProducerSettings) -> ProducerBuilder {
    kafka
        .producer()
        .acks(Acks::All)
        .idempotent(true)
        .compression(match settings.compression {
            Compression::None => krafka::Compression::None,
            Compression::Gzip => krafka::Compression::Gzip,
        })
        .batch_size(BATCH_BYTES.min(settings.max_request_bytes))
        .linger(LINGER)
        .delivery_timeout(settings.delivery_timeout)
        .max_request_size(settings.max_request_bytes)
        .max_block(MAX_BLOCK)
        .buffer_memory(BUFFER_BYTES)
        .metrics_push(false)
}

/// A producer behind krafka.
pub struct KrafkaProducer {
    client: Client,
    max_request_bytes: usize,
}

impl KrafkaProducer {
    /// Behind this client.
    pub fn new(client: Client, settings: &ProducerSettings) -> Self {
        Self { client, max_request_bytes: settings.max_request_bytes }
    }

    /// Queues records in their order. When one can't be queued for a reason that isn't its own, none after it is tried: each would
    /// wait as long.
    async fn enqueue(&self, records: Vec<ProducerRecord>) -> Vec<Result<DeliveryHandle, BrokerError>> {
        let (mut queued, mut failed) = (Vec::with_capacity(records.len()), None::<BrokerError>);
        for record in records {
            let record = of(record);
            // krafka would call it an error of the settings.
            if record.estimated_size() > self.max_request_bytes - FRAMING {
                queued.push(Err(BrokerError::new(Trouble::TooLarge)));
                continue;
            }
            queued.push(match &failed {
                Some(error) => Err(error.clone()),
                None => self.client.enqueue(record).await.map_err(|error| {
                    let error = broker_error(&error);
                    failed = Some(error.clone());
                    error
                }),
            });
        }
        queued
    }
}

/// Whether a record is in the log: its offset is the only proof. krafka also calls `DUPLICATE_SEQUENCE_NUMBER` without an offset a success. But
/// it has one batch of a partition under way, and of the last ones a broker knows the offsets. So what such a broker knows is another batch
/// with this number: of somebody with the same producer id, or of a time before it was restored.
fn proven(written: &RecordMetadata) -> Result<(), BrokerError> {
    match written.delivery {
        DeliveryConfirmation::Offset => Ok(()),
        _ => Err(BrokerError::code(ErrorCode::DUPLICATE_SEQUENCE_NUMBER).may_be_written()),
    }
}

fn of(record: ProducerRecord) -> Record {
    let mut made = Record::new(&*record.topic, record.value);
    if let Some(key) = record.key {
        made = made.key(key);
    }
    for (name, value) in record.headers {
        made = made.header(&*name, value);
    }
    made
}

impl Producer for KrafkaProducer {
    fn send(&self, records: Vec<ProducerRecord>) -> BoxFuture<'_, Vec<Result<(), BrokerError>>> {
        Box::pin(async move {
            let queued = self.enqueue(records).await;
            let outcomes = join_all(queued.into_iter().map(async |queued| {
                let written = queued?.await.map_err(|error| broker_error(&error))?;
                proven(&written)
            }));
            // Nobody lingers: all that this batch has is there.
            join(self.client.flush(), outcomes).await.1
        })
    }

    fn close(&self, within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.client.close_with(CloseOptions::new().timeout(within)).await;
        })
    }
}
