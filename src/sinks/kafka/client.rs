//! Sends batches with one producer, and makes another one when that can't go on.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, sleep};

use super::answer::{again, classify, never_fits};
use super::frames::{self, EVENT_SCHEMA, Frame, HeaderNames, OVERHEAD, ROW_SCHEMA};
use super::settings::{Key, Settings};
use crate::component::Letter;
use crate::event::{EventId, MetadataEntries, Text, parse_event_and, unescape};
use crate::sinks::delivery::batch::{Encoded, Rows};
use crate::sinks::delivery::protocol::{Protocol, Refusal, ResponseClass};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;
use nordpass_env::kafka::{Broker, BrokerError, Compression, Producer, ProducerSettings};

/// After this time without an answer the sink says that it waits for one. The client goes on trying by itself.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a producer that can't go on may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes to one topic.
pub struct Client {
    broker: Arc<dyn Broker>,
    /// The producer, once there is one.
    producer: tokio::sync::Mutex<Option<Arc<dyn Producer>>>,
    settings: ProducerSettings,
    topic: Arc<str>,
    key: Key,
    max_record_bytes: usize,
    names: HeaderNames,
    env: Env,
    telemetry: ComponentReporter,
}

impl Client {
    /// Creates a client. Nothing is connected yet.
    pub fn new(
        settings: &Settings,
        broker: Arc<dyn Broker>,
        delivery_timeout: Duration,
        env: &Env,
        telemetry: &ComponentReporter,
    ) -> Self {
        let (max_request_bytes, compression) = (settings.max_request_bytes, settings.compression);
        // The client wants it to be longer than one request takes.
        let delivery_timeout = delivery_timeout.max(settings.connection.http.request_timeout + Duration::from_secs(1));
        Self {
            broker,
            producer: tokio::sync::Mutex::default(),
            settings: ProducerSettings { delivery_timeout, max_request_bytes, compression },
            topic: settings.topic.clone(),
            key: settings.key,
            max_record_bytes: settings.max_record_bytes(),
            names: HeaderNames::default(),
            env: env.clone(),
            telemetry: telemetry.clone(),
        }
    }

    /// For `validate --connect`: connects, looks for the topic, and asks for the right to write. Writes nothing.
    pub async fn probe(&self) -> Result<String, String> {
        let said = |error: BrokerError| error.to_string();
        let partitions = self.broker.partitions(&self.topic).await.map_err(said)?;
        let producer = self.producer().await.map_err(said)?;
        producer.close(CLOSE_TIMEOUT).await;
        Ok(format!(
            "the topic {} has {} partitions, and an idempotent producer may start; whether it may write to the topic shows only when \
             it does",
            self.topic,
            partitions.len()
        ))
    }

    async fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        let mut current = self.producer.lock().await;
        if let Some(producer) = &*current {
            return Ok(producer.clone());
        }
        let producer = self.broker.producer(self.settings.clone()).await?;
        *current = Some(producer.clone());
        Ok(producer)
    }

    /// Ends a producer that can't go on. What it hasn't written is sent again by the next one.
    async fn replace(&self, producer: &Arc<dyn Producer>) {
        let mut current = self.producer.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, producer)) {
            *current = None;
            drop(current);
            self.telemetry.add(&metrics::PRODUCER_REBUILDS, 1);
            producer.close(CLOSE_TIMEOUT).await;
        }
    }

    /// Waits for the records' outcomes, and says so when no broker answers for long.
    async fn send(&self, producer: &dyn Producer, encoded: &Encoded) -> (Vec<Result<(), BrokerError>>, Duration) {
        let records = frames::records(encoded.body.clone(), &self.topic, &self.names);
        let began = Instant::now();
        let mut sending = pin!(producer.send(records));
        let outcomes = loop {
            tokio::select! {
                biased;
                outcomes = &mut sending => break outcomes,
                () = sleep(SILENCE) => {
                    let reason = format!(
                        "no broker has acknowledged records of the topic {} for more than {} s: check the brokers and the network",
                        self.topic,
                        SILENCE.as_secs()
                    );
                    self.telemetry.status().held_up(&self.topic, &reason, None, self.env.clock.now());
                }
            }
        };
        self.telemetry.observe(&metrics::REQUEST_SECONDS, began.elapsed().as_secs_f64());
        (outcomes, began.elapsed())
    }

    fn push(&self, frame: Frame<'_>, to: &mut BytesMut) {
        let id = frame.id.hex();
        let key = match self.key {
            Key::Organization => Some(frame.organization.as_bytes()).filter(|key| !key.is_empty()),
            Key::EventId => Some(&id[..]),
            Key::None => None,
        };
        frames::push(Frame { key, ..frame }, to);
    }
}

fn encoded(body: BytesMut, records: usize) -> Encoded {
    Encoded { json_bytes: body.len(), body: body.freeze(), records, key: None }
}

impl Protocol for Client {
    const NAME: &str = "Kafka";

    fn max_body_bytes(&self) -> usize {
        self.max_record_bytes
    }

    fn added_bytes(&self, length: usize) -> usize {
        length + OVERHEAD
    }

    fn shorten(&self, _: &str) -> Option<(String, u64)> {
        None
    }

    fn encode(&self, rows: &Rows) -> Encoded {
        let lengths = (0..rows.len()).map(|row| rows.text(row).len() + OVERHEAD);
        let mut body = BytesMut::with_capacity(lengths.sum());
        for row in 0..rows.len() {
            let (record, chunk) = (rows.record(row), rows.chunk(row));
            let frame = Frame {
                key: None,
                value: rows.text(row),
                id: rows.shown_id(row),
                organization: &record.organization,
                source: &chunk.origin.source,
                marks: chunk.mark(record).unwrap_or_default(),
                schema: if chunk.events.is_some() { EVENT_SCHEMA } else { ROW_SCHEMA },
            };
            self.push(frame, &mut body);
        }
        encoded(body, rows.len())
    }

    /// The organization is in the event; whether it is one is seen from its fields.
    fn encode_letter(&self, letter: Letter<'_>) -> Encoded {
        let text = Text::from(letter.record.to_owned());
        let fields = parse_event_and(&text, &text, &mut MetadataEntries::default()).unwrap_or_default();
        let organization = unescape(text.at(fields.organization.span));
        let is_event = !fields.kind.is_blank() && !fields.action.is_blank();
        let id: EventId = letter.shown_id.unwrap_or(letter.id);
        let frame = Frame {
            key: None,
            value: letter.record,
            id,
            organization: &organization,
            source: "",
            marks: "",
            schema: if is_event { EVENT_SCHEMA } else { ROW_SCHEMA },
        };
        let mut body = BytesMut::with_capacity(letter.record.len() + OVERHEAD);
        self.push(frame, &mut body);
        encoded(body, 1)
    }

    /// There is no such record.
    fn encode_nothing(&self) -> Option<Encoded> {
        None
    }

    async fn post(&self, _: &str, _: bool, encoded: &Encoded, request_id: &str) -> ResponseClass {
        if encoded.records == 1 && encoded.body.len() > self.max_record_bytes {
            return ResponseClass::Refused(never_fits());
        }
        let producer = match self.producer().await {
            Ok(producer) => producer,
            Err(error) => return ResponseClass::Again(again(&error, &self.topic)),
        };
        let (outcomes, took) = self.send(&*producer, encoded).await;
        let written = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let (component, records) = (self.telemetry.name(), outcomes.len());
        tracing::debug!(component, topic = &*self.topic, request_id, records, written, "sent a batch");
        let is_fatal = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).any(|error| error.is_fatal);
        // Nothing of it is under way. After an outage krafka 0.28 turns in circles: it never forgets when it wanted to look for a leader.
        if is_fatal || took > SILENCE {
            self.replace(&producer).await;
        }
        classify(&outcomes, &self.topic)
    }

    fn refuses_all(&self, refusal: &Refusal, topic: &str) -> String {
        let answer = refusal.answer();
        let compressed = if self.settings.compression == Compression::None { "" } else { ", and `compression`" };
        format!(
            "the topic {topic} refuses every record with {answer}: check its `max.message.bytes` and its schema{compressed}; nothing is \
             dead-lettered"
        )
    }

    fn refuses_one(&self, refusal: &Refusal, topic: &str) -> String {
        format!(
            "the topic {topic} refuses a record with {}; it is kept and retried until it is accepted, or others are accepted and it isn't",
            refusal.answer()
        )
    }
}
