//! Failures around the state: what counts as delivered, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::{Endpoint, SimulationOptions};

use crate::rig::{HOUR, MINUTE, Rig, assert_exactly_once, history, pass, until};

/// Lets the machine go down right after Azure has accepted a batch, once for each time that it is armed.
pub fn go_down_after_the_answer(rig: &Rig) -> Arc<AtomicBool> {
    let armed = Arc::new(AtomicBool::new(false));
    let (disk, trigger) = (rig.disk.clone(), armed.clone());
    rig.twist_ingestion(move |request, now, azure| {
        let reply = azure.handle(request, now);
        if reply.status() == StatusCode::NO_CONTENT && trigger.swap(false, Ordering::Relaxed) {
            disk.go_down_at(0);
        }
        reply
    });
    armed
}

/// Failure 6 of the peers: a kill between the destination's answer and the checkpoint loses events where the checkpoint
/// moves first, and doubles them without a mark where it moves last. Here the events of that moment are sent again, and
/// nothing else; that copies have one id shows `d07`.
#[tokio::test(start_paused = true)]
async fn peers_06_a_kill_between_the_answer_and_the_checkpoint_doubles_but_never_loses() {
    let mut rig = Rig::new(SimulationOptions { events: history(3_000), ..SimulationOptions::default() });
    let armed = go_down_after_the_answer(&rig);
    for _ in 0..3 {
        armed.store(true, Ordering::Relaxed);
        let life = rig.start();
        rig.disk.went_down().await;
        rig.kill(life).await;
    }
    let doubled_at_most = rig.simulation.ingestion.received().probes.total();
    assert!(doubled_at_most > 0 && rig.state().await.known.len() < 3_000);
    assert!(rig.once().await.failures.is_empty());
    let verdict = rig.asim();
    assert_eq!((verdict.events_delivered, verdict.events_lost), (3_000, 0), "{verdict:?}");
    assert!((1..=doubled_at_most).contains(&verdict.events_duplicated), "{verdict:?}");
    assert_exactly_once(&rig.files("archive").await, 3_000, "the files: a kill doubles nothing there");
}

/// Failure 6 of the peers, second half: a kill after the checkpoint neither loses nor doubles.
#[tokio::test(start_paused = true)]
async fn peers_06_a_kill_after_the_checkpoint_changes_nothing() {
    let mut rig = Rig::new(SimulationOptions { events: history(1_000), ..SimulationOptions::default() });
    let life = rig.start();
    until("all to arrive", HOUR, || rig.asim().events_delivered == 1_000).await;
    pass(5).await;
    assert_eq!(rig.state().await.known.len(), 1_000);
    rig.kill(life).await;
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
}

const SECOND: &str = "second.ingest.example";

/// A pipeline with a second required destination: the official table in another workspace.
fn two_destinations() -> Rig {
    let mut rig = Rig::new(SimulationOptions { events: history(1_500), ..SimulationOptions::default() });
    let second = crate::rig::sentinel("official", "asim", SECOND);
    let second = second
        .replace(r#""asim.audit_event", "asim.authentication", "asim.user_management""#, r#""event_log""#)
        .replace(
            "\"asim.audit_event\" = \"Custom-NordPassAuditEvent\"\n",
            "event_log = \"Custom-NordPassEventLogs_CL\"\n",
        )
        .replace("\"asim.authentication\" = \"Custom-NordPassAuthentication\"\n", "")
        .replace("\"asim.user_management\" = \"Custom-NordPassUserManagement\"\n", "");
    rig.text.push_str("\n[transforms.event_log]\ntype = \"event_log\"\ninputs = [\"nordpass\"]\n");
    rig.text.push_str(&second);
    let _shared = rig.network.clone().route(SECOND, rig.simulation.gate(rig.simulation.ingestion.clone()));
    rig
}

fn official(rig: &Rig) -> u64 {
    rig.simulation.ingestion.table("NordPassEventLogs_CL").rows
}

/// Failure 7 of the peers: in a fan-out the cursor follows the first destination that answers, so what a second one
/// couldn't take is lost to it. Here the state waits for the one that is down.
#[tokio::test(start_paused = true)]
async fn peers_07_the_state_waits_for_a_destination_that_is_down() {
    let mut rig = two_destinations();
    rig.network.cut(SECOND);
    let life = rig.start();
    pass(HOUR).await;
    assert!(rig.asim().events_delivered > 0, "the other one isn't held up at once");
    assert_eq!(official(&rig), 0);
    assert!(rig.state().await.known.is_empty(), "nothing counts as delivered that one of them doesn't have");
    rig.network.restore(SECOND);
    until("all to arrive in both", 5 * MINUTE, || official(&rig) == 1_500 && rig.asim().events_delivered == 1_500)
        .await;
    rig.stop(life).await;
    rig.assert_exactly_once().await;
    assert_exactly_once(&rig.tables(&["NordPassEventLogs_CL"]), 1_500, "the official table");
}

/// Failure 7 of the peers, second half: the same with a destination that is slow.
#[tokio::test(start_paused = true)]
async fn peers_07_the_state_waits_for_a_destination_that_is_slow() {
    let mut rig = two_destinations();
    let when = When { path: Some("NordPassEventLogs".to_owned()), ..When::default() };
    let slow = Fault { delay: Duration::from_secs(25), ..Fault::new(when, Effect::None) };
    rig.simulation.faults.add(slow);
    let life = rig.start();
    let mut waited = false;
    for _ in 0..60 {
        pass(5).await;
        let (known, there) = (rig.state().await.known.len() as u64, official(&rig));
        assert!(known <= there, "{known} count as delivered, and the slow one has {there}");
        waited |= known < rig.asim().events_delivered;
    }
    assert!(waited, "it was slower than the other");
    until("all to arrive in both", HOUR, || official(&rig) == 1_500 && rig.asim().events_delivered == 1_500).await;
    rig.stop(life).await;
    rig.assert_exactly_once().await;
    assert_exactly_once(&rig.tables(&["NordPassEventLogs_CL"]), 1_500, "the official table");
}

/// Failure 9 of the peers: a checkpoint that can't be read is taken for a first run, so that days arrive twice and a
/// longer gap is lost. Here the source stops with words, asks for nothing and changes no byte. Each kind of damage, by
/// the real program, is in `tests/it/state_files.rs`.
#[tokio::test(start_paused = true)]
async fn peers_09_a_damaged_checkpoint_is_refused_and_stays_as_it_is() {
    let mut rig = Rig::new(SimulationOptions { events: history(300), ..SimulationOptions::default() });
    assert!(rig.once().await.failures.is_empty());
    let paths = rig.disk.paths();
    let log = paths.iter().find(|path| path.ends_with("state.log")).expect("a state");
    rig.disk.put(log, "{\"cursor\": 5}");
    let contents = || paths.iter().map(|path| rig.disk.content(path)).collect::<Vec<_>>();
    let (before, asked) = (contents(), rig.requests(Endpoint::Nordpass).len());
    let report = rig.once().await;
    assert_eq!(report.failures.len(), 1, "{report:?}");
    let said = format!("{} {:?}", report.failures[0].error, report.failures[0].error.hint);
    assert!(said.contains("state.log") && said.contains("Nothing was changed") && said.contains("restore"), "{said}");
    assert_eq!(paths.iter().map(|path| rig.disk.content(path)).collect::<Vec<_>>(), before);
    assert_eq!(rig.requests(Endpoint::Nordpass).len(), asked, "NordPass wasn't asked for anything");
}
