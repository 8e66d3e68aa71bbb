//! The steps that run one after the other beside the rest, in a process of their own. What they write is kept in a file.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tools_common::process::Running;
use tools_common::root;

/// The process that runs these steps.
pub struct Beside(Running);

impl Beside {
    /// Starts `cargo xtask test` with these steps alone.
    pub fn start(steps: &[&str]) -> Result<Self, String> {
        println!("== beside it: {} (target/xtask-beside.log)", steps.join(", "));
        let failed = |error| format!("can't run steps beside: {error}");
        fs::create_dir_all(root().join("target")).map_err(failed)?;
        let log = File::create(log()).map_err(failed)?;
        let errors = log.try_clone().map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("test").args(steps).stdin(Stdio::null()).stdout(log).stderr(errors);
        Running::start(&mut command).map(Self)
    }

    /// Waits for the last of them, and shows what they wrote.
    pub fn end(mut self) -> Result<(), String> {
        let status = self.0.0.wait().map_err(|error| format!("can't wait for the steps beside: {error}"))?;
        println!("\n== what ran beside\n{}", fs::read_to_string(log()).unwrap_or_default());
        if status.success() { Ok(()) } else { Err("a step that ran beside failed: see above".to_owned()) }
    }
}

impl Drop for Beside {
    /// Where another step has failed, what these have started ends, too. [`Running`] ends the process itself.
    fn drop(&mut self) {
        // Once it has been waited for, its number may be another process's.
        if matches!(self.0.0.try_wait(), Ok(None)) {
            let _ = Command::new("pkill").args(["-TERM", "-P", &self.0.0.id().to_string()]).status();
        }
    }
}

fn log() -> PathBuf {
    root().join("target/xtask-beside.log")
}
