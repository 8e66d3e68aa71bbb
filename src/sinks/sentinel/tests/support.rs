//! A scripted Azure, and the sink in front of it.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::Settings;
use crate::azure::CredentialKind;
use crate::component::{ComponentError, Context, Input, InputSender, Output, SinkSettings};
use crate::event::{AckReceiver, Backpressure, Chunk, EventId, MemoryPool, Origin, Record, Span, Text};
use crate::http::{HttpClient, HttpError, HttpSettings, Network};
use crate::settings::Secret;
use crate::state::MemoryStore;
use crate::telemetry::{ComponentKind, ComponentState, Telemetry};
use nordpass_env::{Env, SeededRandom, SystemDisk, TestClock};

type Script = Box<dyn FnMut(usize, &[Value]) -> u16 + Send>;

/// An Azure that does what the script says: it gets the request's number and its rows, and answers a status.
pub struct Azure {
    pub script: Mutex<Script>,
    pub accepted: Mutex<Vec<Value>>,
    pub requests: Mutex<Vec<(tokio::time::Instant, usize)>>,
    pub headers: Mutex<HashMap<&'static str, String>>,
}

impl HttpClient for Net {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(request.uri().path().starts_with("/dataCollectionRules/dcr-1/streams/Custom-"));
            assert!(request.body().len() <= 1 << 20);
            let mut text = String::new();
            flate2::read::GzDecoder::new(&request.body()[..]).read_to_string(&mut text).expect("gzip");
            assert!(text.len() <= 1_000_000);
            let rows: Vec<Value> = serde_json::from_str(&text).expect("an array");
            let number = {
                let mut requests = self.0.requests.lock().unwrap();
                requests.push((tokio::time::Instant::now(), rows.len()));
                requests.len() - 1
            };
            let status = (self.0.script.lock().unwrap())(number, &rows);
            if status == 599 {
                return Err(HttpError::Connect { host: "azure".into(), reason: "refused".into() });
            }
            if status == 204 {
                self.0.accepted.lock().unwrap().extend(rows);
            }
            let mut response = http::Response::builder().status(status);
            for (name, value) in self.0.headers.lock().unwrap().iter() {
                response = response.header(*name, value);
            }
            let body = match status {
                413 => r#"{"error":{"code":"ContentLengthLimitExceeded"}}"#,
                // Stands for the 400 of an auxiliary table.
                430 => {
                    response = response.status(400);
                    r#"{"error":{"code":"RecordsTimeRangeIsMoreThan30Minutes"}}"#
                }
                414 => {
                    response = response.status(413);
                    "<html>too large for this proxy</html>"
                }
                _ => "",
            };
            Ok(response.body(Bytes::from_static(body.as_bytes())).expect("a response"))
        })
    }
}

#[derive(Clone)]
pub struct Net(Arc<Azure>);

impl Network for Net {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(self.clone()))
    }
}

pub struct Rig {
    pub azure: Arc<Azure>,
    pub telemetry: Telemetry,
    pub sender: Option<InputSender>,
    pub task: tokio::task::JoinHandle<Result<(), ComponentError>>,
    pub folder: tempfile::TempDir,
    pub sequence: u64,
    /// The source's.
    pub room: Arc<MemoryPool>,
}

pub fn azure(script: impl FnMut(usize, &[Value]) -> u16 + Send + 'static) -> Arc<Azure> {
    Arc::new(Azure {
        script: Mutex::new(Box::new(script)),
        accepted: Mutex::default(),
        requests: Mutex::default(),
        headers: Mutex::default(),
    })
}

pub fn settings() -> Settings {
    Settings {
        endpoint: "https://azure.example".into(),
        dcr_immutable_id: "dcr-1".into(),
        streams: vec!["Custom-A".into(), "Custom-B".into()],
        added_columns: Vec::new(),
        credential: CredentialKind::Token(Secret::literal("token")).into(),
        max_bytes: 1_000_000,
        timeout: Duration::from_secs(5),
        gzip_level: 1,
        concurrency: 2,
        http: HttpSettings::default(),
    }
}

pub fn env(azure: &Arc<Azure>) -> Env {
    Env {
        clock: Arc::new(TestClock::starting_at(Timestamp::from_second(1_794_787_200).expect("a time"))),
        random: Arc::new(SeededRandom::new(3)),
        disk: Arc::new(SystemDisk),
        network: Arc::new(Net(azure.clone())),
    }
}

pub async fn rig(script: impl FnMut(usize, &[Value]) -> u16 + Send + 'static) -> Rig {
    let azure = azure(script);
    let telemetry = Telemetry::new();
    let folder = tempfile::tempdir().expect("a folder");
    let context = Context {
        name: "sentinel".into(),
        env: env(&azure),
        telemetry: telemetry.component(ComponentKind::Sink, "sentinel"),
        data_dir: folder.path().to_owned(),
        store: Arc::new(MemoryStore::default()),
        dead_letters: Arc::new(crate::dead_letters::DeadLetterFolder::new(env(&azure).disk, folder.path())),
        shutdown: CancellationToken::new(),
        once: false,
    };
    let (sender, input) = Input::new();
    let sink = settings().build(context).await.expect("opens");
    let task = tokio::spawn(sink.run(input));
    Rig {
        azure,
        telemetry,
        sender: Some(sender),
        task,
        folder,
        sequence: 0,
        room: MemoryPool::new(1000, Backpressure::default()),
    }
}

impl Rig {
    /// Sends rows as one chunk to an input.
    pub async fn send(&mut self, input: usize, rows: &[Value]) -> AckReceiver {
        let mut text = String::new();
        let mut records = Vec::new();
        for row in rows {
            let start = text.len();
            text.push_str(&row.to_string());
            let body = Span::new(start, text.len());
            let id = EventId(u128::from(row["id"].as_u64().unwrap_or_default()));
            let time = row["time"].as_i64().unwrap_or_default();
            records.push(Record { id, time, organization: "".into(), body });
        }
        self.sequence += 1;
        let origin = Origin { source: "s".into(), run: 1, sequence: self.sequence };
        let (chunk, ack_receiver) = Chunk::of_rows(Text::from(text), records, origin, Some(self.room.take(1).await));
        let component = self.telemetry.component(ComponentKind::Source, "s");
        let sender = self.sender.as_ref().expect("open").input(input);
        Output::new(vec![sender], component).send(chunk).await.expect("open");
        ack_receiver
    }

    /// Ends the input and waits for the sink's end.
    pub async fn end(&mut self) {
        self.sender = None;
        (&mut self.task).await.expect("no panic").expect("ends well");
    }

    pub fn accepted(&self) -> Vec<u64> {
        let mut ids: Vec<u64> =
            self.azure.accepted.lock().unwrap().iter().map(|row| row["id"].as_u64().expect("an id")).collect();
        ids.sort_unstable();
        ids
    }

    pub fn dead(&self) -> Vec<Value> {
        let path = self.folder.path().join("dead-letters/sentinel.ndjson");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub fn requests(&self) -> usize {
        self.azure.requests.lock().unwrap().len()
    }

    pub fn reason(&self) -> String {
        match self.telemetry.component(ComponentKind::Sink, "sentinel").status().get() {
            ComponentState::Waiting { reason, .. } => reason,
            state => format!("{state:?}"),
        }
    }
}

pub fn rows(ids: std::ops::Range<u64>) -> Vec<Value> {
    ids.map(|id| json!({"id": id, "text": "x".repeat(100)})).collect()
}

/// A row that doesn't compress, of about 100 KiB after gzip.
pub fn large(id: u64) -> Value {
    let mut state = id;
    let mut text = || -> String {
        let letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'0' + state.to_be_bytes()[0] % 64)
        };
        std::iter::repeat_with(letter).filter(|letter| *letter != '\\').take(45_000).collect()
    };
    json!({"id": id, "a": text(), "b": text(), "c": text()})
}

pub fn holds(rows: &[Value], id: u64) -> bool {
    rows.iter().any(|row| row["id"] == id)
}
