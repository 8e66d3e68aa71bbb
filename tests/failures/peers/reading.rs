//! Failures on the way from the source.

use std::time::Duration;

use http::StatusCode;
use nordpass_simulator::faults::{Effect, Fault, Plan, RetryAfter, When};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::{Endpoint, SimulationOptions, nordpass};

use crate::rig::{HOUR, MINUTE, Rig, START, event, history, pass};

/// Failure 8 of the peers: a record that arrives late is behind the cursor and lost, and a page that shifts while it is
/// read hides one record and shows another twice. Here late events are found by the overlap and the sweeps, shifted
/// pages by the count, and each event is sent once.
#[tokio::test(start_paused = true)]
async fn peers_08_late_events_and_shifting_pages_are_sent_once() {
    let late = Options { late: 0.4, late_by: 500, ..Options::default() };
    let mut events = history(3_000);
    events.extend(Generator::new(8, late).live(START, START + HOUR, 0.2));
    let nordpass = nordpass::Settings { reveal_per_request: 1, ..nordpass::Settings::default() };
    let mut rig = Rig::new(SimulationOptions { events, nordpass, ..SimulationOptions::default() });
    let appearing = (0..30).map(|number| {
        let at = START - 10 * MINUTE * (30 - number);
        event(at, &format!("appearing-{number}"), &serde_json::json!({}))
    });
    rig.simulation.nordpass.hold_back(appearing.collect());
    let life = rig.start();
    pass(3 * HOUR).await;
    assert_eq!(rig.simulation.nordpass.count(), 3_000 + 720 + 30, "all have appeared");
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}

/// Failure 12 of the peers: a source that answers 429, an error, HTML with status 200, an empty page, fewer records than
/// asked for, or nothing at all, ends the run or passes for the end of the data. Here each only delays.
#[tokio::test(start_paused = true)]
async fn peers_12_every_odd_answer_of_the_source_only_delays() {
    let status = |status: u16, body: &str, retry_after| Effect::Status {
        status: StatusCode::from_u16(status).expect("a status"),
        body: body.to_owned(),
        headers: [].into(),
        retry_after,
    };
    let effects = [
        status(429, "", Some(RetryAfter::Seconds(2))),
        status(500, "", None),
        status(503, "", Some(RetryAfter::Junk)),
        Effect::Html(StatusCode::OK),
        status(200, "", None),
        status(200, r#"{"data":null}"#, None),
        status(200, r#"{"data":[],"metadata":{"per_page":20,"current_page":3}}"#, None),
        Effect::Truncate(200),
        Effect::ResetAfter,
        Effect::None,
    ];
    let faults = effects.into_iter().map(|effect| {
        // The last one takes longer than a request may.
        let delay = if effect == Effect::None { Duration::from_secs(40) } else { Duration::ZERO };
        let when = When { endpoint: Some(Endpoint::Nordpass), probability: Some(0.03), ..When::default() };
        Fault { delay, ..Fault::new(when, effect) }
    });
    let options = SimulationOptions {
        events: history(4_000),
        nordpass: nordpass::Settings { max_page_size: 20, ..nordpass::Settings::default() },
        faults: Plan { seed: 5, faults: faults.collect() },
        ..SimulationOptions::default()
    };
    let mut rig = Rig::new(options);
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
    let happened = rig.simulation.faults.happened();
    assert!(happened.iter().all(|times| *times > 0), "each happened: {happened:?}");
}
