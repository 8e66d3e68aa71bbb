//! A state that can't be used: the program says which file, what is wrong with it and what to do, ends with 1, and changes
//! no byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nordpass_simulator::SimulationOptions;

use crate::support::{World, history, output, program, said, skipped};

/// Files with their content, folders without one.
type Content = BTreeMap<PathBuf, Option<Vec<u8>>>;

fn content(folder: &Path) -> Content {
    let (mut found, mut folders) = (Content::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let data = path.is_file().then(|| fs::read(&path).expect("reads"));
            if data.is_none() {
                folders.push(path.clone());
            }
            found.insert(path, data);
        }
    }
    found
}

/// A world with the state of a finished run of two sources, `nordpass` and `other`.
struct Ran {
    world: World,
    pipeline: String,
}

impl Ran {
    async fn new() -> Self {
        let world = World::new(SimulationOptions { events: history(51, 200), ..SimulationOptions::default() }).await;
        let text = fs::read_to_string(world.both()).expect("a file");
        let asim = text.split("[sinks.archive]").next().expect("a text");
        let source = asim.split("[transforms.asim]").next().expect("a text");
        let other = source.split("[sources.nordpass]").nth(1).expect("a source");
        let drop = "[sinks.drop]\ntype = \"blackhole\"\ninputs = [\"other\"]\n";
        let path = world.pipeline("state.toml", &format!("{asim}\n[sources.other]{other}\n{drop}"));
        let ran = Self { world, pipeline: path.to_str().expect("a path").to_owned() };
        let end = output(ran.run()).await;
        assert!(end.status.success(), "{}", said(&end));
        ran
    }

    fn run(&self) -> Command {
        self.world.command(&["--log-format", "human", "run", &self.pipeline, "--once", "--timeout", "600s"])
    }

    fn state(&self) -> PathBuf {
        self.world.folder.path().join("state")
    }

    /// The folder of a source's state.
    fn source(&self, name: &str) -> PathBuf {
        let folders = fs::read_dir(self.state().join("sources")).expect("a folder").flatten();
        let mut paths = folders.map(|entry| entry.path());
        let found =
            paths.find(|path| path.file_name().is_some_and(|folder| folder.to_string_lossy().starts_with(name)));
        found.expect("its folder")
    }

    /// Runs into this state: it must be refused in these words, and stay as it is. The other source's work goes on.
    async fn assert_refused(&self, expected: &[&str]) {
        let mine = self.source("nordpass");
        let (before, delivered) = (content(&mine), self.world.simulation.verdict().rows);
        let end = output(self.run()).await;
        assert_eq!(end.status.code(), Some(1), "{}", said(&end));
        assert_eq!(content(&mine), before, "not a byte may change");
        let said = said(&end);
        for part in expected.iter().chain(&["source nordpass failed", "Nothing was changed", "hint: "]) {
            assert!(said.contains(part), "{part:?} isn't in:\n{said}");
        }
        assert_eq!(self.world.simulation.verdict().rows, delivered, "nothing was sent again");
    }
}

/// A payload in the outer form that every version can read: see `src/state/format/frame.rs`.
fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_le_bytes();
    [&[0xC5, b'N'], &length[..], &blake3::hash(payload).as_bytes()[..8], payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_state_is_refused_and_stays_as_it_is() {
    let ran = Ran::new().await;
    let log = ran.source("nordpass").join("state.log");
    let whole = fs::read(&log).expect("reads");
    fs::write(&log, "{\"cursor\": 1799999000}").expect("writes");
    ran.assert_refused(&["state.log: the file is damaged or isn't a state of this program", "restore "]).await;
    // A byte in the middle of a good file.
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    fs::write(&log, &damaged).expect("writes");
    ran.assert_refused(&["state.log: the file is damaged at byte 0, and good data follows"]).await;
    fs::write(&log, &whole).expect("writes");
    let end = output(ran.run()).await;
    assert!(end.status.success(), "the state was good: {}", said(&end));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_state_file_is_refused_and_stays_empty() {
    let ran = Ran::new().await;
    fs::write(ran.source("nordpass").join("state.log"), "").expect("writes");
    ran.assert_refused(&["state.log: the file is empty", "move it away to start over"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sources_state_is_refused_by_its_name() {
    let ran = Ran::new().await;
    for (path, data) in content(&ran.source("other")) {
        let name = path.strip_prefix(ran.source("other")).expect("inside");
        if let Some(data) = data {
            fs::write(ran.source("nordpass").join(name), data).expect("writes");
        }
    }
    ran.assert_refused(&["runs: this is the state of the source `other` at http://127.0.0.1:"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_versions_state_is_refused_and_the_version_named() {
    let ran = Ran::new().await;
    fs::write(ran.source("nordpass").join("state.log"), frame(&[b'S', 3, 9, 9, 9])).expect("writes");
    ran.assert_refused(&["state.log: a newer version of nordpass-sentinel wrote this", "hint: run the newer version"])
        .await;
}

/// Runs the program where a folder of its world is mounted read-only: permissions wouldn't stop the root user. `None`
/// where this machine doesn't allow mounts of one's own.
async fn with_read_only(ran: &Ran, folder: &Path, timeout: &str) -> Option<Output> {
    let allowed = Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|end| end.status.success());
    if !allowed {
        skipped("`unshare -m` isn't permitted here, so that a read-only state can't be made");
        return None;
    }
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"";
    command.args(["-m", "sh", "-c", script, "sh"]).arg(folder).arg(program(&[]).get_program());
    command.args(["--log-format", "human", "run", &ran.pipeline, "--once", "--timeout", timeout]);
    let path = ran.world.command(&[]);
    command.current_dir(ran.world.folder.path()).envs(path.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(output(command).await)
}

/// Nothing can be delivered with the guarantee, and waiting doesn't cure a mount: it ends at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_data_dir_is_refused_by_its_full_path() {
    let ran = Ran::new().await;
    let (state, requests) = (ran.state(), ran.world.simulation.log().count());
    let before = content(&state);
    let Some(end) = with_read_only(&ran, &state, "60s").await else { return };
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    let said = said(&end);
    let place = format!("can't open the state in {}", state.display());
    for part in [place.as_str(), "Read-only file system", "hint: mount this folder as writable"] {
        assert!(said.contains(part), "{part:?} isn't in:\n{said}");
    }
    assert_eq!(content(&state), before);
    assert_eq!(ran.world.simulation.log().count(), requests, "nobody was asked for anything");
}

/// Only the state's files are read-only, as after an error of their disk: like a full disk it is waited for, in words, so
/// that it goes on by itself once the disk is well.
#[tokio::test(flavor = "multi_thread")]
async fn read_only_state_files_are_waited_for_in_words() {
    let ran = Ran::new().await;
    let sources = ran.state().join("sources");
    let before = content(&sources);
    let Some(end) = with_read_only(&ran, &sources, "2s").await else { return };
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    let said = said(&end);
    for part in
        ["source nordpass has been waiting since", "can't open the checkpoint", "Read-only file system", "hint: "]
    {
        assert!(said.contains(part), "{part:?} isn't in:\n{said}");
    }
    assert_eq!(content(&sources), before);
}
