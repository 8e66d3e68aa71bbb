//! Every file in `pipelines/` runs, with a port of its own where it has `[api]`: tests run side by side.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use nordpass_env::{SystemClock, SystemDisk};
use nordpass_simulator::SimulationOptions;
use nordpass_simulator::judge::{Received, received_in_files};
use nordpass_simulator::server::{Server, ServerOptions};

use crate::support::{World, history, now, output, program, repository, said};

async fn world() -> World {
    World::new(SimulationOptions { events: history(5, 2_000), ..SimulationOptions::default() }).await
}

/// Runs a file of `pipelines/` to its end and answers what it wrote to standard output.
async fn run(world: &World, name: &str) -> Vec<u8> {
    let path = copy(world, name);
    let arguments = ["run", path.to_str().expect("a path"), "--once", "--timeout", "600s"];
    let end = output(world.command(&arguments)).await;
    assert!(end.status.success(), "{name}: {}", said(&end));
    end.stdout
}

/// A copy in the world's folder.
fn copy(world: &World, name: &str) -> PathBuf {
    let text = std::fs::read_to_string(repository("pipelines").join(name)).expect("a file");
    world.pipeline(name, &text.replace("127.0.0.1:8686", "127.0.0.1:0"))
}

fn assert_all_delivered(world: &World, name: &str) {
    let verdict = world.simulation.verdict();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(counts, (2_000, 0, 0), "{name}: {verdict:?}");
}

async fn assert_all_in(world: &World, files: &[std::path::PathBuf]) {
    let received: Received = received_in_files(&SystemDisk, files).await.expect("reads");
    let verdict = world.simulation.verdict_on(&received);
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(counts, (2_000, 0, 0), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn demo() {
    let world = world().await;
    run(&world, "demo.toml").await;
    assert_all_delivered(&world, "demo.toml");
    assert_all_in(&world, &world.files("demo/archive")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_in_needs_only_the_official_connectors_variables_and_a_managed_identity() {
    let world = world().await;
    run(&world, "drop-in.toml").await;
    assert_all_delivered(&world, "drop-in.toml");
    assert_eq!(world.simulation.verdict().rows["NordPassEventLogs_CL"], 2_000);
}

/// The storage account is the simulated one, with the official connector's cursor in it.
#[tokio::test(flavor = "multi_thread")]
async fn shared_checkpoint_goes_on_from_the_official_connectors_cursor() {
    let world = world().await;
    let blobs = ServerOptions::default();
    let blobs = Server::start(world.simulation.gate(world.simulation.blobs.clone()), Arc::new(SystemClock), blobs)
        .await
        .expect("listens");
    // An hour after the beginning of the history, which is seven days long: the overlap is ten minutes.
    let cursor = now() - 6 * 86_400;
    let written = Timestamp::from_second(cursor).expect("a time");
    let (container, blob) = ("nordpass-function-container", "nordpass-activities-cursor");
    world.simulation.blobs.put(container, blob, &cursor.to_be_bytes(), written);
    let path = copy(&world, "shared-checkpoint.toml");
    let run = || {
        let mut command = world.command(&["run", path.to_str().expect("a path"), "--once", "--timeout", "600s"]);
        command.env("CHECKPOINT_ENDPOINT", blobs.url());
        output(command)
    };
    let end = run().await;
    assert!(end.status.success(), "{}", said(&end));
    let log = String::from_utf8_lossy(&end.stderr).into_owned();
    assert!(log.contains("taking over: the official connector's cursor at nordpass-function-container"), "{log}");
    let verdict = world.simulation.verdict();
    assert_eq!((verdict.events_lost, verdict.events_duplicated), (0, 0), "{verdict:?}");
    assert!(verdict.events_delivered > 1_000 && verdict.events_delivered < 2_000, "{verdict:?}");
    let names = world.simulation.blobs.names("nordpass-sentinel");
    assert!(names.iter().any(|name| name.ends_with("/state")), "{names:?}");
    // A second run finds its state, and the lease given back.
    let end = run().await;
    assert!(end.status.success(), "{}", said(&end));
    let again = world.simulation.verdict();
    assert_eq!((again.events_delivered, again.events_duplicated), (verdict.events_delivered, 0), "{again:?}");
    assert_eq!(world.simulation.blobs.content(container, blob), Some(cursor.to_be_bytes().to_vec()));
    // And `validate --connect` says what it would find.
    let mut command = world.command(&["validate", "--connect", path.to_str().expect("a path")]);
    command.env("CHECKPOINT_ENDPOINT", blobs.url());
    world.simulation.blobs.set_forbidden(true);
    let end = output(command).await;
    assert!(!end.status.success() && said(&end).contains("Storage Blob Data Contributor"), "{}", said(&end));
}

/// The two files for Azure proper name no authority, so their client secret would be asked for at Microsoft's own
/// login. Here it goes to the simulated Entra by one more line, over TLS, with a certificate authority of the test's.
async fn run_with_client_secret(name: &str) -> World {
    let world = end_with_client_secret(name).await;
    assert_all_delivered(&world, name);
    world
}

/// The same for a file that leaves something out.
async fn end_with_client_secret(name: &str) -> World {
    let options = SimulationOptions { events: history(5, 2_000), ..SimulationOptions::default() };
    let world = World::with_tls(options).await;
    let text = std::fs::read_to_string(repository("pipelines").join(name)).expect("a file");
    let authority =
        format!("client_secret = \"${{AZURE_CLIENT_SECRET}}\"\nauthority_host = \"{}\"", world.servers.entra.url());
    let with_authority = text.replacen("client_secret = \"${AZURE_CLIENT_SECRET}\"", &authority, 1);
    assert_ne!(text, with_authority, "the line that it stands for is there");
    // A port of its own: tests run side by side.
    let with_authority = with_authority.replace("127.0.0.1:8686", "127.0.0.1:0");
    let trust = "\n[sources.nordpass.tls]\nca_file = \"ca.pem\"\n\n[sinks.sentinel.tls]\nca_file = \"ca.pem\"\n";
    let path = world.pipeline(name, &format!("{with_authority}{trust}"));
    let mut command = world.command(&["run", path.to_str().expect("a path"), "--once", "--timeout", "600s"]);
    command.env("PSEUDONYM_KEY", "0123456789abcdef0123456789abcdef");
    let end = output(command).await;
    assert!(end.status.success(), "{name}: {}", said(&end));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn nordpass_to_sentinel() {
    run_with_client_secret("nordpass-to-sentinel.toml").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nordpass_to_sentinel_and_files() {
    let world = run_with_client_secret("nordpass-to-sentinel-and-files.toml").await;
    assert_all_in(&world, &world.files("archive")).await;
}

/// What is wanted is in Azure, with the tenant's field and without people; the rest is in the archive, or dropped on purpose.
#[tokio::test(flavor = "multi_thread")]
async fn shape() {
    let world = end_with_client_secret("shape.toml").await;
    let azure = world.simulation.verdict();
    assert_eq!((azure.events_duplicated, azure.events_unknown, azure.rows_without_probe), (0, 0, 0), "{azure:?}");
    for name in ["ASimAuditEventLogs", "ASimAuthenticationEventLogs", "ASimUserManagementActivityLogs"] {
        assert_eq!(world.simulation.ingestion.table(name).dropped_columns.len(), 0, "{name}");
    }
    let files = world.files("archive");
    let archived = world.simulation.verdict_on(&received_in_files(&SystemDisk, &files).await.expect("reads"));
    assert!(azure.events_delivered > 100 && archived.events_delivered > 100, "{azure:?} {archived:?}");
    assert!(azure.events_delivered + archived.events_delivered <= 2_000, "{azure:?} {archived:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_health() {
    let world = run_with_client_secret("with-health.toml").await;
    // With `--once` one round, when NordPass is read: two sources and a sink.
    let table = world.simulation.ingestion.table("NordPassConnectorHealth_CL");
    assert_eq!((table.rows, table.dropped_columns.len(), table.times_replaced), (3, 0, 0));
    assert_eq!(world.simulation.verdict().rows_without_probe, 0, "health is no event");
}

#[tokio::test(flavor = "multi_thread")]
async fn console_for_vector() {
    let world = world().await;
    let lines = run(&world, "console-for-vector.toml").await;
    let path = world.folder.path().join("out.ndjson");
    std::fs::write(&path, lines).expect("writes");
    assert_all_in(&world, &[path]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = repository("pipelines/replay-recording.toml");
    let mut command = program(&["run", path.to_str().expect("a path"), "--once", "--timeout", "600s"]);
    let recordings = repository("tests/fixtures/recorded/*.ndjson").display().to_string();
    command.current_dir(folder.path()).env_clear().env("RECORDING", recordings);
    let end = output(command).await;
    assert!(end.status.success(), "{}", said(&end));
    let rows = |table: &str| {
        let text = std::fs::read_to_string(folder.path().join(format!("replay/{table}.ndjson"))).expect("a table");
        text.lines().count()
    };
    let tables = ["ASimAuditEventLogs", "ASimAuthenticationEventLogs", "ASimUserManagementActivityLogs"];
    let total: usize = tables.into_iter().map(rows).sum();
    // 395 lines and the events of 14 pages, less what isn't an event.
    assert!(total > 400, "{total} rows");
}
