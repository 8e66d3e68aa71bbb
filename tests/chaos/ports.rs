//! Servers that are gone for a while: nobody listens on their port.

use std::time::Duration;

use nordpass_env::SystemClock;
use nordpass_simulator::SimulationOptions;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::server::Background;

use crate::port::listen;
use crate::program::{Program, command, free_port, pipeline, with_api};
use crate::support::{World, found, history};

const EVENTS: usize = 3_000;
const TRICKLE: f64 = 20.0;
/// How long a port stays closed once the program has noticed.
const CLOSED: Duration = Duration::from_secs(3);

/// Closes and opens the ingestion server's port, then the NordPass server's.
pub async fn closed() -> String {
    let world = World::new(SimulationOptions { events: history(7, EVENTS), ..SimulationOptions::default() }).await;
    let mut ingestion = Some(listen(world.simulation.gate(world.simulation.ingestion.clone()), None, 0).await);
    let mut nordpass = Some(listen(world.simulation.gate(world.simulation.nordpass.clone()), None, 0).await);
    let url = |server: &Option<_>| server.as_ref().map(nordpass_simulator::server::Server::url);
    let port = free_port();
    let file = with_api(&world, &pipeline(&world), port);
    let mut start = command(&world, &file, &[]);
    let path = &world.simulation.nordpass.settings.path;
    start.env("DATA_COLLECTION_ENDPOINT", url(&ingestion).expect("it listens"));
    start.env("NORDPASS_ENDPOINT_URL", format!("{}{path}", url(&nordpass).expect("it listens")));
    let program = Program::start(start, &world, "ports", Some(port));
    let generator = Generator::new(8, Options::default());
    let clock = std::sync::Arc::new(SystemClock);
    let trickle = Background::spawn(world.simulation.clone().trickle(generator, TRICKLE, clock));
    let rows = || world.simulation.ingestion.rows().values().sum::<u64>();
    let until = async |wanted: u64| {
        let arrived = found(async || (rows() >= wanted).then_some(())).await;
        assert!(arrived.is_some(), "waited for {wanted} rows; there are {}\n{}", rows(), program.log());
    };

    until(EVENTS as u64 / 4).await;
    let mut said = Vec::new();
    for (server, gate, component) in [
        (&mut ingestion, world.simulation.gate(world.simulation.ingestion.clone()), "sentinel"),
        (&mut nordpass, world.simulation.gate(world.simulation.nordpass.clone()), "nordpass"),
    ] {
        let port = server.take().map(|server| server.address().port()).expect("it listened");
        let waiting = program.waits_for(component, "refused").await;
        said.push(waiting.to_string());
        tokio::time::sleep(CLOSED).await;
        *server = Some(listen(gate, None, port).await);
        // What happened meanwhile comes, and new things do.
        until((EVENTS as u64).max(rows()) + 40).await;
    }
    drop(trickle);
    until(world.simulation.nordpass.world().total()).await;
    program.is_ready().await;
    let verdict = world.simulation.verdict();
    assert_eq!(verdict.events_lost, 0, "{verdict:?}");
    // A request on a connection that was closed under it may have been accepted: only its copies may be there.
    format!("lost 0, {} copies; /ready said {}", verdict.events_duplicated, said.join(" and "))
}
