//! What is waited for, in words; what is never done meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;

use super::rig::*;
use crate::event::AckOutcome;
use nordpass_env::Clock as _;
use nordpass_simulator::Endpoint;
use nordpass_simulator::faults::{Effect, Fault, RetryAfter, When};

fn status(status: u16, code: &str, retry_after: Option<RetryAfter>) -> Effect {
    let headers: BTreeMap<String, String> =
        [("x-ms-error-code".to_owned(), code.to_owned()), ("x-ms-request-id".to_owned(), "1".to_owned())].into();
    Effect::Status {
        status: StatusCode::from_u16(status).expect("a status"),
        body: String::new(),
        headers,
        retry_after,
    }
}

fn always(effect: Effect) -> Fault {
    Fault::new(When { endpoint: Some(Endpoint::Blob), ..When::default() }, effect)
}

/// Everything that time or an operator can cure is waited for, and then each record is there once.
#[tokio::test(start_paused = true)]
async fn every_failure_is_waited_for_in_words() {
    for (effect, words) in [
        (status(403, "AuthorizationPermissionMismatch", None), "Storage Blob Data Contributor"),
        (status(403, "AuthorizationFailure", None), "firewall"),
        (status(401, "InvalidAuthenticationInfo", None), "tenant"),
        (status(429, "", Some(RetryAfter::Seconds(40))), "throttling requests"),
        (status(503, "ServerBusy", None), "internal problem"),
        (status(404, "ContainerNotFound", None), "there is no container archive"),
        (status(409, "ContainerBeingDeleted", None), "being deleted"),
        (status(400, "InvalidHeaderValue", None), "InvalidHeaderValue, 400"),
        (status(302, "", None), "302"),
        (Effect::Html(StatusCode::OK), "whether a proxy is in between"),
        (Effect::Html(StatusCode::FORBIDDEN), "forbids it"),
        (Effect::ResetAfter, "connection reset"),
    ] {
        let account = Account::new();
        let mut machine = Machine::new(&account, 1, false);
        let mut process = machine.start(&plain()).await;
        account.simulation.faults.add(always(effect.clone()));
        let mut ack = process.send(&[0, 1]).await;
        assert!(
            tokio::time::timeout(Duration::from_secs(900), &mut ack).await.is_err(),
            "{effect:?}: not acknowledged"
        );
        let reason = process.reason();
        assert!(reason.contains(words) && !reason.contains("ready"), "{effect:?}: {reason}");
        assert!(account.names().is_empty(), "{effect:?}");
        account.simulation.faults.clear();
        assert_eq!(ack.await, AckOutcome::Delivered);
        assert_eq!(process.reason(), "Working", "{effect:?}");
        process.finish().await;
        assert_eq!(account.lines(), expected(0..2, 1), "{effect:?}");
    }
}

/// Answers are lost at each request in turn; the other side had taken the request.
#[tokio::test(start_paused = true)]
async fn lost_answers_double_nothing() {
    for lost in 1..8 {
        let account = Account::new();
        let mut machine = Machine::new(&account, 1, true);
        let mut process = machine.start(&plain()).await;
        let when = When { endpoint: Some(Endpoint::Blob), nth: vec![lost], ..When::default() };
        account.simulation.faults.add(Fault::new(when, Effect::ResetAfter));
        let ack = process.send(&[0, 1, 2]).await;
        assert_eq!(ack.await, AckOutcome::Delivered);
        process.finish().await;
        assert_eq!(account.lines(), expected(0..3, 1), "answer {lost} is lost");
    }
}

/// The name of the blob that the one intent in the state is about.
async fn named(process: &Process) -> String {
    let intents = process.state.intents();
    let content = process.state.read_intent(intents[0].hash).await.expect("readable");
    let content: serde_json::Value = serde_json::from_slice(&content).expect("JSON");
    content["blobs"][0]["name"].as_str().expect("a name").to_owned()
}

/// A fault in the last step alone.
fn no_lists() -> Fault {
    let when = When { endpoint: Some(Endpoint::Blob), path: Some("comp=blocklist".to_owned()), ..When::default() };
    Fault::new(when, status(503, "ServerBusy", None))
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_blob_is_never_overwritten() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    let mut process = machine.start(&plain()).await;
    account.simulation.faults.add(no_lists());
    let mut ack = process.send(&[1]).await;
    until(|| !process.state.intents().is_empty()).await;
    let name = named(&process).await;
    account.simulation.blobs.put(ARCHIVE, &name, b"theirs", account.clock.now());
    account.simulation.faults.clear();
    assert!(tokio::time::timeout(Duration::from_secs(3_600), &mut ack).await.is_err(), "not acknowledged");
    let reason = process.reason();
    assert!(reason.contains("somebody else wrote a blob") && reason.contains("move it"), "{reason}");
    assert_eq!(account.simulation.blobs.content(ARCHIVE, &name).as_deref(), Some(&b"theirs"[..]));
    // The operator moves it. Azure has dropped the blocks when it was written, so they are written again elsewhere.
    account.simulation.blobs.remove(ARCHIVE, &name);
    assert_eq!(ack.await, AckOutcome::Delivered);
    assert_eq!(process.state.intents().len(), 1, "the void intent is replaced");
    process.finish().await;
    assert_eq!(account.lines(), expected([1], 1));
    assert!(!account.names().contains(&name));
}

/// A week of waiting, a container that is deleted and made again: blocks are gone, and written again under another name.
#[tokio::test(start_paused = true)]
async fn blocks_that_are_gone_are_written_again() {
    for recreate in [false, true] {
        let account = Account::new();
        let mut machine = Machine::new(&account, 1, false);
        let mut process = machine.start(&plain()).await;
        account.simulation.faults.add(no_lists());
        let ack = process.send(&[0, 1, 5]).await;
        until(|| !process.state.intents().is_empty()).await;
        if recreate {
            account.simulation.blobs.delete_container(ARCHIVE);
            account.simulation.blobs.create_container(ARCHIVE);
        } else {
            account.simulation.blobs.expire_blocks();
        }
        account.simulation.faults.clear();
        assert_eq!(ack.await, AckOutcome::Delivered);
        process.commit(&[0, 1, 5], process.last()).await.expect("commits");
        assert!(process.state.intents().is_empty());
        process.finish().await;
        assert_eq!(account.lines(), expected([0, 1, 5], 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_validate_tries() {
    use crate::component::SinkSettings as _;
    let account = Account::new();
    let machine = Machine::new(&account, 1, false);
    let tried = plain().probe(&machine.env()).await;
    assert_eq!(tried, Ok("the container archive takes blocks".to_owned()));
    assert!(account.names().is_empty(), "nothing is left that anybody sees");
    account.simulation.blobs.set_forbidden(true);
    assert!(plain().probe(&machine.env()).await.is_err_and(|error| error.contains("Storage Blob Data Contributor")));
    account.simulation.blobs.set_forbidden(false);
    account.simulation.blobs.delete_container(ARCHIVE);
    assert!(plain().probe(&machine.env()).await.is_err_and(|error| error.contains("create it")));
}

/// Found by the crash test: the oldest of many open intents was given up, and its events were written twice.
#[tokio::test(start_paused = true)]
async fn while_other_sinks_are_down_the_state_lists_a_bounded_number_of_intents() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    let mut process = machine.start(&plain()).await;
    let mut acks = Vec::new();
    for event in 0..30 {
        acks.push(process.send(&[event]).await);
        tokio::time::sleep(Duration::from_secs(400)).await;
    }
    assert_eq!(process.state.intents().len(), 16, "nothing is committed");
    assert!(process.reason().contains("other sinks haven't acknowledged"), "{}", process.reason());
    for (sequence, ack) in acks.into_iter().enumerate() {
        assert_eq!(ack.await, AckOutcome::Delivered);
        process.commit(&[sequence as u64], sequence as u64).await.expect("commits");
    }
    assert!(process.state.intents().is_empty());
    process.finish().await;
    assert_eq!(account.lines(), expected(0..30, 1));
}

/// Simulated world 4541: the events of sixteen intents came again in one chunk, which brought new ones, too. Those waited for
/// room in the state, and the state for that chunk.
#[tokio::test(start_paused = true)]
async fn the_intents_of_a_run_before_take_no_room() {
    for committed in [false, true] {
        let account = Account::new();
        let mut machine = Machine::new(&account, 1, false);
        let mut process = machine.start(&plain()).await;
        for event in 0..16 {
            assert_eq!(process.send(&[event]).await.await, AckOutcome::Delivered);
        }
        process.kill().await;
        machine.restart(None).await;
        let mut process = machine.start(&plain()).await;
        let again: Vec<u64> = (0..20).collect();
        let ack = process.send(&again).await;
        let delivered = tokio::time::timeout(Duration::from_secs(3_600), ack).await;
        assert_eq!(delivered, Ok(AckOutcome::Delivered), "it waits for itself");
        if committed {
            process.commit(&again, process.last()).await.expect("committed");
        }
        for event in 20..30 {
            assert_eq!(process.send(&[event]).await.await, AckOutcome::Delivered);
        }
        process.finish().await;
        assert_eq!(account.lines(), expected(0..30, 1));
    }
}
