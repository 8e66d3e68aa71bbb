//! Crashes: at each request and each disk operation, with any part of what is acknowledged committed, again and again.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use http::StatusCode;

use super::rig::*;
use crate::event::AckOutcome;
use crate::sinks::azure_blob::Settings;
use nordpass_env::{Random, SeededRandom};
use nordpass_simulator::Endpoint;
use nordpass_simulator::faults::{Effect, Fault, When};

const EVENTS: u64 = 20;

/// What one seed decides.
struct World {
    random: SeededRandom,
    account: Account,
    machine: Machine,
    settings: Settings,
    inputs: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = SeededRandom::new(seed);
        let account = Account::new();
        let machine = Machine::new(&account, seed + 1, random.next_u64().is_multiple_of(2));
        let inputs = 1 + usize::from(random.next_u64().is_multiple_of(3));
        let path = ["{date}/{organization}/{hour}.ndjson.gz", "{hour}.ndjson", "all.ndjson.zst"];
        let path = path[(random.next_u64() % 3) as usize];
        let bytes = [1, 150, 16_000_000][(random.next_u64() % 3) as usize];
        let lines = format!("path = \"{path}\"\nbatch = {{ max_bytes = {bytes}, timeout = \"5s\" }}");
        let settings = settings(&lines, &["one", "two"][..inputs]);
        Self { random, account, machine, settings, inputs }
    }

    fn chance(&self, one_in: u64) -> bool {
        self.random.next_u64().is_multiple_of(one_in)
    }

    /// Nothing is there twice, ever.
    fn check(&self, when: &str) {
        let lines = self.account.lines();
        let twice = lines.iter().find(|(_, count)| **count > 1);
        assert_eq!(twice, None, "{when}");
    }

    /// The account has a bad time: answers that are lost, refusals, slowness; it may be over before the next life.
    fn trouble(&self) {
        self.account.simulation.faults.clear();
        let effects = [
            Effect::ResetAfter,
            Effect::ResetBefore,
            Effect::Html(StatusCode::BAD_GATEWAY),
            Effect::Status {
                status: StatusCode::SERVICE_UNAVAILABLE,
                body: String::new(),
                headers: [("x-ms-request-id".to_owned(), "1".to_owned())].into(),
                retry_after: None,
            },
        ];
        for effect in effects.into_iter().filter(|_| self.chance(4)) {
            let when = When { endpoint: Some(Endpoint::Blob), probability: Some(0.2), ..When::default() };
            self.account.simulation.faults.add(Fault::new(when, effect));
        }
        if self.chance(12) {
            self.account.simulation.blobs.expire_blocks();
        }
    }

    /// One life of the process: reads what the state doesn't know. `false` when the machine went down.
    async fn live(&mut self, all_commit: bool) -> bool {
        let life = self.random.next_u64();
        let (machine, settings) = (&mut self.machine, &self.settings);
        let (wires, disk) = (machine.wires.clone(), machine.disk.clone());
        let down = async || {
            tokio::select! {
                () = disk.went_down() => {}
                () = wires.went_down() => {}
            }
        };
        let mut process = tokio::select! {
            process = machine.start(settings) => process,
            () = down() => return false,
        };
        let random = SeededRandom::new(life);
        let ended = tokio::select! {
            () = self::read(&mut process, &random, all_commit) => true,
            () = down() => false,
        };
        if !ended {
            process.kill().await;
            return false;
        }
        tokio::select! {
            () = process.finish() => true,
            () = down() => false,
        }
    }

    async fn crash(&mut self) {
        let luck = self.random.next_u64();
        self.machine.restart((!luck.is_multiple_of(4)).then_some(luck)).await;
        self.check("after a crash");
    }
}

/// Reads the events that the state doesn't know, in chunks of some size, and commits what is acknowledged: all of it, or most.
async fn read(process: &mut Process, random: &SeededRandom, all_commit: bool) {
    let known = process.known().await;
    let missing: Vec<u64> = (0..EVENTS).filter(|event| !known.contains(event)).collect();
    let size = 1 + (random.next_u64() % 5) as usize;
    let mut acks = FuturesUnordered::new();
    for events in missing.chunks(size) {
        let ack = process.send(events).await;
        let sequence = process.last();
        acks.push(ack.map(move |outcome| (outcome, sequence, events)));
        if random.next_u64().is_multiple_of(4) {
            tokio::time::sleep(Duration::from_secs(random.next_u64() % 8)).await;
        }
    }
    let mut left = 5;
    while let Some((outcome, sequence, events)) = acks.next().await {
        assert_eq!(outcome, AckOutcome::Delivered);
        // Another sink may not have this chunk yet: for some of them in each life.
        if all_commit || left == 0 || !random.next_u64().is_multiple_of(3) {
            process.commit(events, sequence).await.expect("commits");
        } else {
            left -= 1;
        }
    }
}

async fn crash_and_recover(seed: u64, first_crash: u64, forgetful: bool) -> bool {
    let mut world = World::new(seed);
    world.machine.forgetful = forgetful;
    if world.chance(2) {
        world.trouble();
    }
    let (at_request, taken) = (world.chance(2), world.chance(2));
    if at_request || world.machine.is_shared() {
        world.machine.wires.go_down_at(first_crash, taken);
    } else {
        world.machine.disk.go_down_at(first_crash);
    }
    let reached = !world.live(false).await;
    world.crash().await;
    for _ in 0..world.random.next_u64() % 4 {
        world.trouble();
        let (at, taken) = (world.random.next_u64() % 30, world.chance(2));
        if world.chance(2) {
            world.machine.wires.go_down_at(at, taken);
        } else {
            world.machine.disk.go_down_at(at);
        }
        world.live(false).await;
        world.crash().await;
    }
    world.account.simulation.faults.clear();
    assert!(world.live(true).await);
    assert_eq!(world.account.lines(), expected(0..EVENTS, world.inputs), "at the end");
    let luck = world.random.next_u64();
    world.machine.restart(Some(luck)).await;
    assert!(world.live(true).await);
    assert_eq!(world.account.lines(), expected(0..EVENTS, world.inputs), "after a last crash");
    let process = world.machine.start(&world.settings).await;
    until(|| process.state.intents().is_empty()).await;
    process.finish().await;
    reached
}

/// For each seed the first crash comes at the first request or operation, the second, … until the run ends before it comes.
#[tokio::test(start_paused = true)]
async fn each_event_is_there_once_after_a_crash_at_any_request_and_any_operation() {
    let (seeds, mut crashes) = (16, 0);
    for seed in 0..seeds {
        for first_crash in 0.. {
            let result = AssertUnwindSafe(crash_and_recover(seed, first_crash, false)).catch_unwind().await;
            match result {
                Ok(true) => crashes += 1,
                Ok(false) => break,
                Err(panic) => panic!("{panic:?}: seed {seed}, crash at {first_crash}: see above"),
            }
            assert!(first_crash < 2_000, "it never ends");
        }
    }
    assert!(crashes > seeds * 10, "only {crashes} crashes");
}

/// The worlds must be able to fail: a sink that forgets its intents writes some events twice.
#[tokio::test(start_paused = true)]
async fn a_sink_without_intents_is_found_out() {
    let mut found = 0;
    for (seed, first_crash) in (0..8).flat_map(|seed| (0..40).map(move |first_crash| (seed, first_crash))) {
        let result = AssertUnwindSafe(crash_and_recover(seed, first_crash, true)).catch_unwind().await;
        found += usize::from(result.is_err());
    }
    assert!(found >= 8, "only {found} of 320 crashes show it");
}
