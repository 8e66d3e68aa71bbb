//! The whole way over a real broker: the program writes a recording to a topic, and others read it, killed and restarted on the way.
//!
//! Ignored unless asked for: `cargo xtask test kafka` installs the broker and says where it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use krafka::admin::{CreateTopicsOptions, NewTopic};

use crate::support::{Process, free_port, output, program};

const EVENTS: usize = 20_000;
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

    #[expect(clippy::disallowed_methods, reason = "where a tool of the tests is, is no setting of the program")]
    fn spawn(port: u16, folder: &Path) -> Child {
        let broker =
            std::env::var("KAFKA_BROKER").expect("KAFKA_BROKER names the broker; run `cargo xtask test kafka`");
        let mut command = Command::new(broker);
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
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(&self.servers).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the broker doesn't listen");
    }

    /// Ends it as a service manager does, and starts it again with what it has kept.
    async fn restart(&mut self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()));
        let _ = self.child.wait();
        let port = self.servers.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        self.child = Self::spawn(port, self.folder.path());
        self.listens().await;
    }

    async fn create(&self, topic: &str) {
        let kafka = krafka::Kafka::builder(self.servers.clone()).connect().await.expect("connects");
        let new = NewTopic::new(topic, PARTITIONS, 1).expect("a topic");
        let made = kafka.admin().create_topics([new], CreateTopicsOptions::default()).await.expect("an answer");
        assert!(made.values().all(Result::is_ok), "{made:?}");
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

fn writer(servers: &str) -> String {
    format!(
        "data_dir = \"state\"\n[sources.recorded]\ntype = \"file\"\npaths = [\"recorded.ndjson\"]\nrate = 4000\n[sinks.topic]\ntype = \"kafka\"\n\
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
    let said = output(probe).await;
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && text.contains("the topic nordpass has 6 partitions"), "{text}");

    let mut writing = program(&["run", "--once", "pipeline.toml"]);
    writing.current_dir(&folder).env_clear();
    let writing = tokio::spawn(output(writing));
    let names = ["a", "b", "c"];
    let mut running: Vec<Option<Process>> = names.iter().map(|name| Some(broker.deliver(name))).collect();
    for round in 0..3_usize {
        tokio::time::sleep(Duration::from_secs(2)).await;
        // Dropped is killed.
        running[round] = None;
        running[round] = Some(broker.deliver(names[round]));
        if round == 1 {
            broker.restart().await;
        }
    }
    let said = writing.await.expect("no panic");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let mut found = BTreeMap::new();
    for _ in 0..240 {
        found = broker.delivered(&names);
        if found.len() == EVENTS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let copies: usize = found.values().map(|count| count - 1).sum();
    assert_eq!(found.len(), EVENTS, "nothing is lost");
    assert!(copies < EVENTS / 2, "{copies} copies: only what was under way when something was killed comes again");
}
