//! `cargo xtask test demo`: the README's first command, as somebody has it who has just cloned the repository.
//!
//! All other tests are built with the features that are off in a plain build, so only this step runs a plain build.

use std::process::Command;

use serde_json::Value;
use tools_common::process::{build, output};
use tools_common::read;

/// The command, as the README shows it.
const COMMAND: &str = "cargo run --release -- demo";

/// Builds the program without any feature that isn't on by default, runs the demo to its end, and the tests of the pipeline files.
pub fn check() -> Result<(), String> {
    if !read("README.md")?.contains(COMMAND) {
        return Err(format!("README.md no longer shows `{COMMAND}`: let this step run what it shows"));
    }
    let program = build("nordpass-sentinel", |cargo| _ = cargo.args(["--release", "--package", "nordpass-sentinel"]))?;
    let demo = output(Command::new(&program).args(["demo", "--once", "--json"]))?;
    println!("{}", delivered(&String::from_utf8_lossy(&demo.stdout))?);
    let tests = output(Command::new(&program).args(["test", "pipelines/"]).env_clear())?;
    println!("{}", String::from_utf8_lossy(&tests.stderr).lines().last().unwrap_or_default());
    Ok(())
}

/// Reads the demo's summary: every event has to be delivered once, to both sinks.
fn delivered(summary: &str) -> Result<String, String> {
    let value: Value =
        serde_json::from_str(summary).map_err(|error| format!("the demo's summary is no JSON: {error}"))?;
    let read = value["events_read"].as_u64().unwrap_or_default();
    for side in [&value, &value["archive"]] {
        let complete = side["events_delivered"] == read && side["events_lost"] == 0 && side["events_duplicated"] == 0;
        if read == 0 || !complete {
            return Err(format!("the demo didn't deliver each event once: {}", summary.trim_end()));
        }
    }
    Ok(format!("{read} events delivered once, to Sentinel and to the archive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_that_delivers_less_or_nothing_fails() {
        let summary = |read, sent, archived| {
            let side =
                |delivered: u64| format!(r#""events_delivered":{delivered},"events_lost":0,"events_duplicated":0"#);
            delivered(&format!(r#"{{"events_read":{read},{},"archive":{{{}}}}}"#, side(sent), side(archived)))
        };
        assert!(summary(3, 3, 3).is_ok());
        assert!(summary(3, 2, 3).is_err());
        assert!(summary(3, 3, 2).is_err());
        assert!(summary(0, 0, 0).is_err());
        assert!(delivered("").is_err());
    }
}
