//! `init`: what it writes validates, and delivers.

use std::process::{Command, Output, Stdio};

use nordpass_simulator::SimulationOptions;
use nordpass_simulator::judge::received_in_files;

use crate::support::{World, history, output, program, said};

const EVENTS: u64 = 300;

async fn world() -> World {
    World::new(SimulationOptions { events: history(61, 300), ..SimulationOptions::default() }).await
}

/// `init`, then `validate`, then a run to the end, all in this world's folder.
async fn first_hour(world: &World, options: &[&str]) {
    let init = [&["init", "pipeline.toml"], options].concat();
    for arguments in [
        &init[..],
        &["validate", "--no-environment", "pipeline.toml"],
        &["validate", "--connect", "pipeline.toml"],
        &["run", "--once", "--timeout", "600s", "pipeline.toml"],
    ] {
        let end = output(world.command(arguments)).await;
        assert!(end.status.success(), "{arguments:?}: {}", said(&end));
    }
}

fn assert_delivered(world: &World) {
    let verdict = world.simulation.verdict();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(counts, (EVENTS, 0, 0), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_for_the_asim_tables_delivers() {
    let world = world().await;
    first_hour(&world, &["--credential", "token", "--archive", "--api=127.0.0.1:0"]).await;
    assert_delivered(&world);
    let archived = received_in_files(&nordpass_env::SystemDisk, &world.files("archive")).await.expect("reads");
    assert_eq!(world.simulation.verdict_on(&archived).events_delivered, EVENTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_for_the_official_table_delivers_with_everything_given() {
    let world = world().await;
    let [region, endpoint, rule] =
        ["NORDPASS_ENDPOINT_URL", "DATA_COLLECTION_ENDPOINT", "DCR_IMMUTABLE_ID"].map(|name| {
            world.variables().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value).expect("a variable")
        });
    let options =
        ["--tables", "official", "--credential", "managed_identity", "--history", "30d", "--data-dir", "state"];
    let addresses = ["--region", &region, "--data-collection-endpoint", &endpoint, "--dcr-immutable-id", &rule];
    first_hour(&world, &[&options[..], &addresses[..]].concat()).await;
    assert_delivered(&world);
    assert_eq!(world.simulation.verdict().rows["NordPassEventLogs_CL"], EVENTS);
    assert!(!world.files("state").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_without_azure_writes_the_rows_of_each_table() {
    let world = world().await;
    first_hour(&world, &["--sink", "files"]).await;
    for table in ["ASimAuditEventLogs", "ASimAuthenticationEventLogs", "ASimUserManagementActivityLogs"] {
        assert!(!world.files(&format!("rows/{table}")).is_empty(), "{table}");
    }
}

/// Without a terminal nothing is asked, whatever standard input is.
#[tokio::test(flavor = "multi_thread")]
async fn the_session_reads_like_this() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = String::new();
    for line in [
        "init",
        "init",
        "init --force --sink files",
        "init -",
        "init . --force",
        "init --yes --dcr-immutable-id dcr-1 other.toml",
        "init --sink files --credential token other.toml",
        "init --region antarctica other.toml",
        "init --systemd --credential azure_cli other.toml",
        "init --systemd --region eu systemd.toml",
        "init --compose --credential managed_identity -",
        "init none/pipeline.toml",
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut command: Command = program(&arguments);
        command.current_dir(folder.path()).env_clear().stdin(Stdio::piped());
        let end: Output = output(command).await;
        let (out, err) = (String::from_utf8_lossy(&end.stdout), String::from_utf8_lossy(&end.stderr));
        let out = if line == "init -" { format!("({} lines)\n", out.lines().count()) } else { out.into_owned() };
        let code = end.status.code().unwrap_or(-1);
        session.extend([format!("$ nordpass-sentinel {line}\n{out}{err}(exit code {code})\n\n")]);
    }
    insta::assert_snapshot!(session);
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["environment.example", "nordpass-sentinel.service", "pipeline.toml", "systemd.toml"]);
}
