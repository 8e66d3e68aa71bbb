//! What everything behind the seam has to keep: one suite, run on the broker in memory, on krafka with its own broker (KIP-848, in
//! memory, at paused time), and on krafka with a real broker where one is (`cargo xtask test kafka`, classic protocol).

mod real;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use nordpass_env::Mutex;
use tokio::time::Instant;

use nordpass_env::kafka::{
    Broker, Compression, Consumer, ConsumerRecord, ConsumerSettings, ErrorCode, GroupProtocol, Producer,
    ProducerRecord, ProducerSettings, RebalanceListener, TopicPartition,
};

/// Makes a topic with so many partitions.
type Create = Box<dyn Fn(&str, usize) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the suite needs besides the broker.
struct Rig {
    broker: Arc<dyn Broker>,
    /// Connections of one's own, as each process has them: a broker may answer those of one connection in their order, and a member that
    /// joins is answered late.
    connect: Box<dyn Fn() -> Arc<dyn Broker> + Send + Sync>,
    protocol: GroupProtocol,
    create: Create,
    number: AtomicU64,
}

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(40);

impl Rig {
    /// A new topic with these partitions.
    async fn topic(&self, partitions: usize) -> String {
        let topic = format!("contract-{}", self.number.fetch_add(1, Ordering::Relaxed));
        (self.create)(&topic, partitions).await;
        topic
    }

    async fn producer(&self) -> Arc<dyn Producer> {
        let settings = ProducerSettings {
            delivery_timeout: Duration::from_secs(90),
            max_request_bytes: 1_000_000,
            compression: Compression::None,
        };
        self.broker.producer(settings).await.expect("a producer")
    }

    async fn member(&self, group: &str, topic: &str) -> Member {
        let events = Arc::new(Events::default());
        let settings = ConsumerSettings {
            group_id: format!("{group}-{topic}"),
            group_instance_id: None,
            group_protocol: self.protocol,
            topics: vec![topic.to_owned()],
            session_timeout: Duration::from_secs(10),
            max_poll_interval: Duration::from_secs(60),
            fetch_max_bytes: (8 << 20, 1 << 20),
        };
        let consumer = (self.connect)().consumer(settings, events.clone()).await.expect("a consumer");
        Member { consumer, events }
    }
}

/// What a listener has heard.
#[derive(Default)]
struct Events {
    owned: Mutex<Vec<TopicPartition>>,
    said: Mutex<Vec<String>>,
}

impl RebalanceListener for Events {
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let mut owned = self.owned.lock();
        for partition in partitions {
            assert!(!owned.contains(partition), "assigned twice: {partition}");
            owned.push(partition.clone());
        }
        self.said.lock().push(format!("assigned {}", partitions.len()));
        Box::pin(async {})
    }

    fn revoked<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.owned.lock().retain(|owned| !partitions.contains(owned));
        self.said.lock().push(format!("revoked {}", partitions.len()));
        Box::pin(async {})
    }

    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.owned.lock().retain(|owned| !partitions.contains(owned));
        self.said.lock().push(format!("lost {}", partitions.len()));
        Box::pin(async {})
    }
}

struct Member {
    consumer: Arc<dyn Consumer>,
    events: Arc<Events>,
}

impl Member {
    /// Polls once, and positions what has no position at the oldest record.
    async fn poll(&self) -> Vec<ConsumerRecord> {
        match self.consumer.poll(Duration::from_millis(300)).await {
            Ok(records) => records,
            Err(error) => {
                for partition in error.no_offset().unwrap_or_else(|| panic!("{error:?}")) {
                    let (low, _) = self.consumer.watermarks(partition).await.expect("watermarks");
                    self.consumer.seek(partition, low).await.expect("seeks");
                }
                Vec::new()
            }
        }
    }

    /// Polls until there are so many records.
    async fn read(&self, count: usize) -> Vec<ConsumerRecord> {
        let (until, mut all) = (Instant::now() + PATIENCE, Vec::new());
        while all.len() < count {
            assert!(Instant::now() < until, "{} of {count} records", all.len());
            all.extend(self.poll().await);
        }
        all
    }

    fn owned(&self) -> Vec<TopicPartition> {
        self.events.owned.lock().clone()
    }
}

/// Polls all members until something holds.
async fn until(members: &[&Member], holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it never holds");
        futures::future::join_all(members.iter().map(|member| member.poll())).await;
        let mut all: Vec<_> = members.iter().flat_map(|member| member.owned()).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "no partition has two owners");
    }
}

fn record(topic: &str, key: Option<&str>, value: &str) -> ProducerRecord {
    let bytes = |text: &str| text.as_bytes().to_vec().into();
    ProducerRecord {
        topic: topic.into(),
        key: key.map(bytes),
        value: bytes(value),
        headers: vec![("event-id".into(), bytes("7"))],
    }
}

fn value(record: &ConsumerRecord) -> String {
    String::from_utf8(record.value.clone().expect("a value").to_vec()).expect("text")
}

async fn write(rig: &Rig, topic: &str, values: impl IntoIterator<Item = usize>) {
    let producer = rig.producer().await;
    let records =
        values.into_iter().map(|number| record(topic, Some(&format!("k{}", number % 5)), &number.to_string()));
    for outcome in producer.send(records.collect()).await {
        outcome.expect("written");
    }
    producer.close(Duration::from_secs(5)).await;
}

/// All of the suite, one after the other.
async fn all(rig: &Rig) {
    records_of_a_key_keep_their_order(rig).await;
    only_what_is_committed_is_passed_over(rig).await;
    a_paused_partition_gives_nothing_and_nothing_is_lost(rig).await;
    partitions_move_without_two_owners(rig).await;
    what_is_not_there_is_named(rig).await;
}

async fn records_of_a_key_keep_their_order(rig: &Rig) {
    let topic = rig.topic(3).await;
    assert_eq!(rig.broker.partitions(&topic).await, Ok(vec![0, 1, 2]));
    write(rig, &topic, 0..300).await;
    write(rig, &topic, 300..600).await;
    let member = rig.member("order", &topic).await;
    let records = member.read(600).await;
    assert_eq!(records.len(), 600);
    for key in 0..5 {
        let of_key: Vec<_> =
            records.iter().filter(|record| value(record).parse::<usize>().is_ok_and(|n| n % 5 == key)).collect();
        let numbers: Vec<usize> = of_key.iter().filter_map(|record| value(record).parse().ok()).collect();
        assert_eq!(numbers, (0..600).filter(|number| number % 5 == key).collect::<Vec<_>>());
        assert!(of_key.iter().all(|record| record.partition == of_key[0].partition), "one key, one partition");
        assert!(of_key.iter().all(|record| record.header("event-id") == Some("7")));
    }
    for partition in 0..3 {
        let at = TopicPartition::new(topic.as_str(), partition);
        let offsets: Vec<i64> =
            records.iter().filter(|record| record.partition == at).map(|record| record.offset).collect();
        let end = i64::try_from(offsets.len()).expect("few");
        assert_eq!(offsets, (0..end).collect::<Vec<_>>());
        assert_eq!(member.consumer.watermarks(&at).await, Ok((0, end)));
    }
    member.consumer.close(Duration::from_secs(5)).await;
    assert!(member.owned().is_empty(), "closing revokes");
}

async fn only_what_is_committed_is_passed_over(rig: &Rig) {
    let topic = rig.topic(1).await;
    let at = TopicPartition::new(topic.as_str(), 0);
    write(rig, &topic, 0..20).await;
    let member = rig.member("commit", &topic).await;
    assert_eq!(member.read(20).await.len(), 20);
    assert_eq!(member.consumer.committed(&at).await, Ok(None), "nothing is committed by itself");
    member.consumer.commit(&[(at.clone(), 7)]).await.expect("commits");
    assert_eq!(member.consumer.committed(&at).await, Ok(Some(7)));
    member.consumer.close(Duration::from_secs(5)).await;
    let next = rig.member("commit", &topic).await;
    let offsets: Vec<i64> = next.read(13).await.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (7..20).collect::<Vec<_>>(), "the next offset is committed, not the last");
    next.consumer.seek(&at, 18).await.expect("seeks");
    let offsets: Vec<i64> = next.read(2).await.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [18, 19]);
    next.consumer.close(Duration::from_secs(5)).await;
}

async fn a_paused_partition_gives_nothing_and_nothing_is_lost(rig: &Rig) {
    let topic = rig.topic(2).await;
    let member = rig.member("pause", &topic).await;
    until(&[&member], || member.owned().len() == 2).await;
    let paused = member.owned();
    member.consumer.pause(&paused).await;
    write(rig, &topic, 0..50).await;
    for _ in 0..3 {
        assert!(member.poll().await.is_empty());
    }
    member.consumer.resume(&paused).await;
    let mut numbers: Vec<usize> =
        member.read(50).await.iter().filter_map(|record| value(record).parse().ok()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    member.consumer.close(Duration::from_secs(5)).await;
}

async fn partitions_move_without_two_owners(rig: &Rig) {
    let topic = rig.topic(4).await;
    let first = rig.member("move", &topic).await;
    until(&[&first], || first.owned().len() == 4).await;
    // Not earlier: a member may join before it is polled.
    let second = rig.member("move", &topic).await;
    until(&[&first, &second], || first.owned().len() == 2 && second.owned().len() == 2).await;
    assert!(first.events.said.lock().iter().any(|said| said == "revoked 2"), "{:?}", first.events.said.lock());
    // The one that goes away says so, and the rest is the other's at once.
    first.consumer.close(Duration::from_secs(5)).await;
    let began = Instant::now();
    until(&[&second], || second.owned().len() == 4).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(!second.events.said.lock().iter().any(|said| said.starts_with("lost")), "{:?}", second.events.said.lock());
    second.consumer.close(Duration::from_secs(5)).await;
}

async fn what_is_not_there_is_named(rig: &Rig) {
    let found = rig.broker.partitions("contract-none").await.expect_err("no topic");
    assert_eq!(found.answer(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{found:?}");
    let producer = rig.producer().await;
    let outcome = producer.send(vec![record("contract-none", None, "1")]).await.remove(0).expect_err("no topic");
    assert_eq!(outcome.answer(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{outcome:?}");
    let topic = rig.topic(1).await;
    let long = "x".repeat(1_100_000);
    let outcomes =
        producer.send(vec![record(&topic, None, "1"), record(&topic, None, &long), record(&topic, None, "2")]).await;
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true], "{outcomes:?}");
    producer.close(Duration::from_secs(5)).await;
}

/// The suite on these connections.
async fn keeps(
    connect: impl Fn() -> Arc<dyn Broker> + Send + Sync + 'static,
    protocol: GroupProtocol,
    create: impl Fn(&str, usize) -> BoxFuture<'static, ()> + Send + Sync + 'static,
) {
    let (broker, number) = (connect(), AtomicU64::new(0));
    all(&Rig { broker, connect: Box::new(connect), protocol, create: Box::new(create), number }).await;
}

#[tokio::test(start_paused = true)]
async fn the_broker_in_memory_keeps_the_contract() {
    let broker = nordpass_simulator::kafka::MemoryBroker::default();
    let maker = broker.clone();
    let create = move |topic: &str, partitions| {
        maker.create_topic(topic, partitions);
        Box::pin(async {}) as BoxFuture<'static, ()>
    };
    keeps(move || Arc::new(broker.clone()), GroupProtocol::Classic, create).await;
}

#[tokio::test(start_paused = true)]
async fn krafka_keeps_the_contract_with_its_own_broker() {
    let fake = Arc::new(krafka::testing::FakeBroker::start_in_memory(1));
    let maker = fake.clone();
    let create = move |topic: &str, partitions| {
        maker.create_topic(topic, i32::try_from(partitions).expect("few"));
        Box::pin(async {}) as BoxFuture<'static, ()>
    };
    let connect = move || -> Arc<dyn Broker> {
        let reached = fake.clone();
        Arc::new(super::krafka::KrafkaBroker::of(move || reached.kafka()))
    };
    keeps(connect, GroupProtocol::Consumer, create).await;
}
