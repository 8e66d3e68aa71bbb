//! Failure 10 of the peers.

use std::io;
use std::sync::{Arc, Mutex};

use nordpass_sentinel::pipeline;
use nordpass_sentinel::settings::Environment;
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::{Endpoint, SimulationOptions, entra};
use serde_json::json;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

use crate::rig::{DAY, ENTRA, HOUR, MINUTE, NORDPASS, Rig, START, event, history, pass, recorded, until};

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What must be nowhere: the NordPass token, the client secret, any bearer token.
fn assert_no_secret(place: &str, text: &str) {
    let entra = entra::Settings::default();
    for secret in ["simulated-nordpass-token", entra.client_secret.as_str(), "Bearer", "simulated-"] {
        assert!(!text.contains(secret), "{place}: a secret ({secret}) in\n{}", around(text, secret));
    }
}

/// Nor anything of an event: all addresses are under example domains, all events have a probe.
fn assert_clean(place: &str, text: &str) {
    assert_no_secret(place, text);
    for payload in ["@", "example.", "probe"] {
        assert!(!text.contains(payload), "{place}: payload ({payload}) in\n{}", around(text, payload));
    }
}

fn around<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_default()
}

/// Failure 10 of the peers: payloads, addresses and tokens are written to the log, to errors and to dead-letter files. Here
/// a run in which everything fails says nothing of them: not at trace level, not in the words for the operator, not in the
/// metrics, not in `Debug`, not in the state. A dead letter holds its record, and no secret.
#[tokio::test(start_paused = true)]
async fn peers_10_no_secret_and_no_person_in_logs_errors_debug_state_or_dead_letters() {
    let log = Log::default();
    let writer = log.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let ours = ["nordpass_sentinel", "nordpass_env", "nordpass_simulator"].map(|name| (name, LevelFilter::TRACE));
    let ours = Targets::new().with_targets(ours);
    // While there is only one subscriber in a process, a line that another test's thread meets first counts as switched
    // off for all threads. A second one that hears nothing prevents that.
    let _deaf = tracing::Dispatch::new(tracing_subscriber::registry().with(LevelFilter::OFF));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(ours).with(layer));

    let mut events = history(300);
    events.push(event(START - DAY, "poison", &json!({})));
    for name in ["odd-types", "odd-timestamps", "not-events", "long-values"] {
        events.extend(recorded(name));
    }
    let mut rig = Rig::new(SimulationOptions { events, ..SimulationOptions::default() });
    rig.simulation.ingestion.set_poison(Some("\"probe\":\"poison\""));
    let body = r#"{"error":{"code":"Refused","message":"someone@example.com with simulated-nordpass-token"}}"#;
    for (endpoint, status) in [
        (Endpoint::Nordpass, 400),
        (Endpoint::Nordpass, 401),
        (Endpoint::Nordpass, 500),
        (Endpoint::Entra, 400),
        (Endpoint::Entra, 500),
        (Endpoint::Ingestion, 400),
        (Endpoint::Ingestion, 401),
        (Endpoint::Ingestion, 403),
        (Endpoint::Ingestion, 413),
        (Endpoint::Ingestion, 500),
    ] {
        let effect = Effect::Status {
            status: http::StatusCode::from_u16(status).expect("a status"),
            body: body.to_owned(),
            headers: [].into(),
            retry_after: None,
        };
        let when = When { endpoint: Some(endpoint), every: Some(u64::from(status % 7) + 4), ..When::default() };
        rig.simulation.faults.add(Fault::new(when, effect));
    }
    let life = rig.start();
    pass(HOUR).await;
    // The words while it waits for a token, of either kind, and for either host.
    let mut said = Vec::new();
    let hear = || format!("{:?}\n{}", life.telemetry.health(), life.telemetry.render());
    rig.simulation.nordpass.set_token(None);
    rig.simulation.entra.set_secret("another");
    rig.simulation.entra.tokens.revoke_all();
    rig.simulation.nordpass.extend(vec![event(rig.now(), "afterwards", &json!({}))]);
    pass(5 * MINUTE).await;
    said.push(hear());
    rig.network.cut(NORDPASS);
    rig.network.cut(ENTRA);
    pass(5 * MINUTE).await;
    said.push(hear());
    rig.simulation.faults.clear();
    rig.network.restore(NORDPASS);
    rig.network.restore(ENTRA);
    rig.simulation.nordpass.set_token(Some("simulated-nordpass-token"));
    rig.simulation.entra.set_secret(&entra::Settings::default().client_secret);
    // Then Azure refuses each token, however new.
    rig.simulation.faults.add(Fault::status(Endpoint::Ingestion, &[], 401));
    pass(5 * MINUTE).await;
    said.push(hear());
    rig.simulation.faults.clear();
    until("the last event to arrive", HOUR, || rig.simulation.ingestion.received().probes.count("afterwards") == 1)
        .await;
    // It is the proof that Azure means the record that it refuses.
    pass(5 * MINUTE).await;
    said.push(hear());
    rig.kill(life).await;

    // A life that ends with an error.
    let state = rig.disk.paths().into_iter().find(|path| path.ends_with("state.log")).expect("a state");
    rig.disk.put(&state, "damaged");
    said.push(format!("{:?}", rig.once().await));
    let files = [("pipeline.toml".into(), rig.text.clone())];
    said.push(format!("{:?}", pipeline::load(&files, &Environment::of::<&str, &str>([])).expect("a good file").0));
    said.push(format!("{:?}", rig.env()));

    let (said, logged) = (said.join("\n"), log.text());
    for expected in ["first connection", "dead letter", "not a JSON object", "TRACE", "refuses the token"] {
        assert!(logged.contains(expected), "the log is caught: {expected}");
    }
    assert!(said.contains("Nothing was changed") && said.contains("Admin Panel"), "{said}");
    assert!(said.contains("Azure refuses the token (401)"), "{said}");
    assert_clean("the log", &logged);
    assert_clean("what it said", &said);
    let mut letters = 0;
    for path in rig.disk.paths().iter().filter(|path| path.starts_with("data")) {
        let (place, content) = (path.display().to_string(), rig.disk.content(path).unwrap_or_default());
        let content = String::from_utf8_lossy(&content);
        assert_no_secret(&place, &content);
        if path.starts_with("data/dead-letters") {
            letters += 1;
        } else {
            // An @ may stand there by chance: ids are bytes.
            assert!(!content.contains("example.") && !content.contains("probe"), "{place}");
        }
    }
    assert_eq!(letters, 2, "the source's and the sink's");
}
