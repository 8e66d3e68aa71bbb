//! What the program says, and what keeps it from saying it: a standard error that nobody reads, what only this machine can
//! tell, and a crash.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use nordpass_simulator::SimulationOptions;

use crate::support::{Process, World, history, output, program, said, until};

/// A log driver that doesn't read, or Ctrl-S: nothing was delivered, and SIGTERM was not obeyed.
#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_standard_error_stops_neither_delivery_nor_sigterm() {
    let world = World::new(SimulationOptions { events: history(11, 500), ..SimulationOptions::default() }).await;
    let pipeline = world.both();
    let run = world.command(&["--log-level", "trace", "run", pipeline.to_str().expect("a path")]);
    // Fills the pipe before the program begins, so that its first line already blocks.
    let mut command = Command::new("sh");
    command.args(["-c", "head -c 65536 /dev/zero >&2; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
    command.current_dir(world.folder.path()).env_clear().env("PATH", "/usr/bin:/bin").envs(world.variables());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let unread = child.stderr.take();
    let process = Process(child);
    until("delivery", || world.simulation.verdict().events_delivered == 500).await;
    let status = process.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}");
    drop(unread);
}

/// Everything that `run` would refuse before its first request.
#[tokio::test(flavor = "multi_thread")]
async fn validation_finds_what_this_machine_would_refuse() {
    let world = World::new(SimulationOptions { events: history(12, 50), ..SimulationOptions::default() }).await;
    let good = std::fs::read_to_string(world.both()).expect("a file");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    std::fs::write(world.folder.path().join("file"), "not a folder").expect("writes");
    for (text, said_by_validate) in [
        (good.replace("data_dir = \"state\"", "data_dir = \"file\""), "a file is where a folder should be"),
        (good.replace("data_dir = \"state\"", "data_dir = \"file/state\""), "a file is where a folder should be"),
        (good.replace("path = \"archive/", "path = \"file/archive/"), "sink archive: can't write file"),
        (format!("{good}\n[api]\nlisten = \"127.0.0.1:{port}\""), "another process uses this port"),
    ] {
        let path = world.pipeline("wrong.toml", &text);
        let path = path.to_str().expect("a path");
        let _ = std::fs::remove_dir_all(world.folder.path().join("state"));
        let end = output(world.command(&["validate", path])).await;
        assert_eq!(end.status.code(), Some(1), "{}", said(&end));
        assert!(said(&end).contains(said_by_validate), "{}", said(&end));
        assert!(!world.folder.path().join("state").exists(), "it makes nothing");
        let end = output(world.command(&["validate", "--no-environment", path])).await;
        assert!(end.status.success(), "{}", said(&end));
        let end = output(world.command(&["run", "--once", path])).await;
        assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    }
    for (from, to, what) in [
        ("${DCR_IMMUTABLE_ID}", "dcr-123", "this isn't the immutable id of a data collection rule"),
        ("${NORDPASS_ENDPOINT_URL}", "https://api-activities.eu.nordpass.com", "`endpoint` has no path"),
    ] {
        let path = world.pipeline("wrong.toml", &good.replace(from, to));
        let end = output(world.command(&["validate", "--no-environment", path.to_str().expect("a path")])).await;
        assert_eq!(end.status.code(), Some(2), "{}", said(&end));
        assert!(said(&end).contains(what), "{}", said(&end));
    }
    assert_eq!(world.simulation.log().count(), 0, "nothing was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_finds_a_damaged_state_and_not_a_running_process() {
    let world = World::new(SimulationOptions { events: history(13, 50), ..SimulationOptions::default() }).await;
    let good = std::fs::read_to_string(world.both()).expect("a file");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let path = world.pipeline("api.toml", &format!("{good}\n[api]\nlisten = \"{free}\""));
    let path = path.to_str().expect("a path");
    let running = Process::start(world.command(&["run", path]));
    until("delivery", || world.simulation.verdict().events_delivered == 50).await;
    let end = output(world.command(&["validate", path])).await;
    assert!(end.status.success() && said(&end).contains("a process runs with this `data_dir`"), "{}", said(&end));
    assert!(running.terminate().await.success());

    let end = output(world.command(&["validate", path])).await;
    assert!(end.status.success(), "{}", said(&end));
    let state = world.files("state").into_iter().find(|path| path.ends_with("state.log")).expect("a state");
    std::fs::write(&state, "damaged").expect("writes");
    let end = output(world.command(&["validate", path])).await;
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    assert!(said(&end).contains("state.log") && said(&end).contains("isn't a state of this program"), "{}", said(&end));
    assert_eq!(std::fs::read(&state).expect("reads"), b"damaged", "it changes nothing");
}

/// In continuous integration there are no secrets and no ports.
#[tokio::test(flavor = "multi_thread")]
async fn no_environment_needs_no_variable_and_no_file() {
    let world = World::new(SimulationOptions::default()).await;
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let text = text.replace("${NORDPASS_TOKEN}", "${file:/run/secrets/there-is-none}");
    let path = world.pipeline("ci.toml", &text);
    let path = path.to_str().expect("a path");
    let mut command = program(&["validate", "--no-environment", path]);
    let end = output({
        command.env_clear();
        command
    })
    .await;
    assert!(end.status.success(), "{}", said(&end));
    let wrong = world.pipeline("ci.toml", &text.replace("poll_interval = \"1s\"", "poll_interval = \"1\""));
    let mut command = program(&["validate", "--no-environment", wrong.to_str().expect("a path")]);
    command.env_clear();
    let end = output(command).await;
    assert_eq!(end.status.code(), Some(2), "{}", said(&end));
    assert!(said(&end).contains("the unit is missing") && !said(&end).contains("isn't set"), "{}", said(&end));
}

/// The token stood in a core dump four times.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_no_core_dump() {
    let world = World::new(SimulationOptions { events: history(14, 50), ..SimulationOptions::default() }).await;
    let aborted = |script: &str, arguments: &[&str]| {
        let run = world.command(arguments);
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(run.get_program()).args(run.get_args());
        command.current_dir(world.folder.path()).env_clear().env("PATH", "/usr/bin:/bin").envs(world.variables());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    let mut control = aborted("ulimit -c unlimited && kill -ABRT $$", &[]);
    if !control.wait().expect("it ends").core_dumped() {
        return crate::support::skipped("no process leaves a core dump here");
    }
    let pipeline = world.both();
    let mut child = aborted("ulimit -c unlimited && exec \"$0\" \"$@\"", &["run", pipeline.to_str().expect("a path")]);
    until("delivery", || world.simulation.verdict().events_delivered == 50).await;
    let _ = Command::new("kill").args(["-ABRT", &child.id().to_string()]).status();
    let status = child.wait().expect("it ends");
    assert!(status.signal().is_some() && !status.core_dumped(), "{status}");
}

/// Periods stood in the log as seconds since 1970.
#[tokio::test(flavor = "multi_thread")]
async fn times_in_the_log_are_dates() {
    let world = World::new(SimulationOptions { events: history(3, 500), ..SimulationOptions::default() }).await;
    let file = world.both();
    let arguments = ["--log-level", "debug", "run", "--once", file.to_str().expect("a path")];
    let log = said(&output(world.command(&arguments)).await);
    let numbers = log.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let seconds: Vec<&str> =
        numbers.filter(|word| word.len() == 10 && word.starts_with("17") && word.parse::<u64>().is_ok()).collect();
    assert!(seconds.is_empty(), "{seconds:?}\n{log}");
    assert!(log.contains("\"from\":\"20"), "periods are logged, from when:\n{log}");
}
