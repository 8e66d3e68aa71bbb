//! A real broker, over TCP and in real time.

use std::process::{Child, Command, Stdio};

use krafka::admin::{CreateTopicsOptions, NewTopic};

use super::*;
use crate::kafka::krafka::KrafkaBroker;

/// A broker that runs; it ends with the test.
struct Process {
    child: Child,
    servers: String,
    _folder: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "where a tool of the tests is, is no setting of the program")]
async fn start() -> Process {
    let program = std::env::var("KAFKA_BROKER").expect("KAFKA_BROKER names the broker; run `cargo xtask test kafka`");
    let folder = tempfile::tempdir().expect("a folder");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let mut command = Command::new(program);
    command.args(["start", "--only", "kafka", "--host", "127.0.0.1", "--kafka-port", &port.to_string(), "--data-dir"]);
    command.arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("the broker starts");
    let process = Process { child, servers: format!("127.0.0.1:{port}"), _folder: folder };
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(&process.servers).await.is_ok() {
            return process;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the broker doesn't listen");
}

#[tokio::test]
#[ignore = "needs a broker: cargo xtask test kafka"]
async fn krafka_keeps_the_contract_with_a_real_kafka_broker() {
    let process = start().await;
    let (servers, made) = (process.servers.clone(), process.servers.clone());
    let create = move |topic: &str, partitions: usize| {
        let (servers, topic) = (made.clone(), topic.to_owned());
        Box::pin(async move {
            let kafka = krafka::Kafka::builder(servers).connect().await.expect("connects");
            let new = NewTopic::new(topic.as_str(), i32::try_from(partitions).expect("few"), 1).expect("a topic");
            let made = kafka.admin().create_topics([new], CreateTopicsOptions::default()).await.expect("an answer");
            assert!(made.values().all(Result::is_ok), "{made:?}");
        }) as BoxFuture<'static, ()>
    };
    let connect = move || -> Arc<dyn Broker> {
        let servers = servers.clone();
        Arc::new(KrafkaBroker::of(move || krafka::Kafka::builder(servers.clone())))
    };
    keeps(connect, GroupProtocol::Classic, create).await;
}
