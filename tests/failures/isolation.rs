//! One process, many organizations.

use std::fmt::Write as _;
use std::time::Duration;

use nordpass_env::Clock;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::{Simulation, SimulationOptions};

use crate::rig::{Arrivals, DAY, HOUR, INGESTION, MINUTE, Rig, START, assert_exactly_once, pass, sentinel};

/// History, and two hours of live events.
fn events(seed: u64) -> SimulationOptions {
    let mut generator = Generator::new(seed, Options { twins: 0.0, ..Options::default() });
    let mut events = generator.history(START - 6 * DAY, START - MINUTE, 1_000);
    events.extend(generator.live(START, START + 2 * HOUR, 0.05));
    SimulationOptions { events, ..SimulationOptions::default() }
}

/// Runs three organizations with a workspace each, and answers the third's arrivals. `sick`: the first one's token is
/// revoked, the second one's workspace is dead, for the whole time; afterwards all works again.
async fn third(sick: bool) -> Arrivals {
    // The third is the rig's own; so that nobody's requests decide another's latency, there is none.
    let mut rig = Rig::new(events(3));
    rig.network = rig.network.clone().latency(Duration::ZERO, Duration::ZERO);
    let mut text = "data_dir = \"data\"\n".to_owned();
    let mut add = |name: &str, nordpass: &str, azure: &str| {
        let _ = write!(
            text,
            "[sources.{name}]\ntype = \"nordpass\"\nendpoint = \"{nordpass}\"\ntoken = \"simulated-nordpass-token\"\n\
             [transforms.{name}_asim]\ntype = \"asim\"\ninputs = [\"{name}\"]\n{}",
            sentinel(&format!("{name}_sentinel"), &format!("{name}_asim"), azure)
        );
    };
    let others = [("first", events(1)), ("second", events(2))].map(|(name, options)| {
        let simulation = Simulation::new(options, rig.clock.now());
        let (nordpass, azure) = (format!("{name}.nordpass.example"), format!("{name}.ingest.example"));
        let routed = rig.network.clone().route(&nordpass, simulation.gate(simulation.nordpass.clone()));
        let _shared = routed.route(&azure, simulation.gate(simulation.ingestion.clone()));
        add(name, &format!("https://{nordpass}/activities/query"), &azure);
        simulation
    });
    add("third", Simulation::NORDPASS_URL, INGESTION);
    rig.text = text;
    // Entra is the third's; the others' workspaces accept a ready token, by the `token` credential.
    for (name, simulation) in ["first", "second"].iter().zip(&others) {
        simulation.entra.tokens.accept(*name);
        let from = rig.text.find(&format!("[sinks.{name}_sentinel.credential]")).expect("a credential");
        let until = rig.text[from..].find("[sources").map_or(rig.text.len(), |at| from + at);
        let ready = format!("[sinks.{name}_sentinel.credential]\nkind = \"token\"\ntoken = \"{name}\"\n");
        rig.text.replace_range(from..until, &ready);
    }
    let arrivals = rig.note_arrivals();
    if sick {
        others[0].nordpass.set_token(None);
        rig.network.cut("second.ingest.example");
    }
    let life = rig.start();
    pass(2 * HOUR + 5 * MINUTE).await;
    assert_exactly_once(&rig.asim(), 1_360, "the third organization");
    let arrivals = arrivals.lock().expect("no panic").clone();
    assert_eq!(arrivals.len(), 1_360);
    if sick {
        assert!(life.words("first").contains("Admin Panel"), "{}", life.words("first"));
        assert!(life.words("second_sentinel").contains("second.ingest.example"));
        let counts = others.each_ref().map(|simulation| simulation.ingestion.received().probes.total());
        assert_eq!(counts, [0, 0], "they are sick indeed");
        others[0].nordpass.set_token(Some("simulated-nordpass-token"));
        rig.network.restore("second.ingest.example");
        pass(HOUR).await;
    }
    rig.stop(life).await;
    for (name, simulation) in ["first", "second"].iter().zip(&others) {
        assert_exactly_once(&simulation.verdict(), 1_360, name);
    }
    arrivals
}

/// One process reads hundreds of organizations of a provider. That one has a revoked token and another a dead workspace
/// changes nothing for a third: each of its events arrives at the very millisecond at which it does when all are well.
#[tokio::test(start_paused = true)]
async fn a_revoked_token_and_a_dead_workspace_delay_no_other_organization() {
    let (well, sick) = (third(false).await, third(true).await);
    let later: Vec<_> = well.iter().filter(|(probe, at)| sick.get(*probe) != Some(at)).take(5).collect();
    assert!(later.is_empty(), "these arrived at another time: {later:?}");
}
