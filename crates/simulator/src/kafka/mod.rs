//! A Kafka broker in memory, for tests at paused time: topics, groups, offsets and rebalances as Kafka has them, and everything that
//! goes wrong with them on demand. The product's real client has to keep the same contract (`src/kafka/contract.rs`).
//!
//! | file | what it does |
//! |---|---|
//! | [`log`] | topics and their partitions |
//! | [`group`] | who has which partition, and what is committed |
//! | [`producer`], [`consumer`] | the two ends |

mod consumer;
mod group;
mod log;
mod producer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;

use self::consumer::MemoryConsumer;
use self::group::Group;
use self::log::{Stored, Topics};
use self::producer::MemoryProducer;
use nordpass_env::Mutex;
use nordpass_env::kafka::{
    Broker, BrokerError, Consumer, ConsumerSettings, ErrorCode, Producer, ProducerSettings, RebalanceListener,
    TopicPartition, Trouble,
};

/// What happens to the next batches that are sent.
#[derive(Clone, Debug)]
pub enum SendFault {
    /// The broker answers this and writes nothing.
    Code(ErrorCode),
    /// The batch is written, and the broker answers this.
    Written(ErrorCode),
    /// The batch is written, and the answer is lost: the client gives up on it.
    LostAnswer,
    /// The answer takes this long.
    Delay(Duration),
    /// The records whose value contains this are answered with that; the others are written.
    Some(&'static str, ErrorCode),
}

/// What happens to the next calls of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Of [`Consumer::commit`].
    Commit,
    /// Of [`Consumer::committed`].
    Committed,
    /// Of [`Consumer::watermarks`].
    Watermarks,
    /// Of [`Broker::producer`].
    Producer,
    /// Of [`Broker::consumer`].
    Consumer,
}

/// What a process has of the brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// It reaches them.
    #[default]
    Up,
    /// It doesn't reach them.
    Cut,
    /// It is stopped, as by SIGSTOP: its calls wait.
    Stopped,
    /// It is no more: its calls never end.
    Gone,
}

/// Is told of each commit: its partition and offset.
type Judge = Arc<dyn Fn(&TopicPartition, i64) + Send + Sync>;

#[derive(Default)]
struct Cluster {
    topics: Topics,
    groups: BTreeMap<String, Group>,
    /// No broker answers.
    is_down: bool,
    send_faults: VecDeque<SendFault>,
    call_faults: BTreeMap<Call, VecDeque<ErrorCode>>,
    /// The ids of producers, and the number from which on they are known.
    next_id: u64,
    known_from: u64,
    /// The next member's number.
    next_member: u64,
    /// Members that are stopped, as by SIGSTOP.
    frozen: Vec<u64>,
    /// Each process's link, by its number. Number 0 is whoever names no process.
    links: Vec<Link>,
    /// The process of each member.
    processes: BTreeMap<u64, usize>,
    /// How many commits each partition has had.
    commits: BTreeMap<TopicPartition, Vec<i64>>,
    /// Is told of each commit.
    judge: Option<Judge>,
    /// Batches that were sent, those that failed included.
    sends: usize,
}

impl Cluster {
    fn link(&self, process: usize) -> Link {
        self.links.get(process).copied().unwrap_or_default()
    }

    fn is_reachable(&self, process: usize) -> bool {
        !self.is_down && self.link(process) == Link::Up
    }

    /// The members whose heartbeats don't arrive.
    fn silent(&self) -> BTreeSet<u64> {
        let silent = self.processes.iter().filter(|(_, process)| self.link(**process) != Link::Up);
        silent.map(|(member, _)| *member).chain(self.frozen.iter().copied()).collect()
    }
}

/// The broker. Clones are the same one.
#[derive(Clone, Default)]
pub struct MemoryBroker {
    cluster: Arc<Mutex<Cluster>>,
    changed: Arc<Notify>,
    process: usize,
}

impl MemoryBroker {
    /// A broker with a topic.
    pub fn with_topic(topic: &str, partitions: usize) -> Self {
        let broker = Self::default();
        broker.create_topic(topic, partitions);
        broker
    }

    /// The same broker, as another process has it.
    #[must_use]
    pub fn process(&self) -> Self {
        let process = self.change(|cluster| {
            cluster.links.resize(cluster.links.len().max(1), Link::Up);
            cluster.links.push(Link::Up);
            cluster.links.len() - 1
        });
        Self { process, ..self.clone() }
    }

    /// What this process has of the broker from now on.
    pub fn set_link(&self, link: Link) {
        self.change(|cluster| {
            if let Some(own) = cluster.links.get_mut(self.process) {
                *own = link;
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        let result = change(&mut self.cluster.lock());
        self.changed.notify_waiters();
        result
    }

    /// Makes a topic.
    pub fn create_topic(&self, topic: &str, partitions: usize) {
        self.change(|cluster| cluster.topics.create(topic, partitions));
    }

    /// Deletes a topic, and what groups have committed for it.
    pub fn delete_topic(&self, topic: &str) {
        self.change(|cluster| {
            cluster.topics.delete(topic);
            cluster.groups.values_mut().for_each(|group| group.forget_topic(topic));
        });
    }

    /// Adds a record with headers.
    pub fn append(&self, topic: &str, partition: i32, value: Option<&str>, headers: &[(&str, &str)]) {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), Some(value.as_bytes().to_vec().into())));
        let stored = Stored {
            key: None,
            value: value.map(|value| value.as_bytes().to_vec().into()),
            headers: headers.collect(),
            is_damaged: false,
        };
        self.change(|cluster| cluster.topics.append(&TopicPartition::new(topic, partition), stored));
    }

    /// Damages a record.
    pub fn damage(&self, topic: &str, partition: i32, offset: i64) {
        self.change(|cluster| cluster.topics.damage(&TopicPartition::new(topic, partition), offset));
    }

    /// Takes the records before an offset away, as the end of their retention does.
    pub fn expire(&self, topic: &str, partition: i32, before: i64) {
        self.change(|cluster| cluster.topics.expire(&TopicPartition::new(topic, partition), before));
    }

    /// All values of a topic, by partition and offset.
    pub fn values(&self, topic: &str) -> Vec<String> {
        self.cluster.lock().topics.all(topic).map(|stored| text(stored.value.as_deref())).collect()
    }

    /// The value of a record's header, the broker's last one of this name.
    pub fn header(&self, topic: &str, partition: i32, offset: i64, name: &str) -> Option<String> {
        let mut cluster = self.cluster.lock();
        let record = cluster.topics.read(&TopicPartition::new(topic, partition), offset, 1).ok()?.pop()?;
        record.header(name).map(str::to_owned)
    }

    /// The offset that a partition's next record will have.
    pub fn end(&self, topic: &str, partition: i32) -> i64 {
        let watermarks = self.cluster.lock().topics.watermarks(&TopicPartition::new(topic, partition));
        watermarks.map_or(0, |(_, end)| end)
    }

    /// All records of a topic as `key|value|header=value|…`.
    pub fn records(&self, topic: &str) -> Vec<String> {
        let line = |stored: &Stored| {
            let mut line = format!("{}|{}", text(stored.key.as_deref()), text(stored.value.as_deref()));
            for (name, value) in &stored.headers {
                let _ = write!(line, "|{name}={}", text(value.as_deref()));
            }
            line
        };
        self.cluster.lock().topics.all(topic).map(line).collect()
    }

    /// No broker answers from now on, or all of them do again.
    pub fn set_down(&self, is_down: bool) {
        self.change(|cluster| cluster.is_down = is_down);
    }

    /// What happens to the next batches that are sent.
    pub fn next_sends(&self, faults: impl IntoIterator<Item = SendFault>) {
        self.change(|cluster| cluster.send_faults.extend(faults));
    }

    /// What is answered to the next calls.
    pub fn next_calls(&self, call: Call, answers: impl IntoIterator<Item = ErrorCode>) {
        self.change(|cluster| cluster.call_faults.entry(call).or_default().extend(answers));
    }

    /// Forgets all producer ids, as after a long time without a batch.
    pub fn forget_producers(&self) {
        self.change(|cluster| cluster.known_from = cluster.next_id);
    }

    /// Stops a member, by the order of their making from 0, as SIGSTOP does.
    pub fn freeze(&self, member: u64) {
        self.change(|cluster| cluster.frozen.push(member));
    }

    /// Lets it go on.
    pub fn thaw(&self, member: u64) {
        self.change(|cluster| cluster.frozen.retain(|frozen| *frozen != member));
    }

    /// What a group has committed for a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.cluster.lock().groups.get(group)?.committed(&TopicPartition::new(topic, partition))
    }

    /// Commits for a group, from outside.
    pub fn set_committed(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let at = TopicPartition::new(topic, partition);
        self.change(|cluster| cluster.groups.entry(group.to_owned()).or_default().set_committed(at, offset));
    }

    /// All commits of a partition, in their order.
    pub fn commits(&self, topic: &str, partition: i32) -> Vec<i64> {
        self.cluster.lock().commits.get(&TopicPartition::new(topic, partition)).cloned().unwrap_or_default()
    }

    /// Tells somebody of each commit when it is made.
    pub fn judge_commits(&self, judge: impl Fn(&TopicPartition, i64) + Send + Sync + 'static) {
        self.change(|cluster| cluster.judge = Some(Arc::new(judge)));
    }

    /// How many partitions each member of a group has, by the order of their making.
    pub fn shares(&self, group: &str) -> Vec<usize> {
        self.cluster.lock().groups.get(group).map(Group::shares).unwrap_or_default()
    }

    /// How many there are of this broker: each producer and consumer that isn't dropped has one.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.cluster)
    }

    /// How many batches were sent.
    pub fn sends(&self) -> usize {
        self.cluster.lock().sends
    }

    /// The next answer to such a call, if it is an error.
    fn fault(&self, call: Call) -> Result<(), BrokerError> {
        let mut cluster = self.cluster.lock();
        if !cluster.is_reachable(self.process) {
            return Err(BrokerError::new(Trouble::Network));
        }
        match cluster.call_faults.get_mut(&call).and_then(VecDeque::pop_front) {
            Some(code) => Err(BrokerError::code(code)),
            None => Ok(()),
        }
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

impl Broker for MemoryBroker {
    fn partitions<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Vec<i32>, BrokerError>> {
        Box::pin(async {
            let cluster = self.cluster.lock();
            if !cluster.is_reachable(self.process) {
                return Err(BrokerError::new(Trouble::Network));
            }
            cluster.topics.partitions(topic)
        })
    }

    fn producer(&self, settings: ProducerSettings) -> BoxFuture<'_, Result<Arc<dyn Producer>, BrokerError>> {
        Box::pin(async move {
            self.fault(Call::Producer)?;
            let id = self.change(|cluster| {
                cluster.next_id += 1;
                cluster.next_id
            });
            Ok(Arc::new(MemoryProducer::new(self.clone(), id, settings)) as Arc<dyn Producer>)
        })
    }

    fn consumer(
        &self,
        settings: ConsumerSettings,
        listener: Arc<dyn RebalanceListener>,
    ) -> BoxFuture<'_, Result<Arc<dyn Consumer>, BrokerError>> {
        Box::pin(async move {
            self.fault(Call::Consumer)?;
            let member = self.change(|cluster| {
                for topic in &settings.topics {
                    cluster.topics.partitions(topic)?;
                }
                let member = cluster.next_member;
                cluster.next_member += 1;
                cluster.processes.insert(member, self.process);
                Ok(member)
            })?;
            Ok(Arc::new(MemoryConsumer::new(self.clone(), member, settings, listener)) as Arc<dyn Consumer>)
        })
    }
}
