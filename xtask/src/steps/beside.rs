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
            let _ = Command::new("kill").arg("-TERM").args(descendants(self.0.0.id())).status();
        }
    }
}

/// The numbers of the processes that this one has started, and of those that they have started.
fn descendants(process: u32) -> Vec<String> {
    let (mut found, mut youngest) = (Vec::new(), vec![process.to_string()]);
    while !youngest.is_empty() {
        let children = Command::new("pgrep").args(["-P", &youngest.join(",")]).output();
        let children = children.map(|output| output.stdout).unwrap_or_default();
        youngest = String::from_utf8_lossy(&children).lines().map(str::to_owned).collect();
        found.extend(youngest.iter().cloned());
    }
    found
}

fn log() -> PathBuf {
    root().join("target/xtask-beside.log")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    /// Python's workers outlived the step that had started them.
    #[test]
    fn grandchildren_are_found() {
        let script = "sh -c 'sleep 600 & echo $!; wait' & wait";
        let mut shell = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().expect("a shell");
        let mut grandchild = String::new();
        let said = shell.stdout.take().expect("a pipe");
        BufReader::new(said).read_line(&mut grandchild).expect("a line");
        let found = descendants(shell.id());
        let _ = Command::new("kill").args(&found).status();
        let _ = shell.wait();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1], grandchild.trim());
    }
}
