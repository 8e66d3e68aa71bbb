//! Microsoft's own ingestion clients against the ingestion simulator: it counts as right only while they work.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::process::{Running, run};
use crate::steps::cargo;
use crate::tools;

/// Runs both clients over TLS.
pub fn check() -> Result<(), String> {
    let (python, node) = (tools::python()?, tools::node()?);
    run(cargo().args(["build", "--locked", "--bin", "nordpass-sentinel"]))?;
    let root = crate::root();
    let ca_file = root.join("target/tools/simulator-ca.pem");
    for client in ["python", "node"] {
        let mut simulator = Command::new(root.join("target/debug/nordpass-sentinel"));
        simulator.args(["simulate", "--tls", "--until-stdin-closes", "--events", "0", "--ca-file"]).arg(&ca_file);
        simulator.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut simulator = Running(simulator.spawn().map_err(|error| format!("can't start the simulator: {error}"))?);
        let output = simulator.0.stdout.take().ok_or("the simulator has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).map_err(|error| format!("the simulator says nothing: {error}"))?;
        let mut command = match client {
            "python" => {
                let mut command = Command::new(&python);
                command.arg(root.join("tests/clients/ingest.py"));
                command
            }
            _ => {
                // Node looks for packages beside the script, so the script runs from where they are.
                let script = node.join("ingest.mjs");
                std::fs::copy(root.join("tests/clients/ingest.mjs"), &script).map_err(|error| error.to_string())?;
                let mut command = Command::new("node");
                command.arg(script).env("NODE_EXTRA_CA_CERTS", &ca_file);
                command
            }
        };
        run(command.env("SIMULATOR", line.trim()))?;
    }
    Ok(())
}
