//! Runs Microsoft's own ingestion clients against the ingestion simulator, which counts as right only while they work.

use std::process::Command;

use tools_common::process::{Simulator, product, run};
use tools_common::root;

use crate::tools;

/// Runs both clients over TLS.
pub fn check() -> Result<(), String> {
    let (python, node) = (tools::python()?, tools::node()?);
    let (program, root) = (product()?, root());
    let ca_file = root.join("target/tools/simulator-ca.pem");
    let mut ingest_python = Command::new(python);
    ingest_python.arg(root.join("tests/clients/ingest.py"));
    let mut ingest_node = Command::new("node");
    ingest_node.arg(root.join("tests/clients/ingest.mjs"));
    ingest_node.env("NODE_EXTRA_CA_CERTS", &ca_file).env("NODE_PATH", node);
    for mut client in [ingest_python, ingest_node] {
        let simulator = Simulator::start(&program, |command| {
            command.args(["--tls", "--events", "0", "--ca-file"]).arg(&ca_file);
            // A 429 with Retry-After on the way: the clients must survive it, and say that they met one.
            command.arg("--faults").arg(root.join("tests/clients/faults.toml"));
        })?;
        run(client.env("SIMULATOR", simulator.connection.to_string()))?;
    }
    Ok(())
}
