//! D8 to D11: pages, long runs, and who else writes the state.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;

use http::StatusCode;
use nordpass_env::Clock;
use nordpass_sentinel::component::CheckpointError;
use nordpass_sentinel::state::LocalStore;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::received_in_files;
use nordpass_simulator::{Endpoint, Reply, Simulation, SimulationOptions};
use serde_json::json;

use crate::rig::{DAY, HOUR, MINUTE, Rig, START, assert_exactly_once, event, history, pass, question, until};

/// D8: an empty page is the end of the data, whatever the answer's own count says: one hiccup ends the run as a success,
/// and the cursor moves past what wasn't read. Here an empty page that contradicts the count is asked for again.
#[tokio::test(start_paused = true)]
async fn d08_an_empty_page_is_not_the_end() {
    let mut rig = Rig::new(SimulationOptions { events: history(2_000), ..SimulationOptions::default() });
    let seen = Mutex::new(HashSet::new());
    rig.twist_nordpass(move |request, now, nordpass| {
        let asked = question(request.body());
        // Each page from the second on is empty the first time that it is asked for.
        if asked["page"].as_u64() > Some(1) && seen.lock().expect("no panic").insert(asked["page"].as_u64()) {
            let body = r#"{"data":[],"metadata":{"total":2000,"per_page":100,"total_pages":20}}"#;
            return Reply::json(StatusCode::OK, body);
        }
        nordpass.handle(request, now)
    });
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
}

/// D8, second half: an answer that says "there is nothing" where there is something. The proof can't see that; the next
/// poll's overlap, the sweeps and the audit can.
#[tokio::test(start_paused = true)]
async fn d08_an_answer_that_denies_everything_is_found_out_later() {
    let mut rig = Rig::new(SimulationOptions { events: history(500), ..SimulationOptions::default() });
    rig.twist_nordpass(|request, now, nordpass| {
        let since = now.as_second() - START;
        // During the first connection, and for one poll.
        if since < MINUTE || (10 * MINUTE..11 * MINUTE).contains(&since) {
            let body = r#"{"data":[],"metadata":{"total":0,"per_page":100,"current_page":1,"total_pages":0}}"#;
            return Reply::json(StatusCode::OK, body);
        }
        nordpass.handle(request, now)
    });
    rig.simulation.nordpass.extend(vec![event(START + 10 * MINUTE, "live", &json!({}))]);
    let life = rig.start();
    pass(12 * MINUTE + 10).await;
    assert_eq!(rig.simulation.ingestion.received().probes.count("live"), 1, "the overlap finds it");
    pass(25 * HOUR).await;
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}

/// D9: a run that takes longer than the platform allows is killed before its cursor is written, so the same pages are
/// uploaded again, run after run, and it never ends. Here each life makes progress, however short it is.
#[tokio::test(start_paused = true)]
async fn d09_three_hundred_pages_with_a_kill_every_few_seconds_make_progress_in_each_life() {
    let mut rig = Rig::new(SimulationOptions { events: history(30_000), ..SimulationOptions::default() });
    let mut lives = 0;
    let mut known = 0;
    while known < 30_000 {
        let life = rig.start();
        pass(12).await;
        rig.kill(life).await;
        let now = rig.state().await.known.len();
        assert!(now > known, "life {lives}: no progress beyond {known} events");
        known = now;
        lives += 1;
        assert!(lives < 20, "{known} events after {lives} lives");
    }
    assert!(lives >= 3, "it was killed on the way");
    assert!(rig.once().await.failures.is_empty());
    let verdict = rig.asim();
    assert_eq!((verdict.events_delivered, verdict.events_lost), (30_000, 0), "{verdict:?}");
    assert_exactly_once(&rig.files("archive").await, 30_000, "the files");
    let pages = rig.requests(Endpoint::Nordpass).len();
    assert!(pages < 900, "{pages} questions for 300 pages");
}

/// D10: the cursor is written without a condition, so a second writer, or an older reading that ends late, moves it back
/// or past what nobody read. Here a second process is refused, and what counts as read only grows, though history, live
/// polls and sweeps end in any order.
#[tokio::test(start_paused = true)]
async fn d10_an_older_reading_never_moves_the_state_back() {
    let mut events = history(3_000);
    events.extend(Generator::new(10, Options::default()).live(START, START + 3 * HOUR, 0.05));
    let options = SimulationOptions { events, ..SimulationOptions::default() };
    let mut rig = Rig::new(options).with("[transforms.asim]", "requests_per_second = 1\n[transforms.asim]");
    let life = rig.start();
    pass(10).await;
    let second = LocalStore::open(rig.env(), Path::new("data")).await.err();
    assert!(matches!(second, Some(CheckpointError::Locked { .. })), "{second:?}");
    let (mut before, mut steps): (Vec<(i64, i64)>, _) = (Vec::new(), 0);
    for _ in 0..300 {
        pass(40).await;
        let document = rig.state().await.document.unwrap_or_default();
        let covered: Vec<(i64, i64)> = serde_json::from_value(document["covered"].clone()).unwrap_or_default();
        for (from, to) in &before {
            let kept = covered.iter().any(|(start, end)| start <= from && to <= end);
            assert!(kept, "{from} to {to} was covered, and now only {covered:?} is");
        }
        steps += u32::from(before != covered);
        before = covered;
    }
    assert!(steps > 100, "it moved {steps} times");
    assert_eq!(before.len(), 1, "nothing is left open: {before:?}");
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}

const ELSEWHERE: &str = "https://second.nordpass.example/activities/query";

/// D11: two deployments in one resource group share the cursor: the second organization's history is never read, and the
/// first one's endpoint and token are overwritten. Here a state belongs to a source's name and endpoint, and knows its
/// organizations: another source, another endpoint and another organization each begin with their own history.
#[tokio::test(start_paused = true)]
async fn d11_another_source_endpoint_or_organization_begins_with_its_own_history() {
    let mut rig = Rig::new(SimulationOptions { events: history(300), ..SimulationOptions::default() });
    let events = Generator::new(11, Options::default()).history(START - 6 * DAY, START - HOUR, 300);
    let options = SimulationOptions { events, ..SimulationOptions::default() };
    let second = Simulation::new(options, rig.clock.now());
    let _shared = rig.network.clone().route("second.nordpass.example", second.gate(second.nordpass.clone()));
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;

    // The same name with another endpoint, such as the other data centre's.
    let text = rig.text.clone();
    rig.text = text.replace(Simulation::NORDPASS_URL, ELSEWHERE);
    assert!(rig.once().await.failures.is_empty());
    assert_eq!(arrived(&rig, &second), (300, 300), "its history, once");

    // Another source beside the first.
    rig.text = text.clone()
        + &format!(
            "\n[sources.second]\ntype = \"nordpass\"\nendpoint = \"{ELSEWHERE}\"\n\
             token = \"simulated-nordpass-token\"\n\
             [sinks.second_file]\ntype = \"file\"\ninputs = [\"second\"]\npath = \"second/all.ndjson\"\n"
        );
    assert!(rig.once().await.failures.is_empty());
    let lines = received_in_files(&rig.disk, &["second/all.ndjson".into()]).await.expect("a file");
    assert_exactly_once(&second.verdict_on(&lines), 300, "the second source's file");
    assert_eq!(arrived(&rig, &rig.simulation), (300, 300), "the first source read nothing again");

    // The first source's token now belongs to another organization.
    rig.text = text;
    let mut third = Generator::new(12, Options::default());
    let now = rig.now();
    rig.simulation.nordpass.extend(third.history(now - 5 * DAY, now - HOUR, 200));
    rig.simulation.nordpass.extend(vec![third.event(now + MINUTE)]);
    let life = rig.start();
    until("the third organization's history", HOUR, || arrived(&rig, &rig.simulation).1 >= 501).await;
    rig.stop(life).await;
    assert_eq!(arrived(&rig, &rig.simulation), (501, 501), "all of it, once");
}

/// How many events a NordPass has, and how often they arrived in Azure, all together.
fn arrived(rig: &Rig, nordpass: &Simulation) -> (u64, u64) {
    let (all, arrived) = (nordpass.nordpass.world(), rig.simulation.ingestion.received().probes);
    (all.total(), all.iter().map(|(probe, _)| arrived.count(probe)).sum())
}
