//! How the fixtures were made: a program of before, run as a process against the simulators, stopped and killed.
//!
//! Not a test: `tests/fixtures/installed/README.md` has the commands.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use jiff::Timestamp;
use nordpass_env::{Clock as _, SystemClock, SystemDisk};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::received_in_files;
use nordpass_simulator::server::{Server, ServerOptions};
use nordpass_simulator::{ServerPorts, Servers, SimulatedEvent, Simulation, SimulationOptions};
use serde_json::Value;
use tokio::time::sleep;

use super::fixture::{
    BLOB, Blob, CONTAINER, ENTRA, Facts, INGESTION, NORDPASS, ask, below, content, counts, event, folder, write,
};
use crate::support::{ASIM_STREAMS, Process, TOKEN, now, output, said, until};

pub const DAY: i64 = 86_400;

#[ignore = "writes fixtures with a program of before: tests/fixtures/installed/README.md"]
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "whoever makes fixtures names the program")]
async fn make() {
    let program = std::env::var("INSTALLED_BY").expect("INSTALLED_BY: the program that writes the fixtures");
    for (name, checkpoint) in [("disk", ""), ("blobs", CHECKPOINT)] {
        clean(Maker::new(&program, checkpoint).await, &format!("{name}-clean")).await;
        killed(Maker::new(&program, checkpoint).await, &format!("{name}-killed")).await;
    }
    torn(Maker::new(&program, "").await, "disk-torn").await;
    files(Maker::new(&program, "").await, "files-killed").await;
}

/// A lease of 20 s, so that a second process needn't be waited for long.
const CHECKPOINT: &str = r#"
[checkpoint]
kind = "azure_blob"
endpoint = "http://127.0.0.1:48014"
prefix = "production"
lease = "20s"
[checkpoint.credential]
kind = "token"
token = "ready-token"
[checkpoint.takeover]
overlap = "1h"
"#;

pub const NORDPASS_SOURCE: &str = r#"
[sources.nordpass]
type = "nordpass"
endpoint = "http://127.0.0.1:48011/activities/query"
token = "simulated-nordpass-token"
poll_interval = "1s"
lag = "1s"
requests_per_second = 1000
"#;

const FILE_SOURCE: &str = r#"
[sources.recorded]
type = "file"
paths = ["in/*.ndjson", "in/*.ndjson.gz"]
rate = 150
"#;

pub const ARCHIVE: &str = r#"
[sinks.archive]
type = "file"
inputs = ["SOURCE"]
path = "archive/{date}/{organization}.ndjson.gz"
"#;

pub const ASIM: &str = r#"
[transforms.asim]
type = "asim"
inputs = ["SOURCE"]
[sinks.sentinel]
type = "sentinel"
inputs = ["asim.audit_event", "asim.authentication", "asim.user_management"]
endpoint = "http://127.0.0.1:48013"
dcr_immutable_id = "RULE"
STREAMS
[sinks.sentinel.batch]
timeout = "200ms"
[sinks.sentinel.credential]
kind = "token"
token = "ready-token"
"#;

/// One stream, so that a batch is taken whole or not at all.
const EVENT_LOG: &str = r#"
[transforms.event_log]
type = "event_log"
inputs = ["SOURCE"]
[sinks.sentinel]
type = "sentinel"
inputs = ["event_log"]
endpoint = "http://127.0.0.1:48013"
dcr_immutable_id = "RULE"
[sinks.sentinel.streams]
event_log = "Custom-NordPassEventLogs_CL"
[sinks.sentinel.batch]
timeout = "200ms"
[sinks.sentinel.credential]
kind = "token"
token = "ready-token"
"#;

/// An empty working directory for the program, and the simulators on the ports that are written in its pipeline file.
struct Maker {
    program: String,
    checkpoint: &'static str,
    simulation: Simulation,
    folder: tempfile::TempDir,
    events: Vec<SimulatedEvent>,
    _servers: (Servers, Server),
}

impl Maker {
    async fn new(program: &str, checkpoint: &'static str) -> Self {
        let simulation = Simulation::new(SimulationOptions::default(), SystemClock.now());
        simulation.entra.tokens.accept(TOKEN);
        let clock = Arc::new(SystemClock);
        let ports = ServerPorts { nordpass: NORDPASS, entra: ENTRA, ingestion: INGESTION, ..ServerPorts::default() };
        let options = ServerOptions { port: BLOB, ..ServerOptions::default() };
        let (servers, account) = loop {
            let servers = simulation.serve(ports, None, clock.clone()).await;
            let account =
                Server::start(simulation.gate(simulation.blobs.clone()), clock.clone(), options.clone()).await;
            if let (Ok(servers), Ok(account)) = (servers, account) {
                break (servers, account);
            }
            // The maker before this one still has the ports.
            sleep(Duration::from_millis(100)).await;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let program = program.to_owned();
        Self { program, checkpoint, simulation, folder, events: Vec::new(), _servers: (servers, account) }
    }

    /// Writes the pipeline file.
    fn pipeline(&self, source: &str, parts: &[&str]) {
        let name = if source == NORDPASS_SOURCE { "nordpass" } else { "recorded" };
        let rule = &self.simulation.ingestion.settings.dcr.immutable_id;
        let parts = parts.concat().replace("SOURCE", name).replace("RULE", rule).replace("STREAMS\n", ASIM_STREAMS);
        let text = format!("data_dir = \"data\"\n{}{source}{parts}", self.checkpoint);
        fs::write(self.folder.path().join("pipeline.toml"), text).expect("writes");
    }

    /// NordPass has these events from now on.
    fn happen(&mut self, events: Vec<SimulatedEvent>) {
        self.events.extend(events.clone());
        self.simulation.nordpass.extend(events);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command
    }

    async fn end_of(&self, arguments: &[&str], code: i32) -> String {
        let end = output(self.command(arguments)).await;
        assert_eq!(end.status.code(), Some(code), "{arguments:?}: {}", said(&end));
        String::from_utf8(end.stdout).expect("UTF-8")
    }

    async fn once(&self) {
        self.end_of(&["run", "pipeline.toml", "--once", "--timeout", "600s"], 0).await;
    }

    /// Waits until so many events are in the files, and some more, so that all that can be noted is.
    async fn archived(&self, events: u64) {
        for _ in 0..1_200 {
            let files = below(&self.folder.path().join("archive"));
            let found = received_in_files(&SystemDisk, &files).await;
            if found.is_ok_and(|found| found.probes.total() == events) {
                sleep(Duration::from_secs(3)).await;
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{events} events aren't in the files");
    }

    /// Writes the fixture as things are now.
    fn save(&self, name: &str) {
        let from = self.folder.path();
        let relative = |path: &PathBuf| path.strip_prefix(from).expect("inside").to_owned();
        let files = below(from).into_iter().filter(|path| !path.ends_with("pipeline.toml"));
        let files = files.map(|path| (relative(&path), content(&path))).collect();
        let text = fs::read_to_string(from.join("pipeline.toml")).expect("reads");
        let saved = Saved { simulation: &self.simulation, events: &self.events, now: SystemClock.now() };
        saved.write(name, &text, files);
    }
}

/// What a fixture is written of, besides the files.
pub struct Saved<'a> {
    pub simulation: &'a Simulation,
    pub events: &'a [SimulatedEvent],
    pub now: Timestamp,
}

impl Saved<'_> {
    pub fn write(&self, name: &str, text: &str, files: Vec<(PathBuf, Vec<u8>)>) {
        let to = folder(name);
        let _ = fs::remove_dir_all(&to);
        write(&to.join("pipeline.toml"), text.as_bytes());
        for (path, content) in files {
            write(&to.join("disk").join(path), &content);
        }
        write(&to.join("events.ndjson.gz"), &packed(&ndjson(self.events)));
        let blobs = &self.simulation.blobs;
        let described = |name: &String| {
            let path = format!("/{CONTAINER}/{name}");
            let answer = ask(self.simulation, self.now, &Method::HEAD, &path, &[], Bytes::new());
            let append = answer.headers().contains_key("x-ms-blob-committed-block-count");
            write(&to.join("blobs").join(name), &blobs.content(CONTAINER, name).expect("a blob"));
            Blob { name: name.clone(), append }
        };
        let blobs = blobs.names(CONTAINER).iter().map(described).collect();
        let delivered = counts(&self.simulation.ingestion.received().probes);
        let facts = Facts { made_at: self.now.as_second(), delivered, blobs };
        write(&to.join("facts.json"), serde_json::to_string_pretty(&facts).expect("JSON").as_bytes());
    }
}

fn ndjson(events: &[SimulatedEvent]) -> String {
    events.iter().flat_map(|event| [event.json(), "\n"]).collect()
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("packs");
    encoder.finish().expect("packs")
}

fn history(seed: u64, days: i64, count: usize) -> Vec<SimulatedEvent> {
    let options = Options { twins: 0.05, ..Options::default() };
    Generator::new(seed, options).history(now() - days * DAY + 600, now() - 30, count)
}

/// Events that happen about now.
fn recent(name: &str, count: usize) -> Vec<SimulatedEvent> {
    let at = |number: usize| now() - 20 + i64::try_from(number).expect("few") % 10;
    (0..count).map(|number| event(at(number), &format!("{name}-{number}"))).collect()
}

/// Caught up and ended; five dead letters, of which sending again has come to five different ends.
async fn clean(mut maker: Maker, name: &str) {
    maker.pipeline(NORDPASS_SOURCE, &[ASIM, ARCHIVE]);
    if !maker.checkpoint.is_empty() {
        // The official connector's cursor, and events that it has sent before.
        let cursor = now() - 3 * DAY;
        let (container, blob) = ("nordpass-function-container", "nordpass-activities-cursor");
        maker.simulation.blobs.put(container, blob, &cursor.to_be_bytes(), SystemClock.now());
        maker.happen((0..10).map(|number| event(cursor - DAY + number, &format!("before-{number}"))).collect());
    }
    maker.happen(history(31, 3, 60));
    maker.happen((1..=5).map(|number| event(now() - 3_600 + number, &format!("refused-{number}"))).collect());
    maker.happen(odd(now() - 7_200));
    let ingestion = maker.simulation.ingestion.clone();
    ingestion.set_poison(Some("refused-"));
    let running = Process::start(maker.command(&["run", "pipeline.toml"]));
    for round in 0.. {
        assert!(round < 200, "five dead letters");
        // A record is only called refused where others are accepted.
        maker.happen(recent(&format!("proof-{round}"), 1));
        sleep(Duration::from_secs(1)).await;
        if letters(&maker).await.len() == 5 {
            break;
        }
    }
    let due = maker.events.iter().filter(|event| !event.json().contains("before-")).count() as u64;
    until("the rest to arrive", || ingestion.received().probes.total() == due - 5).await;
    maker.archived(due).await;
    terminate(running).await;

    let mut ids = Vec::new();
    for letter in letters(&maker).await {
        let id = letter["id"].as_str().expect("an id").to_owned();
        let shown = maker.end_of(&["dead-letters", "show", "pipeline.toml", &id, "--json"], 0).await;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        ids.push((shown["record"]["AdditionalFields"]["probe"].as_str().expect("a probe").to_owned(), id));
    }
    ids.sort();
    let resend = ["dead-letters", "resend", "pipeline.toml"];
    ingestion.set_poison(None);
    maker.end_of(&[&resend[..], &[&*ids[0].1]].concat(), 0).await;
    ingestion.set_poison(Some("refused-"));
    maker.end_of(&[&resend[..], &[&*ids[1].1]].concat(), 1).await;
    ingestion.set_poison(None);
    ingestion.set_forbidden(true);
    maker.end_of(&[&resend[..], &[&*ids[2].1, "--timeout", "100ms"]].concat(), 1).await;
    // Killed between the mark and Azure's answer.
    let process = Process::start(maker.command(&[&resend[..], &[&*ids[3].1]].concat()));
    for round in 0.. {
        assert!(round < 200, "a mark");
        sleep(Duration::from_millis(50)).await;
        let letters = letters(&maker).await;
        let marked = letters.iter().find(|letter| letter["id"] == *ids[3].1).expect("the letter");
        if marked["resend"]["state"] == "resending" {
            break;
        }
    }
    process.kill();
    ingestion.set_forbidden(false);
    maker.save(name);
    let listed = maker.end_of(&["dead-letters", "list", "pipeline.toml", "--all", "--json"], 0).await;
    write(&folder(name).join("letters.ndjson"), listed.as_bytes());
    if !maker.checkpoint.is_empty() {
        // Until the killed one's lease has ended.
        sleep(Duration::from_secs(20)).await;
    }
    let told = maker.end_of(&["dead-letters", "resend", "pipeline.toml", "--all", "--json"], 0).await;
    write(&folder(name).join("resent.ndjson"), told.as_bytes());
}

async fn letters(maker: &Maker) -> Vec<Value> {
    let text = maker.end_of(&["dead-letters", "list", "pipeline.toml", "--all", "--json"], 0).await;
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// SIGTERM, and its end.
async fn terminate(mut process: Process) {
    let id = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
    let status = tokio::task::spawn_blocking(move || process.0.wait()).await.expect("no panic").expect("an end");
    assert!(status.success(), "{status}");
}

/// Events whose times aren't Unix seconds.
pub fn odd(at: i64) -> Vec<SimulatedEvent> {
    let texts = [("0", "zero"), ("1800000000000", "milliseconds"), ("\"soon\"", "text"), ("null", "null")];
    let json = |time: &str, name: &str| {
        let usual = event(at, &format!("odd-{name}")).json().to_owned();
        usual.replace(&format!("\"timestamp\":{at}"), &format!("\"timestamp\":{time}"))
    };
    texts.iter().map(|(time, name)| SimulatedEvent::from_json(&json(time, name), at)).collect()
}

/// Killed while the files had what Azure refused.
async fn killed(mut maker: Maker, name: &str) {
    maker.pipeline(NORDPASS_SOURCE, &[ASIM, ARCHIVE]);
    if !maker.checkpoint.is_empty() {
        let cursor = now() - 3 * DAY;
        let (container, blob) = ("nordpass-function-container", "nordpass-activities-cursor");
        maker.simulation.blobs.put(container, blob, &cursor.to_be_bytes(), SystemClock.now());
    }
    maker.happen(history(32, 3, 60));
    maker.once().await;
    maker.simulation.ingestion.set_forbidden(true);
    maker.happen(recent("unsent", 20));
    let running = Process::start(maker.command(&["run", "pipeline.toml"]));
    maker.archived(80).await;
    maker.happen(recent("unsent-either", 10));
    maker.archived(90).await;
    running.kill();
    maker.save(name);
}

/// As after a power cut in the middle of a commit. A process can't be killed inside a write that short; so it is killed
/// behind it, and the last commit's frame is shortened.
async fn torn(mut maker: Maker, name: &str) {
    maker.pipeline(NORDPASS_SOURCE, &[ARCHIVE]);
    maker.happen(history(33, 3, 60));
    maker.once().await;
    let running = Process::start(maker.command(&["run", "pipeline.toml"]));
    sleep(Duration::from_secs(3)).await;
    let sources = maker.folder.path().join("data/sources");
    let state = below(&sources).into_iter().find(|path| path.ends_with("state.log")).expect("a state");
    let ids = || {
        below(&sources)
            .iter()
            .filter(|path| path.extension().is_some_and(|ending| ending == "ids"))
            .map(|path| content(path).len())
            .sum::<usize>()
    };
    let (before, known) = (content(&state).len(), ids());
    maker.happen(recent("torn", 30));
    maker.archived(90).await;
    running.kill();
    assert!(ids() > known, "ids were committed");
    let log = content(&state);
    // A frame begins with these bytes and its payload's length.
    let frame = log[before..].windows(2).position(|bytes| bytes == [0xC5, b'N']).expect("a commit") + before;
    let length = u32::from_le_bytes(log[frame + 2..frame + 6].try_into().expect("four")) as usize;
    fs::write(state, &log[..frame + 14 + length / 2]).expect("writes");
    maker.save(name);
}

/// Killed in the middle of a file, behind one that is done, has grown since, and has a line that isn't an event.
async fn files(mut maker: Maker, name: &str) {
    maker.pipeline(FILE_SOURCE, &[EVENT_LOG, &ARCHIVE.replace(".gz", ".zst")]);

    let (first, grown, second) = (history(34, 3, 30), history(35, 3, 20), history(36, 3, 500));
    let first_text = format!("{}[1, 2]\n", ndjson(&first));
    let input = maker.folder.path().join("in");
    write(&input.join("a.ndjson"), first_text.as_bytes());
    maker.once().await;
    write(&input.join("a.ndjson"), format!("{first_text}{}", ndjson(&grown)).as_bytes());
    write(&input.join("b.ndjson.gz"), &packed(&ndjson(&second)));
    let running = Process::start(maker.command(&["run", "pipeline.toml"]));
    let ingestion = maker.simulation.ingestion.clone();
    until("a part of the second file to arrive", || ingestion.received().probes.total() > 200).await;
    // Between two batches: what is accepted is committed, too.
    ingestion.set_forbidden(true);
    maker.archived(550).await;
    running.kill();
    for events in [first, grown, second] {
        maker.events.extend(events);
    }
    maker.save(name);
}
