//! The Sentinel solution: every query of `solution/` is bound by Microsoft's parser and executed on rows that this
//! program wrote.
//!
//! The recordings go through the real program and the ingestion simulator ([`rows`]); the Python beside the content
//! (`solution/tests/`) then binds, executes and compares. `solution/README.md` says how.

use std::path::Path;
use std::process::Command;

use tools_common::process::{self, run};
use tools_common::root;

use crate::{package, rows, tables, tools, workbook};

/// Runs all checks, and compares the generated files.
pub fn check() -> Result<(), String> {
    package::verify()?;
    python("check")
}

/// Runs all checks, and writes the generated files.
pub fn write() -> Result<(), String> {
    python("write")
}

/// Runs the workbook's queries for every combination of picker values, and the rules over every frozen attack and month. Then
/// changes each rule in every way that a sample has to notice, and measures what rules cost over many rows. Shows what
/// they said. It takes hours.
pub fn measure() -> Result<(), String> {
    workbook::check::long()?;
    let (python, program) = (tools::kql_python()?, process::product()?);
    let columns = tables::all_columns().to_string();
    let work = |name: &str| root().join("target/samples").join(name);
    let script = |name: &str, work: &Path| {
        let mut command = Command::new(&python);
        command.arg(root().join("solution/tests").join(name)).arg("--work").arg(work);
        command
    };
    let samples = |name: &str, arguments: &[&str]| {
        let work = work(name);
        tools_common::empty(&work)?;
        tools_common::write(work.join("columns.json"), &columns)?;
        run(script("samples.py", &work).arg("--program").arg(&program).arg("--details").args(arguments))
    };
    samples("cases", &["cases", "--once"])?;
    for seed in ["1", "2", "3"] {
        for (tenant, mode) in [("all", "attacks"), ("small", "month"), ("medium", "month"), ("large", "month")] {
            samples(&format!("{mode}-{tenant}-{seed}"), &["--seed", seed, "--tenant", tenant, "--hours", "1", mode])?;
        }
    }
    run(script("mutants.py", &work("attacks-all-1")).arg("--program").arg(&program))?;
    run(&mut script("scale.py", &work("month-medium-1")))
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
