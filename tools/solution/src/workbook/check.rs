//! The workbook and the connector pages on rows that the real program wrote.

use std::process::{Command, Stdio};

use tools_common::process::Running;
use tools_common::root;

use super::demo::{self, Demo};
use crate::tools;

/// Binds and runs every query for every two values of two pickers, and beside it every name that could be code.
pub fn run() -> Result<(), String> {
    check(&["check", "hostile"])
}

/// Does the same for every combination of picker values.
pub fn long() -> Result<(), String> {
    check(&["long", "hostile"])
}

fn check(modes: &[&str]) -> Result<(), String> {
    let work = root().join("target/workbook");
    let (python, node) = (tools::kql_python()?, tools::kql_parser()?);
    demo::write(&work, &Demo { events: 2000, rounds: 4, hostile: true })?;
    let part = |mode: &str| {
        let mut command = Command::new(&python);
        command.arg(root().join("solution/tests/demo.py")).arg("--work").arg(&work);
        command.arg("--node").arg(&node).arg(mode).stdin(Stdio::null());
        Running::start(&mut command)
    };
    let mut parts = modes.iter().map(|mode| part(mode)).collect::<Result<Vec<_>, _>>()?;
    let mut failed = false;
    for part in &mut parts {
        failed |= !part.0.wait().map_err(|error| format!("the check doesn't end: {error}"))?.success();
    }
    if failed { Err("the workbook or a connector page is wrong: see above".to_owned()) } else { Ok(()) }
}
