//! The shared checkpoint and the archive on Azurite, Microsoft's own stand-in for Azure Storage, over TLS and with bearer tokens.
//!
//! Ignored unless asked for: `cargo xtask test azurite` installs it and says where it is.

mod pair;
mod replicas;
mod server;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryFutureExt;
use jiff::Timestamp;
use nordpass_env::{Env, MemoryDisk, SystemClock, TestClock};
use nordpass_sentinel::azure::blob::{BlobError, BlockBlob, Container, Demand, Lease, Listed, escaped};
use nordpass_sentinel::azure::{CredentialKind, CredentialSettings};
use nordpass_sentinel::http::{HttpSettings, Network};
use nordpass_sentinel::settings::Secret;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::received_in_files;
use nordpass_simulator::server::Background;
use nordpass_simulator::{Simulation, SimulationOptions};
use serde_json::Value;

use crate::support::{Process, World, history, now, output, said, until};
use pair::{Pair, signal};
use server::{ACCOUNT, Azurite, break_lease, token};

/// What a container answers to everything that the checkpoint asks, in words that don't depend on who answers. `broken`
/// breaks the lease on `a/state`.
async fn answers(container: &Container, broken: impl AsyncFn(u64) -> u16) -> Vec<String> {
    let mut all = Vec::new();
    macro_rules! note {
        ($what:literal, $answer:expr) => {
            all.push(format!("{}: {}", $what, outcome($answer.await.map(|answer| format!("{answer:?}")))))
        };
    }
    let (one, two) = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002");
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    note!("get without a container", container.get("a/state"));
    note!("list without a container", container.list("a/", 5));
    note!("create", container.create());
    note!("create again", container.create());
    note!("get", container.get("a/state"));
    note!("lease of none", container.lease("a/state"));
    let etag = container.put("a/state", bytes("one"), Demand::New).await.expect("written");
    let again = container.put("a/state", bytes("two"), Demand::New).await.map(drop);
    all.push(format!("put what is there: {}", outcome(again.map(|()| String::new()))));
    note!("lease", container.lease("a/state"));
    note!("acquire", container.acquire("a/state", one, 15));
    note!("acquire the same", container.acquire("a/state", one, 15));
    note!("acquire another", container.acquire("a/state", two, 15));
    note!("lease that is held", container.lease("a/state"));
    note!("renew", container.renew("a/state", one));
    note!("renew another", container.renew("a/state", two));
    let put = async |text, etag: &str, lease| {
        let written = container.put("a/state", bytes(text), Demand::Same { etag, lease }).await;
        (outcome(written.as_ref().map(|_| String::new()).map_err(Clone::clone)), written.unwrap_or_default())
    };
    let (answer, next) = put("two", &etag, one).await;
    all.push(format!("put: {answer}, another version: {}", next != etag));
    all.push(format!("put over an old version: {}", put("three", &etag, one).await.0));
    all.push(format!("put with another lease: {}", put("three", &next, two).await.0));
    let version = Demand::Version { etag: &next };
    note!("put over the version, without the lease", container.put("a/state", bytes("three"), version));
    note!("list of leases", container.listed("a/", "").map_ok(|(blobs, _)| leases(&blobs)));
    let blob = container.get("a/state").await.expect("there");
    all.push(format!("get: {:?}, same version: {}, time: {}", blob.bytes, blob.etag == next, blob.modified.is_some()));
    note!("release another", container.release("a/state", two));
    note!("release", container.release("a/state", one));
    note!("lease after that", container.lease("a/state"));
    all.push(format!("put without a lease: {}", put("three", &next, one).await.0));
    note!("list of no lease", container.listed("a/", "").map_ok(|(blobs, _)| leases(&blobs)));
    for (what, demand) in [("the version", Demand::Version { etag: &next }), ("any", Demand::Any)] {
        let written = container.put("a/other", bytes("x"), Demand::Any).await.is_ok();
        let put = container.put("a/other", bytes("x"), demand).await;
        all.push(format!("put over {what}: {written} {}", outcome(put.map(|_| String::new()))));
    }
    note!("delete the other one", container.delete("a/other"));
    // A lease that is broken slowly.
    note!("acquire", container.acquire("a/state", one, 60));
    all.push(format!("break slowly: {}", broken(30).await));
    note!("lease that is being broken", container.lease("a/state"));
    note!("acquire the one that is being broken", container.acquire("a/state", one, 60));
    note!("acquire another meanwhile", container.acquire("a/state", two, 60));
    note!("renew what is being broken", container.renew("a/state", one));
    let (answer, next) = put("three", &next, one).await;
    all.push(format!("put meanwhile: {answer}"));
    all.push(format!("put with another lease meanwhile: {}", put("four", &next, two).await.0));
    all.push(format!("break at once: {}", broken(0).await));
    note!("lease that is broken", container.lease("a/state"));
    note!("renew what is broken", container.renew("a/state", one));
    note!("acquire the broken one", container.acquire("a/state", one, 60));
    note!("release it", container.release("a/state", one));
    note!("append to none", container.append("a/ids/1", 0, bytes("x")));
    note!("create to append", container.create_append("a/ids/1"));
    note!("create to append again", container.create_append("a/ids/1"));
    note!("append", container.append("a/ids/1", 0, bytes("hello")));
    note!("append again", container.append("a/ids/1", 5, bytes("world")));
    note!("append at the wrong place", container.append("a/ids/1", 5, bytes("world")));
    note!("read", container.read("a/ids/1", 3, 4));
    note!("read over the end", container.read("a/ids/1", 8, 10));
    note!("read behind the end", container.read("a/ids/1", 10, 10));
    note!("list", container.list("a/", 5));
    note!("list one", container.list("a/", 1));
    note!("list others", container.list("b/", 5));
    let blocks = ["QUFB".to_owned(), "QkJC".to_owned()];
    let tier = Some("Cool");
    let list = BlockBlob { blocks: &blocks, hash: "abc123", content_type: "application/gzip", tier, tags: "a=b%2Fc" };
    note!("block", container.put_block("c/1.gz", &blocks[0], bytes("one")));
    note!("list with a missing block", container.put_block_list("c/1.gz", list));
    note!("hash of none", container.content_hash("c/1.gz"));
    note!("read what isn't committed", container.get("c/1.gz"));
    note!("list what isn't committed", container.list("c/", 5));
    note!("block again", container.put_block("c/1.gz", &blocks[0], bytes("one")));
    note!("another block", container.put_block("c/1.gz", &blocks[1], bytes("two")));
    note!("an id of another length", container.put_block("c/1.gz", "QUFBQkJC", bytes("x")));
    note!("commit", container.put_block_list("c/1.gz", list));
    note!("commit again", container.put_block_list("c/1.gz", list));
    note!("hash", container.content_hash("c/1.gz"));
    all.push(format!("content: {:?}", container.get("c/1.gz").await.map(|blob| blob.bytes)));
    note!("block of what is there", container.put_block("c/1.gz", &blocks[0], bytes("other")));
    note!("commit what is there", container.put_block_list("c/1.gz", list));
    note!("hash of what was put", container.content_hash("a/state"));
    note!("delete", container.delete("a/ids/1"));
    note!("delete again", container.delete("a/ids/1"));
    all
}

fn leases(blobs: &[Listed]) -> Vec<Option<Lease>> {
    blobs.iter().map(|blob| blob.lease).collect()
}

fn outcome(answer: Result<String, BlobError>) -> String {
    match answer {
        Ok(answer) => answer,
        Err(BlobError::Conflict { status, code }) => format!("{status} {code}"),
        Err(error) => error.to_string(),
    }
}

/// The storage account in memory, with which most tests run, answers as Azurite does.
#[tokio::test]
#[ignore = "needs Azurite: cargo xtask test azurite"]
async fn azurite_and_the_simulated_account_answer_alike() {
    let azurite = Azurite::start();
    let (http, blob) = (azurite.client(), format!("{}/contract/a/state", azurite.endpoint));
    let broken = async |seconds| break_lease(http.as_ref(), &blob, &token(), seconds).await;
    let real = answers(&azurite.container("contract"), broken).await;
    let start = Timestamp::from_second(now()).expect("a time");
    let simulation = Simulation::new(SimulationOptions::default(), start);
    simulation.entra.tokens.accept("ready");
    let clock = Arc::new(TestClock::starting_at(start));
    let network = simulation.network(clock.clone(), 1);
    let env = Env { network: Arc::new(network.clone()), clock, ..nordpass_sentinel::http::system_env() };
    let credential = CredentialSettings::from(CredentialKind::Token(Secret::literal("ready")));
    let http = HttpSettings::default();
    let simulated = Container::new(Simulation::BLOB_URL, "contract", credential, &http, &env).expect("a container");
    let (client, blob) =
        (network.client(&http).expect("a client"), format!("{}/contract/a/state", Simulation::BLOB_URL));
    let broken = async |seconds| break_lease(client.as_ref(), &blob, "ready", seconds).await;
    assert_eq!(real, answers(&simulated, broken).await);
}

/// Breaks the lease on the source's state.
async fn break_the_sources_lease(azurite: &Azurite) {
    let names = azurite.container("nordpass-sentinel").list("sources/nordpass-", 1_000).await.expect("a list");
    let state = names.iter().find(|name| name.ends_with("/state")).expect("a state");
    let blob = format!("{}/nordpass-sentinel/{state}", azurite.endpoint);
    assert_eq!(break_lease(azurite.client().as_ref(), &blob, &token(), 0).await, 202);
}

/// D10 with real processes: one is killed, one is frozen and wakes up, a lease is broken. Nothing is lost, and never do both
/// ask: between two turns of one process the other one has been killed, frozen, or robbed of its lease.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Azurite: cargo xtask test azurite"]
async fn azurite_two_processes_take_turns_through_kills_and_broken_leases() {
    let pair = Pair::new().await;
    let generator = Generator::new(10, Options::default());
    let trickle = Background::spawn(pair.world.simulation.clone().trickle(generator, 2.0, Arc::new(SystemClock)));

    let mut a = Process(pair.start("a"));
    pair.until_asks("a").await;
    let b = Process(pair.start("b"));
    until("b to wait", || pair.said("b", "held by another process") > 0).await;
    until("b's other source to read", || pair.said("b", "first connection") > 0).await;
    assert_eq!(pair.turns(), ["a"]);

    // Killed: the other one takes over when the lease ends.
    let _ = a.0.kill();
    let _ = a.0.wait();
    pair.until_asks("b").await;
    a = Process(pair.start("a"));
    until("a to wait", || pair.said("a", "held by another process") > 0).await;
    assert_eq!(pair.turns(), ["a", "b"]);

    // Frozen for longer than its lease, and awake again: it asks nothing.
    signal(&b.0, "STOP");
    pair.until_asks("a").await;
    signal(&b.0, "CONT");
    until("b to notice", || pair.said("b", "has taken over this source") > 0).await;
    let asked = pair.asked_by("a");
    until("a to go on", || pair.asked_by("a") > asked + 3).await;
    assert_eq!(pair.turns(), ["a", "b", "a"]);

    // Broken: whoever gets it, the other one is silent from before that on.
    break_the_sources_lease(&pair.azurite).await;
    let asked = pair.asked.lock().expect("no panic").len();
    until("somebody to go on", || pair.asked.lock().expect("no panic").len() > asked + 10).await;
    let turns = pair.turns();
    assert!(turns == ["a", "b", "a"] || turns == ["a", "b", "a", "b"], "{turns:?}");

    // And the holder is killed at last.
    let holder = turns.last().expect("a turn").clone();
    let (mut killed, left, other) = if holder == "a" { (a, b, "b") } else { (b, a, "a") };
    let _ = killed.0.kill();
    let _ = killed.0.wait();
    pair.until_asks(other).await;
    drop(trickle);
    // What is visible now has to arrive.
    let all = pair.world.simulation.nordpass.world().total();
    until("everything to arrive", || {
        let verdict = pair.world.simulation.verdict();
        verdict.events_delivered == all && verdict.events_lost == 0
    })
    .await;
    assert_eq!(pair.turns().len(), turns.len() + 1);
    assert!(all > 520, "{all} events");
    // A copy is marked: it has the id of its first.
    let tables = ["ASimAuditEventLogs", "ASimAuthenticationEventLogs", "ASimUserManagementActivityLogs"];
    let rows = tables.iter().flat_map(|table| pair.world.simulation.ingestion.table(table).kept);
    let ids: HashSet<String> =
        rows.map(|row| serde_json::from_str::<Value>(&row).expect("JSON")["EventOriginalUid"].to_string()).collect();
    assert_eq!(ids.len() as u64, all);
    drop(left);
}

/// The archive of the real program: blobs of a recording, each event once, and a second run adds nothing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Azurite: cargo xtask test azurite"]
async fn azurite_an_archive_has_each_event_once() {
    let world = World::new(SimulationOptions { events: history(13, 300), ..SimulationOptions::default() }).await;
    let azurite = Azurite::start();
    let container = azurite.container("archive");
    container.create().await.expect("made");
    let text = format!(
        r#"
data_dir = "state"

[sources.nordpass]
type = "nordpass"
endpoint = "${{NORDPASS_ENDPOINT_URL}}"
token = "${{NORDPASS_TOKEN}}"
requests_per_second = 1000

[sinks.archive]
type = "azure_blob"
inputs = ["nordpass"]
account = "{endpoint}"
container = "archive"
path = "{{date}}/{{organization}}.ndjson.zst"
access_tier = "cool"
tags = {{ source = "nordpass" }}
credential = {{ kind = "token", token = "${{STORAGE_TOKEN}}" }}
tls = {{ ca_file = "{ca_file}" }}
"#,
        endpoint = azurite.endpoint,
        ca_file = azurite.ca_file().display(),
    );
    let file = world.pipeline("archive.toml", &text);
    let file = file.to_str().expect("a path");
    for words in [&["validate", "--connect", file][..], &["run", "--once", file], &["run", "--once", file]] {
        let mut command = world.command(words);
        command.env("STORAGE_TOKEN", token());
        let end = output(command).await;
        assert!(end.status.success(), "{words:?}: {}", said(&end));
    }
    let disk = MemoryDisk::new();
    for name in container.list("", 1_000).await.expect("a list") {
        disk.put(&name, container.get(&name).await.expect("there").bytes.to_vec());
    }
    let received = received_in_files(&disk, &disk.paths()).await.expect("blobs that can be read");
    let verdict = world.simulation.verdict_on(&received);
    let found = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(found, (300, 0, 0), "{verdict:?}");

    // And it is read back: a name that a URL has to escape, an empty blob and one of two parts, too.
    let line = "{\"type\":\"login\",\"action\":\"user_logged_in\",\"timestamp\":1738255186}\n";
    let names = ["odd/date=1~a b&c+ä.ndjson", "odd/empty", "odd/long"];
    let contents = [line.to_owned(), String::new(), line.repeat(9_000)];
    for (name, content) in names.iter().zip(contents) {
        let target = name.split('/').map(escaped).collect::<Vec<_>>().join("/");
        container.put(&target, Bytes::from(content), Demand::New).await.expect("written");
    }
    let text = format!(
        "data_dir = \"back\"\n[sources.archive]\ntype = \"file\"\npaths = [\"az://{ACCOUNT}/archive\"]\n\
         blob_endpoint = \"{}\"\ncredential = {{ kind = \"token\", token = \"${{STORAGE_TOKEN}}\" }}\n\
         tls = {{ ca_file = \"{}\" }}\n[sinks.copy]\ntype = \"file\"\ninputs = [\"archive\"]\npath = \"copy.ndjson\"\n",
        azurite.endpoint,
        azurite.ca_file().display()
    );
    let file = world.pipeline("back.toml", &text);
    for _ in 0..2 {
        let mut command = world.command(&["run", "--once", file.to_str().expect("a path")]);
        command.env("STORAGE_TOKEN", token());
        let end = output(command).await;
        assert!(end.status.success(), "{}", said(&end));
        let copy = std::fs::read_to_string(world.folder.path().join("copy.ndjson")).expect("a copy");
        assert_eq!(copy.lines().count(), 300 + 1 + 9_000);
    }
}
