//! Servers on ports that are closed and opened again.

use std::sync::Arc;
use std::time::Duration;

use nordpass_env::SystemClock;
use nordpass_simulator::Gate;
use nordpass_simulator::server::{Authority, Server, ServerOptions};

/// Listens on a port (0: any). One that was just closed may be held for a moment still.
pub async fn listen(gate: Gate, authority: Option<&Authority>, port: u16) -> Server {
    for _ in 0..100 {
        let options = ServerOptions { port, tls: authority.cloned(), chunked: false };
        match Server::start(gate.clone(), Arc::new(SystemClock), options).await {
            Ok(server) => return server,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("port {port} stays busy");
}
