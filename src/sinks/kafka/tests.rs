//! The sink against a broker in memory, at paused time.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Settings, TYPE, open};
use crate::component::{ComponentError, Context, Sink, SinkSettings};
use crate::event::{AckOutcome, AckReceiver};
use crate::http::{HttpClient, HttpSettings, Network};
use crate::settings::{Environment, Section};
use crate::sinks::testing::{SinkRig, render, sink_env};
use nordpass_env::kafka::ErrorCode;
use nordpass_simulator::kafka::{Call, MemoryBroker, SendFault};

/// The sink in front of a broker in memory.
#[derive(Debug)]
struct Tested(Settings, Shared);

#[derive(Clone)]
struct Shared(MemoryBroker);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryBroker")
    }
}

impl SinkSettings for Tested {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        Box::pin(open(self.0.clone(), Arc::new(self.1.0.clone()), context))
    }
}

/// Nothing else uses the network.
struct NoNetwork;

impl Network for NoNetwork {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Err("no network".to_owned())
    }
}

fn settings(more: &str) -> Settings {
    let text = format!("bootstrap_servers = [\"127.0.0.1:9092\"]\ntopic = \"nordpass\"\n{more}");
    let mut section = Section::parse(&text, TYPE.fields, Environment::of::<&str, &str>([]));
    let settings = Settings::read(&mut section, &["a".into(), "b".into()]);
    let wrong = section.diagnostics();
    assert!(wrong.is_empty(), "{}", wrong.iter().map(|wrong| wrong.human(false)).collect::<String>());
    settings
}

async fn rig(more: &str) -> (SinkRig, MemoryBroker) {
    let broker = MemoryBroker::with_topic("nordpass", 3);
    (SinkRig::new("out", &Tested(settings(more), Shared(broker.clone())), sink_env(NoNetwork)).await, broker)
}

fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

/// The ids of all records in the topic.
fn ids(broker: &MemoryBroker) -> Vec<u64> {
    let value = |text: String| serde_json::from_str::<Value>(&text).expect("JSON")["id"].as_u64().expect("a number");
    let mut ids: Vec<u64> = broker.values("nordpass").into_iter().map(value).collect();
    ids.sort_unstable();
    ids
}

fn is_pending(ack: &mut AckReceiver) -> bool {
    futures::FutureExt::now_or_never(ack).is_none()
}

#[tokio::test(start_paused = true)]
async fn each_record_is_written_once_with_its_headers() {
    let (mut rig, broker) = rig("key = \"event_id\"").await;
    let acks = [rig.send(0, &rows(0..100)).await, rig.send(1, &rows(100..150)).await];
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    assert_eq!(ids(&broker), (0..150).collect::<Vec<_>>());
    let id = format!("{:032x}", 7);
    let expected = format!("{id}|{{\"id\":7}}|event-id={id}|source=s|schema=row/1");
    assert!(broker.records("nordpass").contains(&expected), "{:?}", broker.records("nordpass").first());
}

/// Row 9: fluent/fluent-bit#11527, where a record counts as delivered once it is queued.
#[tokio::test(start_paused = true)]
async fn row_9_nothing_is_acknowledged_before_the_brokers_answer() {
    let (mut rig, broker) = rig("").await;
    broker.next_sends([SendFault::Delay(Duration::from_secs(60))]);
    let mut ack = rig.send(0, &rows(0..10)).await;
    sleep(Duration::from_secs(59)).await;
    assert!(broker.sends() == 1 && is_pending(&mut ack), "it is sent, and not answered");
    assert!(rig.reason().contains("no broker has acknowledged records"), "{}", rig.reason());
    assert_eq!(ack.await, AckOutcome::Delivered);
    assert_eq!(ids(&broker), (0..10).collect::<Vec<_>>());
    rig.end().await;
}

/// Row 9, the other half: what is killed between enqueueing and the answer is no delivery.
#[tokio::test(start_paused = true)]
async fn row_9_a_sink_that_dies_before_the_answer_abandons_its_records() {
    let (mut rig, broker) = rig("").await;
    broker.next_sends([SendFault::Delay(Duration::from_secs(60))]);
    let ack = rig.send(0, &rows(0..10)).await;
    sleep(Duration::from_secs(30)).await;
    rig.task.abort();
    assert_eq!(ack.await, AckOutcome::Abandoned);
}

/// Row 4: vector#24193, where a broker that bounces purges the queue.
#[tokio::test(start_paused = true)]
async fn row_4_ten_restarts_of_the_broker_lose_and_double_nothing() {
    let (mut rig, broker) = rig("").await;
    let mut acks = Vec::new();
    for restart in 0..10 {
        acks.push(rig.send(0, &rows(restart * 10..restart * 10 + 5)).await);
        broker.set_down(true);
        sleep(Duration::from_secs(20)).await;
        acks.push(rig.send(0, &rows(restart * 10 + 5..restart * 10 + 10)).await);
        broker.set_down(false);
        sleep(Duration::from_secs(3)).await;
    }
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    assert_eq!(ids(&broker), (0..100).collect::<Vec<_>>());
}

/// Row 5: vector#14290, PostHog/posthog#65809, where a fatal error leaves a pod that is ready and does nothing.
/// Row 18: azure-event-hubs-for-kafka#261, a producer id that is stuck until somebody restarts.
#[tokio::test(start_paused = true)]
async fn rows_5_and_18_a_producer_that_cannot_go_on_is_replaced() {
    let (mut rig, broker) = rig("").await;
    assert_eq!(rig.send(0, &rows(0..5)).await.await, AckOutcome::Delivered);
    broker.forget_producers();
    assert_eq!(rig.send(0, &rows(5..10)).await.await, AckOutcome::Delivered);
    broker
        .next_sends([SendFault::Code(ErrorCode::PRODUCER_FENCED), SendFault::Code(ErrorCode::INVALID_PRODUCER_EPOCH)]);
    assert_eq!(rig.send(0, &rows(10..15)).await.await, AckOutcome::Delivered);
    rig.end().await;
    assert_eq!(ids(&broker), (0..15).collect::<Vec<_>>());
    assert_eq!(render(&rig.telemetry, "sentinel_kafka_producer_rebuilds_total"), ["3"]);
    assert!(rig.dead().is_empty());
}

/// Row 18: fluent-bit#3029, where Event Hubs' answer to too much at once counts as permanent.
#[tokio::test(start_paused = true)]
async fn row_18_a_hundred_policy_violations_are_waited_for() {
    let (mut rig, broker) = rig("").await;
    broker.next_sends(std::iter::repeat_n(SendFault::Code(ErrorCode::POLICY_VIOLATION), 100));
    let ack = rig.send(0, &rows(0..5)).await;
    sleep(Duration::from_secs(120)).await;
    let reason = rig.reason();
    assert!(reason.contains("POLICY_VIOLATION, 44") && reason.contains("throughput units"), "{reason}");
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
    assert_eq!((ids(&broker), rig.dead().len()), ((0..5).collect(), 0));
}

/// Row 6: vector#25746, where a topic that is deleted and made again is never written again.
#[tokio::test(start_paused = true)]
async fn row_6_a_topic_that_is_made_again_is_written_again() {
    let (mut rig, broker) = rig("").await;
    assert_eq!(rig.send(0, &rows(0..5)).await.await, AckOutcome::Delivered);
    broker.delete_topic("nordpass");
    let ack = rig.send(0, &rows(5..10)).await;
    sleep(Duration::from_hours(1)).await;
    assert!(rig.reason().contains("there is no such topic: create it"), "{}", rig.reason());
    broker.create_topic("nordpass", 2);
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
    assert_eq!(ids(&broker), (5..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_only_an_operator_can_cure_waits_in_words() {
    for (code, words) in [
        (ErrorCode::TOPIC_AUTHORIZATION_FAILED, "may not use the topic"),
        (ErrorCode::NOT_ENOUGH_REPLICAS, "too few replicas"),
        (ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, "compression"),
        (ErrorCode(-1), "UNKNOWN_SERVER_ERROR, -1"),
        (ErrorCode(199), "error code 199"),
    ] {
        let (mut rig, broker) = rig("").await;
        broker.next_sends(std::iter::repeat_n(SendFault::Code(code), 50));
        let ack = rig.send(0, &rows(0..5)).await;
        sleep(Duration::from_secs(300)).await;
        assert!(rig.reason().contains(words), "{}", rig.reason());
        assert_eq!(ack.await, AckOutcome::Delivered);
        rig.end().await;
        assert_eq!((ids(&broker), rig.dead().len()), ((0..5).collect(), 0));
    }
    let (mut rig, broker) = rig("").await;
    broker.next_calls(Call::Producer, [ErrorCode::CLUSTER_AUTHORIZATION_FAILED; 20]);
    let ack = rig.send(0, &rows(0..5)).await;
    sleep(Duration::from_secs(60)).await;
    assert!(rig.reason().contains("IdempotentWrite"), "{}", rig.reason());
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_too_long_is_never_sent() {
    let (mut rig, broker) = rig("max_request_size = 10000").await;
    let mut some = rows(0..3);
    some.insert(1, json!({ "id": 9, "text": "x".repeat(9_500) }));
    assert_eq!(rig.send(0, &some).await.await, AckOutcome::Delivered);
    rig.end().await;
    assert_eq!(ids(&broker), [0, 1, 2]);
    let dead = rig.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0]["record"]["id"], &dead[0]["code"]), (&json!(9), &json!("MESSAGE_TOO_LARGE")));
    assert!(dead[0]["reason"].as_str().expect("text").contains("exceeds the size limit"), "{}", dead[0]["reason"]);
}

/// A topic whose limit is lower than ours: only the record that it refuses becomes a dead letter, and only when others are taken.
#[tokio::test(start_paused = true)]
async fn a_record_that_the_topic_refuses_becomes_a_dead_letter_when_others_are_accepted() {
    let (mut rig, broker) = rig("").await;
    let refused = || SendFault::Some("\"id\":3}", ErrorCode::MESSAGE_TOO_LARGE);
    broker.next_sends(std::iter::repeat_with(refused).take(200));
    let ack = rig.send(0, &rows(0..5)).await;
    for more in 10..30 {
        assert_eq!(rig.send(0, &rows([more])).await.await, AckOutcome::Delivered);
    }
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
    assert_eq!(ids(&broker), [0, 1, 2, 4].into_iter().chain(10..30).collect::<Vec<_>>());
    let dead = rig.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0]["record"]["id"], &dead[0]["status"]), (&json!(3), &json!(10)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_refuses_everything_makes_no_dead_letters() {
    let (mut rig, broker) = rig("").await;
    broker.next_sends(std::iter::repeat_n(SendFault::Code(ErrorCode::INVALID_RECORD), 60));
    let acks = [rig.send(0, &rows(0..5)).await, rig.send(1, &rows(5..9)).await];
    sleep(Duration::from_secs(120)).await;
    assert!(rig.reason().contains("refuses"), "{}", rig.reason());
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    assert_eq!((ids(&broker), rig.dead().len()), ((0..9).collect(), 0));
}

/// The client gives up on a batch whose answer was lost. It is sent again, under the same ids.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_doubles_under_the_same_id_and_loses_nothing() {
    let (mut rig, broker) = rig("").await;
    broker.next_sends([SendFault::LostAnswer]);
    assert_eq!(rig.send(0, &rows(0..5)).await.await, AckOutcome::Delivered);
    rig.end().await;
    assert_eq!(ids(&broker), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    let mut records = broker.records("nordpass");
    records.sort();
    records.dedup();
    assert_eq!(records.len(), 5, "the copies are equal, headers and all");
}
