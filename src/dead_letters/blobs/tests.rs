//! Dead dead letters in a storage account in memory, at paused time: lost answers, other writers, blobs that are full.

mod lock;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;

use super::*;
use crate::azure::{CredentialKind, CredentialSettings};
use crate::component::DeadLetter;
use crate::dead_letters::write::DeadLetterLog;
use crate::dead_letters::{DeadLetterFolder, Resending, StoredDeadLetter};
use crate::event::EventId;
use crate::http::HttpSettings;
use crate::settings::Secret;
use crate::telemetry::{ComponentReporter, ComponentState};
use nordpass_env::{Clock, Env, MemoryDisk, SeededRandom, TestClock};
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::{Endpoint, Simulation, SimulationOptions};

const CONTAINER: &str = "states";
const BLOB: &str = "set/dead-letters/s.ndjson";
const SECOND: &str = "set/dead-letters/s.2.ndjson";

struct World(Simulation, TestClock);

impl World {
    fn new() -> Self {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let simulation = Simulation::new(SimulationOptions::default(), now);
        simulation.entra.tokens.accept("ready");
        Self(simulation, TestClock::starting_at(now))
    }

    /// The environment of a process with this seed.
    fn process(&self, seed: u64) -> (Env, DeadLetterFolder) {
        self.folder(seed, Arc::new(self.1.clone()))
    }

    /// The same, on a machine with its own clock.
    fn folder(&self, seed: u64, clock: Arc<dyn Clock>) -> (Env, DeadLetterFolder) {
        let network = self.0.network(Arc::new(self.1.clone()), seed);
        let env = Env {
            clock,
            random: Arc::new(SeededRandom::new(seed)),
            disk: Arc::new(MemoryDisk::new()),
            network: Arc::new(network.latency(Duration::from_millis(5), Duration::from_millis(50))),
        };
        let credential = CredentialSettings::from(CredentialKind::Token(Secret::literal("ready")));
        let http = HttpSettings { request_timeout: Duration::from_secs(10), ..HttpSettings::default() };
        let container = Container::new(Simulation::BLOB_URL, CONTAINER, credential, &http, &env);
        let folder = DeadLetterFolder::in_blobs(container.expect("settings"), "set/", &env);
        (env, folder)
    }

    async fn dead_letters(&self) -> Vec<StoredDeadLetter> {
        let folder = self.process(99).1;
        loop {
            // A test's fault may strike only here.
            match folder.list().await {
                Ok(dead_letters) => return dead_letters,
                Err(error) => assert!(storage_trouble(&error).is_some(), "{error}"),
            }
        }
    }

    /// Number of whole dead letters in the blobs, including copies.
    fn lines(&self) -> usize {
        let text = |blob| self.0.blobs.content(CONTAINER, blob).unwrap_or_default();
        let lines = [text(BLOB), text(SECOND)].concat();
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok())
            .count()
    }

    fn fault(&self, path: &str, nth: &[u64], times: u64, effect: Effect) {
        let when = When {
            endpoint: Some(Endpoint::Blob),
            path: Some(path.to_owned()),
            nth: nth.to_vec(),
            times: Some(times),
            ..When::default()
        };
        self.0.faults.add(Fault::new(when, effect));
    }
}

fn status(status: u16) -> Effect {
    let status = StatusCode::from_u16(status).expect("a status");
    Effect::Status { status, body: String::new(), headers: BTreeMap::new(), retry_after: None }
}

fn dead_letter(id: u128, record: &str) -> DeadLetter {
    DeadLetter {
        id: EventId(id),
        shown_id: None,
        organization: None,
        stream: Some("A".to_owned()),
        reason: "refused".into(),
        status: Some(400),
        code: None,
        request_id: None,
        time: 1,
        record: record.to_owned(),
    }
}

async fn open(folder: &DeadLetterFolder) -> DeadLetterLog {
    DeadLetterLog::open(folder, "s").await.expect("nothing is asked")
}

#[tokio::test(start_paused = true)]
async fn two_processes_and_a_third_one_later_write_each_letter_once() {
    let world = World::new();
    let (a, b) = (open(&world.process(1).1).await, open(&world.process(2).1).await);
    assert_eq!(world.0.log().count(), 0, "without a dead letter nothing is asked");
    assert_eq!(b.write(&[dead_letter(9, "{}")]).await.expect("writes"), 1);
    assert_eq!(a.write(&[dead_letter(1, "{}")]).await.expect("writes"), 1);
    // B doesn't know the first yet: the position tells.
    assert_eq!(b.write(&[dead_letter(1, "{}"), dead_letter(2, "{}")]).await.expect("writes"), 1);
    assert_eq!(a.write(&[dead_letter(2, "{}"), dead_letter(9, "{}")]).await.expect("writes"), 0);
    let (_, third) = world.process(3);
    assert_eq!(open(&third).await.write(&[dead_letter(1, "{}"), dead_letter(2, "{}")]).await.expect("writes"), 0);
    assert_eq!((world.lines(), world.dead_letters().await.len()), (3, 3));
}

/// Every kind of fault at each request in turn, while a second process writes the same: each dead letter is there once,
/// and none stays uncounted.
#[tokio::test(start_paused = true)]
async fn each_request_may_fail_in_each_way() {
    let mut happened = 0;
    for effect in [
        Effect::ResetBefore,
        Effect::ResetAfter,
        Effect::Html(StatusCode::OK),
        status(500),
        status(503),
        status(403),
        status(404),
    ] {
        for nth in 1..=14 {
            let world = World::new();
            world.fault("/", &[nth], 1, effect.clone());
            let ((env, folder), (others, other)) = (world.process(1), world.process(2));
            let (a, b) = (open(&folder).await, open(&other).await);
            let (telemetry, told) = (ComponentReporter::detached(), ComponentReporter::detached());
            for id in 0..3 {
                a.keep(&[dead_letter(id, "{}")], &env, &telemetry).await;
                b.keep(&[dead_letter(id + 1, "{}")], &others, &told).await;
            }
            happened += world.0.log().entries().iter().filter(|entry| entry.fault).count();
            let ids: HashSet<String> =
                world.dead_letters().await.into_iter().map(|dead_letter| dead_letter.id).collect();
            assert_eq!((world.lines(), ids.len()), (4, 4), "{effect:?} at {nth}");
            let counted = telemetry.numbers().totals().dead_letters + told.numbers().totals().dead_letters;
            // If two processes wrote a dead letter and one failed, it is unclear whose it is. Better one too many.
            assert!((4..=5).contains(&counted), "{counted}: {effect:?} at {nth}");
        }
    }
    assert!(happened > 60, "{happened}");
}

#[tokio::test(start_paused = true)]
async fn many_writers_at_once_with_lost_answers() {
    let world = World::new();
    let when = When { endpoint: Some(Endpoint::Blob), probability: Some(0.2), times: Some(60), ..When::default() };
    world.0.faults.add(Fault::new(when, Effect::ResetAfter));
    let mut tasks = Vec::new();
    for number in 0..4 {
        let (env, folder) = world.process(number);
        let dead_letters = Arc::new(open(&folder).await);
        for start in [0, 5] {
            let (dead_letters, env) = (dead_letters.clone(), env.clone());
            tasks.push(tokio::spawn(async move {
                for id in start..start + 15 {
                    dead_letters.keep(&[dead_letter(id, "{}")], &env, &ComponentReporter::detached()).await;
                }
            }));
        }
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!((world.lines(), world.dead_letters().await.len()), (20, 20));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_for_in_words_and_nothing_counts_before() {
    let world = World::new();
    let (env, folder) = world.process(1);
    let dead_letters = open(&folder).await;
    world.0.blobs.set_forbidden(true);
    let telemetry = ComponentReporter::detached();
    let dead_letter = [dead_letter(1, "{}")];
    let mut keeping = std::pin::pin!(dead_letters.keep(&dead_letter, &env, &telemetry));
    assert!(tokio::time::timeout(Duration::from_secs(3_600), &mut keeping).await.is_err(), "not before it is durable");
    let ComponentState::Waiting { reason, .. } = telemetry.status().get() else {
        panic!("{:?}", telemetry.status().get())
    };
    assert!(reason.contains("Storage Blob Data Contributor") && !reason.contains("data_dir"), "{reason}");
    world.0.blobs.set_forbidden(false);
    assert_eq!(keeping.await, 1);
    assert_eq!(world.lines(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_is_full_is_followed_by_another_and_one_that_is_gone_is_made_anew() {
    let world = World::new();
    // Responses with one name each: the list must be followed.
    world.0.blobs.set_page(1);
    let (a, b) = (open(&world.process(1).1).await, open(&world.process(2).1).await);
    for dead_letters in [&a, &b] {
        dead_letters.write(&[dead_letter(1, "{}")]).await.expect("writes");
    }
    world.0.blobs.fill(CONTAINER, BLOB);
    assert_eq!(a.write(&[dead_letter(2, "{}")]).await.expect("writes"), 1);
    assert_eq!(b.write(&[dead_letter(2, "{}"), dead_letter(3, "{}")]).await.expect("writes"), 1);
    let third = open(&world.process(3).1).await;
    let again: Vec<_> = (1..=3).map(|id| dead_letter(id, "{}")).collect();
    assert_eq!(third.write(&again).await.expect("writes"), 0);
    assert_eq!((world.lines(), world.dead_letters().await.len()), (3, 3));
    assert!(world.0.blobs.content(CONTAINER, SECOND).is_some());
    for blob in [BLOB, SECOND] {
        world.0.blobs.remove(CONTAINER, blob);
    }
    assert_eq!(a.write(&[dead_letter(4, "{}")]).await.expect("writes"), 1);
    assert_eq!(b.write(&[dead_letter(5, "{}")]).await.expect("writes"), 1);
    assert_eq!(world.dead_letters().await.len(), 2);
}

/// The container belongs to the deployment: created if it never existed, and never again once it did. Nothing counts as
/// written before it is back.
#[tokio::test(start_paused = true)]
async fn a_container_that_is_deleted_is_waited_for_and_not_made_again() {
    for restored in [true, false] {
        let world = World::new();
        let blobs = &world.0.blobs;
        let (env, folder) = world.process(1);
        let dead_letters = open(&folder).await;
        assert_eq!(
            dead_letters.write(&[dead_letter(1, "{}")]).await.expect("writes"),
            1,
            "it is made at the first letter"
        );
        blobs.delete_container(CONTAINER);
        let telemetry = ComponentReporter::detached();
        let second = [dead_letter(2, "{}")];
        let mut keeping = std::pin::pin!(dead_letters.keep(&second, &env, &telemetry));
        assert!(
            tokio::time::timeout(Duration::from_secs(600), &mut keeping).await.is_err(),
            "not before it is durable"
        );
        let ComponentState::Waiting { reason, .. } = telemetry.status().get() else {
            panic!("{:?}", telemetry.status().get())
        };
        assert!(reason.contains("container no longer exists") && reason.contains("recreate it"), "{reason}");
        assert!(!blobs.has_container(CONTAINER));
        let lost = Resending::begin(folder.clone(), Duration::ZERO, false).await.err().expect("nowhere to lock");
        assert!(lost.to_string().contains("container no longer exists"), "{lost}");
        assert!(!blobs.has_container(CONTAINER));
        if restored {
            assert!(blobs.restore_container(CONTAINER));
        } else {
            blobs.create_container(CONTAINER);
        }
        assert_eq!(keeping.await, 1);
        assert_eq!(world.lines(), if restored { 2 } else { 1 });
    }
}

/// A record that doesn't fit one request is sent in pieces. One cut off by a crash is neither a dead letter nor an
/// obstacle.
#[tokio::test(start_paused = true)]
async fn a_large_record_is_whole_or_not_there() {
    let world = World::new();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(9 << 20));
    let (env, folder) = world.process(1);
    world.fault("appendblock", &[3], 1, Effect::ResetAfter);
    let both = [dead_letter(1, "{}"), dead_letter(2, &large)];
    assert_eq!(open(&folder).await.keep(&both, &env, &ComponentReporter::detached()).await, 2);
    let dead_letters = world.dead_letters().await;
    assert_eq!(dead_letters.len(), 2);
    assert_eq!(folder.record(&dead_letters[1]).await.expect("readable"), large);
    assert_eq!(world.lines(), 2);
    // The process dies between the pieces.
    world.fault("appendblock", &[2], 1, status(503));
    open(&folder).await.write(&[dead_letter(3, &large)]).await.expect_err("the second piece");
    let next = open(&world.process(2).1).await;
    assert_eq!(next.write(&[dead_letter(4, "{}")]).await.expect("writes"), 1);
    assert_eq!(next.write(&[dead_letter(3, &large)]).await.expect("writes"), 1);
    let ids: Vec<_> = world
        .dead_letters()
        .await
        .into_iter()
        .map(|dead_letter| dead_letter.id.trim_start_matches('0').to_owned())
        .collect();
    assert_eq!(ids, ["1", "2", "4", "3"]);
}
