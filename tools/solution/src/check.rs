//! The Sentinel solution: every query of `solution/` is bound by Microsoft's parser and executed on rows that this
//! program wrote.
//!
//! The recordings go through the real program and the ingestion simulator ([`rows`]); the Python beside the content
//! (`solution/tests/`) then binds, executes and compares. `solution/README.md` says how.

use std::process::Command;

use tools_common::process::run;
use tools_common::root;

use crate::{package, rows, tools};

/// Runs all checks, and compares the generated files.
pub fn check() -> Result<(), String> {
    package::verify()?;
    python("check")
}

/// Runs all checks, and writes the generated files.
pub fn write() -> Result<(), String> {
    python("write")
}

fn python(mode: &str) -> Result<(), String> {
    let (python, node) = (tools::kql_python()?, tools::kql_parser()?);
    let (root, work) = (root(), root().join("target/solution"));
    let script = |name: &str| {
        let mut command = Command::new(&python);
        command.arg(root.join("solution/tests").join(name)).arg("--work").arg(&work);
        command
    };
    tools_common::empty(&work)?;
    run(&mut script("month.py"))?;
    rows::write(&work)?;
    run(script("main.py").arg("--node").arg(node).arg(mode))
}
