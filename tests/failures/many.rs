//! Two thousand organizations in one process, of which four are in trouble.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use nordpass_env::Clock;
use nordpass_simulator::entra::Tokens;
use nordpass_simulator::faults::{Effect, Fault, Faults, Plan, When};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::nordpass::{self, NordPass};
use nordpass_simulator::{Gate, RequestLog, SimulatedEvent, SimulationOptions};

use crate::rig::{HOUR, INGESTION, MINUTE, Rig, START, pass, sentinel};

/// The first ones are in trouble.
const TROUBLED: usize = 4;
/// How long the test lasts.
const TIME: i64 = 20 * MINUTE;
/// What the one with a backlog has to deliver.
const BACKLOG: usize = 20_000;

/// What happens in an organization: two events while the test runs, or a backlog.
fn api(organization: usize, trouble: bool) -> (NordPass, Vec<SimulatedEvent>) {
    let options = Options { members: 4, items: 4, twins: 0.0, ..Options::default() };
    let mut generator = Generator::new(77_000 + organization as u64, options);
    let at = START + 3 * MINUTE + i64::try_from(organization * 7).expect("few") % (12 * MINUTE);
    let mut events = generator.history(at, at + 2 * MINUTE, 2);
    if trouble && organization == 1 {
        events.extend(generator.history(START - 5 * HOUR, START - MINUTE, BACKLOG));
    }
    let token = if trouble && organization == 0 { "revoked".to_owned() } else { token(organization) };
    (NordPass::new(nordpass::Settings { token, ..nordpass::Settings::default() }, events.clone()), events)
}

fn token(organization: usize) -> String {
    format!("token-{organization}")
}

/// How its API misbehaves: the third one answers after nine seconds, the fourth one with pages of a portal and half answers.
fn faults(organization: usize) -> Plan {
    let fault = |effect, delay, every| Fault {
        when: When { every: Some(every), ..When::default() },
        effect,
        delay: Duration::from_secs(delay),
    };
    match organization {
        2 => Plan { faults: vec![fault(Effect::None, 9, 1)], ..Plan::default() },
        3 => Plan {
            faults: vec![fault(Effect::Html(StatusCode::OK), 0, 2), fault(Effect::Truncate(40), 0, 1)],
            ..Plan::default()
        },
        _ => Plan::default(),
    }
}

/// How long after it was shown each event of the organizations that are well arrived, in milliseconds, the shortest time first.
async fn latencies(count: usize, trouble: bool) -> Vec<i64> {
    let mut rig = Rig::new(SimulationOptions::default());
    rig.network = rig.network.clone().latency(Duration::ZERO, Duration::ZERO);
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).expect("a folder");
    let (tokens, log) = (Tokens::default(), RequestLog::default());
    let (mut list, mut endpoints, mut well) = (String::new(), Vec::new(), BTreeMap::new());
    for organization in 0..count {
        let host = format!("o{organization}.nordpass.example");
        let (api, events) = api(organization, trouble);
        if organization >= TROUBLED {
            let times = events.iter().filter_map(|event| Some((event.probe()?.to_string(), event.visible_at)));
            well.extend(times);
        }
        let plan = if trouble { faults(organization) } else { Plan::default() };
        let gate = Gate::new(Arc::new(api), Arc::new(Faults::new(plan, rig.clock.now())), tokens.clone(), log.clone());
        let _shared = rig.network.clone().route(&host, gate);
        // The list is checked with the secrets in a folder. The program reads them through its disk.
        std::fs::write(secrets.join(format!("o{organization}")), token(organization)).expect("writes");
        rig.disk.put(secrets.join(format!("o{organization}")), token(organization));
        endpoints.push(format!("https://{host}/activities/query"));
        let _ = writeln!(
            list,
            "[o{organization}]\nid = \"c-{organization}\"\nendpoint = \"https://{host}/activities/query\"\ntoken = \
             \"o{organization}\""
        );
    }
    let file = folder.path().join("organizations.toml");
    std::fs::write(&file, list).expect("writes");
    rig.text = format!(
        "data_dir = \"data\"\n[organizations]\nfile = \"{}\"\nsecrets_dir = \"{}\"\nallowed_endpoints = {endpoints:?}\n\
         [sources.nordpass]\ntype = \"nordpass\"\ninitial_lookback = \"6h\"\n[transforms.asim]\ntype = \"asim\"\n\
         inputs = [\"nordpass\"]\n{}",
        file.display(),
        secrets.display(),
        sentinel("sentinel", "asim", INGESTION)
    );
    let arrivals = rig.note_arrivals();
    let life = rig.start();
    pass(TIME).await;
    if trouble {
        let words = |organization: usize| life.words(&format!("nordpass@o{organization}"));
        assert!(words(0).contains("Admin Panel"), "{}", words(0));
        assert!(!words(3).is_empty(), "it is hostile indeed");
    }
    rig.stop(life).await;
    let arrivals = arrivals.lock().expect("no panic");
    let latency = |(probe, shown): (&String, &i64)| {
        arrivals.get(probe).unwrap_or_else(|| panic!("{probe} isn't there")) - (shown - START) * 1_000
    };
    let mut latencies: Vec<i64> = well.iter().map(latency).collect();
    latencies.sort_unstable();
    latencies
}

/// The trouble may cost the others no more than what a batch more takes. When each one polls is left to chance, so the latencies
/// are compared as a whole: the median, nine of ten, and the longest.
async fn nobody_else_waits(count: usize) {
    let (well, troubled) = (latencies(count, false).await, latencies(count, true).await);
    for share in [50, 90, 100] {
        let at = |latencies: &[i64]| latencies[(latencies.len() - 1) * share / 100];
        let (before, with) = (at(&well), at(&troubled));
        assert!(
            with <= before + 3_000,
            "{share} % of {} events: {before} ms without the trouble, {with} ms with it",
            well.len()
        );
    }
}

/// A revoked token, a backlog, an API that takes nine seconds, and one that answers nonsense.
#[tokio::test(start_paused = true)]
async fn trouble_of_four_organizations_delays_none_of_a_hundred() {
    nobody_else_waits(100).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes several minutes: cargo test --test failures -- --ignored many"]
async fn trouble_of_four_organizations_delays_none_of_two_thousand() {
    nobody_else_waits(2_000).await;
}
