//! One process, many organizations.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use http::StatusCode;
use nordpass_env::Clock;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::{Simulation, SimulationOptions};
use serde_json::Value;

use crate::rig::{DAY, HOUR, INGESTION, MINUTE, Rig, START, assert_exactly_once, pass, sentinel};

/// When each event arrived, in milliseconds since [`START`], by probe.
type Arrivals = BTreeMap<String, i64>;

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
    let arrivals = Arc::new(Mutex::new(Arrivals::new()));
    let book = arrivals.clone();
    rig.twist_ingestion(move |request, now, azure| {
        let reply = azure.handle(request, now);
        if reply.status() == StatusCode::NO_CONTENT {
            let mut text = String::new();
            let _ = MultiGzDecoder::new(&request.body()[..]).read_to_string(&mut text);
            let rows: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
            let probes = rows.iter().filter_map(|row| row["AdditionalFields"]["probe"].as_str());
            let at = now.as_millisecond() - START * 1_000;
            book.lock().expect("no panic").extend(probes.map(|probe| (probe.to_owned(), at)));
        }
        reply
    });
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
