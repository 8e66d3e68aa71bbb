//! Runs other programs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use crate::{json, root};

/// Returns a command that starts the cargo which runs this program.
///
/// What `cargo run` says of this program's own package isn't handed on: the build script of `ring` depends on those variables,
/// so it and half of the program would be built again after each change between `cargo xtask` and `cargo`.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let is_of_package = name
            .to_str()
            .is_some_and(|name| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start)));
        if is_of_package {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs a command in the repository's folder and shows what it writes.
pub fn run(command: &mut Command) -> Result<(), String> {
    println!("$ {}", describe(command));
    output(command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit())).map(drop)
}

/// Runs a command in the repository's folder. Returns what it writes.
pub fn output(command: &mut Command) -> Result<Output, String> {
    let line = describe(command);
    let output = command.current_dir(root()).output().map_err(|error| {
        format!("can't run `{line}`: {error}\nhint: install `{}`", command.get_program().to_string_lossy())
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let end = format!("`{line}` failed ({})\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    Err(end.trim_end().to_owned())
}

/// Builds a program with `cargo build` and shows the progress. Returns its path.
pub fn build(program: &str, configure: impl FnOnce(&mut Command)) -> Result<PathBuf, String> {
    build_by(cargo(), program, configure)
}

/// Builds a program like [`build`], by a command that stands in the place of `cargo`.
pub fn build_by(mut cargo: Command, program: &str, configure: impl FnOnce(&mut Command)) -> Result<PathBuf, String> {
    cargo.args(["build", "--locked", "--bin", program]);
    configure(&mut cargo);
    println!("$ {}", describe(&cargo));
    let output = output(cargo.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // The program's own unit tests are a program of the same name.
    let mut built =
        messages.filter(|message| message["target"]["name"] == program && message["profile"]["test"] == false);
    let path = built.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    path.ok_or_else(|| format!("cargo built no `{program}`"))
}

/// Builds `nordpass-sentinel` for tests. Returns its path.
pub fn product() -> Result<PathBuf, String> {
    build_with_tests("nordpass-sentinel")
}

/// Builds a program together with all tests, just as `cargo test --workspace` does. A build of its own would leave out features
/// that only the tests of some package want, and so build nearly everything a second time.
pub fn build_with_tests(program: &str) -> Result<PathBuf, String> {
    build(program, |cargo| _ = cargo.args(["--workspace", "--tests"]))
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
        let connection = json::parse("the simulator's line", line(&mut output)?)?;
        Ok(Self { process, output, connection })
    }

    /// Sets the variables that pipeline files take endpoints and credentials from.
    pub fn connect(&self, command: &mut Command) {
        for (variable, name) in [
            ("NORDPASS_ENDPOINT_URL", "nordpass_endpoint"),
            ("NORDPASS_TOKEN", "nordpass_token"),
            ("DATA_COLLECTION_ENDPOINT", "ingestion_endpoint"),
            ("DCR_IMMUTABLE_ID", "dcr_immutable_id"),
            ("AZURE_TOKEN", "ingestion_token"),
        ] {
            command.env(variable, json::text(&self.connection[name]));
        }
    }

    /// Ends it after it has written its last rows. Returns its last line: what was delivered.
    pub fn end(mut self) -> Result<Value, String> {
        drop(self.process.0.stdin.take());
        let summary = json::parse("the simulator's line", line(&mut self.output)?)?;
        self.process.0.wait().map_err(|error| format!("the simulator doesn't end: {error}"))?;
        Ok(summary)
    }
}
