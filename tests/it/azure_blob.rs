//! The `azure_blob` sink of the real program against a storage account on a socket.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use nordpass_env::{MemoryDisk, SystemClock};
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::judge::{Verdict, received_in_files};
use nordpass_simulator::server::{Server, ServerOptions};
use nordpass_simulator::{Endpoint, SimulationOptions};

use crate::support::{Process, World, history, output, said, until};

const CONTAINER: &str = "archive";
const EVENTS: u64 = 500;

/// A world with a storage account.
struct Archive {
    world: World,
    blobs: Server,
}

impl Archive {
    async fn new() -> Self {
        let options = SimulationOptions { events: history(12, 500), ..SimulationOptions::default() };
        let world = World::new(options).await;
        world.simulation.blobs.create_container(CONTAINER);
        let gate = world.simulation.gate(world.simulation.blobs.clone());
        let blobs = Server::start(gate, Arc::new(SystemClock), ServerOptions::default()).await.expect("listens");
        Self { world, blobs }
    }

    /// A pipeline from NordPass to blobs; the state in files, or in blobs too.
    fn pipeline(&self, shared: bool) -> PathBuf {
        let url = self.blobs.url();
        let credential = "credential = { kind = \"token\", token = \"${AZURE_TOKEN}\" }\n";
        let mut text = format!(
            "data_dir = \"state\"\n\
             [sources.nordpass]\ntype = \"nordpass\"\nendpoint = \"${{NORDPASS_ENDPOINT_URL}}\"\n\
             token = \"${{NORDPASS_TOKEN}}\"\npoll_interval = \"1s\"\nlag = \"1s\"\nrequests_per_second = 1000\n\
             [sinks.archive]\ntype = \"azure_blob\"\ninputs = [\"nordpass\"]\naccount = \"{url}\"\n\
             container = \"{CONTAINER}\"\npath = \"{{date}}/{{organization}}.ndjson.gz\"\n\
             batch = {{ timeout = \"1s\" }}\n{credential}",
        );
        if shared {
            text.push_str("[checkpoint]\nkind = \"azure_blob\"\nlease = \"20s\"\n");
            text.extend(["endpoint = \"", &url, "\"\n", credential]);
        }
        self.world.pipeline("archive.toml", &text)
    }

    /// What is in the blobs, compared with what NordPass has.
    async fn verdict(&self) -> Verdict {
        let disk = MemoryDisk::new();
        for name in self.world.simulation.blobs.names(CONTAINER) {
            disk.put(&name, self.world.simulation.blobs.content(CONTAINER, &name).expect("there"));
        }
        let received = received_in_files(&disk, &disk.paths()).await.expect("blobs that can be read");
        self.world.simulation.verdict_on(&received)
    }

    async fn assert_exactly_once(&self) {
        let verdict = self.verdict().await;
        let found = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
        assert_eq!(found, (EVENTS, 0, 0), "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_in_a_blob_once_and_a_second_run_adds_nothing() {
    let archive = Archive::new().await;
    let file = archive.pipeline(false);
    let file = file.to_str().expect("a path");
    for _ in 0..2 {
        let end = output(archive.world.command(&["run", "--once", file])).await;
        assert!(end.status.success(), "{}", said(&end));
        archive.assert_exactly_once().await;
    }
    let names = archive.world.simulation.blobs.names(CONTAINER);
    assert!(names.iter().all(|name| name.contains(".nordpass-") && name.ends_with(".ndjson.gz")), "{names:?}");
}

/// Killed between the intent and the blob, with the state in files and in blobs.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_program_leaves_an_intent_that_the_next_one_finishes() {
    for shared in [false, true] {
        let archive = Archive::new().await;
        let file = archive.pipeline(shared);
        let file = file.to_str().expect("a path");
        let path = Some("comp=blocklist".to_owned());
        let when = When { endpoint: Some(Endpoint::Blob), path, ..When::default() };
        archive.world.simulation.faults.add(Fault::new(when, Effect::ResetBefore));
        let program = Process::start(archive.world.command(&["run", file]));
        let lists = || {
            let requests = archive.world.simulation.log().at(Endpoint::Blob);
            requests.iter().filter(|request| request.path.contains("comp=blocklist")).count()
        };
        until("an intent that can't be finished", || lists() > 0).await;
        program.kill();
        archive.world.simulation.faults.clear();
        assert!(archive.world.simulation.blobs.names(CONTAINER).is_empty());
        let end = output(archive.world.command(&["run", "--once", "--timeout", "600s", file])).await;
        assert!(end.status.success(), "{}", said(&end));
        archive.assert_exactly_once().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_before_a_run_and_waited_for_in_one() {
    let archive = Archive::new().await;
    let file = archive.pipeline(false);
    let file = file.to_str().expect("a path").to_owned();
    let validate = async |words: &str, code: i32| {
        let end = output(archive.world.command(&["validate", "--connect", &file])).await;
        assert_eq!(end.status.code(), Some(code), "{}", said(&end));
        assert!(said(&end).contains(words), "{}", said(&end));
    };
    validate("the container archive takes blocks", 0).await;
    archive.world.simulation.blobs.delete_container(CONTAINER);
    validate("there is no container archive", 1).await;
    let program = Process::start(archive.world.command(&["run", &file]));
    let refused = || {
        let requests = archive.world.simulation.log().at(Endpoint::Blob);
        requests.iter().filter(|request| request.status == Some(StatusCode::NOT_FOUND)).count()
    };
    until("some attempts", || refused() > 3).await;
    assert!(archive.world.simulation.blobs.restore_container(CONTAINER));
    tokio::time::timeout(Duration::from_secs(600), async {
        while archive.verdict().await.events_lost > 0 || archive.world.simulation.blobs.names(CONTAINER).is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("everything arrives");
    assert!(program.terminate().await.success());
    archive.assert_exactly_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sinks_that_could_write_one_blob_are_refused() {
    let archive = Archive::new().await;
    let text = std::fs::read_to_string(archive.pipeline(false)).expect("a file");
    let second = text.split_once("[sinks.archive]").expect("a sink").1.to_owned();
    let file = archive.world.pipeline("two.toml", &format!("{text}[sinks.second]{second}"));
    let end = output(archive.world.command(&["validate", file.to_str().expect("a path")])).await;
    assert_eq!(end.status.code(), Some(2), "{}", said(&end));
    assert!(said(&end).contains("both use the same blobs"), "{}", said(&end));
}

impl Archive {
    /// A pipeline that reads the archive back into a file.
    fn back(&self, paths: &str) -> PathBuf {
        let url = self.blobs.url();
        let text = format!(
            "data_dir = \"back\"\n\
             [sources.archive]\ntype = \"file\"\npaths = [\"{paths}\"]\nblob_endpoint = \"{url}\"\n\
             credential = {{ kind = \"token\", token = \"${{AZURE_TOKEN}}\" }}\n\
             [sinks.copy]\ntype = \"file\"\ninputs = [\"archive\"]\npath = \"copy.ndjson\"\n",
        );
        self.world.pipeline("back.toml", &text)
    }

    fn copied(&self) -> usize {
        let copy = std::fs::read_to_string(self.world.folder.path().join("copy.ndjson"));
        copy.map_or(0, |text| text.lines().count())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_read_back_once_and_what_is_new_the_next_time() {
    let archive = Archive::new().await;
    let file = archive.pipeline(false);
    let end = output(archive.world.command(&["run", "--once", file.to_str().expect("a path")])).await;
    assert!(end.status.success(), "{}", said(&end));
    let blobs = &archive.world.simulation.blobs;
    blobs.set_page(2);
    let back = archive.back("az://acct/archive/20*/**/*.gz");
    let back = back.to_str().expect("a path");
    // Names that a URL has to escape aren't left out.
    let event = "{\"type\":\"login\",\"action\":\"user_logged_in\",\"timestamp\":1738255186}\n";
    blobs.put(CONTAINER, "2030/date=1~a b&c+d/x.ndjson.gz", event.as_bytes(), jiff::Timestamp::UNIX_EPOCH);
    for _ in 0..2 {
        let end = output(archive.world.command(&["run", "--once", back])).await;
        assert!(end.status.success(), "{}", said(&end));
        assert_eq!(archive.copied() as u64, EVENTS + 1);
    }
    let reads = || archive.world.simulation.log().at(Endpoint::Blob).len();
    blobs.put(CONTAINER, "2031/x.ndjson.gz", b"", jiff::Timestamp::UNIX_EPOCH);
    blobs.put(CONTAINER, "2031/y.ndjson.gz", event.repeat(3).as_bytes(), jiff::Timestamp::UNIX_EPOCH);
    let before = reads();
    let end = output(archive.world.command(&["run", "--once", back])).await;
    assert!(end.status.success(), "{}", said(&end));
    assert_eq!(archive.copied() as u64, EVENTS + 4);
    // Lists of two names each, and only what is new: an empty blob takes two requests.
    let pages = blobs.names(CONTAINER).len().div_ceil(2);
    assert!(reads() - before <= pages + 3, "{} requests", reads() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_waited_for_while_azure_is_away() {
    let archive = Archive::new().await;
    let event = "{\"type\":\"login\",\"action\":\"user_logged_in\",\"timestamp\":1738255186}\n";
    // Longer than what is read when it is opened.
    archive.world.simulation.blobs.put(
        CONTAINER,
        "a.ndjson",
        event.repeat(9_000).as_bytes(),
        jiff::Timestamp::UNIX_EPOCH,
    );
    archive.world.simulation.faults.add(Fault::status(Endpoint::Blob, &[1, 2, 4], 503));
    let back = archive.back("az://acct/archive");
    let end = output(archive.world.command(&["run", "--once", back.to_str().expect("a path")])).await;
    assert!(end.status.success(), "{}", said(&end));
    assert_eq!(archive.copied(), 9_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_archive_that_is_read_is_told() {
    let archive = Archive::new().await;
    let run = async |paths: &str, words: &str| {
        let back = archive.back(paths);
        let end = output(archive.world.command(&["run", "--once", back.to_str().expect("a path")])).await;
        assert!(!end.status.success() && said(&end).contains(words), "{words}:\n{}", said(&end));
    };
    run("az://acct/archive/none-*", "no file matches az://acct/archive/none-*").await;
    run("az://acct/nothing-there", "there is no container nothing-there").await;
    run("az://acct/nothing-there", "check the account, the container").await;
    run("az://acct/archive/none-*", "`*` doesn't go beyond a `/`").await;
    run("az://Acct/archive", "the storage account's name").await;
    run("az://acct/archive\", \"az://other/archive", "the endpoint of one account").await;
    let text = "data_dir = \"x\"\n[sources.a]\ntype = \"file\"\npaths = [\"az://acct/archive\"]\n\
                [sinks.s]\ntype = \"blackhole\"\ninputs = [\"a\"]\n";
    let file = archive.world.pipeline("without.toml", text);
    let end = output(archive.world.command(&["validate", file.to_str().expect("a path")])).await;
    assert!(said(&end).contains("`credential` is missing"), "{}", said(&end));
    let feedback = std::fs::read_to_string(archive.pipeline(false)).expect("a file");
    let url = archive.blobs.url();
    let account = url.trim_start_matches("http://").split('.').next().expect("a part").to_owned();
    let source = format!(
        "[sources.again]\ntype = \"file\"\npaths = [\"az://{account}abc/archive\"]\nblob_endpoint = \"{url}\"\n\
         credential = {{ kind = \"token\", token = \"${{AZURE_TOKEN}}\" }}\n[sinks.s]\ntype = \"blackhole\"\ninputs = [\"again\"]\n"
    );
    let account_of_sink = feedback.replace(&url, "https://127abc.blob.core.windows.net");
    let file = archive.world.pipeline("feedback.toml", &format!("{account_of_sink}{source}"));
    let end = output(archive.world.command(&["validate", file.to_str().expect("a path")])).await;
    assert!(said(&end).contains("would read what this set writes"), "{}", said(&end));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_a_recording_for_replay_estimate_and_simulate() {
    let archive = Archive::new().await;
    let file = archive.pipeline(false);
    let end = output(archive.world.command(&["run", "--once", file.to_str().expect("a path")])).await;
    assert!(end.status.success(), "{}", said(&end));
    let pipeline = archive.world.both();
    let (pipeline, url) = (pipeline.to_str().expect("a path"), archive.blobs.url());
    let blobs = ["--credential", "token", "--blob-endpoint", url.as_str()];
    let recording = "az://acct/archive/**/*.gz";
    let replay = [&["replay", recording, "--pipeline", pipeline, "--json"][..], &blobs].concat();
    let end = output(archive.world.command(&replay)).await;
    let report: serde_json::Value = serde_json::from_slice(&end.stdout).unwrap_or_else(|_| panic!("{}", said(&end)));
    assert_eq!(report["events_acknowledged"], EVENTS);
    let estimate = [&["estimate", pipeline, "--recording", recording, "--json"][..], &blobs].concat();
    let end = output(archive.world.command(&estimate)).await;
    assert!(end.status.success() && end.stdout.starts_with(b"{"), "{}", said(&end));
    let simulate = [&["simulate", "--until-stdin-closes", "--recording", recording][..], &blobs].concat();
    let mut command = archive.world.command(&simulate);
    command.stdin(Stdio::null());
    let end = output(command).await;
    let ready = end.stdout.split(|byte| *byte == b'\n').next().expect("a line");
    let ready: serde_json::Value = serde_json::from_slice(ready).unwrap_or_else(|_| panic!("{}", said(&end)));
    assert_eq!(ready["events"], EVENTS, "{ready}");
}
