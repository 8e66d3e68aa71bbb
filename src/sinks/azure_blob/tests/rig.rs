//! A storage account, machines that go down at any request or disk operation, and a source that reads its events again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::azure::{CredentialKind, CredentialSettings};
use crate::component::{
    CheckpointError, Commit, ComponentError, Context, Input, InputSender, Intent, IntentHash, KnownId, LeaseGuard,
    OpenStates, Output, SinkSettings as _, SourceKey, SourceState, Store,
};
use crate::event::{AckReceiver, Backpressure, Chunk, EventFields, EventId, MemoryPool, MemoryReservation, Origin};
use crate::event::{Record, Span, Text};
use crate::http::{HttpClient, HttpError, HttpSettings, Network};
use crate::settings::{Environment, Secret, Section};
use crate::sinks::azure_blob::Settings;
use crate::sinks::azure_blob::settings::FIELDS;
use crate::state::{BlobSettings, BlobStore, LocalStore, Shard};
use crate::telemetry::{ComponentKind, ComponentState, Telemetry};
use nordpass_env::{Env, MemoryDisk, SeededRandom, TestClock};
use nordpass_simulator::network::SimulatedNetwork;
use nordpass_simulator::{Simulation, SimulationOptions};

/// 2026-01-10T00:00:00Z
pub const DAY: i64 = 1_768_003_200;
pub const ARCHIVE: &str = "archive";
pub const STATES: &str = "states";
pub const HOST: &str = "nordpass5kyl.blob.core.windows.net";
/// How long a lease on a source lasts at most.
pub const LEASE: Duration = Duration::from_secs(20);

/// A storage account with a container for the archive.
pub struct Account {
    pub simulation: Simulation,
    pub clock: TestClock,
}

impl Account {
    pub fn new() -> Self {
        let now = Timestamp::from_second(DAY + 86_400).expect("a time");
        let simulation = Simulation::new(SimulationOptions::default(), now);
        simulation.entra.tokens.accept("ready");
        simulation.blobs.create_container(ARCHIVE);
        Self { simulation, clock: TestClock::starting_at(now) }
    }

    /// How often each line is in the archive. Every blob is whole.
    pub fn lines(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        for name in self.simulation.blobs.names(ARCHIVE) {
            let bytes = self.simulation.blobs.content(ARCHIVE, &name).expect("there");
            let mut text = String::new();
            if name.ends_with(".gz") {
                flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip");
            } else if name.ends_with(".zst") {
                zstd::stream::read::Decoder::new(&bytes[..]).expect("zstd").read_to_string(&mut text).expect("zstd");
            } else {
                text = String::from_utf8(bytes).expect("UTF-8");
            }
            assert!(text.ends_with('\n'), "{name} ends with a whole line");
            for line in text.lines() {
                *lines.entry(line.to_owned()).or_default() += 1;
            }
        }
        lines
    }

    pub fn names(&self) -> Vec<String> {
        self.simulation.blobs.names(ARCHIVE)
    }
}

/// The lines that these events become at each input.
pub fn expected(events: impl IntoIterator<Item = u64>, inputs: usize) -> BTreeMap<String, usize> {
    let lines = events.into_iter().flat_map(|event| (0..inputs).map(move |input| (line(event, input), 1)));
    lines.collect()
}

fn line(event: u64, input: usize) -> String {
    format!(r#"{{"number":{event},"input":{input}}}"#)
}

/// When an event happened: an hour after each fifth one.
fn time(event: u64) -> i64 {
    DAY + i64::try_from(event / 5 * 3_600).expect("small")
}

/// A network that goes down with its machine.
#[derive(Clone)]
pub struct Wires(Arc<WiresState>);

struct WiresState {
    inner: SimulatedNetwork,
    requests: AtomicU64,
    /// At which request, and whether the other side has it by then.
    down_at: nordpass_env::Mutex<Option<(u64, bool)>>,
    down: watch::Sender<bool>,
}

impl Wires {
    fn new(inner: SimulatedNetwork) -> Self {
        let down = watch::Sender::new(false);
        Self(Arc::new(WiresState { inner, requests: AtomicU64::new(0), down_at: nordpass_env::Mutex::default(), down }))
    }

    pub fn go_down_at(&self, number: u64, taken: bool) {
        let at = self.0.requests.load(Ordering::Relaxed) + number;
        *self.0.down_at.lock() = Some((at, taken));
    }

    fn restart(&self) {
        *self.0.down_at.lock() = None;
        self.0.down.send_replace(false);
    }

    pub async fn went_down(&self) {
        let _ = self.0.down.subscribe().wait_for(|down| *down).await;
    }

    async fn send(&self, client: &dyn HttpClient, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        if *self.0.down.borrow() {
            return std::future::pending().await;
        }
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let order = self.0.down_at.lock().filter(|(at, _)| number >= *at);
        if let Some((_, taken)) = order {
            if taken {
                let _ = client.send(request).await;
            }
            self.0.down.send_replace(true);
            return std::future::pending().await;
        }
        let answer = client.send(request).await;
        if *self.0.down.borrow() {
            return std::future::pending().await;
        }
        answer
    }
}

impl Network for Wires {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(Wire { wires: self.clone(), inner: self.0.inner.client(settings)? }))
    }
}

struct Wire {
    wires: Wires,
    inner: Arc<dyn HttpClient>,
}

impl HttpClient for Wire {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        Box::pin(self.wires.send(self.inner.as_ref(), request))
    }
}

/// A machine with a disk and a network.
pub struct Machine {
    pub disk: MemoryDisk,
    pub wires: Wires,
    pub network: SimulatedNetwork,
    /// The sink's name.
    pub sink: &'static str,
    /// Whether its states forget what intents they list: the sink is as if it had none.
    pub forgetful: bool,
    clock: TestClock,
    /// Whether the states are in blobs.
    shared: bool,
    seed: u64,
    lives: u64,
}

/// A sink that runs. It ends with its machine.
struct Running(JoinHandle<Result<(), ComponentError>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A running program with one source.
pub struct Process {
    pub store: Arc<dyn Store>,
    pub state: Arc<dyn SourceState>,
    pub telemetry: Telemetry,
    output: Vec<InputSender>,
    room: Arc<MemoryPool>,
    task: Running,
    sequence: u64,
    is_optional: bool,
}

impl Machine {
    pub fn new(account: &Account, seed: u64, shared: bool) -> Self {
        let network = account.simulation.network(Arc::new(account.clock.clone()), seed);
        let network = network.latency(Duration::from_millis(5), Duration::from_millis(20));
        let wires = Wires::new(network.clone());
        Self {
            disk: MemoryDisk::new(),
            wires,
            network,
            sink: "archive",
            forgetful: false,
            clock: account.clock.clone(),
            shared,
            seed,
            lives: 0,
        }
    }

    pub fn env(&self) -> Env {
        Env {
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(SeededRandom::new(self.seed * 1_000 + self.lives)),
            disk: Arc::new(self.disk.clone()),
            network: Arc::new(self.wires.clone()),
        }
    }

    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// After a crash: a power cut, or only the process's end.
    pub async fn restart(&self, power_cut: Option<u64>) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        match power_cut {
            Some(luck) => self.disk.crash(luck),
            None => self.disk.restart(),
        }
        self.wires.restart();
    }

    async fn store(&self) -> Arc<dyn Store> {
        if !self.shared {
            return LocalStore::open(self.env(), "data".as_ref()).await.expect("opens");
        }
        let settings = BlobSettings {
            endpoint: Simulation::BLOB_URL.to_owned(),
            container: STATES.to_owned(),
            prefix: String::new(),
            lease: LEASE,
            credential: CredentialSettings::from(CredentialKind::Token(Secret::literal("ready"))),
            http: HttpSettings::default(),
            takeover: None,
        };
        let container = crate::state::container(&settings, &self.env()).expect("good settings");
        BlobStore::open(self.env(), &settings, container, "data".as_ref(), Shard::default()).await.expect("opens")
    }

    /// Starts the program, and waits until it has the source.
    pub async fn start(&mut self, settings: &Settings) -> Process {
        self.lives += 1;
        let store = self.store().await;
        let store = if self.forgetful { Arc::new(Forgetful::over(store)) } else { store };
        let (task, sender, telemetry) = self.start_sink(settings, store.clone()).await;
        let state = open(store.as_ref()).await;
        let output = (0..settings.inputs.len()).map(|input| sender.input(input)).collect();
        let room = MemoryPool::new(1_000, Backpressure::default());
        Process { store, state, telemetry, output, room, task, sequence: 0, is_optional: false }
    }

    async fn start_sink(&self, settings: &Settings, store: Arc<dyn Store>) -> (Running, InputSender, Telemetry) {
        let telemetry = Telemetry::new();
        let env = self.env();
        let dead_letters = crate::dead_letters::DeadLetterFolder::new(env.disk.clone(), "data".as_ref());
        let context = Context {
            name: self.sink.into(),
            env,
            telemetry: telemetry.component(ComponentKind::Sink, "archive"),
            data_dir: "data".into(),
            store,
            dead_letters: Arc::new(dead_letters),
            shutdown: CancellationToken::new(),
            once: false,
        };
        let (sender, input) = Input::new();
        let sink = settings.build(context).await.expect("opens");
        telemetry.component(ComponentKind::Sink, "archive").status().working();
        (Running(tokio::spawn(sink.run(input))), sender, telemetry)
    }
}

/// A store whose states never say what intents they list.
struct Forgetful(Arc<dyn Store>, OpenStates);

struct ForgetfulState(Arc<dyn SourceState>);

impl Forgetful {
    fn over(store: Arc<dyn Store>) -> Self {
        Self(store, OpenStates::default())
    }
}

impl Store for Forgetful {
    fn open(&self, key: SourceKey) -> BoxFuture<'_, Result<Arc<dyn SourceState>, CheckpointError>> {
        Box::pin(async move {
            let state: Arc<dyn SourceState> = Arc::new(ForgetfulState(self.0.open(key).await?));
            self.1.add(&state);
            Ok(state)
        })
    }

    fn is_committed(&self, origin: &Origin) -> BoxFuture<'_, Result<bool, CheckpointError>> {
        let origin = origin.clone();
        Box::pin(async move { self.0.is_committed(&origin).await })
    }

    fn open_states(&self) -> &OpenStates {
        &self.1
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }
}

impl SourceState for ForgetfulState {
    fn document(&self) -> Option<Vec<u8>> {
        self.0.document()
    }

    fn run(&self) -> u64 {
        self.0.run()
    }

    fn key_id(&self) -> Arc<str> {
        self.0.key_id()
    }

    fn known(&self, range: Range<i64>) -> BoxFuture<'_, Result<Vec<KnownId>, CheckpointError>> {
        self.0.known(range)
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<(), CheckpointError>> {
        self.0.commit(commit)
    }

    fn intents(&self) -> Vec<Intent> {
        Vec::new()
    }

    fn read_intent(&self, hash: IntentHash) -> BoxFuture<'_, Result<Vec<u8>, CheckpointError>> {
        self.0.read_intent(hash)
    }

    fn lease_guard(&self) -> LeaseGuard {
        self.0.lease_guard()
    }
}

/// Opens the source's state, however long another process has it.
async fn open(store: &dyn Store) -> Arc<dyn SourceState> {
    let key = SourceKey { name: "nordpass".into(), endpoint: "https://api.example/activities/query".into() };
    patiently(|| store.open(key.clone())).await.expect("a usable state")
}

/// Tries again for as long as it can be cured.
pub async fn patiently<T, F: Future<Output = Result<T, CheckpointError>>>(
    attempt: impl Fn() -> F,
) -> Result<T, CheckpointError> {
    loop {
        match attempt().await {
            Err(error) if error.cure().is_some() => tokio::time::sleep(Duration::from_secs(1)).await,
            result => return result,
        }
    }
}

impl Process {
    /// The events that the state knows.
    pub async fn known(&self) -> BTreeSet<u64> {
        let known = patiently(|| self.state.known(i64::MIN..i64::MAX)).await.expect("readable");
        known.into_iter().map(|known| u64::try_from(known.id.0).expect("small")).collect()
    }

    /// Sends events as one chunk to every input.
    pub async fn send(&mut self, events: &[u64]) -> AckReceiver {
        let reservation = self.room.take(1).await;
        self.send_holding(events, reservation).await
    }

    /// The same for an optional sink: nobody waits for it.
    pub async fn send_optional(&mut self, events: &[u64]) {
        let reservation = self.room.take(1).await;
        self.is_optional = true;
        drop(self.send_holding(events, reservation).await);
        self.is_optional = false;
    }

    /// The same, from a source without a state.
    pub async fn send_stateless(&mut self, events: &[u64], source: &str) -> AckReceiver {
        let origin = Origin { source: source.into(), run: 0, sequence: 0 };
        let reservation = self.room.take(1).await;
        self.send_from(events, origin, reservation).await
    }

    /// The same as [`Self::send`], with this memory.
    pub async fn send_holding(&mut self, events: &[u64], reservation: MemoryReservation) -> AckReceiver {
        let origin = Origin { source: self.state.key_id(), run: self.state.run(), sequence: self.sequence };
        self.sequence += 1;
        self.send_from(events, origin, reservation).await
    }

    async fn send_from(&mut self, events: &[u64], origin: Origin, reservation: MemoryReservation) -> AckReceiver {
        let of_input = |input: usize| {
            let (mut text, mut records) = (String::new(), Vec::new());
            for event in events {
                let start = text.len();
                let _ = write!(text, "{}", line(*event, input));
                let organization = ["a", "b"][usize::from(event % 3 == 0)].into();
                let (id, body) = (EventId(u128::from(*event)), Span::new(start, text.len()));
                records.push(Record { id, time: time(*event), organization, body });
            }
            (text, records)
        };
        let (text, records) = of_input(0);
        let fields = vec![EventFields::default(); records.len()];
        let (chunk, ack_receiver) = Chunk::of_events(Text::from(text), records, fields, origin, Some(reservation));
        let source = self.telemetry.component(ComponentKind::Source, "nordpass");
        for (input, sender) in self.output.iter().enumerate().skip(1) {
            let (text, records) = of_input(input);
            let copy = chunk.rewritten(text, records);
            let _ = Output::new(vec![sender.clone()], source.clone()).send(copy).await;
        }
        let chunk = if self.is_optional { chunk.detached() } else { chunk };
        let _ = Output::new(vec![self.output[0].clone()], source).send(chunk).await;
        ack_receiver
    }

    /// The sequence number of the last chunk.
    pub fn last(&self) -> u64 {
        self.sequence - 1
    }

    /// Commits events of a chunk, as the source does when it is acknowledged.
    pub async fn commit(&self, events: &[u64], sequence: u64) -> Result<(), CheckpointError> {
        let ids = events.iter().map(|event| KnownId { time: time(*event), id: EventId(u128::from(*event)) }).collect();
        let commit = Commit { ids, chunks: vec![sequence], ..Commit::default() };
        patiently(|| self.state.commit(commit.clone())).await
    }

    /// Ends the input and waits for the sink, then gives the source back.
    pub async fn finish(mut self) {
        self.output.clear();
        (&mut self.task.0).await.expect("no panic").expect("no error");
        drop(self.state);
        self.store.close().await;
    }

    /// The process is killed.
    pub async fn kill(mut self) {
        self.task.0.abort();
        let _ = (&mut self.task.0).await;
    }

    /// What the sink waits for.
    pub fn reason(&self) -> String {
        match self.telemetry.component(ComponentKind::Sink, "archive").status().get() {
            ComponentState::Waiting { reason, .. } => reason,
            state => format!("{state:?}"),
        }
    }

    /// How many records the sink left out, because they are in the archive.
    pub fn discarded(&self) -> u64 {
        self.telemetry.component(ComponentKind::Sink, "archive").numbers().totals().discarded
    }
}

/// The settings of a table with these lines, for these inputs.
pub fn settings(lines: &str, inputs: &[&str]) -> Settings {
    let text = format!(
        "account = \"{}\"\ncontainer = \"{ARCHIVE}\"\n{lines}\n[credential]\nkind = \"token\"\ntoken = \"ready\"\n",
        Simulation::BLOB_URL
    );
    let mut section = Section::parse(&text, FIELDS, Environment::of::<&str, &str>([]));
    let inputs: Vec<String> = inputs.iter().map(|&input| input.to_owned()).collect();
    Settings::read(&mut section, &inputs)
}

/// Gzip by hour and organization, closed after five minutes.
pub fn plain() -> Settings {
    settings("path = \"{date}/{organization}/{hour}.ndjson.gz\"", &["nordpass"])
}

/// Lets time pass until something holds.
pub async fn until(holds: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never holds");
}
