//! Running other programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Runs a command in the repository's folder, its output on ours.
pub fn run(command: &mut Command) -> Result<(), String> {
    let line = describe(command);
    println!("$ {line}");
    let status = command.current_dir(crate::root()).status().map_err(|error| {
        format!("can't run `{line}`: {error}\nhint: install `{}`", command.get_program().to_string_lossy())
    })?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

/// Runs a `cargo build`, its progress on our error output. Answers the programs that it made, wherever they are.
pub fn executables(cargo: &mut Command) -> Result<BTreeMap<String, PathBuf>, String> {
    let line = describe(cargo);
    println!("$ {line}");
    let cargo = cargo.arg("--message-format=json-render-diagnostics").current_dir(crate::root());
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

/// The command as one would type it, without its folder's path.
fn describe(command: &Command) -> String {
    let root = format!("{}/", crate::root().display());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().replace(&root, "")).collect::<Vec<_>>().join(" ")
}

/// A process that ends with this value, whatever happens in between.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
