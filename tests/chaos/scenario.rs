//! What is run, in which order, and its verdicts.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use crate::disks::Place;
use crate::kills::{self, AckOutcome, Chaos};
use crate::sink::Sink;
use crate::{disks, memory, mounts, ports};

/// The kinds of runs in their order: the sink, and whether everything goes over TLS.
const KINDS: [(Sink, bool); 4] =
    [(Sink::Sentinel, false), (Sink::Sentinel, true), (Sink::Http, false), (Sink::Http, true)];

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub runs: usize,
    /// In each run.
    pub kills: usize,
    /// The history's, in each run.
    pub events: usize,
    /// Only kills of a program with this sink.
    pub sink: Option<Sink>,
    /// Those of the memory scenario.
    pub many: usize,
    /// How long its sink stands still, each time.
    pub standstill: Duration,
    /// Only scenarios with one of these words in their name; all when empty.
    pub only: Vec<String>,
}

impl Plan {
    /// A part of all tests.
    pub fn short(seed: u64) -> Self {
        Self {
            seed,
            runs: 3,
            kills: 10,
            events: 8_000,
            sink: None,
            many: 50_000,
            standstill: Duration::from_secs(10),
            only: Vec::new(),
        }
    }

    /// `cargo xtask chaos`.
    pub fn long(seed: u64) -> Self {
        Self {
            runs: KINDS.len(),
            kills: 100,
            events: 60_000,
            many: 1_000_000,
            standstill: Duration::from_secs(20),
            ..Self::short(seed)
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }
}

type Scenario = Pin<Box<dyn Future<Output = String>>>;

/// Runs everything, side by side: all of it mostly waits. Whether all of it held.
pub async fn run(plan: Plan) -> bool {
    println!("chaos; seed {} decides the events, the faults and the moments, and the machine the rest", plan.seed);
    let kills = async { !plan.wants("kills") || all_kills(&plan).await };
    let (kills, others) = tokio::join!(kills, others(&plan));
    kills && others
}

async fn others(plan: &Plan) -> bool {
    let mut scenarios: Vec<(&'static str, Scenario)> = Vec::new();
    match mounts::possible() {
        Ok(()) => {
            for place in [Place::State, Place::Archive] {
                scenarios.push(("disk_full", Box::pin(disks::full(place))));
                scenarios.push(("read_only", Box::pin(disks::read_only(place))));
            }
        }
        Err(why) => {
            for name in ["disk_full", "read_only"].into_iter().filter(|name| plan.wants(name)) {
                println!("{name}: LEFT OUT, NOTHING WAS TESTED: {why}");
            }
        }
    }
    scenarios.push(("ports_closed", Box::pin(ports::closed())));
    scenarios.push(("memory", Box::pin(memory::run(plan.many, plan.standstill, plan.seed))));
    let wanted = scenarios.into_iter().filter(|(name, _)| plan.wants(name));
    let mut running: FuturesUnordered<_> = wanted.map(|(name, scenario)| timed(name, scenario)).collect();
    let mut good = true;
    while let Some(one) = running.next().await {
        good &= one;
    }
    good
}

/// One scenario and its verdict line.
async fn timed(name: &str, scenario: Scenario) -> bool {
    let began = Instant::now();
    let result = AssertUnwindSafe(scenario).catch_unwind().await;
    let took = began.elapsed().as_secs_f64();
    match &result {
        Ok(verdict) => println!("{name}: good in {took:.1} s: {verdict}"),
        Err(_) => println!("{name}: FAILED after {took:.1} s; the panic above says why"),
    }
    result.is_ok()
}

async fn all_kills(plan: &Plan) -> bool {
    let began = Instant::now();
    let (mut sum, mut good) = (AckOutcome::default(), true);
    let kinds = KINDS.into_iter().filter(|(sink, _)| plan.sink.is_none_or(|only| only == *sink));
    for (number, (sink, tls)) in kinds.collect::<Vec<_>>().into_iter().cycle().take(plan.runs).enumerate() {
        let chaos =
            Chaos { seed: plan.seed.wrapping_add(number as u64), kills: plan.kills, events: plan.events, sink, tls };
        let way = if tls { "TLS" } else { "TCP" };
        println!("kills, run {} of {}: {} over {way}", number + 1, plan.runs, sink.name());
        match kills::run(chaos).await {
            Ok(outcome) => {
                println!("  {outcome}");
                sum.add(&outcome);
            }
            Err(why) => {
                println!("  FAILED ({chaos:?}): {why}");
                good = false;
            }
        }
    }
    let word = if good { "good" } else { "FAILED, and of the good runs" };
    println!("kills: {word}: {sum}, in {:.1} s", began.elapsed().as_secs_f64());
    good
}
