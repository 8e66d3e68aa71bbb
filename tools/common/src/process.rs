//! Runs other programs.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::root;

/// Returns a command that starts the cargo which runs this program.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command in the repository's folder and shows what it writes.
pub fn run(command: &mut Command) -> Result<(), String> {
    let line = describe(command);
    println!("$ {line}");
    let status = command.current_dir(root()).status().map_err(|error| {
        format!("can't run `{line}`: {error}\nhint: install `{}`", command.get_program().to_string_lossy())
    })?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

/// Runs a `cargo build` and shows its progress. Returns the paths of the programs that it made, by their names.
pub fn executables(cargo: &mut Command) -> Result<BTreeMap<String, PathBuf>, String> {
    let line = describe(cargo);
    println!("$ {line}");
    let cargo = cargo.arg("--message-format=json-render-diagnostics").current_dir(root());
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("can't run `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed ({})", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter_map(|message| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, PathBuf::from(message["executable"].as_str()?)))
    });
    Ok(programs.collect())
}

/// Builds `nordpass-sentinel` for tests. Returns its path.
pub fn product() -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["build", "--locked", "--bin", "nordpass-sentinel"]);
    executables(&mut build)?.remove("nordpass-sentinel").ok_or_else(|| "cargo built no `nordpass-sentinel`".to_owned())
}

/// Describes a command as one would type it, with paths relative to the repository.
fn describe(command: &Command) -> String {
    let root = format!("{}/", root().display());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().replace(&root, "")).collect::<Vec<_>>().join(" ")
}

/// A process that ends with this value, whatever happens in between.
pub struct Running(pub Child);

impl Running {
    /// Starts a program.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let child = command.spawn();
        child.map(Self).map_err(|error| format!("can't start {}: {error}", command.get_program().to_string_lossy()))
    }

    /// Starts a program and returns what it writes to standard output, too.
    pub fn piped(command: &mut Command) -> Result<(Self, BufReader<ChildStdout>), String> {
        let mut running = Self::start(command.stdout(Stdio::piped()))?;
        let output = running.0.stdout.take().ok_or("the program has no standard output")?;
        Ok((running, BufReader::new(output)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the next line that a program writes.
pub fn line(output: &mut BufReader<ChildStdout>) -> Result<String, String> {
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| format!("can't read what the program writes: {error}"))?;
    if line.is_empty() { Err("the program ended without a word".to_owned()) } else { Ok(line) }
}

/// `nordpass-sentinel simulate`, which runs until its standard input is closed.
pub struct Simulator {
    process: Running,
    output: BufReader<ChildStdout>,
    /// Its first line: endpoints and credentials.
    pub connection: Value,
}

impl Simulator {
    /// Starts `program simulate`; `configure` adds arguments.
    pub fn start(program: &Path, configure: impl FnOnce(&mut Command)) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(["simulate", "--until-stdin-closes"]).stdin(Stdio::piped());
        configure(&mut command);
        let (process, mut output) = Running::piped(&mut command)?;
        let connection = parse(&line(&mut output)?)?;
        Ok(Self { process, output, connection })
    }

    /// Ends it after it has written its last rows. Returns its last line: what was delivered.
    pub fn end(mut self) -> Result<Value, String> {
        drop(self.process.0.stdin.take());
        let summary = parse(&line(&mut self.output)?)?;
        self.process.0.wait().map_err(|error| format!("the simulator doesn't end: {error}"))?;
        Ok(summary)
    }
}

fn parse(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).map_err(|error| format!("the simulator's line isn't JSON: {error}"))
}
