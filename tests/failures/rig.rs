//! A whole pipeline in one process, between simulators, at paused time: from the text of a pipeline file to the rows in
//! Azure and the lines in the files.
//!
//! A [`Rig`] is the world, a [`Life`] one life of the process in it. What arrived is judged by the probe inside each
//! event.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{Request, StatusCode};
use jiff::Timestamp;
use nordpass_env::{Clock, Env, MemoryDisk, SeededRandom, TestClock, mix};
use nordpass_sentinel::component::SourceKey;
use nordpass_sentinel::pipeline::{Reloads, RunOptions, RunReport};
use nordpass_sentinel::telemetry::{ComponentState, Telemetry};
use nordpass_simulator::faults::{Faults, Plan};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::ingestion::{self, IMMUTABLE_ID};
use nordpass_simulator::judge::{Received, Verdict, received_in_files};
use nordpass_simulator::network::SimulatedNetwork;
use nordpass_simulator::{
    Endpoint, Gate, LoggedRequest, Reply, Service, SimulatedEvent, Simulation, SimulationOptions, entra, recording,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::common::process::process;
use crate::common::state::{self, State};

/// When each world begins: 2027-01-15 08:00 UTC.
pub const START: i64 = 1_800_000_000;
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 86_400;

pub const NORDPASS: &str = "api-activities.eu.nordpass.com";
pub const ENTRA: &str = "login.microsoftonline.com";
pub const INGESTION: &str = "nordpass-5kyl.westeurope-1.ingest.monitor.azure.com";

/// The ASIM tables.
const ASIM: [&str; 3] = ["ASimAuditEventLogs", "ASimAuthenticationEventLogs", "ASimUserManagementActivityLogs"];

/// When each event arrived, in milliseconds since [`START`], by probe.
pub type Arrivals = BTreeMap<String, i64>;

/// The world.
pub struct Rig {
    pub simulation: Simulation,
    pub disk: MemoryDisk,
    pub network: SimulatedNetwork,
    pub clock: TestClock,
    /// The pipeline file of the next life.
    pub text: String,
    lives: u64,
}

/// One life of the process.
pub struct Life {
    task: JoinHandle<RunReport>,
    signal: CancellationToken,
    pub telemetry: Telemetry,
}

/// So many events of the last seven days, well inside the first connection's look-back.
pub fn history(count: usize) -> Vec<SimulatedEvent> {
    Generator::new(7, Options::default()).history(START - 7 * DAY + HOUR, START - MINUTE, count)
}

/// An event whose probe is its name. `metadata` is what it has besides.
pub fn event(at: i64, name: &str, metadata: &Value) -> SimulatedEvent {
    let mut metadata = metadata.clone();
    metadata["probe"] = name.into();
    let event = json!({
        "type": "item_access", "action": "item_copied", "timestamp": at,
        "organization_uuid": "00000000-0000-4000-8000-000000000001",
        "user": {"uuid": "00000000-0000-4000-8000-000000000002", "email": "someone@example.com"},
        "metadata": metadata, "initiator": "",
    });
    SimulatedEvent::from_json(&event.to_string(), at)
}

/// The events of a recording (`tests/fixtures/recorded`), brought to the day before [`START`]. Those without a usable
/// time are filed there, too.
pub fn recorded(name: &str) -> Vec<SimulatedEvent> {
    let path = format!("{}/tests/fixtures/recorded/{name}.ndjson", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a recording");
    let events = recording::parse(&text, START - DAY).expect("events");
    // All of their day's times begin alike, and so do those of the day before `START`.
    let there = events.iter().map(|event| event.json().replace("17948", "17999"));
    there.map(|json| SimulatedEvent::from_json(&json, START - DAY)).collect()
}

/// Simulators that keep the rows.
pub fn keeping(events: Vec<SimulatedEvent>) -> SimulationOptions {
    let ingestion = ingestion::Settings { keep_rows: true, strict: true, ..ingestion::Settings::default() };
    SimulationOptions { events, ingestion, ..SimulationOptions::default() }
}

/// From NordPass to the ASIM tables, the raw events beside them in files.
fn pipeline() -> String {
    format!(
        r#"
data_dir = "data"

[sources.nordpass]
type = "nordpass"
endpoint = "{}"
token = "simulated-nordpass-token"

[transforms.asim]
type = "asim"
inputs = ["nordpass"]
{}
[sinks.archive]
type = "file"
inputs = ["nordpass"]
path = "archive/{{date}}/{{organization}}.ndjson.gz"
"#,
        Simulation::NORDPASS_URL,
        sentinel("sentinel", "asim", INGESTION),
    )
}

/// The tables of a `sentinel` sink for the outputs of an `asim` transform.
pub fn sentinel(name: &str, asim: &str, host: &str) -> String {
    let entra = entra::Settings::default();
    format!(
        r#"
[sinks.{name}]
type = "sentinel"
inputs = ["{asim}.audit_event", "{asim}.authentication", "{asim}.user_management"]
endpoint = "https://{host}"
dcr_immutable_id = "{IMMUTABLE_ID}"
[sinks.{name}.streams]
"{asim}.audit_event" = "Custom-NordPassAuditEvent"
"{asim}.authentication" = "Custom-NordPassAuthentication"
"{asim}.user_management" = "Custom-NordPassUserManagement"
[sinks.{name}.credential]
kind = "client_secret"
tenant_id = "{}"
client_id = "{}"
client_secret = "{}"
"#,
        entra.tenant, entra.client_id, entra.client_secret,
    )
}

/// What stands in front of a simulator and may answer in its place.
struct Twist {
    inner: Arc<dyn Service>,
    act: Act,
}

type Act = Box<dyn Fn(&Request<Bytes>, Timestamp, &dyn Service) -> Reply + Send + Sync>;

impl Service for Twist {
    fn endpoint(&self, path: &str) -> Endpoint {
        self.inner.endpoint(path)
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        (self.act)(request, now, self.inner.as_ref())
    }
}

impl Rig {
    pub fn new(options: SimulationOptions) -> Self {
        let start = Timestamp::from_second(START).expect("a time");
        let clock = TestClock::starting_at(start);
        let simulation = Simulation::new(options, start);
        let latency = (Duration::from_millis(10), Duration::from_millis(60));
        let network = simulation.network(Arc::new(clock.clone()), 1).latency(latency.0, latency.1);
        Self { simulation, disk: MemoryDisk::new(), network, clock, text: pipeline(), lives: 0 }
    }

    /// With other words in the pipeline file.
    pub fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{from} isn't in the pipeline file");
        self.text = self.text.replace(from, to);
        self
    }

    /// Puts `act` in front of NordPass: it answers, or has the simulator answer.
    pub fn twist_nordpass(
        &self,
        act: impl Fn(&Request<Bytes>, Timestamp, &dyn Service) -> Reply + Send + Sync + 'static,
    ) {
        self.twist(NORDPASS, self.simulation.nordpass.clone(), Box::new(act));
    }

    /// The same for Azure.
    pub fn twist_ingestion(
        &self,
        act: impl Fn(&Request<Bytes>, Timestamp, &dyn Service) -> Reply + Send + Sync + 'static,
    ) {
        self.twist(INGESTION, self.simulation.ingestion.clone(), Box::new(act));
    }

    /// Notes when each event arrives in Azure.
    pub fn note_arrivals(&self) -> Arc<Mutex<Arrivals>> {
        let arrivals = Arc::<Mutex<Arrivals>>::default();
        let book = arrivals.clone();
        self.twist_ingestion(move |request, now, azure| {
            let reply = azure.handle(request, now);
            if reply.status() == StatusCode::NO_CONTENT {
                let mut text = String::new();
                let _ = MultiGzDecoder::new(&request.body()[..]).read_to_string(&mut text);
                let rows: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
                let probes = rows.iter().filter_map(|row| row["AdditionalFields"]["probe"].as_str());
                let at = now.as_millisecond() - START * 1_000;
                book.lock().expect("no panic").extend(probes.map(|probe| (probe.to_owned(), at)));
            }
            reply
        });
        arrivals
    }

    fn twist(&self, host: &str, inner: Arc<dyn Service>, act: Act) {
        let faults = Arc::new(Faults::new(Plan::default(), self.clock.now()));
        let tokens = self.simulation.entra.tokens.clone();
        let gate = Gate::new(Arc::new(Twist { inner, act }), faults, tokens, self.simulation.log().clone());
        let _shared = self.network.clone().route(host, gate);
    }

    pub fn env(&self) -> Env {
        Env {
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(SeededRandom::new(mix(self.lives + 1))),
            disk: Arc::new(self.disk.clone()),
            network: Arc::new(self.network.clone()),
        }
    }

    /// The Unix second now.
    pub fn now(&self) -> i64 {
        self.clock.now_seconds()
    }

    /// Starts the process: `run`.
    pub fn start(&mut self) -> Life {
        self.launch(false)
    }

    /// `run --once`, to its end.
    pub async fn once(&mut self) -> RunReport {
        let day = Duration::from_hours(24);
        let end = tokio::time::timeout(day, self.launch(true).task).await;
        end.expect("it ends within a simulated day").expect("no panic")
    }

    fn launch(&mut self, once: bool) -> Life {
        self.lives += 1;
        let telemetry = Telemetry::new();
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let options = RunOptions { once, ..RunOptions::default() };
        let task =
            tokio::spawn(process(self.env(), self.text.clone(), options, telemetry.clone(), shutdown, Reloads::none()));
        Life { task, signal, telemetry }
    }

    /// SIGKILL: nothing of the process goes on; what is on disk stays.
    pub async fn kill(&self, life: Life) {
        self.disk.go_down_at(0);
        life.task.abort();
        let _ = life.task.await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.disk.restart();
    }

    /// SIGTERM, and the end.
    pub async fn stop(&self, life: Life) -> RunReport {
        life.signal.cancel();
        let report = life.task.await.expect("no panic");
        assert!(!report.drain_timed_out, "it drained in time");
        report
    }

    /// What the state of the source `nordpass` says now, on disk.
    pub async fn state(&self) -> State {
        self.state_of("nordpass", Simulation::NORDPASS_URL).await
    }

    /// The same of any source.
    pub async fn state_of(&self, name: &str, endpoint: &str) -> State {
        let key = SourceKey { name: name.to_owned(), endpoint: endpoint.to_owned() };
        let times = START - 200 * DAY..START + 200 * DAY;
        state::read(&self.disk, "data", key, times, self.env()).await.expect("a state that can be read")
    }

    /// What arrived in the files below a folder, compared with what NordPass has.
    pub async fn files(&self, folder: &str) -> Verdict {
        let paths: Vec<PathBuf> = self.disk.paths().into_iter().filter(|path| path.starts_with(folder)).collect();
        let data: Vec<PathBuf> = paths.into_iter().filter(|path| path.to_string_lossy().contains(".ndjson")).collect();
        self.simulation.verdict_on(&received_in_files(&self.disk, &data).await.expect("files that can be read"))
    }

    /// What arrived in some tables, compared with what NordPass has.
    pub fn tables(&self, names: &[&str]) -> Verdict {
        let mut received = Received::default();
        for name in names {
            let table = self.simulation.ingestion.table(name);
            received.probes.add_all(&table.probes);
            received.without_probe += table.without_probe;
        }
        self.simulation.verdict_on(&received)
    }

    /// What arrived in the ASIM tables.
    pub fn asim(&self) -> Verdict {
        self.tables(&ASIM)
    }

    /// Everything that NordPass has is in Azure and in the files, each event as often as it happened.
    pub async fn assert_exactly_once(&self) {
        let all = self.simulation.nordpass.world().total();
        assert!(all > 0, "a world without events shows nothing");
        for (place, verdict) in [("Azure", self.asim()), ("the files", self.files("archive").await)] {
            assert_exactly_once(&verdict, all, place);
        }
    }

    /// The rows in the ASIM tables, as Azure keeps them; the simulators have to be [`keeping`] them.
    pub fn rows(&self) -> Vec<Value> {
        let tables = ASIM.iter().map(|name| self.simulation.ingestion.table(name));
        tables.flat_map(|table| table.kept).map(|row| serde_json::from_str(&row).expect("JSON")).collect()
    }

    /// The row of an event.
    pub fn row(&self, probe: &str) -> Value {
        let mut rows = self.rows();
        let place = rows.iter().position(|row| row["AdditionalFields"]["probe"] == probe);
        rows.swap_remove(place.unwrap_or_else(|| panic!("no row of {probe}")))
    }

    /// The lines of a dead-letter file.
    pub fn dead_letters(&self, component: &str) -> Vec<Value> {
        let text = self.disk.content(format!("data/dead-letters/{component}.ndjson")).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect()
    }

    /// The requests to one endpoint.
    pub fn requests(&self, endpoint: Endpoint) -> Vec<LoggedRequest> {
        self.simulation.log().at(endpoint)
    }

    /// The questions that NordPass was asked, with their times.
    pub fn questions(&self) -> Vec<(i64, Value)> {
        let requests = self.requests(Endpoint::Nordpass).into_iter();
        requests.map(|asked| (asked.at.as_second(), question(&asked.body))).collect()
    }
}

impl Life {
    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Its own end.
    pub async fn ended(self) -> RunReport {
        self.task.await.expect("no panic")
    }

    /// What a component waits for, or why it failed, in words; empty where it works.
    pub fn words(&self, component: &str) -> String {
        let health = self.telemetry.health();
        let found = health.iter().find(|health| health.name == component).map(|health| &health.state);
        found.and_then(ComponentState::reason).unwrap_or_default().to_owned()
    }
}

/// The body of a question.
pub fn question(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

pub fn assert_exactly_once(verdict: &Verdict, all: u64, place: &str) {
    let Verdict { events_delivered, events_lost, events_duplicated, events_unknown, rows_without_probe, .. } = verdict;
    let found = (*events_delivered, *events_lost, *events_duplicated, *events_unknown, *rows_without_probe);
    assert_eq!(found, (all, 0, 0, 0, 0), "{place}: {verdict:?}");
}

/// Lets time pass.
pub async fn pass(seconds: i64) {
    sleep(Duration::from_secs(seconds.unsigned_abs())).await;
}

/// Lets time pass until something holds, at most for these seconds.
pub async fn until(what: &str, most: i64, holds: impl Fn() -> bool) {
    for _ in 0..most {
        if holds() {
            return;
        }
        pass(1).await;
    }
    panic!("not within {most} s: {what}");
}
