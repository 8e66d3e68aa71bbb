//! A small API and a small checkpoint for this folder's tests.
//!
//! The simulator is the product's own stand-in for NordPass and is used by the integration tests; this one is written
//! apart from it on purpose, so that the source isn't tested only against its sibling's reading of the documentation.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::{ReadMode, Settings};
use crate::component::{
    CheckpointError, Commit, Intent, IntentHash, KnownId, OpenStates, SourceKey, SourceState, Store,
};
use crate::component::{ComponentError, Context, Input, Output, Source};
use crate::event::{EventId, Origin};
use crate::http::{HttpClient, HttpError, HttpSettings, Network};
use crate::settings::Secret;
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry};
use nordpass_env::{Clock, Env, Random, SeededRandom, SystemDisk, TestClock};

/// 2026-11-16T00:00:00Z, when the tests begin.
pub const NOW: i64 = 1_794_787_200;

/// How long each answer takes.
pub const ROUND_TRIP: Duration = Duration::from_millis(20);

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct Behaviour {
    pub largest_page: u64,
    pub inclusive: bool,
    /// Another order inside each second in each answer.
    pub unstable: bool,
    /// Another order of everything in each answer.
    pub shuffled: bool,
    pub total: Option<fn(u64) -> Value>,
    /// Where counts and pages stop.
    pub cap: usize,
    /// What a proxy makes of an answer.
    pub proxy: Option<fn(http::Response<Bytes>) -> http::Response<Bytes>>,
    /// Seconds by which the server's clock is behind.
    pub behind: i64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            largest_page: 100,
            inclusive: true,
            unstable: false,
            shuffled: false,
            total: Some(|total| json!(total)),
            cap: usize::MAX,
            proxy: None,
            behind: 0,
        }
    }
}

/// An event and when the API begins to show it.
struct Shown {
    body: Value,
    time: i64,
    visible: i64,
}

/// What a request asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub from: i64,
    pub to: i64,
    pub page: u64,
    pub per_page: u64,
    pub at: i64,
}

type Answer = Box<dyn FnMut(u64, &Asked) -> Option<http::Response<Bytes>> + Send>;

/// The API.
pub struct Api {
    pub behaviour: Mutex<Behaviour>,
    events: Mutex<Vec<Shown>>,
    pub asked: Mutex<Vec<Asked>>,
    random: SeededRandom,
    clock: TestClock,
    /// Answers instead of the API where it says something; gets the request's number.
    pub fault: Mutex<Option<Answer>>,
    pub count: AtomicU64,
    /// Requests that wait for their answer, and the most that ever did.
    under_way: AtomicU64,
    pub most_under_way: AtomicU64,
}

impl Api {
    pub fn show(&self, time: i64, visible: i64, body: Value) {
        self.events.lock().unwrap().push(Shown { body, time, visible });
    }

    /// An event with a name of its own.
    pub fn event(&self, time: i64, name: &str) {
        self.show(time, time, event(time, name));
    }

    /// Shows the events of a second no more.
    pub fn forget(&self, time: i64) {
        self.events.lock().unwrap().retain(|event| event.time != time);
    }

    pub fn late(&self, time: i64, visible: i64, name: &str) {
        self.show(time, visible, event(time, name));
    }

    fn answer(&self, request: &http::Request<Bytes>) -> http::Response<Bytes> {
        let body: Value = serde_json::from_slice(request.body()).expect("JSON");
        let number = |name: &str| body[name].as_i64().expect("a number");
        let now = self.clock.now_seconds();
        let asked = Asked {
            from: number("timestamp_from"),
            to: number("timestamp_to"),
            page: body["page"].as_u64().expect("a page"),
            per_page: body["per_page"].as_u64().expect("a size"),
            at: now,
        };
        assert!(asked.to - asked.from <= 90 * 86_400, "one request may span 90 days");
        self.asked.lock().unwrap().push(asked.clone());
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(fault) = self.fault.lock().unwrap().as_mut()
            && let Some(answer) = fault(count, &asked)
        {
            return answer;
        }
        let behaviour = self.behaviour.lock().unwrap().clone();
        let users: Option<Vec<&str>> =
            body["user_uuids"].as_array().map(|users| users.iter().filter_map(Value::as_str).collect());
        let events = self.events.lock().unwrap();
        let mut found: Vec<&Shown> = events
            .iter()
            .filter(|event| event.visible <= now)
            .filter(|event| {
                let inside = if behaviour.inclusive { asked.from..asked.to + 1 } else { asked.from + 1..asked.to };
                inside.contains(&event.time)
            })
            .filter(|event| {
                users.as_ref().is_none_or(|users| users.contains(&event.body["user"]["uuid"].as_str().unwrap_or("")))
            })
            .collect();
        found.sort_by_key(|event| event.time);
        if behaviour.unstable || behaviour.shuffled {
            let second = |event: &Shown| if behaviour.shuffled { 0 } else { event.time };
            let mut keyed: Vec<_> =
                found.into_iter().map(|event| (second(event), self.random.next_u64(), event)).collect();
            keyed.sort_by_key(|(time, random, _)| (*time, *random));
            found = keyed.into_iter().map(|(_, _, event)| event).collect();
        }
        found.truncate(behaviour.cap);
        let size = asked.per_page.min(behaviour.largest_page);
        let skip = usize::try_from((asked.page - 1) * size).expect("small");
        let take = usize::try_from(size).expect("small");
        let data: Vec<&Value> = found.iter().skip(skip).take(take).map(|event| &event.body).collect();
        let mut paging = json!({"per_page": size, "current_page": asked.page});
        if let Some(total) = behaviour.total {
            paging["total"] = total(found.len() as u64);
        }
        let date = httpdate::fmt_http_date(
            std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(now - behaviour.behind).expect("after 1970")),
        );
        let answer = json!({"data": data, "metadata": paging}).to_string();
        let answer = http::Response::builder().header("Date", date).body(answer.into()).expect("a response");
        behaviour.proxy.map_or_else(|| answer.clone(), |proxy| proxy(answer.clone()))
    }
}

/// A plain event.
pub fn event(time: i64, name: &str) -> Value {
    let user = name.split('-').next().unwrap_or_default();
    json!({"type": "item_access", "action": "item_viewed", "timestamp": time, "organization_uuid": "org",
        "user": {"uuid": user, "email": format!("{user}@example.com")}, "metadata": {"name": name}, "initiator": ""})
}

struct Net(Arc<Api>);

impl Network for Net {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(Net(self.0.clone())))
    }
}

impl HttpClient for Net {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        Box::pin(async move {
            let under_way = self.0.under_way.fetch_add(1, Ordering::Relaxed) + 1;
            self.0.most_under_way.fetch_max(under_way, Ordering::Relaxed);
            tokio::time::sleep(ROUND_TRIP).await;
            self.0.under_way.fetch_sub(1, Ordering::Relaxed);
            let answer = self.0.answer(&request);
            if answer.status() == 598 {
                tokio::time::sleep(Duration::from_secs(30)).await;
                return Err(HttpError::Timeout { host: "api".into(), after: Duration::from_secs(30) });
            }
            if answer.status() == 599 {
                return Err(HttpError::Connect { host: "api".into(), reason: "refused".into() });
            }
            Ok(answer)
        })
    }
}

/// A checkpoint in memory that survives the source.
#[derive(Default)]
pub struct TestStore {
    pub ids: Mutex<BTreeSet<(i64, u128)>>,
    pub document: Mutex<Option<Vec<u8>>>,
    pub broken: AtomicBool,
    pub unreadable: AtomicBool,
    pub closed: AtomicBool,
    run: AtomicU64,
}

fn disk_error() -> CheckpointError {
    CheckpointError::Disk { path: "x".into(), source: std::io::Error::other("full") }
}

struct Shared(Arc<TestStore>);

impl SourceState for Shared {
    fn document(&self) -> Option<Vec<u8>> {
        self.0.document.lock().unwrap().clone()
    }
    fn run(&self) -> u64 {
        self.0.run.load(Ordering::Relaxed)
    }
    fn key_id(&self) -> Arc<str> {
        "nordpass".into()
    }
    fn known(&self, range: Range<i64>) -> BoxFuture<'_, Result<Vec<KnownId>, CheckpointError>> {
        if self.0.unreadable.load(Ordering::Relaxed) {
            return Box::pin(async { Err(disk_error()) });
        }
        let ids = self.0.ids.lock().unwrap();
        let known = ids.range((range.start, 0)..(range.end, 0));
        let known = known.map(|(time, id)| KnownId { time: *time, id: EventId(*id) }).collect();
        Box::pin(async move { Ok(known) })
    }
    fn intents(&self) -> Vec<Intent> {
        Vec::new()
    }
    fn read_intent(&self, _: IntentHash) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>> {
        unreachable!("no sink records one")
    }
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<(), CheckpointError>> {
        let result = if self.0.broken.load(Ordering::Relaxed) {
            Err(disk_error())
        } else {
            let mut ids = self.0.ids.lock().unwrap();
            for known in commit.ids {
                assert!(ids.insert((known.time, known.id.0)), "an id is committed once");
            }
            if let Some(before) = commit.forget_before {
                ids.retain(|(time, _)| *time == 0 || *time >= before);
            }
            if let Some(document) = commit.document {
                *self.0.document.lock().unwrap() = Some(document);
            }
            Ok(())
        };
        Box::pin(async move { result })
    }
}

struct TestStores(Arc<TestStore>);

impl Store for TestStores {
    fn open(&self, _: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        if self.0.closed.load(Ordering::Relaxed) {
            return Box::pin(async { Err(disk_error()) });
        }
        self.0.run.fetch_add(1, Ordering::Relaxed);
        let state: Arc<dyn SourceState> = Arc::new(Shared(self.0.clone()));
        Box::pin(async move { Ok(state) })
    }
    fn is_committed(&self, _: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>> {
        Box::pin(async { Ok(true) })
    }
    fn open_states(&self) -> &OpenStates {
        unreachable!("no sink asks")
    }
}

/// The defaults of the pipeline file.
fn settings() -> Settings {
    Settings {
        endpoint: "https://api.example/activities/query".to_owned(),
        token: Secret::literal("token"),
        source_header: Some("MSSentinel".to_owned()),
        poll_interval: Duration::from_secs(60),
        initial_lookback: Duration::from_secs(7 * 86_400),
        overlap: Duration::from_secs(600),
        lag: Duration::from_secs(5),
        page_size: 100,
        concurrency: 4,
        requests_per_second: 10,
        max_in_flight_bytes: 8 << 20,
        http: HttpSettings::default(),
        mode: ReadMode::Follow,
        again_with_once: false,
        organization: None,
    }
}

/// The world of a test: it outlives the source's runs.
pub struct Rig {
    pub api: Arc<Api>,
    pub store: Arc<TestStore>,
    pub clock: TestClock,
    pub settings: Settings,
    pub telemetry: Telemetry,
    /// What arrived, by id and `metadata.name`, in order.
    pub arrived: Arc<Mutex<Vec<(EventId, String)>>>,
    /// How what arrived is marked as perhaps delivered by another connector before, by `metadata.name`.
    pub marks: Arc<Mutex<HashMap<String, Option<&'static str>>>>,
    folder: tempfile::TempDir,
}

/// A source that runs.
pub struct Running {
    task: tokio::task::JoinHandle<Result<(), ComponentError>>,
    sink: tokio::task::JoinHandle<()>,
    pub signal: CancellationToken,
}

impl Rig {
    pub fn new() -> Self {
        let clock = TestClock::starting_at(Timestamp::from_second(NOW).expect("a time"));
        let api = Arc::new(Api {
            behaviour: Mutex::default(),
            events: Mutex::default(),
            asked: Mutex::default(),
            random: SeededRandom::new(7),
            clock: clock.clone(),
            fault: Mutex::default(),
            count: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            most_under_way: AtomicU64::new(0),
        });
        Self {
            api,
            store: Arc::default(),
            clock,
            settings: settings(),
            telemetry: Telemetry::new(),
            arrived: Arc::default(),
            marks: Arc::default(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Starts the source in front of a sink that never takes anything.
    pub fn start_stalled(&self) -> tokio::task::JoinHandle<Result<(), ComponentError>> {
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let telemetry = self.component();
        let (sender, input) = Input::new();
        let output = Output::new(vec![sender], telemetry);
        let run = Box::new(self.settings.clone()).run(self.context(shutdown, false), output);
        tokio::spawn(async move {
            let result = run.await;
            drop((signal, input));
            result
        })
    }

    pub fn context(&self, shutdown: CancellationToken, once: bool) -> Context {
        Context {
            name: "nordpass".into(),
            env: Env {
                clock: Arc::new(self.clock.clone()),
                random: Arc::new(SeededRandom::new(1)),
                disk: Arc::new(SystemDisk),
                network: Arc::new(Net(self.api.clone())),
            },
            telemetry: self.component(),
            data_dir: self.folder.path().to_owned(),
            store: Arc::new(TestStores(self.store.clone())),
            dead_letters: Arc::new(crate::dead_letters::DeadLetterFolder::new(
                Arc::new(SystemDisk),
                self.folder.path(),
            )),
            shutdown,
            once,
        }
    }

    /// Starts the source; the sink acknowledges while `deliver` says so, and drops otherwise.
    pub fn start(&self, once: bool, deliver: impl Fn(usize) -> bool + Send + 'static) -> Running {
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let telemetry = self.component();
        let context = self.context(shutdown, once);
        let (sender, mut input) = Input::new();
        let output = Output::new(vec![sender], telemetry);
        let (arrived, marks) = (self.arrived.clone(), self.marks.clone());
        let sink = tokio::spawn(async move {
            let mut number = 0;
            while let Some((_, chunk)) = input.receive().await {
                if deliver(number) {
                    for record in chunk.records.iter() {
                        let body: Value = serde_json::from_str(chunk.body(record)).expect("JSON");
                        let name = body["metadata"]["name"].as_str().unwrap_or_default();
                        // What a field says that this version doesn't know.
                        let new = body["new"].as_str().map(|new| format!("/{new}")).unwrap_or_default();
                        let name = format!("{name}{new}");
                        let mark = chunk.takeover.and_then(|takeover| takeover.mark(record.time));
                        marks.lock().unwrap().insert(name.clone(), mark);
                        arrived.lock().unwrap().push((record.id, name));
                    }
                    chunk.ack.done();
                }
                number += 1;
            }
        });
        let task = tokio::spawn(Box::new(self.settings.clone()).run(context, output));
        Running { task, sink, signal }
    }

    /// Where dead letters lie.
    pub fn dead_letters(&self) -> std::path::PathBuf {
        self.folder.path().join("dead-letters")
    }

    pub fn component(&self) -> ComponentReporter {
        self.telemetry.component(ComponentKind::Source, "nordpass")
    }

    /// `run --once`.
    pub async fn once(&self) {
        self.start(true, |_| true).ended().await.expect("the source ends well");
    }

    /// Runs for a while, then ends in order.
    pub async fn run_for(&self, time: Duration) {
        let running = self.start(false, |_| true);
        tokio::time::sleep(time).await;
        running.signal.cancel();
        running.ended().await.expect("the source ends well");
    }

    /// How often each name arrived.
    pub fn names(&self) -> HashMap<String, usize> {
        let mut names = HashMap::new();
        for (_, name) in self.arrived.lock().unwrap().iter() {
            *names.entry(name.clone()).or_default() += 1;
        }
        names
    }

    /// Asserts that exactly these arrived, each once.
    pub fn assert_arrived(&self, expected: impl IntoIterator<Item = String>) {
        let expected: HashMap<String, usize> = expected.into_iter().map(|name| (name, 1)).collect();
        let names = self.names();
        let lost: Vec<_> = expected.keys().filter(|name| !names.contains_key(*name)).take(5).collect();
        let more: Vec<_> = names.iter().filter(|(name, count)| expected.get(*name) != Some(*count)).take(5).collect();
        assert!(
            lost.is_empty() && more.is_empty(),
            "of {}: lost {lost:?}, doubled or unexpected {more:?}",
            expected.len()
        );
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.api.asked.lock().unwrap().clone()
    }
}

impl Running {
    pub async fn ended(self) -> Result<(), ComponentError> {
        let result = self.task.await.expect("no panic");
        self.sink.await.expect("no panic");
        result
    }

    /// Kills the source, as a crash does.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        self.sink.await.expect("no panic");
    }
}
