//! A process ends, and another one goes on.

use std::time::Duration;

use super::rig::*;
use crate::component::{Commit, IntentChange};
use crate::event::AckOutcome;
use nordpass_simulator::Endpoint;
use nordpass_simulator::faults::{Effect, Fault, When};

/// Ends at the request after the intent: the blob isn't committed.
async fn die_with_an_intent(account: &Account, machine: &mut Machine, settings: &crate::sinks::azure_blob::Settings) {
    let when = When { endpoint: Some(Endpoint::Blob), path: Some("comp=blocklist".to_owned()), ..When::default() };
    account.simulation.faults.add(Fault::new(when, Effect::ResetBefore));
    let mut process = machine.start(settings).await;
    let _ack = process.send(&[0, 1, 2, 6]).await;
    until(|| !process.state.intents().is_empty()).await;
    process.kill().await;
    machine.restart(Some(3)).await;
    account.simulation.faults.clear();
    assert!(account.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_next_run_commits_the_blobs_and_leaves_their_events_out() {
    for shared in [false, true] {
        let account = Account::new();
        let mut machine = Machine::new(&account, 1, shared);
        die_with_an_intent(&account, &mut machine, &plain()).await;
        let mut process = machine.start(&plain()).await;
        // Without any chunk: NordPass may not have these events any more.
        until(|| account.lines() == expected([0, 1, 2, 6], 1)).await;
        let acks = [process.send(&[0, 1]).await, process.send(&[2, 3]).await, process.send(&[6]).await];
        for (sequence, (ack, events)) in acks.into_iter().zip([&[0, 1][..], &[2, 3], &[6]]).enumerate() {
            assert_eq!(ack.await, AckOutcome::Delivered);
            process.commit(events, sequence as u64).await.expect("commits");
        }
        assert_eq!((process.discarded(), process.state.intents()), (4, Vec::new()));
        process.finish().await;
        assert_eq!(account.lines(), expected([0, 1, 2, 3, 6], 1));
    }
}

/// One after the other crash comes while the events of the intent are read again.
#[tokio::test(start_paused = true)]
async fn an_intent_stays_until_all_its_events_are_committed() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    die_with_an_intent(&account, &mut machine, &plain()).await;
    for event in [0, 1, 2, 6] {
        let mut process = machine.start(&plain()).await;
        let ack = process.send(&[event]).await;
        assert_eq!(ack.await, AckOutcome::Delivered, "it is in the archive already");
        assert_eq!(process.state.intents().len(), 1);
        process.commit(&[event], 0).await.expect("commits");
        process.kill().await;
        machine.restart(Some(event)).await;
    }
    let process = machine.start(&plain()).await;
    until(|| process.state.intents().is_empty()).await;
    process.finish().await;
    assert_eq!(account.lines(), expected([0, 1, 2, 6], 1));
}

#[tokio::test(start_paused = true)]
async fn blobs_that_cannot_be_made_any_more_are_written_from_the_events() {
    for deleted in [false, true] {
        let account = Account::new();
        let mut machine = Machine::new(&account, 1, false);
        if deleted {
            // Committed, and then deleted by somebody before the state knows the events.
            let mut process = machine.start(&plain()).await;
            let ack = process.send(&[0, 1, 2, 6]).await;
            ack.await;
            process.kill().await;
            machine.restart(None).await;
            for name in account.names() {
                account.simulation.blobs.remove(ARCHIVE, &name);
            }
        } else {
            die_with_an_intent(&account, &mut machine, &plain()).await;
            account.simulation.blobs.expire_blocks();
        }
        let mut process = machine.start(&plain()).await;
        let ack = process.send(&[0, 1, 2, 6]).await;
        assert_eq!(ack.await, AckOutcome::Delivered);
        assert_eq!(process.discarded(), 0);
        process.commit(&[0, 1, 2, 6], 0).await.expect("commits");
        assert!(process.state.intents().is_empty());
        process.finish().await;
        assert_eq!(account.lines(), expected([0, 1, 2, 6], 1));
    }
}

/// The sink is renamed, and its input, between the crash and the restart.
#[tokio::test(start_paused = true)]
async fn a_sink_is_known_by_where_it_writes_too() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    die_with_an_intent(&account, &mut machine, &plain()).await;
    machine.sink = "renamed";
    let settings = settings("path = \"{date}/{organization}/{hour}.ndjson.gz\"", &["quiet"]);
    let mut process = machine.start(&settings).await;
    let ack = process.send(&[0, 1, 2, 3, 6]).await;
    assert_eq!(ack.await, AckOutcome::Delivered);
    assert_eq!(process.discarded(), 4);
    process.finish().await;
    assert_eq!(account.lines(), expected([0, 1, 2, 3, 6], 1));
}

/// A process that can't reach the storage account loses its lease in the middle of a delivery. It records nothing more, and what
/// it had recorded both commit once.
#[tokio::test(start_paused = true)]
async fn two_replicas_never_write_one_event_twice() {
    for (seed, wait) in (0..40).map(|number| (number, Duration::from_millis(7 * number))) {
        let account = Account::new();
        let (mut one, mut two) =
            (Machine::new(&account, 2 * seed + 1, true), Machine::new(&account, 2 * seed + 2, true));
        let settings = settings("path = \"{organization}.ndjson\"\nbatch = { timeout = \"1s\" }", &["nordpass"]);
        let mut first = one.start(&settings).await;
        let _ack = first.send(&[0, 1, 2, 3]).await;
        tokio::time::sleep(Duration::from_secs(1) + wait).await;
        one.network.cut(HOST);
        let mut second = two.start(&settings).await;
        let events = [0, 1, 2, 3];
        let ack = second.send(&events).await;
        one.network.restore(HOST);
        assert_eq!(ack.await, AckOutcome::Delivered);
        let commit = Commit { chunks: vec![0], ..Commit::default() };
        assert!(first.state.commit(commit).await.is_err(), "it has lost the source");
        second.commit(&events, 0).await.expect("commits");
        tokio::time::sleep(Duration::from_secs(600)).await;
        first.kill().await;
        second.finish().await;
        assert_eq!(account.lines(), expected(0..4, 1), "cut {wait:?} after the deadline");
    }
}

/// Whoever adds an intent by hand, or an older sink of the same name, is no reason to write elsewhere.
#[tokio::test(start_paused = true)]
async fn intents_of_other_sinks_and_containers() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    die_with_an_intent(&account, &mut machine, &plain()).await;
    let process = machine.start(&plain()).await;
    let hash = process.state.intents()[0].hash;
    let content = process.state.read_intent(hash).await.expect("readable");
    let other =
        String::from_utf8(content).expect("JSON").replace("\"container\":\"archive\"", "\"container\":\"elsewhere\"");
    let record = |sink: &str, content: String| IntentChange::Record {
        sink: sink.into(),
        chunks: vec![7],
        content: content.into_bytes().into(),
    };
    let foreign = other.replace("ndjson.gz", "ndjson");
    let intents = vec![record("archive", other), record("rows", foreign)];
    process.state.commit(Commit { intents, ..Commit::default() }).await.expect("commits");
    process.kill().await;
    machine.restart(None).await;
    let process = machine.start(&plain()).await;
    until(|| process.state.intents().iter().all(|intent| intent.sink == "rows" || intent.hash == hash)).await;
    assert!(process.state.intents().iter().any(|intent| intent.sink == "rows"), "that sink isn't here");
    process.finish().await;
    assert_eq!(account.lines(), expected([0, 1, 2, 6], 1));
}

/// Simulated world 61: while an optional sink waited to finish what the last run had left, its source committed the events
/// that it held.
#[tokio::test(start_paused = true)]
async fn an_optional_sink_leaves_out_what_was_committed_while_it_settled() {
    let account = Account::new();
    let mut machine = Machine::new(&account, 1, false);
    die_with_an_intent(&account, &mut machine, &plain()).await;
    let when = When { endpoint: Some(Endpoint::Blob), ..When::default() };
    account.simulation.faults.add(Fault::new(when, Effect::ResetBefore));
    let mut process = machine.start(&plain()).await;
    process.send_optional(&[0, 1, 2, 3, 6]).await;
    process.commit(&[0, 1, 2, 3, 6], 0).await.expect("commits");
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    account.simulation.faults.clear();
    until(|| account.lines().len() == 4).await;
    process.finish().await;
    assert_eq!(account.lines(), expected([0, 1, 2, 3, 6], 1));
}
