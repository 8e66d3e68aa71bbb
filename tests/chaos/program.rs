//! The program as a process: its log in a file, its `/ready`, its memory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Process, World, found};

/// A running program.
pub struct Program {
    process: Process,
    log: PathBuf,
    api: Option<u16>,
}

/// A port that nobody has.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Writes a pipeline file that answers `/ready` on a port.
pub fn with_api(world: &World, text: &str, port: u16) -> PathBuf {
    world.pipeline("chaos.toml", &format!("{text}\n[api]\nlisten = \"127.0.0.1:{port}\"\n"))
}

/// The text of the pipeline to Azure and to files.
pub fn pipeline(world: &World) -> String {
    std::fs::read_to_string(world.both()).expect("the pipeline that was just written")
}

/// `run FILE` in a world.
pub fn command(world: &World, pipeline: &Path, more: &[&str]) -> Command {
    let mut words = vec!["run", pipeline.to_str().expect("a path")];
    words.extend(more);
    world.command(&words)
}

impl Program {
    /// Starts it; its log goes to a file of this name in the world's folder.
    pub fn start(mut command: Command, world: &World, name: &str, api: Option<u16>) -> Self {
        let log = world.folder.path().join(format!("{name}.log"));
        let file = File::create(&log).expect("a log file");
        let child = command.stdout(Stdio::null()).stderr(file).spawn().expect("the program starts");
        Self { process: Process(child), log, api }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(self) {
        self.process.kill();
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The answer of `/ready`, where one comes.
    pub async fn ready(&self) -> Option<Value> {
        let ask = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.api?)).await.ok()?;
            stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n").await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
        };
        tokio::time::timeout(Duration::from_secs(5), ask).await.ok().flatten()
    }

    /// Waits until a component waits for something in these words. The component's part of the answer.
    pub async fn waits_for(&self, component: &str, words: &str) -> Value {
        let mut last = Value::Null;
        let waits = async || {
            last = self.ready().await.unwrap_or_default();
            let mut components = last["components"].as_array()?.iter();
            let says = |part: &Value| part["reason"].as_str().is_some_and(|reason| reason.contains(words));
            components.find(|part| part["name"] == component && part["state"] == "waiting" && says(part)).cloned()
        };
        let Some(part) = found(waits).await else {
            panic!("{component} doesn't say that it waits for `{words}`: {last}\n{}", tail(&self.log()));
        };
        let said = |name: &str| part[name].is_string();
        assert!(said("since") && said("next_try"), "since when, and when it tries again: {part}");
        part
    }

    /// Waits until it says that everything works.
    pub async fn is_ready(&self) {
        let mut last = Value::Null;
        let ready = async || {
            last = self.ready().await.unwrap_or_default();
            (last["ready"] == true).then_some(())
        };
        let ready = found(ready).await.is_some();
        assert!(ready, "it doesn't say that it works again: {last:#}\n{}", tail(&self.log()));
    }

    /// Its resident memory.
    pub fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
        };
        Memory { resident: kib("VmRSS:"), peak: kib("VmHWM:"), anonymous: kib("RssAnon:"), file: kib("RssFile:") }
    }
}

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    /// The most since the start.
    pub peak: u64,
    /// Of `resident`: heap and stacks.
    pub anonymous: u64,
    /// Of `resident`: the program itself.
    pub file: u64,
}

/// The last lines of a log, for a failure.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
