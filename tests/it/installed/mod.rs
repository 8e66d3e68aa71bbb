//! What is installed must open: states, ids, file positions, segment logs, dead letters and their marks that a released
//! program has written, on disk and in blobs, clean and in the middle of things (`tests/fixtures/installed/README.md`).
//!
//! The fixtures are never made again: each later version adds a folder of its own. Today's program goes on with each of
//! them, from the recording that they were made of: nothing is sent again, nothing is lost, nobody is asked for anything.

mod fixture;
mod make;
#[path = "../../common/process.rs"]
mod process;
mod simulated;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use nordpass_env::{Clock, Env, MemoryDisk, SeededRandom, SystemClock, TestClock, mix};
use nordpass_sentinel::pipeline::{Reloads, RunOptions, RunReport};
use nordpass_sentinel::telemetry::Telemetry;
use nordpass_simulator::judge::received_in_files;
use nordpass_simulator::server::{Server, ServerOptions};
use nordpass_simulator::{ServerPorts, Simulation, SimulationOptions};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::fixture::{BLOB, CONTAINER, Counts, Fixture, INGESTION, NORDPASS, ask, counts, event};
use self::process::process;
use crate::support::{TOKEN, output, program, said};

const HOUR: Duration = Duration::from_secs(3_600);

/// A world that is as it was when a fixture was made, some minutes later; at simulated time.
struct Installed {
    fixture: Fixture,
    simulation: Simulation,
    disk: MemoryDisk,
    clock: TestClock,
    text: String,
    lives: u64,
}

impl Installed {
    fn new(name: &str) -> Self {
        let fixture = Fixture::read(name);
        let start = Timestamp::from_second(fixture.facts.made_at + 300).expect("a time");
        let mut events = fixture.events();
        if fixture.text("pipeline.toml").contains("[sources.nordpass]") {
            // What happens from then on has to arrive, too. In an organization that is known: for a new one the source
            // reads its look-back again.
            events.extend((0..20).map(|number| event(start.as_second() + 360 * number, &format!("new-{number}"))));
        }
        let simulation = Simulation::new(SimulationOptions { events, ..SimulationOptions::default() }, start);
        simulation.entra.tokens.accept(TOKEN);
        fixture.restore_blobs(&simulation, start);
        let disk = MemoryDisk::new();
        for (path, content) in fixture.disk() {
            disk.put(path, content);
        }
        // A day of polls each second would only take long.
        let text = fixture.text("pipeline.toml").replace("poll_interval = \"1s\"", "poll_interval = \"1m\"");
        Self { simulation, disk, clock: TestClock::starting_at(start), text, lives: 0, fixture }
    }

    /// Runs the program for some time, then ends it as SIGTERM does.
    async fn run_for(&mut self, time: Duration) -> RunReport {
        self.lives += 1;
        let Life { mut task, signal, telemetry } =
            start(&self.simulation, &self.disk, &self.clock, self.text.clone(), self.lives);
        if let Ok(report) = timeout(time, &mut task).await {
            return report.expect("no panic");
        }
        for component in telemetry.health() {
            assert_eq!(component.state.reason(), None, "{} waits for something", component.name);
        }
        signal.cancel();
        let report = task.await.expect("no panic");
        assert!(!report.drain_timed_out, "it drained in time");
        report
    }

    /// How often each event is in the files.
    async fn archived(&self) -> Counts {
        let paths = self.disk.paths().into_iter().filter(|path| path.starts_with("archive"));
        let paths: Vec<PathBuf> = paths.collect();
        counts(&received_in_files(&self.disk, &paths).await.expect("files that can be read").probes)
    }

    /// How often each event was sent to Azure: before, and since.
    fn sent(&self) -> Counts {
        let mut sent = self.fixture.facts.delivered.clone();
        for (probe, count) in counts(&self.simulation.ingestion.received().probes) {
            *sent.entry(probe).or_default() += count;
        }
        sent
    }

    /// Every event that the source has to read.
    fn due(&self) -> Counts {
        let due = if self.fixture.text("pipeline.toml").contains("[sources.nordpass]") {
            // Poll interval and lag later, all of it is shown.
            let now = self.clock.now();
            counts(&self.simulation.nordpass.in_range(0..now.as_second() - 90, now))
        } else {
            self.fixture.recorded()
        };
        // What was before the official connector's cursor is its own.
        due.into_iter().filter(|(probe, _)| !probe.starts_with("before-")).collect()
    }

    /// What must be in Azure: refused records are only sent by `dead-letters resend`.
    fn due_in_azure(&self) -> Counts {
        let sent_before = &self.fixture.facts.delivered;
        let due = self.due().into_iter();
        due.filter(|(probe, _)| !probe.starts_with("refused-") || sent_before.contains_key(probe)).collect()
    }
}

/// One life of the program, in this process.
struct Life {
    task: JoinHandle<RunReport>,
    signal: CancellationToken,
    telemetry: Telemetry,
}

fn start(simulation: &Simulation, disk: &MemoryDisk, clock: &TestClock, text: String, seed: u64) -> Life {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let network = simulation.network(clock.clone(), seed);
    let network = network
        .route(&format!("127.0.0.1:{NORDPASS}"), simulation.gate(simulation.nordpass.clone()))
        .route(&format!("127.0.0.1:{INGESTION}"), simulation.gate(simulation.ingestion.clone()))
        .route(&format!("127.0.0.1:{BLOB}"), simulation.gate(simulation.blobs.clone()));
    let random = Arc::new(SeededRandom::new(mix(seed)));
    let env = Env { clock, random, disk: Arc::new(disk.clone()), network: Arc::new(network) };
    let (telemetry, signal) = (Telemetry::new(), CancellationToken::new());
    let run = process(env, text, RunOptions::default(), telemetry.clone(), signal.clone(), Reloads::none());
    Life { task: tokio::spawn(run), signal, telemetry }
}

/// Goes on with a fixture for a day, in which everything is read again once at least (sweeps, audits), and then once more
/// with what today's program has made of it.
async fn goes_on(name: &str) {
    let mut installed = Installed::new(name);
    let letters = installed.fixture.letters_on_disk();
    for time in [26 * HOUR, HOUR] {
        let report = installed.run_for(time).await;
        assert!(report.failures.is_empty(), "{name}: {:?}", report.failures);
        if installed.text.contains("[sinks.sentinel]") {
            assert_same(&installed.sent(), &installed.due_in_azure(), &format!("{name}: Azure"));
        }
        if installed.text.contains("[sinks.archive]") {
            assert_same(&installed.archived().await, &installed.due(), &format!("{name}: the files"));
        }
        for (path, content) in &letters {
            assert_eq!(installed.disk.content(path).as_ref(), Some(content), "{name}: {}", path.display());
        }
        for (blob, content) in installed.fixture.letters_in_blobs() {
            assert_eq!(installed.simulation.blobs.content(CONTAINER, &blob), Some(content), "{name}: {blob}");
        }
    }
}

fn assert_same(found: &Counts, expected: &Counts, place: &str) {
    assert!(!expected.is_empty(), "{place}: a world without events shows nothing");
    let differs = |probe: &&String| found.get(*probe) != expected.get(*probe);
    let probes: BTreeSet<&String> = found.keys().chain(expected.keys()).filter(differs).collect();
    let differences: Vec<_> = probes.into_iter().map(|probe| (probe, found.get(probe), expected.get(probe))).collect();
    assert!(differences.is_empty(), "{place}: event, found, expected: {differences:?}");
}

#[tokio::test(start_paused = true)]
async fn a_state_on_disk_is_gone_on_with() {
    goes_on("disk-clean").await;
}

/// SIGKILL while Azure refused everything: the files hold what no other sink has taken.
#[tokio::test(start_paused = true)]
async fn file_appends_that_nobody_has_committed_are_resolved() {
    goes_on("disk-killed").await;
}

/// A power cut in the middle of a commit: ids and file appends are there, the commit isn't.
#[tokio::test(start_paused = true)]
async fn a_commit_that_was_torn_is_repaired() {
    goes_on("disk-torn").await;
}

/// A state that is months old: a gap behind the API's 90 days, totals of audited days, odd events; then a power cut.
#[tokio::test(start_paused = true)]
async fn a_state_with_a_past_is_gone_on_with() {
    goes_on("disk-months").await;
}

/// The API stated no totals, and a second had more events than a page: nothing could be proven.
#[tokio::test(start_paused = true)]
async fn a_state_that_was_never_proven_is_gone_on_with() {
    goes_on("disk-unproven").await;
}

/// A power cut while the history was being read: the state has holes.
#[tokio::test(start_paused = true)]
async fn a_history_that_was_cut_short_is_read_to_its_end() {
    goes_on("disk-history").await;
}

/// SIGKILL in the middle of a file; one that was done has grown since.
#[tokio::test(start_paused = true)]
async fn positions_in_files_are_gone_on_from() {
    goes_on("files-killed").await;
}

#[tokio::test(start_paused = true)]
async fn a_state_in_blobs_is_gone_on_with() {
    goes_on("blobs-clean").await;
}

#[tokio::test(start_paused = true)]
async fn a_state_in_blobs_of_a_process_that_was_killed_is_gone_on_with() {
    goes_on("blobs-killed").await;
}

/// During an upgrade the process of before still reads: this one waits, and takes over when its lease has ended.
#[tokio::test(start_paused = true)]
async fn a_lease_of_the_process_before_is_waited_for() {
    let mut installed = Installed::new("blobs-killed");
    let blobs = &installed.fixture.facts.blobs;
    let state = blobs.iter().find(|blob| blob.name.ends_with("/state")).expect("a state").name.clone();
    let lease = [
        ("x-ms-lease-action", "acquire"),
        ("x-ms-lease-duration", "45"),
        ("x-ms-proposed-lease-id", "00000000-0000-4000-8000-000000000009"),
    ];
    let now = installed.clock.now();
    let path = format!("/{CONTAINER}/{state}?comp=lease");
    assert_eq!(ask(&installed.simulation, now, &Method::PUT, &path, &lease, Bytes::new()).status(), 201);
    let content = || installed.simulation.blobs.content(CONTAINER, &state);
    let before = content();
    let simulation = installed.simulation.clone();
    let watched = state.clone();
    let held = tokio::spawn(async move {
        sleep(Duration::from_secs(44)).await;
        simulation.blobs.content(CONTAINER, &watched)
    });
    let report = installed.run_for(Duration::from_mins(58)).await;
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(held.await.expect("no panic"), before, "nothing was written under another's lease");
    assert_ne!(installed.simulation.blobs.content(CONTAINER, &state), before, "it was taken over");
    assert_same(&installed.sent(), &installed.due_in_azure(), "Azure");
}

/// The letters of a fixture, by the real program: in a copy of its folder, or in a simulated storage account.
async fn letters_are_resent(name: &str) {
    let fixture = Fixture::read(name);
    let options = SimulationOptions { events: fixture.events(), ..SimulationOptions::default() };
    let simulation = Simulation::new(options, SystemClock.now());
    simulation.entra.tokens.accept(TOKEN);
    fixture.restore_blobs(&simulation, SystemClock.now());
    let clock = Arc::new(SystemClock);
    let servers = simulation.serve(ServerPorts::default(), None, clock.clone()).await.expect("the simulators listen");
    let account = Server::start(simulation.gate(simulation.blobs.clone()), clock, ServerOptions::default())
        .await
        .expect("listens");
    let folder = tempfile::tempdir().expect("a folder");
    fixture.write_disk(folder.path());
    let text = fixture
        .text("pipeline.toml")
        .replace(&format!("127.0.0.1:{INGESTION}"), &servers.ingestion.address().to_string())
        .replace(&format!("127.0.0.1:{BLOB}"), &account.address().to_string());
    std::fs::write(folder.path().join("pipeline.toml"), text).expect("writes");
    let letters = async |arguments: &[&str], code: i32| {
        let mut command = program(&[&["dead-letters"], arguments].concat());
        command.current_dir(folder.path()).env_clear();
        let end = output(command).await;
        assert_eq!(end.status.code(), Some(code), "{name}: {arguments:?}: {}", said(&end));
        String::from_utf8(end.stdout).expect("UTF-8")
    };

    assert_eq!(letters(&["list", "pipeline.toml", "--all", "--json"], 0).await, fixture.text("letters.ndjson"));
    let listed = json(&fixture.text("letters.ndjson"));
    let mut states = BTreeMap::new();
    for letter in &listed {
        let id = letter["id"].as_str().expect("an id");
        let shown = json(&letters(&["show", "pipeline.toml", id, "--json"], 0).await);
        let probe = shown[0]["record"]["AdditionalFields"]["probe"].as_str().expect("a probe").to_owned();
        states.insert(probe, letter["resend"]["state"].as_str().unwrap_or("-").to_owned());
    }
    let states: Vec<(&str, &str)> = states.iter().map(|(probe, state)| (&**probe, &**state)).collect();
    let expected = [("1", "resent"), ("2", "refused"), ("3", "unsent"), ("4", "resending"), ("5", "-")];
    let expected: Vec<_> = expected.iter().map(|(number, state)| (format!("refused-{number}"), *state)).collect();
    assert_eq!(states, expected.iter().map(|(probe, state)| (&**probe, *state)).collect::<Vec<_>>(), "{name}");

    let told = letters(&["resend", "pipeline.toml", "--all", "--json"], 0).await;
    let (told, before) = (without_words(&told), without_words(&fixture.text("resent.ndjson")));
    assert_eq!(told, before, "{name}: as the program did that wrote them");
    let arrived = counts(&simulation.ingestion.received().probes);
    let once = (2..=5).map(|number| (format!("refused-{number}"), 1)).collect();
    assert_same(&arrived, &once, name);
    assert_eq!(letters(&["list", "pipeline.toml"], 0).await, "no dead letters\n");
}

/// What became of each dead letter, and whether there is a reason: how that is worded may change.
fn without_words(text: &str) -> Vec<Value> {
    let mut lines = json(text);
    lines.iter_mut().filter_map(|line| line.get_mut("reason")).for_each(|reason| *reason = Value::Bool(true));
    lines
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_on_disk_and_their_marks_are_read_and_sent() {
    letters_are_resent("disk-clean").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_in_blobs_and_their_marks_are_read_and_sent() {
    letters_are_resent("blobs-clean").await;
}
