//! The sink against a scripted Azure, at paused time.

use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Settings, build};
use crate::azure::CredentialKind;
use crate::component::{ComponentError, Context, Input, InputSender, Output, Shutdown};
use crate::event::{AckOutcome, AckReceiver, Chunk, EventId, MemoryPool, Origin, Backpressure, Record, Span, Text};
use crate::http::{HttpClient, HttpError, HttpSettings, Network};
use crate::settings::Secret;
use crate::state::MemoryStore;
use crate::telemetry::{ComponentKind, ComponentState, Telemetry};
use nordpass_env::{Env, SeededRandom, SystemDisk, TestClock};

mod resend;

type Script = Box<dyn FnMut(usize, &[Value]) -> u16 + Send>;

/// An Azure that does what the script says: it gets the request's number and its rows, and answers a status.
struct Azure {
    script: Mutex<Script>,
    accepted: Mutex<Vec<Value>>,
    requests: Mutex<Vec<(tokio::time::Instant, usize)>>,
    headers: Mutex<HashMap<&'static str, String>>,
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
struct Net(Arc<Azure>);

impl Network for Net {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(self.clone()))
    }
}

struct Rig {
    azure: Arc<Azure>,
    telemetry: Telemetry,
    sender: Option<InputSender>,
    task: tokio::task::JoinHandle<Result<(), ComponentError>>,
    folder: tempfile::TempDir,
    sequence: u64,
    /// The source's.
    room: Arc<MemoryPool>,
}

fn azure(script: impl FnMut(usize, &[Value]) -> u16 + Send + 'static) -> Arc<Azure> {
    Arc::new(Azure {
        script: Mutex::new(Box::new(script)),
        accepted: Mutex::default(),
        requests: Mutex::default(),
        headers: Mutex::default(),
    })
}

fn settings() -> Settings {
    Settings {
        endpoint: "https://azure.example".into(),
        dcr_immutable_id: "dcr-1".into(),
        streams: vec!["Custom-A".into(), "Custom-B".into()],
        credential: CredentialKind::Token(Secret::literal("token")).into(),
        max_bytes: 1_000_000,
        timeout: Duration::from_secs(5),
        gzip_level: 1,
        concurrency: 2,
        http: HttpSettings::default(),
    }
}

fn env(azure: &Arc<Azure>) -> Env {
    Env {
        clock: Arc::new(TestClock::starting_at(Timestamp::from_second(1_794_787_200).expect("a time"))),
        random: Arc::new(SeededRandom::new(3)),
        disk: Arc::new(SystemDisk),
        network: Arc::new(Net(azure.clone())),
    }
}

async fn rig(script: impl FnMut(usize, &[Value]) -> u16 + Send + 'static) -> Rig {
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
        shutdown: Shutdown::never(),
        once: false,
    };
    let (sender, input) = Input::new();
    let sink = build(settings(), context).await.expect("opens");
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
    async fn send(&mut self, input: usize, rows: &[Value]) -> AckReceiver {
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
    async fn end(&mut self) {
        self.sender = None;
        (&mut self.task).await.expect("no panic").expect("ends well");
    }

    fn accepted(&self) -> Vec<u64> {
        let mut ids: Vec<u64> =
            self.azure.accepted.lock().unwrap().iter().map(|row| row["id"].as_u64().expect("an id")).collect();
        ids.sort_unstable();
        ids
    }

    fn dead(&self) -> Vec<Value> {
        let path = self.folder.path().join("dead-letters/sentinel.ndjson");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn requests(&self) -> usize {
        self.azure.requests.lock().unwrap().len()
    }

    fn reason(&self) -> String {
        match self.telemetry.component(ComponentKind::Sink, "sentinel").status().get() {
            ComponentState::Waiting { reason, .. } => reason,
            state => format!("{state:?}"),
        }
    }
}

fn rows(ids: std::ops::Range<u64>) -> Vec<Value> {
    ids.map(|id| json!({"id": id, "text": "x".repeat(100)})).collect()
}

/// A row that doesn't compress, of about 100 KiB after gzip.
fn large(id: u64) -> Value {
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

fn holds(rows: &[Value], id: u64) -> bool {
    rows.iter().any(|row| row["id"] == id)
}

/// A source whose room was used up by pages with a few rows of a rare table waited for that table's batch to grow old:
/// five seconds for each 8 MiB of a recording.
#[tokio::test(start_paused = true)]
async fn a_batch_that_a_source_waits_for_is_sent_at_once() {
    let mut rig = rig(|_, _| 204).await;
    let began = Instant::now();
    let (rare, frequent) = (rig.send(1, &[json!({"id": 1})]).await, rig.send(0, &[json!({"id": 2})]).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.requests(), 0, "both are still collected");
    let room = rig.room.clone();
    let waiting = room.backpressure().wait();
    assert_eq!((rare.await, frequent.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    drop(waiting);
    let late = rig.send(0, &[json!({"id": 3})]).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(late.await, AckOutcome::Delivered);
    assert!(began.elapsed() >= Duration::from_secs(6), "nobody waits any more: {:?}", began.elapsed());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn rows_are_batched_by_stream_and_acknowledged_after_204() {
    let mut rig = rig(|_, _| 204).await;
    let mut ack_receiver = rig.send(0, &rows(0..100)).await;
    let other = rig.send(1, &rows(100..150)).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(rig.requests(), 0, "the batch is still open");
    assert!(futures::poll!(&mut ack_receiver).is_pending());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.requests(), 2);
    assert_eq!((ack_receiver.await, other.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    rig.end().await;
    assert_eq!(rig.accepted(), (0..150).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn batches_never_exceed_the_limit_and_hold_every_row_once() {
    let mut rig = rig(|_, _| 204).await;
    let mut ack_receivers = Vec::new();
    for chunk in 0..40u64 {
        let rows: Vec<Value> = (0..50)
            .map(|n| json!({"id": chunk * 50 + n, "text": "y".repeat(((chunk * 977 + n * 131) % 4000) as usize)}))
            .collect();
        ack_receivers.push(rig.send(0, &rows).await);
    }
    rig.end().await;
    assert_eq!(rig.accepted(), (0..2000).collect::<Vec<_>>());
    for ack_receiver in ack_receivers {
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }
    assert!(rig.requests() <= 6, "{} requests for 4 MB", rig.requests());
}

#[tokio::test(start_paused = true)]
async fn a_413_on_a_multi_row_batch_halves_until_accepted_and_an_oversize_row_becomes_a_dead_letter() {
    let mut rig = rig(|_, rows| if rows.len() > 10 || holds(rows, 33) { 413 } else { 204 }).await;
    let mut sent = rows(0..100);
    sent[33] = large(33);
    let ack_receiver = rig.send(0, &sent).await;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..100).filter(|id| *id != 33).collect::<Vec<_>>());
    assert_eq!(rig.dead().len(), 1);
    assert_eq!(rig.dead()[0]["status"], 413);
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_400_is_bisected_to_the_record_which_is_dead_lettered() {
    let mut rig = rig(|_, rows| if holds(rows, 7) || holds(rows, 64) { 400 } else { 204 }).await;
    let ack_receiver = rig.send(0, &rows(0..100)).await;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..100).filter(|id| ![7, 64].contains(id)).collect::<Vec<_>>());
    let mut dead: Vec<_> = rig.dead().iter().map(|letter| letter["id"].as_str().expect("an id").to_owned()).collect();
    dead.sort();
    assert_eq!(dead, [EventId(7).to_string(), EventId(64).to_string()]);
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_everything_with_400_is_waited_for_and_nothing_is_dead_lettered() {
    let open = Arc::new(Mutex::new(false));
    let gate = open.clone();
    let mut rig = rig(move |_, _| if *gate.lock().unwrap() { 204 } else { 400 }).await;
    let mut ack_receiver = rig.send(0, &rows(0..1000)).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(rig.dead().is_empty() && rig.accepted().is_empty());
    assert!(futures::poll!(&mut ack_receiver).is_pending());
    assert!(rig.requests() < 2500, "it doesn't hammer: {}", rig.requests());
    assert!(rig.reason().contains("every record"), "{}", rig.reason());
    *open.lock().unwrap() = true;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..1000).collect::<Vec<_>>());
    assert!(rig.dead().is_empty());
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_lone_refused_record_waits_for_a_later_acceptance_and_holds_nothing_up() {
    let mut rig = rig(|_, rows| if holds(rows, 0) { 400 } else { 204 }).await;
    let mut bad = rig.send(0, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.dead().is_empty(), "no proof yet");
    let good = rig.send(0, &rows(1..50)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(good.await, AckOutcome::Delivered, "the later batch isn't held up");
    assert_eq!(rig.dead().len(), 1);
    assert!(futures::poll!(&mut bad).is_ready());
    rig.end().await;
}

/// The suspect was settled, and the sink went on saying that it kept and tried it, until the stream's next row: days later.
#[tokio::test(start_paused = true)]
async fn a_record_that_became_a_dead_letter_is_waited_for_no_more() {
    let mut rig = rig(|_, rows| if holds(rows, 3) { 400 } else { 204 }).await;
    for round in 0..8 {
        let ack_receiver = rig.send(0, &rows(0..5 + round)).await;
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(rig.reason(), "Working", "round {round}");
    }
    assert_eq!(rig.dead().len(), 1);
    rig.end().await;
}

/// What was waited for before a record turned out too large was still said after it was put aside.
#[tokio::test(start_paused = true)]
async fn an_outage_before_a_record_that_is_too_large_is_over_with_it() {
    let mut rig = rig(|number, _| match number {
        0 => 204,
        1..5 => 503,
        _ => 413,
    })
    .await;
    assert_eq!(rig.send(0, &rows(0..1)).await.await, AckOutcome::Delivered);
    let ack_receiver = rig.send(0, &[large(1)]).await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((rig.dead().len(), rig.reason().as_str()), (1, "Working"));
    rig.end().await;
}

/// In Azure's own words, but for records that any server takes: each became a dead letter without a proof.
#[tokio::test(start_paused = true)]
async fn an_azure_that_finds_the_smallest_record_too_large_is_waited_for() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let mut rig = rig(move |_, _| if gate.load(Ordering::Relaxed) { 204 } else { 413 }).await;
    let ack_receiver = rig.send(0, &rows(0..20)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.dead().len(), 0);
    open.store(true, Ordering::Relaxed);
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    rig.end().await;
    assert_eq!((rig.accepted().len(), rig.dead().len()), (20, 0));
}

/// Simulated world 230: everything was refused, then for a moment nothing, then everything again; a record that was
/// caught by both outages became a dead letter.
#[tokio::test(start_paused = true)]
async fn an_outage_of_400_that_comes_again_proves_nothing() {
    let outage = Arc::new(AtomicBool::new(true));
    let again = outage.clone();
    let mut rig = rig(move |_, rows| {
        if holds(rows, 1) {
            again.store(true, Ordering::Relaxed);
            return 204;
        }
        if again.load(Ordering::Relaxed) { 400 } else { 204 }
    })
    .await;
    let caught = rig.send(0, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let moment = rig.send(0, &rows(1..2)).await;
    assert_eq!(moment.await, AckOutcome::Delivered);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.dead().is_empty(), "refused, another accepted, refused again, and so was everything");
    outage.store(false, Ordering::Relaxed);
    assert_eq!(caught.await, AckOutcome::Delivered);
    assert_eq!((rig.accepted().len(), rig.dead().len()), (2, 0));
    rig.end().await;
}

/// An edited stream declaration reaches Azure's nodes one by one: an old one takes a half, then all rows are refused, and
/// an empty array is accepted all the while. One acceptance must not dead-letter the rest of the batch.
#[tokio::test(start_paused = true)]
async fn rows_that_are_all_refused_while_an_empty_array_is_accepted_are_waited_for() {
    let edited = Arc::new(AtomicBool::new(true));
    let gate = edited.clone();
    let mut rig = rig(move |number, rows| match number {
        0 => 400,
        1 => 204,
        _ if rows.is_empty() || !gate.load(Ordering::Relaxed) => 204,
        _ => 400,
    })
    .await;
    let ack_receiver = rig.send(0, &rows(0..100)).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(rig.dead().len(), 0);
    edited.store(false, Ordering::Relaxed);
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    assert_eq!((rig.accepted().len(), rig.dead().len()), (100, 0));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn where_an_empty_array_is_refused_the_next_accepted_request_is_the_proof() {
    let mut rig = rig(|_, rows| if rows.is_empty() || holds(rows, 0) { 400 } else { 204 }).await;
    let bad = rig.send(0, &rows(0..1)).await;
    for (number, dead) in [(1, 0), (2, 1)] {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let good = rig.send(0, &rows(number..number + 1)).await;
        assert_eq!(good.await, AckOutcome::Delivered);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(rig.dead().len(), dead, "after {number}");
    }
    assert_eq!(bad.await, AckOutcome::Delivered);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_the_whole_sink_for_its_retry_after() {
    let mut rig = rig(|number, _| if number == 0 { 429 } else { 204 }).await;
    rig.azure.headers.lock().unwrap().insert("Retry-After", "70".into());
    let first = rig.send(0, &rows(0..10)).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let second = rig.send(1, &rows(10..20)).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(rig.requests(), 1, "nothing is sent meanwhile, to no stream");
    assert_eq!((first.await, second.await), (AckOutcome::Delivered, AckOutcome::Delivered));
    rig.end().await;
    let requests = rig.azure.requests.lock().unwrap();
    assert!(requests[1].0.duration_since(requests[0].0) >= Duration::from_secs(70));
}

#[tokio::test(start_paused = true)]
async fn every_other_failure_is_waited_out_and_never_dead_lettered() {
    let failures = [401, 403, 404, 408, 429, 500, 502, 503, 504, 599, 302, 200];
    let mut rig = rig(move |number, _| {
        // 200 without a body is a gateway's success; here it stands for the end of the row.
        if number < failures.len() - 1 { failures[number] } else { 204 }
    })
    .await;
    let ack_receiver = rig.send(0, &rows(0..10)).await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    assert_eq!((rig.accepted().len(), rig.dead().len(), rig.requests()), (10, 0, 12));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_is_waited_for_in_words() {
    let mut rig = rig(|number, _| if number < 20 { 403 } else { 204 }).await;
    let ack_receiver = rig.send(0, &rows(0..10)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(rig.reason().contains("Monitoring Metrics Publisher"), "{}", rig.reason());
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_takes_no_more_than_its_bound() {
    let mut rig = rig(|_, _| 503).await;
    let mut sent = 0;
    for chunk in 0..200u64 {
        let rows = rows(chunk * 1000..(chunk + 1) * 1000);
        let send = rig.send(0, &rows);
        if tokio::time::timeout(Duration::from_secs(120), send).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 80, "back-pressure after {sent} chunks of 130 kB");
    rig.task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_row_of_20_mb_is_cut_and_delivered() {
    let mut rig = rig(|_, _| 204).await;
    let row = json!({"id": 1, "AdditionalFields": {"note": "z".repeat(20_000_000), "platform": "iOS"}});
    let ack_receiver = rig.send(0, &[row]).await;
    rig.end().await;
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    let accepted = rig.azure.accepted.lock().unwrap();
    assert_eq!(accepted[0]["AdditionalFields"]["platform"], "iOS");
}

#[tokio::test(start_paused = true)]
async fn rows_for_an_auxiliary_table_are_split_by_time() {
    let mut rig = rig(|_, rows| {
        let times = || rows.iter().map(|row| row["time"].as_i64().expect("a time"));
        if times().max().unwrap() - times().min().unwrap() > 1800 { 430 } else { 204 }
    })
    .await;
    let rows: Vec<Value> = (0..200).map(|id| json!({"id": id, "time": (id * 7919) % 20_000})).collect();
    let ack_receiver = rig.send(0, &rows).await;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..200).collect::<Vec<_>>());
    assert_eq!((ack_receiver.await, rig.dead().len()), (AckOutcome::Delivered, 0));
    assert!(rig.requests() < 20, "by time, not by bisecting: {}", rig.requests());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_finds_everything_too_large_is_waited_for() {
    let open = Arc::new(Mutex::new(false));
    let gate = open.clone();
    let mut rig = rig(move |_, _| if *gate.lock().unwrap() { 204 } else { 414 }).await;
    let _receipt = rig.send(0, &rows(0..20)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(rig.dead().is_empty(), "nothing is dead-lettered on a proxy's word");
    *open.lock().unwrap() = true;
    rig.end().await;
    assert_eq!(rig.accepted(), (0..20).collect::<Vec<_>>());
    assert!(rig.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_works_does_not_hide_one_that_waits() {
    let mut rig = rig(|_, rows| if holds(rows, 0) { 404 } else { 204 }).await;
    let _waits = rig.send(0, &rows(0..1)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let works = rig.send(1, &rows(1..50)).await;
    assert_eq!(works.await, AckOutcome::Delivered);
    assert!(rig.reason().contains("404"), "{}", rig.reason());
    rig.task.abort();
}
