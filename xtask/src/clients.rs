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
        // A 429 with Retry-After on the way: the clients must survive it, and say that they met one.
        simulator.arg("--faults").arg(root.join("tests/clients/faults.toml"));
        simulator.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut simulator = Running(simulator.spawn().map_err(|error| format!("can't start the simulator: {error}"))?);
        let output = simulator.0.stdout.take().ok_or("the simulator has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).map_err(|error| format!("the simulator says nothing: {error}"))?;
        let mut command = if client == "python" {
            let mut command = Command::new(&python);
            command.arg(root.join("tests/clients/ingest.py"));
            command
        } else {
            let mut command = Command::new("node");
            command.arg(root.join("tests/clients/ingest.mjs"));
            command.env("NODE_EXTRA_CA_CERTS", &ca_file).env("NODE_PATH", node.join("node_modules"));
            command
        };
        run(command.env("SIMULATOR", line.trim()))?;
    }
    Ok(())
}
