//! Servers on ports that are closed and opened again.

use std::sync::Arc;

use nordpass_env::SystemClock;
use nordpass_simulator::Gate;
use nordpass_simulator::server::{Authority, Server, ServerOptions};

use crate::support::found;

/// Listens on a port (0: any). One that was just closed may be held for a moment still.
pub async fn listen(gate: Gate, authority: Option<&Authority>, port: u16) -> Server {
    let listen = async || {
        let options = ServerOptions { port, tls: authority.cloned(), chunked: false };
        Server::start(gate.clone(), Arc::new(SystemClock), options).await.ok()
    };
    found(listen).await.unwrap_or_else(|| panic!("port {port} stays busy"))
}
