//! D10 and D11 with a shared checkpoint: several processes, one state, and never two that read one source.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use nordpass_env::{Clock, Env, MemoryDisk, SeededRandom, mix};
use nordpass_sentinel::pipeline::{Reloads, RunOptions, RunReport};
use nordpass_sentinel::telemetry::{ComponentState, Telemetry};
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::network::SimulatedNetwork;
use nordpass_simulator::{Endpoint, Reply, Service, Simulation, SimulationOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connector::TOKEN;
use crate::common::process::process;
use crate::rig::{HOUR, INGESTION, MINUTE, NORDPASS, Rig, START, event, keeping, pass, sentinel};

const BLOBS: &str = "nordpass5kyl.blob.core.windows.net";
const CONTAINER: &str = "nordpass-sentinel";

/// NordPass, with a book of who asked when.
struct Book {
    inner: Arc<dyn Service>,
    asked: Arc<Mutex<Vec<(Timestamp, String)>>>,
}

impl Service for Book {
    fn endpoint(&self, path: &str) -> Endpoint {
        self.inner.endpoint(path)
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let who = request.headers().get("x-source").and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.asked.lock().expect("no panic").push((now, who.to_owned()));
        self.inner.handle(request, now)
    }
}

/// A process with its own disk and its own way to the network.
struct Machine {
    name: &'static str,
    network: SimulatedNetwork,
    disk: MemoryDisk,
    lives: u64,
    life: Option<Life>,
}

struct Life {
    task: JoinHandle<RunReport>,
    signal: CancellationToken,
    telemetry: Telemetry,
}

/// The world's simulators, and the book.
struct World {
    rig: Rig,
    asked: Arc<Mutex<Vec<(Timestamp, String)>>>,
}

impl World {
    fn new(options: SimulationOptions) -> Self {
        let rig = Rig::new(options);
        rig.simulation.entra.tokens.accept(TOKEN);
        Self { rig, asked: Arc::default() }
    }

    fn machine(&self, name: &'static str, seed: u64) -> Machine {
        let book = Book { inner: self.rig.simulation.nordpass.clone(), asked: self.asked.clone() };
        let gate = self.rig.simulation.gate(Arc::new(book));
        let network = self.rig.simulation.network(Arc::new(self.rig.clock.clone()), seed);
        let network = network.latency(Duration::from_millis(10), Duration::from_millis(60)).route(NORDPASS, gate);
        Machine { name, network, disk: MemoryDisk::new(), lives: seed * 1_000, life: None }
    }

    /// Who asked, in order; the same one several times in a row counts once. With the times of the first and the last.
    fn turns(&self) -> Vec<(String, Timestamp, Timestamp)> {
        let mut turns: Vec<(String, Timestamp, Timestamp)> = Vec::new();
        for (at, who) in self.asked.lock().expect("no panic").iter() {
            match turns.last_mut() {
                Some((last, _, until)) if last == who => *until = *at,
                _ => turns.push((who.clone(), *at, *at)),
            }
        }
        turns
    }
}

fn pipeline(who: &str) -> String {
    format!(
        r#"
data_dir = "data"

[checkpoint]
kind = "azure_blob"
endpoint = "{blob}"
[checkpoint.credential]
kind = "token"
token = "{TOKEN}"

[sources.nordpass]
type = "nordpass"
endpoint = "{nordpass}"
token = "simulated-nordpass-token"
source_header = "{who}"
poll_interval = "5s"

[transforms.asim]
type = "asim"
inputs = ["nordpass"]
{sink}
"#,
        blob = Simulation::BLOB_URL,
        nordpass = Simulation::NORDPASS_URL,
        sink = sentinel("sentinel", "asim", INGESTION),
    )
}

impl Machine {
    fn start(&mut self, world: &World, text: String) {
        self.start_with(world, text, RunOptions::default());
    }

    fn start_with(&mut self, world: &World, text: String, options: RunOptions) {
        self.lives += 1;
        let env = Env {
            clock: Arc::new(world.rig.clock.clone()),
            random: Arc::new(SeededRandom::new(mix(self.lives))),
            disk: Arc::new(self.disk.clone()),
            network: Arc::new(self.network.clone()),
        };
        let telemetry = Telemetry::new();
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let task = tokio::spawn(process(env, text, options, telemetry.clone(), shutdown, Reloads::none()));
        self.life = Some(Life { task, signal, telemetry });
    }

    /// SIGKILL.
    async fn kill(&mut self) {
        let Some(life) = self.life.take() else { return };
        self.disk.go_down_at(0);
        life.task.abort();
        let _ = life.task.await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.disk.restart();
    }

    /// SIGTERM.
    async fn stop(&mut self) {
        let Some(life) = self.life.take() else { return };
        life.signal.cancel();
        let report = life.task.await.expect("no panic");
        assert!(report.failures.is_empty(), "{report:?}");
    }

    fn words(&self, component: &str) -> String {
        let health = self.life.as_ref().expect("it runs").telemetry.health();
        let found = health.iter().find(|health| health.name == component).map(|health| &health.state);
        found.and_then(ComponentState::reason).unwrap_or_default().to_owned()
    }

    fn metric(&self, line: &str) -> bool {
        self.life.as_ref().expect("it runs").telemetry.render().lines().any(|found| found.starts_with(line))
    }
}

fn live(seed: u64, hours: i64) -> SimulationOptions {
    let events = Generator::new(seed, Options::default()).live(START, START + hours * HOUR, 0.1);
    SimulationOptions { events, ..keeping(Vec::new()) }
}

/// Everything arrived; a copy has the same `EventOriginalUid` as its first.
fn assert_nothing_lost(world: &World, most_copies: u64) {
    let verdict = world.rig.asim();
    let all = world.rig.simulation.nordpass.world().total();
    assert_eq!((verdict.events_delivered, verdict.events_lost), (all, 0), "{verdict:?}");
    assert!(verdict.events_duplicated <= most_copies, "{verdict:?}");
    let rows = world.rig.rows();
    let ids: std::collections::HashSet<_> = rows.iter().map(|row| row["EventOriginalUid"].to_string()).collect();
    assert_eq!(ids.len() as u64, all, "copies are marked by their id");
}

/// D10: two writers. Two processes share one state; one reads, the other waits, through kills, cut connections and broken
/// leases. Judged by NordPass's own book of who asked.
#[tokio::test(start_paused = true)]
async fn d10_two_processes_share_a_source_and_never_read_it_at_once() {
    let world = World::new(live(3, 4));
    let (mut a, mut b) = (world.machine("a", 1), world.machine("b", 2));
    a.start(&world, pipeline("a"));
    pass(30).await;
    b.start(&world, pipeline("b"));
    let mut takeovers = 0;
    let state = || {
        let names = world.rig.simulation.blobs.names(CONTAINER);
        names.into_iter().find(|name| name.ends_with("/state")).expect("a state")
    };
    for round in 0..18_i64 {
        pass(5 * MINUTE + round * 7).await;
        let turns = world.turns();
        let reader = turns.last().expect("somebody asks").0.clone();
        let (holder, other) = if reader == a.name { (&mut a, &mut b) } else { (&mut b, &mut a) };
        assert!(other.words("nordpass").contains("held by another process"), "{}", other.words("nordpass"));
        let at = world.rig.clock.now();
        let within = match round % 4 {
            0 => {
                holder.kill().await;
                60
            }
            1 => {
                holder.network.cut(BLOBS);
                60
            }
            2 => {
                world.rig.simulation.blobs.break_lease(CONTAINER, &state());
                // Whoever gets it waits for the former to notice; or the former gets it back.
                120
            }
            _ => {
                holder.stop().await;
                10
            }
        };
        pass(150).await;
        let after = world.turns();
        let changed = after.len() - turns.len();
        assert!(changed <= 1, "round {round}: {:?}", &after[turns.len() - 1..]);
        takeovers += changed;
        if round % 4 != 2 {
            let (who, begun, _) = after.last().expect("somebody asks");
            assert_ne!(*who, reader, "round {round}: it was taken over");
            let waited = begun.as_second() - at.as_second();
            assert!(waited <= within, "round {round}: after {waited} s");
        }
        holder.network.restore(BLOBS);
        if holder.life.is_none() {
            let text = pipeline(holder.name);
            holder.start(&world, text);
        }
        // Between two readers there is a time without any.
        for pair in after.windows(2) {
            assert!(pair[1].1 > pair[0].2, "{pair:?}");
        }
    }
    assert!(takeovers >= 13, "{takeovers} takeovers");
    let rest = START + 4 * HOUR + 20 * MINUTE - world.rig.now();
    pass(rest.max(MINUTE)).await;
    a.stop().await;
    b.stop().await;
    assert_nothing_lost(&world, 60);
}

/// Handing over in order doubles nothing at all.
#[tokio::test(start_paused = true)]
async fn a_process_that_is_stopped_hands_over_without_a_copy() {
    let world = World::new(live(4, 2));
    let (mut a, mut b) = (world.machine("a", 1), world.machine("b", 2));
    a.start(&world, pipeline("a"));
    pass(10).await;
    for _ in 0..6 {
        let text = pipeline(b.name);
        b.start(&world, text);
        pass(8 * MINUTE).await;
        a.stop().await;
        pass(10).await;
        let turns = world.turns();
        assert_eq!(turns.last().map(|turn| turn.0.as_str()), Some(b.name), "at once, not when the lease ends");
        std::mem::swap(&mut a, &mut b);
    }
    pass(2 * HOUR).await;
    a.stop().await;
    assert_nothing_lost(&world, 0);
    assert_eq!(world.turns().len(), 7, "{:?}", world.turns());
}

/// A source that waits for its lease holds up no other, and says what it waits for.
#[tokio::test(start_paused = true)]
async fn a_source_that_is_held_elsewhere_stops_no_other() {
    let world = World::new(live(5, 1));
    let (mut a, mut b) = (world.machine("a", 1), world.machine("b", 2));
    a.start(&world, pipeline("a"));
    pass(30).await;
    // D11: another endpoint is another state, in the same container.
    let elsewhere = Simulation::new(
        SimulationOptions {
            events: vec![event(START - HOUR, "elsewhere", &serde_json::json!({}))],
            ..keeping(Vec::new())
        },
        world.rig.clock.now(),
    );
    let _shared = b.network.clone().route("second.nordpass.example", elsewhere.gate(elsewhere.nordpass.clone()));
    let second = r#"
[sources.second]
type = "nordpass"
endpoint = "https://second.nordpass.example/activities/query"
token = "simulated-nordpass-token"

[sinks.file]
type = "file"
inputs = ["second"]
path = "second/{date}.ndjson"
"#;
    b.start(&world, format!("{}{second}", pipeline("b")));
    pass(5 * MINUTE).await;
    assert!(b.words("nordpass").contains("held by another process"), "{}", b.words("nordpass"));
    assert_eq!(b.words("second"), "");
    let labels = "component_kind=\"source\",component";
    assert!(b.metric(&format!("sentinel_waiting{{{labels}=\"nordpass\"}} 1")));
    assert!(b.metric(&format!("sentinel_lease_held{{{labels}=\"nordpass\"}} 0")));
    assert!(b.metric(&format!("sentinel_lease_held{{{labels}=\"second\"}} 1")));
    assert!(a.metric(&format!("sentinel_lease_held{{{labels}=\"nordpass\"}} 1")));
    let lines = b.disk.paths().into_iter().filter(|path| path.starts_with("second")).count();
    assert_eq!(lines, 1, "the other source's event has arrived");
    assert_eq!(world.turns().len(), 1);
    a.stop().await;
    b.stop().await;
}

/// Somebody deletes the container under a source that is read: the commit notices, or the next renewal. It asks NordPass
/// nothing more, says what is missing, makes nothing anew, and goes on once the container is restored.
#[tokio::test(start_paused = true)]
async fn a_container_that_is_deleted_holds_its_sources_up_until_it_is_restored() {
    for seconds in [0, 4, 8, 12] {
        let world = World::new(live(6, 1));
        let blobs = &world.rig.simulation.blobs;
        let mut a = world.machine("a", 1);
        a.start(&world, pipeline("a"));
        pass(10 * MINUTE + seconds).await;
        blobs.delete_container(CONTAINER);
        let deleted = world.rig.now();
        pass(10 * MINUTE).await;
        let words = a.words("nordpass");
        assert!(words.contains("container no longer exists") && words.contains("recreate it"), "{words}");
        assert!(!blobs.has_container(CONTAINER), "nothing is made anew");
        let last = world.turns().last().expect("it asked").2.as_second();
        assert!(last <= deleted + MINUTE, "{} s after it", last - deleted);
        assert!(blobs.restore_container(CONTAINER));
        pass(START + HOUR + 20 * MINUTE - world.rig.now()).await;
        assert_eq!(a.words("nordpass"), "");
        a.stop().await;
        assert_nothing_lost(&world, 60);
    }
}

/// A run with `once` has read everything, and loses its source before the last acknowledgement: that is no success.
#[tokio::test(start_paused = true)]
async fn a_run_with_once_that_loses_its_source_before_its_last_commit_fails() {
    let world = World::new(live(7, 1));
    pass(HOUR).await;
    let (mut a, mut b) = (world.machine("a", 1), world.machine("b", 2));
    // Azure takes everything and answers when it is too late.
    let when = When { endpoint: Some(Endpoint::Ingestion), ..When::default() };
    world.rig.simulation.faults.add(Fault { delay: Duration::from_secs(600), ..Fault::new(when, Effect::None) });
    a.start_with(&world, pipeline("a"), RunOptions { once: true, ..RunOptions::default() });
    pass(30).await;
    let read = world.turns().last().expect("it asks").2;
    a.network.cut(BLOBS);
    b.start(&world, pipeline("b"));
    pass(2 * MINUTE).await;
    let turns = world.turns();
    assert!(turns.len() == 2 && turns[0].2 == read && turns[1].0 == "b", "a had read to its end: {turns:?}");
    a.network.restore(BLOBS);
    pass(MINUTE).await;
    let life = a.life.take().expect("it ran");
    assert!(life.task.is_finished(), "it waits for nothing");
    let report = life.task.await.expect("no panic");
    let failures: Vec<_> = report.failures.iter().map(|failure| (&*failure.name, &*failure.error.message)).collect();
    let [("nordpass", message)] = failures[..] else { panic!("{failures:?}") };
    assert!(message.contains("took over this source before"), "{message}");
    world.rig.simulation.faults.clear();
    pass(20 * MINUTE).await;
    b.stop().await;
    // Azure had taken it twice: from both.
    assert_nothing_lost(&world, world.rig.simulation.nordpass.world().total() * 20);
}

/// A file sink asks the checkpoint which of its appends count, while it opens and before anything else runs. While the
/// storage account can't be asked it waits, and an end that is asked for then is one.
#[tokio::test(start_paused = true)]
async fn a_process_whose_file_sink_waits_for_the_checkpoint_can_be_ended() {
    let world = World::new(live(8, 1));
    let mut a = world.machine("a", 1);
    let archive = "\n[sinks.archive]\ntype = \"file\"\ninputs = [\"nordpass\"]\npath = \"archive/{date}.ndjson\"\n";
    a.start(&world, pipeline("a") + archive);
    pass(10 * MINUTE).await;
    a.kill().await;
    assert!(!a.disk.content("data/sinks/archive.log").expect("a log").is_empty(), "there is something to ask about");
    a.network.cut(BLOBS);
    a.start(&world, pipeline("a") + archive);
    let asked = world.turns();
    pass(10 * MINUTE).await;
    assert!(!a.life.as_ref().expect("it runs").task.is_finished());
    assert_eq!(world.turns(), asked, "nothing runs yet");
    let stopping = tokio::time::timeout(Duration::from_secs(20), a.stop());
    stopping.await.expect("it ends");
    a.network.restore(BLOBS);
    a.start(&world, pipeline("a") + archive);
    pass(HOUR + 10 * MINUTE).await;
    a.stop().await;
    assert_nothing_lost(&world, 60);
}
