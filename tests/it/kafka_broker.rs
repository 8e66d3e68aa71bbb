//! The whole way over a real broker: the program writes a recording to a topic, and others read it, killed and restarted on the way.
//!
//! Ignored unless asked for: `cargo xtask test kafka` installs the broker and says where it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use krafka::admin::{CreateTopicsOptions, DescribeConsumerGroupsOptions, NewTopic};

use crate::support::{Process, found, free_port, output, program, said, until};

const EVENTS: i64 = 20_000;
const PARTITIONS: i32 = 6;

/// A broker that runs; it ends with the test.
struct Broker {
    child: Child,
    servers: String,
    folder: tempfile::TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    async fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let child = Self::spawn(port, folder.path());
        let broker = Self { child, servers: format!("127.0.0.1:{port}"), folder };
        broker.listens().await;
        broker
    }

    fn spawn(port: u16, folder: &Path) -> Child {
        let mut command = noida();
        command.args([
            "start",
            "--only",
            "kafka",
            "--host",
            "127.0.0.1",
            "--kafka-port",
            &port.to_string(),
            "--data-dir",
        ]);
        command.arg(folder.join("broker")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the broker starts")
    }

    async fn listens(&self) {
        let connect = async || tokio::net::TcpStream::connect(&self.servers).await.ok();
        found(connect).await.expect("the broker listens");
    }

    /// Ends it while it is written to and read from, and starts it again with what it has kept.
    async fn restart(&mut self) {
        let before = self.written().await;
        // It ends in two steps, since at SIGTERM alone noida-db saves its logs and then goes on acknowledging what it doesn't save any
        // more (ADR 0035). Its own command closes the connections before it saves.
        let mut stop = noida();
        stop.args(["stop", "kafka", "--data-dir"]).arg(self.folder.path().join("broker"));
        let stopped = output(stop).await;
        assert!(stopped.status.success(), "{}", said(&stopped));
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()));
        let _ = self.child.wait();
        let port = self.servers.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        self.child = Self::spawn(port, self.folder.path());
        self.listens().await;
        assert!(self.written().await >= before, "the broker keeps what it had");
    }

    /// How many records the topic has.
    async fn written(&self) -> i64 {
        let kafka = krafka::Kafka::builder(self.servers.clone()).connect().await.expect("connects");
        let asking = kafka.consumer_without_group().metrics_push(false).build().await.expect("a consumer");
        let mut sum = 0;
        for partition in 0..PARTITIONS {
            let (low, high) = asking.fetch_watermarks("nordpass", partition).await.expect("an answer");
            sum += high - low;
        }
        let _ = asking.close().await;
        sum
    }

    async fn create(&self, topic: &str) {
        let kafka = krafka::Kafka::builder(self.servers.clone()).connect().await.expect("connects");
        let new = NewTopic::new(topic, PARTITIONS, 1).expect("a topic");
        let made = kafka.admin().create_topics([new], CreateTopicsOptions::default()).await.expect("an answer");
        assert!(made.values().all(Result::is_ok), "{made:?}");
    }

    /// Waits until three members share the partitions.
    async fn is_shared(&self) {
        let kafka = krafka::Kafka::builder(self.servers.clone()).connect().await.expect("connects");
        let admin = kafka.admin();
        let shared = async || {
            let described = admin.describe_consumer_groups(["deliver"], DescribeConsumerGroupsOptions::default());
            let group = described.await.ok()?.remove("deliver")?.ok()?;
            (group.state == "Stable" && group.members.len() == 3).then_some(())
        };
        found(shared).await.expect("the group settles");
    }

    /// Starts the program with a pipeline in a folder of its own.
    fn run(&self, name: &str, pipeline: &str) -> Process {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("pipeline.toml"), pipeline).expect("writes");
        let mut command = program(&["run", "pipeline.toml"]);
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log");
        command.current_dir(&folder).env_clear().stdout(Stdio::null()).stderr(log);
        Process(command.spawn().expect("the program starts"))
    }

    /// A deliverer: from the topic to files.
    fn deliver(&self, name: &str) -> Process {
        self.run(
            name,
            &format!(
                "data_dir = \"state\"\n[sources.topic]\ntype = \"kafka\"\nbootstrap_servers = [\"{}\"]\ntopics = [\"nordpass\"]\n\
                 group_id = \"deliver\"\nsession_timeout = \"6s\"\n[sinks.files]\ntype = \"file\"\ninputs = [\"topic\"]\n\
                 path = \"out/{{date}}.ndjson\"\n",
                self.servers
            ),
        )
    }

    /// How often each event was delivered.
    fn delivered(&self, names: &[&str]) -> BTreeMap<u64, usize> {
        let mut found = BTreeMap::new();
        for name in names {
            let Ok(files) = std::fs::read_dir(self.folder.path().join(name).join("out")) else { continue };
            for file in files.flatten() {
                let text = std::fs::read_to_string(file.path()).unwrap_or_default();
                for line in text.lines() {
                    // The last line may be half written.
                    let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { continue };
                    *found.entry(event["metadata"]["n"].as_u64().expect("a number")).or_default() += 1;
                }
            }
        }
        found
    }
}

/// The program of the broker.
#[expect(clippy::disallowed_methods, reason = "where a tool of the tests is, is no setting of the program")]
fn noida() -> Command {
    Command::new(std::env::var("KAFKA_BROKER").expect("KAFKA_BROKER names the broker; run `cargo xtask test kafka`"))
}

fn writer(servers: &str) -> String {
    format!(
        "data_dir = \"state\"\n[sources.recorded]\ntype = \"file\"\npaths = [\"recorded.ndjson\"]\nrate = 2000\n[sinks.topic]\ntype = \"kafka\"\n\
         inputs = [\"recorded\"]\nbootstrap_servers = [\"{servers}\"]\ntopic = \"nordpass\"\nkey = \"event_id\"\nbatch = {{ timeout = \"100ms\" }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a broker: cargo xtask test kafka"]
async fn a_recording_gets_through_a_topic_whatever_is_killed_and_restarted() {
    let mut broker = Broker::start().await;
    broker.create("nordpass").await;
    let mut text = String::new();
    for n in 0..EVENTS {
        let time = 1_700_000_000 + n;
        let _ = writeln!(
            text,
            r#"{{"type":"t","action":"a","timestamp":{time},"organization_uuid":"o-{}","metadata":{{"n":{n}}}}}"#,
            n % 7
        );
    }
    let folder = broker.folder.path().join("writer");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("recorded.ndjson"), text).expect("writes");
    std::fs::write(folder.join("pipeline.toml"), writer(&broker.servers)).expect("writes");
    let mut probe = program(&["validate", "--connect", "pipeline.toml"]);
    probe.current_dir(&folder).env_clear();
    let probed = output(probe).await;
    let text = said(&probed);
    assert!(probed.status.success() && text.contains("the topic nordpass has 6 partitions"), "{text}");

    let names = ["a", "b", "c"];
    let mut running = names.map(|name| Some(broker.deliver(name)));
    broker.is_shared().await;
    let mut writing = program(&["run", "--once", "pipeline.toml"]);
    writing.current_dir(&folder).env_clear();
    let writing = tokio::spawn(output(writing));

    // Dropped is killed. Nobody is after the restart: noida-db doesn't remove a member that is silent, but for a restart (ADR 0035).
    until("a to deliver", || !broker.delivered(&["a"]).is_empty()).await;
    running[0] = None;
    running[0] = Some(broker.deliver("a"));
    found(async || (broker.written().await >= EVENTS / 2).then_some(())).await.expect("half of it is written");
    running[1..].fill_with(|| None);
    assert!(broker.written().await < EVENTS, "the rest isn't");
    broker.restart().await;
    for (name, running) in names.iter().zip(&mut running).skip(1) {
        *running = Some(broker.deliver(name));
    }

    let wrote = writing.await.expect("no panic");
    assert!(wrote.status.success(), "{}", said(&wrote));
    assert!(broker.written().await >= EVENTS, "what was acknowledged is in the topic");
    let all = || i64::try_from(broker.delivered(&names).len()).is_ok_and(|count| count == EVENTS);
    until("everything to be delivered", all).await;
    let copies: usize = broker.delivered(&names).values().map(|count| count - 1).sum();
    let few = usize::try_from(EVENTS / 2).expect("few");
    assert!(copies < few, "{copies} copies: only what was under way when something was killed comes again");
}
