//! krafka against its own broker, where that can be made to fail: what the seam promises beyond the contract.

mod tls;

use std::sync::Arc;
use std::time::Duration;

use krafka::error::ErrorCode as Theirs;
use krafka::testing::{ApiKey, Control, FakeBroker};

use super::*;
use crate::settings::{Environment, Field, Section};
use nordpass_env::kafka::{Compression, GroupProtocol, ProducerRecord, TopicPartition};

fn broker() -> (Arc<FakeBroker>, KrafkaBroker) {
    let fake = Arc::new(FakeBroker::start_in_memory(1));
    fake.create_topic("t", 1);
    let reached = fake.clone();
    (fake, KrafkaBroker::of(move || reached.kafka()))
}

async fn producer(broker: &KrafkaBroker) -> Arc<dyn Producer> {
    let settings = ProducerSettings {
        delivery_timeout: Duration::from_hours(24),
        max_request_bytes: 1_000_000,
        compression: Compression::Gzip,
    };
    broker.producer(settings).await.expect("a producer")
}

fn records(numbers: std::ops::Range<usize>) -> Vec<ProducerRecord> {
    let record = |number: usize| ProducerRecord {
        topic: "t".into(),
        key: None,
        value: number.to_string().into_bytes().into(),
        headers: Vec::new(),
    };
    numbers.map(record).collect()
}

fn written(fake: &FakeBroker) -> Vec<usize> {
    let value = |record: &krafka::ConsumerRecord| record.value_str().and_then(|text| text.parse().ok());
    fake.all_records("t").expect("records").iter().filter_map(value).collect()
}

/// Row 4 with the client: batches whose answers are lost are written once, and in their order. (A broker that is gone for long can't be tested
/// at paused time: krafka 0.28.1 then turns in circles without a pause, see ADR 0035.)
#[tokio::test(start_paused = true)]
async fn row_4_lost_answers_write_each_record_once() {
    let (fake, broker) = broker();
    let producer = producer(&broker).await;
    for round in 0..10 {
        fake.on_times(ApiKey::Produce, 2, |_| Control::ApplyThen(Box::new(Control::Disconnect)));
        let outcomes = producer.send(records(round * 60..round * 60 + 60)).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
    assert_eq!(written(&fake), (0..600).collect::<Vec<_>>());
}

/// Row 18 with the client: Event Hubs' answer to too much at once is one to wait for, and the same producer goes on.
#[tokio::test(start_paused = true)]
async fn row_18_after_a_policy_violation_the_same_producer_goes_on() {
    let (fake, broker) = broker();
    let producer = producer(&broker).await;
    fake.on_times(ApiKey::Produce, 1, |_| Control::Error(Theirs::PolicyViolation));
    let error = producer.send(records(0..5)).await.remove(0).expect_err("too much at once");
    assert_eq!((error.answer(), error.is_fatal, error.kind()), (Some(ErrorCode::POLICY_VIOLATION), false, "throttled"));
    let outcomes = producer.send(records(0..5)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(written(&fake), [0, 1, 2, 3, 4]);
}

/// Row 18: a producer id that the broker has forgotten is fatal for this producer, and not for the next.
#[tokio::test(start_paused = true)]
async fn row_18_a_forgotten_producer_id_is_fatal_for_this_producer_only() {
    let (fake, broker) = broker();
    let stuck = producer(&broker).await;
    fake.on_times(ApiKey::Produce, 1, |_| Control::Error(Theirs::InvalidProducerIdMapping));
    let error = stuck.send(records(0..1)).await.remove(0).expect_err("forgotten");
    assert!(error.is_fatal, "{error:?}");
    stuck.close(Duration::from_secs(5)).await;
    let next = producer(&broker).await;
    assert!(next.send(records(0..1)).await[0].is_ok());
    assert_eq!(written(&fake), [0]);
}

/// krafka takes this answer for a success, as Java's client does. What it is about may be another batch.
#[tokio::test(start_paused = true)]
async fn a_duplicate_without_an_offset_proves_nothing() {
    let (fake, broker) = broker();
    let stuck = producer(&broker).await;
    fake.on_times(ApiKey::Produce, 1, |_| Control::Error(Theirs::DuplicateSequenceNumber));
    let error = stuck.send(records(0..1)).await.remove(0).expect_err("no proof");
    assert_eq!(error.answer(), Some(ErrorCode::DUPLICATE_SEQUENCE_NUMBER));
    assert!(error.is_fatal && error.may_be_written, "{error:?}");
    assert!(producer(&broker).await.send(records(0..1)).await[0].is_ok());
    assert_eq!(written(&fake), [0]);
}

/// The broker has lost what it had acknowledged: that is no success, and the same producer isn't used again.
#[tokio::test(start_paused = true)]
async fn a_gap_in_the_sequence_is_said_and_the_batch_is_sent_again() {
    let (fake, broker) = broker();
    let stuck = producer(&broker).await;
    fake.on_times(ApiKey::Produce, 1, |_| Control::Error(Theirs::OutOfOrderSequenceNumber));
    let error = stuck.send(records(0..1)).await.remove(0).expect_err("refused");
    assert!(error.is_fatal && error.to_string().contains("no longer has records that it had acknowledged"), "{error}");
    assert!(producer(&broker).await.send(records(0..1)).await[0].is_ok());
    assert_eq!(written(&fake), [0]);
}

#[tokio::test(start_paused = true)]
async fn refusals_have_their_codes() {
    let (fake, broker) = broker();
    let producer = producer(&broker).await;
    for code in [Theirs::TopicAuthorizationFailed, Theirs::InvalidRecord, Theirs::MessageTooLarge] {
        fake.on_times(ApiKey::Produce, 20, move |_| Control::Error(code));
        let error = producer.send(records(0..1)).await.remove(0).expect_err("refused");
        assert_eq!(error.answer().map(|answer| answer.0), Some(code.to_i16()), "{error:?}");
        fake.clear_hooks();
    }
    assert!(producer.send(records(0..1)).await[0].is_ok(), "it goes on");
}

struct Deaf;

impl RebalanceListener for Deaf {
    fn assigned<'a>(&'a self, _: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn revoked<'a>(&'a self, _: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn lost<'a>(&'a self, _: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

async fn consumer(broker: &KrafkaBroker) -> Arc<dyn Consumer> {
    let settings = ConsumerSettings {
        group_id: "g".to_owned(),
        group_instance_id: None,
        group_protocol: GroupProtocol::Consumer,
        topics: vec!["t".to_owned()],
        session_timeout: Duration::from_secs(30),
        max_poll_interval: Duration::from_secs(300),
        fetch_max_bytes: (8 << 20, 1 << 20),
    };
    let consumer = broker.consumer(settings, Arc::new(Deaf)).await.expect("a consumer");
    for _ in 0..50 {
        if consumer.poll(Duration::from_secs(1)).await.is_err() {
            consumer.seek(&TopicPartition::new("t", 0), 0).await.expect("seeks");
            return consumer;
        }
    }
    panic!("it is never assigned")
}

#[tokio::test(start_paused = true)]
async fn a_damaged_batch_names_its_partition_and_offset() {
    let (fake, broker) = broker();
    assert!(producer(&broker).await.send(records(0..10)).await.iter().all(Result::is_ok));
    let consumer = consumer(&broker).await;
    fake.on(ApiKey::Fetch, |_| Control::CorruptRecords);
    let mut found = Vec::new();
    for _ in 0..10 {
        match consumer.poll(Duration::from_secs(1)).await {
            Ok(records) => assert!(records.is_empty(), "nothing damaged is given out"),
            Err(error) => found.push(error.trouble),
        }
    }
    assert!(found.contains(&Trouble::Corrupt(TopicPartition::new("t", 0), 0)), "{found:?}");
    consumer.pause(&[TopicPartition::new("t", 0)]).await;
    assert!(consumer.poll(Duration::from_secs(1)).await.is_ok(), "the others could go on");
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_is_gone_has_to_be_positioned() {
    let (fake, broker) = broker();
    assert!(producer(&broker).await.send(records(0..10)).await.iter().all(Result::is_ok));
    let (consumer, at) = (consumer(&broker).await, TopicPartition::new("t", 0));
    consumer.seek(&at, 99).await.expect("seeks");
    let mut found = None;
    for _ in 0..10 {
        if let Err(error) = consumer.poll(Duration::from_secs(1)).await {
            found = error.no_offset().map(<[_]>::to_vec);
            break;
        }
    }
    assert_eq!(found, Some(vec![at.clone()]));
    consumer.seek(&at, 8).await.expect("seeks");
    let mut read = Vec::new();
    while read.len() < 2 {
        read.extend(consumer.poll(Duration::from_secs(1)).await.expect("it goes on"));
    }
    assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), [8, 9]);
    drop(fake);
}

static FIELDS: &[Field] = &[
    crate::kafka::connection::BOOTSTRAP_SERVERS,
    crate::kafka::connection::SECURITY_PROTOCOL,
    crate::kafka::connection::SASL,
    crate::kafka::connection::TLS,
    crate::kafka::connection::REQUEST_TIMEOUT,
];

fn connected(text: &str) -> KrafkaBroker {
    let mut section = Section::parse(text, FIELDS, Environment::of([("PASSWORD", "s3cret-of-this-test")]));
    let settings = ConnectionSettings::read(&mut section);
    assert!(section.diagnostics().is_empty(), "{:?}", section.diagnostics());
    KrafkaBroker::new(&settings, &crate::http::system_env()).expect("settings")
}

/// Over TCP, from the settings: PLAIN is accepted with the right password, and a wrong one is named as what it is.
#[tokio::test]
async fn a_password_is_sent_and_a_wrong_one_is_said_without_it() {
    let fake = FakeBroker::start().await.expect("a broker");
    fake.create_topic("t", 1);
    let with = |user: &str| {
        format!(
            "bootstrap_servers = [\"{}\"]\nrequest_timeout = \"5s\"\nsasl = {{ mechanism = \"PLAIN\", username = \"{user}\", password = \"${{PASSWORD}}\" }}",
            fake.bootstrap_servers()
        )
    };
    fake.require_sasl_plain("$ConnectionString", "s3cret-of-this-test");
    assert_eq!(connected(&with("$ConnectionString")).partitions("t").await, Ok(vec![0]));
    let error = connected(&with("somebody")).partitions("t").await.expect_err("refused");
    assert_eq!(error.trouble, Trouble::Authentication);
    let text = format!("{error} {error:?}");
    assert!(text.contains("check `sasl`") && !text.contains("s3cret") && !text.contains("somebody"), "{text}");
}
